//! Scopes: the allocations of a piece of work on any threads, separate from everything else.

use memprof::report::{Allocations, Report};
use memprof::{Scope, ScopeExt, memprofile};
use memprof_tests::{Program, Table, block, line, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

fn made(report: &Report, function: &str, words: &str) -> Allocations {
    line(report, function, words).own
}

fn live(made: Allocations) -> [i64; 2] {
    [made.live_bytes(), made.live_count()]
}

#[memprofile(print = "never")]
fn keeps(bytes: usize) -> Vec<u8> {
    drop(block(10));
    block(bytes) // kept
}

#[test]
fn a_scope_has_what_was_done_in_it_and_nothing_else() {
    let scope = Scope::new("mine");
    let outside = keeps(1000);
    let inside = scope.run(|| keeps(200));
    let after = keeps(3000);

    let report = scope.report();
    assert_eq!(live(made(&report, "keeps", "kept")), [200, 1]);
    assert_eq!(made(&report, "keeps", "drop").temporary_count, 1);
    assert_eq!(report.total.allocated_bytes, 210);
    assert_eq!(scope.usage().allocated_bytes, 210);
    assert_eq!(scope.usage().peak_bytes, 200);

    // A block of the scope that is freed later, on another thread.
    thread::spawn(|| drop(inside)).join().unwrap();
    let report = scope.report();
    assert_eq!(live(made(&report, "keeps", "kept")), [0, 0]);
    // It wasn't freed in the scope.
    assert_eq!(scope.usage().freed_bytes, 10);
    drop((outside, after));
    // Functions only: resident memory in the report is that of the process.
    assert_eq!(scope.report().functions, report.functions);
}

#[test]
fn what_is_done_in_an_inner_scope_is_the_outer_ones_too() {
    let outer = Scope::new("outer");
    let inner = outer.run(|| Scope::new("inner"));
    let kept = outer.run(|| {
        let first = keeps(100);
        let second = inner.run(|| keeps(20));
        (first, second, keeps(3))
    });
    // Also if the thread isn't in the outer scope.
    let more = inner.run(|| keeps(4000));

    assert_eq!(inner.usage().net_bytes(), 4020);
    assert_eq!(outer.usage().net_bytes(), 4123);
    assert_eq!(live(made(&inner.report(), "keeps", "kept")), [4020, 2]);
    assert_eq!(live(made(&outer.report(), "keeps", "kept")), [4123, 4]);
    drop((kept, more));
    assert_eq!(live(outer.report().total), [0, 0]);
}

#[test]
fn what_outlives_an_inner_scope_is_freed_in_the_outer_one() {
    let outer = Scope::new("outer");
    let kept = outer.run(|| {
        let inner = Scope::new("inner");
        inner.run(|| keeps(50))
    });
    assert_eq!(live(outer.report().total), [50, 1]);
    // Other scopes may reuse the slot of the inner one.
    let others: Vec<Scope> = (0..50).map(|_| Scope::new("other")).collect();
    drop(kept);
    assert_eq!(live(outer.report().total), [0, 0]);
    drop(others);
}

#[test]
fn what_outlives_inner_scopes_and_is_freed_by_other_threads_is_all_accounted_for() {
    let outer = Scope::new("outer");
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (give, take) = sync_channel(20);
            let scope = outer.clone();
            let makes = thread::spawn(move || {
                for bytes in 1..2000 {
                    let _guard = scope.enter();
                    let inner = Scope::new("inner");
                    give.send(inner.run(|| keeps(bytes))).unwrap();
                }
            });
            [makes, thread::spawn(move || take.iter().for_each(drop))]
        })
        .collect();
    for worker in workers.into_iter().flatten() {
        worker.join().unwrap();
    }
    let report = outer.report();
    assert_eq!(live(made(&report, "keeps", "kept")), [0, 0]);
    let made = made(&report, "keeps", "kept");
    assert_eq!(made.allocated_bytes, 3 * (1..2000).sum::<u64>());
}

