//! Memory used while a thread or the process ends, or in a panic. It has to be counted correctly,
//! or the sums of all reports would be wrong.
#![cfg(unix)]

use memprof::report::{Allocations, Report};
use memprof::{Scope, Usage, measure, memprofile, report, reset};
use memprof_tests::{alone, block, on_a_c_thread, run};
use std::cell::Cell;
use std::mem::forget;
use std::panic::{catch_unwind, set_hook};
use std::process::exit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Allocates and frees 100 bytes, and leaks 10 bytes.
fn uses_memory() {
    drop(block(100));
    forget(block(10));
}

/// Bytes and blocks allocated, bytes and blocks freed.
fn numbers(made: Allocations) -> [u64; 4] {
    [
        made.allocated_bytes,
        made.allocation_count,
        made.freed_bytes,
        made.deallocation_count,
    ]
}

/// Like [`numbers`], of a measurement.
fn numbers_of(usage: Usage) -> [u64; 4] {
    [
        usage.allocated_bytes,
        usage.allocation_count,
        usage.freed_bytes,
        usage.deallocation_count,
    ]
}

fn times(count: u64, numbers: [u64; 4]) -> [u64; 4] {
    numbers.map(|number| count * number)
}

fn sum(one: [u64; 4], other: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|index| one[index] + other[index])
}

/// The numbers of one call of [`uses_memory`].
const ONCE: [u64; 4] = [110, 2, 100, 1];

fn assert_law_3(report: &Report) {
    let lines = report.functions.iter().flat_map(|function| &function.lines);
    let made = lines.map(|line| line.own).chain([report.untracked]);
    let live = |made: Allocations| [made.live_bytes(), made.live_count()];
    let sum = made.map(live).fold([0; 2], |[bytes, count], made| {
        [bytes + made[0], count + made[1]]
    });
    assert_eq!(sum, live(report.total), "{report:#?}");
}

/// The change of the process's numbers during `act`, according to reports. There must be no other
/// threads than those that `act` starts.
fn reported_of(act: impl FnOnce()) -> [u64; 4] {
    let before = report();
    act();
    let (after, reporting) = measure(report);
    assert_law_3(&after);
    let since = after.since(&before);
    let reporting = numbers_of(reporting);
    let all = numbers(since.total);
    std::array::from_fn(|index| all[index] - reporting[index])
}

/// Calls a function when it is dropped.
struct OnDrop(fn());

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0();
    }
}

thread_local! {
    // Const-initialised, so that setting them allocates nothing.
    static ONE: Cell<Option<OnDrop>> = const { Cell::new(None) };
    static OTHER: Cell<Option<OnDrop>> = const { Cell::new(None) };
}

/// Runs `act` in the destructors of two thread-locals of a C thread: one initialised before the
/// thread's first allocation, one after it.
fn in_destructors(act: fn()) {
    let at_first = || {
        ONE.set(Some(OnDrop(act)));
        drop(block(1));
        OTHER.set(Some(OnDrop(act)));
    };
    on_a_c_thread(at_first, || {});
}

#[test]
fn what_thread_local_destructors_use_is_counted_in_either_order() {
    run(|| {
        alone(|| {
            let used = reported_of(|| in_destructors(uses_memory));
            assert_eq!(used, sum([1, 1, 1, 1], times(2, ONCE)));
        });
    });
}

#[test]
fn a_thread_may_begin_to_use_memory_in_a_destructor() {
    run(|| {
        alone(|| {
            let used = reported_of(|| {
                on_a_c_thread(|| ONE.set(Some(OnDrop(uses_memory))), || {});
            });
            assert_eq!(used, ONCE);
        });
    });
}

#[test]
fn a_thread_may_begin_to_use_memory_when_its_locals_are_gone() {
    run(|| {
        alone(|| {
            let used = reported_of(|| on_a_c_thread(|| {}, uses_memory));
            assert_eq!(used, ONCE);
        });
    });
}

#[test]
fn a_thread_may_begin_with_a_free_when_its_locals_are_gone() {
    run(|| {
        alone(|| {
            let used = reported_of(|| {
                let mut made = block(50);
                on_a_c_thread(|| {}, || drop(std::mem::take(&mut made)));
            });
            assert_eq!(used, [50, 1, 50, 1]);
        });
    });
}

fn measures_exactly() {
    let ((), usage) = measure(uses_memory);
    assert_eq!(numbers_of(usage), ONCE);
    assert_eq!(usage.peak_bytes, 100);
}

#[test]
fn a_measure_is_exact_in_thread_local_destructors() {
    run(|| in_destructors(measures_exactly));
}

#[test]
fn a_measure_is_exact_when_the_threads_locals_are_gone() {
    run(|| on_a_c_thread(|| drop(block(1)), measures_exactly));
}