#[test]
fn scopes_that_have_ended_leave_their_places_though_the_one_around_them_goes_on() {
    run(|| {
        let outer = Scope::new("outer");
        let _guard = outer.enter();
        for bytes in 0..10_000 {
            let inner = Scope::new("inner");
            drop(inner.run(|| keeps(bytes)));
            if bytes % 500 == 0 {
                let total = inner.report().total;
                assert_eq!(total.allocated_bytes, bytes as u64 + 10);
            }
        }
        assert_eq!(live(outer.report().total), [0, 0]);
        // There are no counters left for the last of these scopes. They must not count blocks of
        // other scopes.
        let kept: Vec<_> = (0..5000)
            .map(|_| Scope::new("inner").run(|| keeps(1)))
            .collect();
        drop(kept);
        assert_eq!(live(Scope::new("inner").report().total), [0, 0]);
    });
}

#[test]
fn another_scope_that_is_not_inside_leaves_the_first_without_what_it_does() {
    let [one, other] = ["one", "other"].map(Scope::new);
    let kept = one.run(|| (keeps(1), other.run(|| keeps(20)), keeps(300)));

    assert_eq!(one.usage().net_bytes(), 301);
    assert_eq!(other.usage().net_bytes(), 20);
    drop(kept);
}

#[test]
fn peaks_are_those_of_the_stretches_one_after_the_other() {
    let scope = Scope::new("peaks");
    let kept = scope.run(|| block(100));
    let outside = block(10_000);
    scope.run(|| drop(block(500)));
    scope.run(|| drop(kept));
    scope.run(|| drop(block(50)));

    assert_eq!(scope.usage().peak_bytes, 600);
    assert_eq!(scope.usage().net_bytes(), 0);
    drop(outside);
}

#[test]
fn the_report_of_a_scope_has_no_peak_and_so_no_error_of_it() {
    let scope = Scope::new("beside others");
    // With several threads, the peak of the process isn't exact.
    let threads: Vec<_> = (0..8).map(|_| thread::spawn(|| drop(keeps(1)))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let report = scope.run(|| {
        drop(keeps(1000));
        scope.report()
    });

    assert_eq!(report.total.bytes_at_peak, 0);
    assert_eq!(report.peak_error_bytes, 0);
}

#[test]
fn a_scope_takes_no_peak_from_who_measures_around_it() {
    let scope = Scope::new("inner");
    let ((), usage) = memprof::measure(|| {
        drop(block(1000));
        scope.run(|| drop(block(10)));
    });
    assert_eq!(usage.peak_bytes, 1000);

    let ((), usage) = memprof::measure(|| {
        drop(block(10));
        scope.run(|| drop(block(1000)));
        drop(block(20));
    });
    assert_eq!(usage.peak_bytes, 1000);
    assert_eq!(usage.allocated_bytes, 1030);
}

#[memprofile(columns = "hits, allocated, freed, peak")]
fn guards(scope: &Scope) {
    drop(block(5000)); // before
    let guard = scope.enter();
    drop(block(300)); // in it
    drop(block(70)); // also
    drop((guard, block(100))); // after
}

#[test]
fn a_scope_that_begins_and_ends_in_a_shown_function_changes_none_of_its_numbers() {
    let mut program = Program::new(|| {
        let scope = Scope::new("across lines");
        guards(&scope);
        let usage = scope.usage();
        assert_eq!((usage.allocated_bytes, usage.peak_bytes), (470, 300));
    });
    let tables = Table::all_in(&program.stdout());

    let rows = [
        ("before", 5000),
        ("in it", 300),
        ("also", 70),
        ("after", 100),
    ];
    for (words, bytes) in rows {
        let row = tables[0].row(&format!("// {words}"));
        let numbers = ["Allocated", "Freed", "Peak"].map(|heading| row.number(heading));
        assert_eq!(numbers, [Some(bytes); 3], "{words}");
    }
    assert_eq!(tables[0].row("let guard").number("Allocated"), Some(0));
}

#[test]
fn guards_dropped_out_of_order_are_said_and_harm_nobody() {
    let [one, other] = ["one", "other"].map(Scope::new);
    let first = one.enter();
    let second = other.enter();
    drop(first);
    let kept = keeps(100);
    drop(second);
    let outside = keeps(1000);

    assert!(one.is_disordered());
    assert!(!other.is_disordered());
    assert_eq!(one.usage().allocated_bytes, 0);
    assert_eq!(other.usage().net_bytes(), 100);
    assert!(Scope::current().is_none());
    drop((kept, outside));
}

#[test]
fn a_guard_left_behind_is_the_threads_own_trouble() {
    let scope = Scope::new("forgotten");
    let inside = scope.clone();
    thread::spawn(move || std::mem::forget(inside.enter()))
        .join()
        .unwrap();
    let kept = scope.run(|| keeps(7));

    assert_eq!(scope.usage().net_bytes(), 7);
    drop(kept);
}

#[memprofile(print = "never")]
async fn waits_and_keeps(bytes: usize) -> Vec<u8> {
    let first = block(bytes);
    tokio::task::yield_now().await;
    let second = block(bytes);
    tokio::task::yield_now().await;
    drop(second);
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_in_as_many_scopes_dont_see_each_other() {
    let tasks = (1..=100_u16).map(|bytes| {
        let scope = Scope::new(bytes.to_string());
        let task = tokio::spawn(waits_and_keeps(bytes.into()).with_scope(&scope));
        (u64::from(bytes), scope, task)
    });
    for (bytes, scope, task) in tasks.collect::<Vec<_>>() {
        let kept = task.await.unwrap();
        let report = scope.report();
        let first = made(&report, "waits_and_keeps", "let first");
        assert_eq!(live(first), [bytes.cast_signed(), 1]);
        let second = made(&report, "waits_and_keeps", "let second");
        assert_eq!((second.allocated_bytes, second.live_count()), (bytes, 0));
        // At least: the runtime may have allocated during a poll.
        assert!(scope.usage().allocated_bytes >= 2 * bytes);
        drop(kept);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_scope_spawns_can_inherit_it() {
    let scope = Scope::new("parent");
    let kept = async {
        let inherits = tokio::spawn(waits_and_keeps(1000).with_current_scope());
        let does_not = tokio::spawn(waits_and_keeps(50));
        (inherits.await.unwrap(), does_not.await.unwrap())
    };
    let kept = kept.with_scope(&scope).await;

    let report = scope.report();
    assert_eq!(
        live(made(&report, "waits_and_keeps", "let first")),
        [1000, 1]
    );
    drop(kept);
}

#[test]
fn a_future_dropped_half_way_is_dropped_in_its_scope() {
    let scope = Scope::new("cancelled");
    {
        let mut future = pin!(waits_and_keeps(400).with_scope(&scope));
        let context = &mut Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(context).is_pending());
        assert_eq!(scope.usage().net_bytes(), 400);
    }
    let usage = scope.usage();
    assert_eq!((usage.allocated_bytes, usage.freed_bytes), (400, 400));
    assert_eq!(live(scope.report().total), [0, 0]);
}

#[test]
fn a_block_that_outlives_its_scope_is_still_its_lines() {
    let before = memprof::report();
    let kept: Vec<_> = (0..5000)
        .map(|_| Scope::new("short").run(|| outlives(3)))
        .collect();
    let since = memprof::report().since(&before);
    assert_eq!(live(made(&since, "outlives", "kept")), [15_000, 5000]);

    // A new scope that reuses a slot has none of the blocks.
    let next = Scope::new("next");
    drop(kept);
    assert_eq!(next.report().total, Allocations::default());
    let since = memprof::report().since(&before);
    assert_eq!(live(made(&since, "outlives", "kept")), [0, 0]);
}

#[memprofile(print = "never")]
fn outlives(bytes: usize) -> Vec<u8> {
    block(bytes) // kept
}

#[test]
fn more_scopes_than_there_is_room_for_still_know_their_usage() {
    run(|| {
        let scopes: Vec<_> = (0..5000).map(|_| Scope::new("many")).collect();
        for scope in &scopes {
            drop(scope.run(|| keeps(10)));
            assert_eq!(scope.usage().allocated_bytes, 20);
        }
        let reports = scopes.iter().map(Scope::report);
        let with_lines = reports.filter(|report| report.total.allocated_bytes == 20);
        assert_eq!(with_lines.count(), 4096);
    });
}

#[test]
fn a_scope_costs_the_program_no_bytes() {
    let ((), usage) = memprof::measure(|| {
        let scope = Scope::new(String::new());
        let inner = scope.run(|| Scope::new(String::new()));
        inner.run(|| {});
        let _both = (scope.clone(), inner);
    });
    assert_eq!(usage, memprof::Usage::default());
}

#[memprofile(print = "never")]
fn enters_in_the_middle(scope: &Scope) -> Vec<u8> {
    drop(block(4));
    let guard = scope.enter();
    let kept = block(50); // kept
    drop(guard);
    kept
}

#[test]
fn a_scope_entered_in_the_middle_of_a_function_has_the_lines_that_follow() {
    let outer = Scope::new("around the middle");
    let inner = outer.run(|| Scope::new(String::new()));
    let kept = enters_in_the_middle(&inner);

    for scope in [&outer, &inner] {
        let report = scope.report();
        let line = made(&report, "enters_in_the_middle", "// kept");
        assert_eq!(live(line), [50, 1]);
        assert_eq!(report.total.allocated_bytes, 50);
    }
    drop(kept);
    assert_eq!(live(inner.report().total), [0, 0]);
}

#[test]
fn many_scopes_inside_each_other_end_on_a_small_stack() {
    run(|| {
        let mut scope = Scope::new("outermost");
        for _ in 0..5000 {
            scope = scope.run(|| Scope::new("inner"));
        }
        let small = thread::Builder::new().stack_size(64 << 10);
        small.spawn(move || drop(scope)).unwrap().join().unwrap();
    });
}

#[test]
fn a_scope_without_room_ends_no_other() {
    run(|| {
        let scopes: Vec<_> = (0..4096).map(|_| Scope::new("in time")).collect();
        drop(Scope::new("too late"));
        let next: Vec<_> = (0..3).map(|_| Scope::new("too late, too")).collect();
        for scope in scopes.iter().chain(&next) {
            drop(scope.run(|| keeps(10)));
        }

        let totals = scopes.iter().map(|scope| scope.report().total);
        assert!(totals.into_iter().all(|total| total.allocated_bytes == 20));
        let totals = next.iter().map(|scope| scope.report().total);
        assert!(
            totals
                .into_iter()
                .all(|total| total == Allocations::default())
        );
    });
}

#[test]
fn a_scope_without_room_has_nothing_of_whoever_had_the_first_place_and_says_so() {
    run(|| {
        let first = Scope::new("first");
        let others: Vec<_> = (0..4095).map(|_| Scope::new("in time")).collect();
        let beyond = Scope::new("too late");
        drop(first.run(|| keeps(12_345)));
        drop(first);

        let report = beyond.report();
        assert!(report.lines_are_unknown);
        assert_eq!(report.total, Allocations::default());
        assert!(report.functions.is_empty());
        assert!(!others[0].report().lines_are_unknown);
        let error = memprof::baseline::Baseline::new("beyond")
            .check(&report)
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("there were too many scopes at once"),
            "{error}"
        );
    });
}

#[test]
fn a_scope_without_room_leaves_its_lines_to_the_one_around_it() {
    run(|| {
        let outer = Scope::new(String::new());
        let many: Vec<_> = (0..5000).map(|_| Scope::new("many")).collect();
        let beyond = outer.run(|| Scope::new(String::new()));
        drop(many);
        let inner = beyond.run(|| Scope::new(String::new()));
        let kept = [beyond.run(|| keeps(300)), inner.run(|| keeps(20))];

        assert_eq!(live(made(&inner.report(), "keeps", "kept")), [20, 1]);
        assert_eq!(live(made(&outer.report(), "keeps", "kept")), [320, 2]);
        assert_eq!(beyond.report().total, Allocations::default());
        assert_eq!(beyond.usage().net_bytes(), 320);
        drop(kept);
    });
}

#[memprofile(print = "never")]
fn grows(list: &mut Vec<u8>, bytes: usize) {
    list.reserve_exact(bytes); // grows
}

#[test]
fn a_block_that_its_own_line_grows_in_another_scope_is_not_made_again() {
    run(|| {
        let mut list = Vec::new();
        let scopes = [100, 200, 300].map(|bytes| {
            let scope = Scope::new("grows");
            scope.run(|| grows(&mut list, bytes));
            scope
        });

        let line = made(&memprof::report(), "grows", "// grows");
        assert_eq!((line.allocated_bytes, line.allocation_count), (300, 1));
        assert_eq!(live(line), [300, 1]);
        // The block was transferred from scope to scope.
        let alive = scopes.map(|scope| live(made(&scope.report(), "grows", "// grows")));
        assert_eq!(alive, [[0, 0], [0, 0], [300, 1]]);
    });
}

#[test]
fn what_a_thread_does_last_is_its_scopes_too() {
    let scope = Scope::new("never left");
    let inside = scope.clone();
    let work = move || {
        std::mem::forget(inside.enter());
        drop(inside);
        std::mem::forget(block(70));
    };
    thread::spawn(work).join().unwrap();

    assert!(scope.report().untracked.live_bytes() >= 70);
}

/// Runs for some time.
fn works() {
    let started = Instant::now();
    while started.elapsed() < Duration::from_micros(200) {
        black_box(1);
    }
}

#[memprofile(print = "never")]
fn inner() {
    works();
}

#[memprofile(print = "never")]
fn calls_itself(depth: u32) {
    works();
    inner();
    if depth > 0 {
        calls_itself(depth - 1);
    }
}

#[memprofile(print = "never")]
async fn waits() {
    inner();
    pause().await;
    inner();
}

/// The exclusive and the inclusive time of a function.
fn times(report: &Report, name: &str) -> (Duration, Duration) {
    let mut functions = report.functions.iter();
    let function = functions
        .find(|function| function.path.ends_with(name))
        .unwrap();
    (function.own_elapsed, function.inclusive_elapsed)
}

#[test]
fn the_time_in_a_scope_is_that_of_its_functions_and_adds_up() {
    let scope = Scope::new("mine");
    calls_itself(3);
    scope.run(|| {
        calls_itself(2);
        inner();
    });
    // Outside of the scope.
    inner();

    let report = scope.report();
    let (own, inclusive) = times(&report, "calls_itself");
    let (own_of_inner, all_of_inner) = times(&report, "inner");
    let work = Duration::from_micros(200);
    assert!(own >= 3 * work && own < inclusive, "{own:?}");
    assert_eq!(own_of_inner, all_of_inner);
    assert!(own_of_inner >= 4 * work, "{own_of_inner:?}");
    assert_eq!(report.functions.len(), 2);
    let way = |call_count: u64, has_caller: bool| {
        let mut calls = report.calls.iter();
        let found = calls.find(|call| {
            call.call_count == Some(call_count) && call.caller.is_some() == has_caller
        });
        found.unwrap_or_else(|| panic!("{report:#?}"))
    };
    let [itself, called, alone] = [way(3, false), way(3, true), way(1, false)];
    assert_eq!(report.calls.len(), 3);
    assert_eq!(
        itself.own_elapsed + called.own_elapsed,
        itself.inclusive_elapsed
    );
    assert_eq!(itself.inclusive_elapsed, inclusive);
    assert_eq!(called.own_elapsed + alone.own_elapsed, own_of_inner);
    assert_eq!(scope.report(), report);
}

#[test]
fn a_task_that_waits_takes_no_time() {
    let scope = Scope::new("mine");
    let mut future = pin!(waits().with_scope(&scope));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    let while_waiting = scope.report();
    // Not called in the scope.
    inner();
    assert_eq!(scope.report(), while_waiting);
    assert!(future.as_mut().poll(&mut context).is_ready());

    let report = scope.report();
    let (own, inclusive) = times(&report, "waits");
    let (inner, _) = times(&report, "inner");
    assert_eq!(own + inner, inclusive);
    assert!(inner > times(&while_waiting, "inner").0);
}

#[test]
fn the_time_in_an_inner_scope_is_the_outer_ones_too() {
    let outer = Scope::new("outer");
    let within = outer.run(|| {
        let within = Scope::new("within");
        within.run(inner);
        inner();
        within
    });
    let (part, _) = times(&within.report(), "inner");
    let (all, _) = times(&outer.report(), "inner");
    assert!(
        part < all && part >= Duration::from_micros(200),
        "{part:?}, {all:?}"
    );
}