#[memprofile(columns = "hits, allocated, freed")]
fn profiled() {
    uses_memory();
}

#[test]
fn a_table_is_right_in_thread_local_destructors() {
    let tables = run(|| in_destructors(profiled));

    assert_eq!(tables.len(), 2);
    for table in tables {
        assert_eq!(table.row("uses_memory()").number("Allocated"), Some(110));
        assert_eq!(table.row("uses_memory()").number("Freed"), Some(100));
    }
}

#[memprofile(print = "never")]
fn owns() {
    uses_memory(); // owned
}

#[test]
fn a_line_that_runs_in_thread_local_destructors_leaves_the_sums_right() {
    run(|| {
        alone(|| {
            // Afterwards, the function is in every report.
            owns();
            let used = reported_of(|| in_destructors(owns));
            assert_eq!(used, sum([1, 1, 1, 1], times(2, ONCE)));
        });
    });
}

#[test]
fn a_report_can_be_taken_in_thread_local_destructors() {
    run(|| in_destructors(|| assert_law_3(&report())));
}

#[test]
fn a_lazy_local_of_a_rust_thread_can_use_memory_in_its_destructor() {
    thread_local! {
        static LAZY: OnDrop = OnDrop(uses_memory);
    }
    run(|| {
        alone(|| {
            let on_a_thread = || thread::spawn(|| LAZY.with(|_| ())).join().unwrap();
            // Memory that the first thread needs may be kept for later ones.
            on_a_thread();
            let [allocated, made, freed, ended] = reported_of(|| {
                for _ in 0..10 {
                    on_a_thread();
                }
            });
            assert_eq!([allocated - freed, made - ended], [100, 10]);
        });
    });
}

/// Registers functions to be called at exit: `before` before memprof's own handler, `after` after
/// it.
fn at_exit(before: extern "C" fn(), after: extern "C" fn()) {
    // Handlers run in reverse order. memprof's is registered by the first profiled call.
    // SAFETY: the functions may be called at any time.
    unsafe {
        libc::atexit(after);
        adds_up();
        libc::atexit(before);
    }
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net")]
fn adds_up() {
    uses_memory();
}

extern "C" fn measures_at_exit() {
    measures_exactly();
    println!("measured");
}

#[test]
fn a_measure_is_exact_in_handlers_at_exit() {
    let mut program = memprof_tests::Program::new(|| {
        at_exit(measures_at_exit, measures_at_exit);
        exit(0);
    });
    assert_eq!(program.stdout().matches("measured").count(), 2);
}

extern "C" fn profiles_at_exit() {
    profiled();
}

#[test]
fn a_table_is_right_in_handlers_at_exit() {
    let tables = run(|| {
        at_exit(profiles_at_exit, profiles_at_exit);
        exit(0);
    });

    let functions: Vec<_> = tables.iter().map(memprof_tests::Table::function).collect();
    assert_eq!(functions, ["profiled", "adds_up", "profiled"]);
    for table in tables {
        assert_eq!(table.row("uses_memory()").number("Allocated"), Some(110));
        assert_eq!(table.row("uses_memory()").number("Freed"), Some(100));
    }
}

static REPORTED: Mutex<Option<Report>> = Mutex::new(None);

extern "C" fn reports_at_exit() {
    let before = report();
    let between = report();
    uses_memory();
    let after = report();
    assert_law_3(&after);
    // Each report of the same functions allocates the same.
    let reporting = numbers(between.since(&before).total);
    let both = numbers(after.since(&between).total);
    assert_eq!(both, sum(reporting, ONCE));
    println!("reported");
}

#[test]
fn reports_are_right_in_handlers_at_exit() {
    let mut program = memprof_tests::Program::new(|| {
        alone(|| {
            at_exit(reports_at_exit, reports_at_exit);
            exit(0);
        });
    });
    assert_eq!(program.stdout().matches("reported").count(), 2);
}

extern "C" fn reports_before_tables() {
    let report = report();
    assert_law_3(&report);
    *REPORTED.lock().unwrap() = Some(report);
}

extern "C" fn reports_after_tables() {
    let before = REPORTED.lock().unwrap().take().unwrap();
    let after = report();
    let again = report();
    // Between two of these reports, nothing was allocated but the report itself.
    assert_eq!(
        numbers(after.since(&before).total),
        numbers(again.since(&after).total)
    );
    assert_law_3(&after);
    println!("compared");
}

#[test]
fn printing_the_tables_at_exit_is_in_no_report() {
    let mut program = memprof_tests::Program::new(|| {
        alone(|| {
            at_exit(reports_before_tables, reports_after_tables);
            exit(0);
        });
    });
    assert_eq!(program.stdout().matches("compared").count(), 1);
}

#[test]
fn what_a_panic_hook_uses_is_counted_once() {
    run(|| {
        let panics = || {
            let (caught, usage) = measure(|| catch_unwind(|| panic!("on purpose")));
            drop(caught);
            numbers_of(usage)
        };
        set_hook(Box::new(|_| {}));
        // The first panic may allocate more than later ones.
        panics();
        let without = panics();
        set_hook(Box::new(|_| uses_memory()));
        assert_eq!(panics(), sum(without, ONCE));
        assert_law_3(&report());
    });
}

#[memprofile(columns = "hits, allocated, freed")]
fn panics() {
    panic!("on purpose");
}

#[test]
fn a_panic_hook_can_call_profiled_functions_and_take_reports() {
    let tables = run(|| {
        set_hook(Box::new(|_| {
            profiled();
            assert_law_3(&report());
        }));
        assert!(catch_unwind(panics).is_err());
    });

    let [in_hook, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert_eq!(in_hook.row("uses_memory()").number("Allocated"), Some(110));
    assert!(
        !in_hook.summary.contains("cut short"),
        "{}",
        in_hook.summary
    );
    let line = outer.row("panic!").number;
    let ending = format!("; cut short in line {line} by a panic");
    assert!(outer.summary.ends_with(&ending), "{}", outer.summary);
    assert!(outer.row("panic!").number("Allocated") > Some(110));
}

/// A key's value for the rounds in which a thread's key destructors are called.
struct Rounds {
    key: libc::pthread_key_t,
    so_far: AtomicU32,
    /// Called in each round, with its number.
    act: fn(u32),
}

/// A key destructor that sets the key again, so that there is another round.
extern "C" fn in_each_round(rounds: *mut std::ffi::c_void) {
    // SAFETY: the value points to a `Rounds` that lives until the thread has ended.
    let this = unsafe { &*rounds.cast::<Rounds>() };
    // SAFETY: the key is never deleted.
    unsafe { libc::pthread_setspecific(this.key, rounds) };
    (this.act)(this.so_far.fetch_add(1, Ordering::Relaxed) + 1);
}

/// Runs a C thread that calls `at_first`, and then `act` in each round of key destructors.
fn in_rounds(at_first: fn(), act: fn(u32)) {
    let mut key = 0;
    // SAFETY: `key` is valid to write to for the call, and the destructor is a function.
    unsafe { libc::pthread_key_create(&raw mut key, Some(in_each_round)) };
    let rounds = Rounds {
        key,
        so_far: AtomicU32::new(0),
        act,
    };
    let begin = || {
        let value = std::ptr::from_ref(&rounds).cast();
        // SAFETY: the thread is joined before `rounds` is dropped.
        unsafe { libc::pthread_setspecific(key, value) };
        at_first();
    };
    on_a_c_thread(begin, || {});
    assert_eq!(rounds.so_far.into_inner(), 4);
}

#[test]
fn a_thread_may_begin_to_use_memory_in_any_round_of_its_end() {
    let acts: [fn(u32); 4] = [
        |_| uses_memory(),
        |round| (round >= 2).then(uses_memory).unwrap_or_default(),
        |round| (round >= 3).then(uses_memory).unwrap_or_default(),
        |round| (round >= 4).then(uses_memory).unwrap_or_default(),
    ];
    run(|| {
        for (act, rounds) in acts.into_iter().zip([4, 3, 2, 1]) {
            alone(|| {
                let used = reported_of(|| in_rounds(|| {}, act));
                assert_eq!(used, times(rounds, ONCE));
            });
        }
    });
}

#[memprofile(print = "never")]
fn keeps(bytes: usize) -> Vec<u8> {
    block(bytes)
}

static KEPT: Mutex<Option<Vec<u8>>> = Mutex::new(None);

#[test]
fn what_a_thread_frees_at_the_very_last_is_gone_from_its_scope_and_from_the_peak() {
    run(|| {
        alone(|| {
            let scope = Scope::new("kept");
            *KEPT.lock().unwrap() = Some(scope.run(|| keeps(1 << 20)));
            reset();
            in_rounds(uses_memory, |round| match round {
                4 => drop(KEPT.lock().unwrap().take()),
                _ => uses_memory(),
            });

            assert_eq!(scope.report().total.live_bytes(), 0);
            // The heap is now so much smaller that this is no new peak.
            let peak = report().total.bytes_at_peak;
            let kept = keeps(500 << 10);
            let report = report();
            assert_eq!(report.total.bytes_at_peak, peak);
            let lines = report.functions.iter().flat_map(|function| &function.lines);
            let lines = lines.map(|line| line.own).chain([report.untracked]);
            let sum: u64 = lines.map(|made| made.bytes_at_peak).sum();
            assert_eq!(sum, peak);
            drop(kept);
        });
    });
}
