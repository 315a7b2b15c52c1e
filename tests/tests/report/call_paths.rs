//! Call paths: which function called which from which line, and with which allocations. Each
//! allocation is counted once, however functions call each other.

use memprof::report::{Allocations, CallNode, Report};
use memprof::{memprofile, report};
use memprof_tests::{Program, assert_law_3, block, pause, run};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// Each call path as `function line > function line > function`, with its number of calls and its
/// exclusive and inclusive allocations.
fn calls(report: &Report) -> Vec<(String, Option<u64>, u64, u64)> {
    let all = report.calls.iter().map(|call| {
        let sum = |made: fn(&memprof::report::CallNodeLine) -> Allocations| {
            let lines = call.lines.iter().map(made);
            lines.map(|made| made.allocated_bytes).sum()
        };
        let own = sum(|line| line.own);
        (
            way(report, call),
            call.call_count,
            own,
            sum(|line| line.inclusive),
        )
    });
    all.collect()
}

fn way(report: &Report, call: &CallNode) -> String {
    let function = &report.functions[call.function];
    let name = function.path.rsplit("::").next().unwrap();
    match call.caller {
        None => name.to_owned(),
        Some(caller) => {
            let from = &report.calls[caller.call];
            let lines = &report.functions[from.function].lines;
            let source = lines
                .iter()
                .find(|line| line.number == caller.line)
                .unwrap();
            let words = source.source.split("// ").nth(1).unwrap();
            format!("{} {words} > {name}", way(report, from))
        }
    }
}

fn call(way: &str, count: u64, own: u64, inclusive: u64) -> (String, Option<u64>, u64, u64) {
    (way.to_owned(), Some(count), own, inclusive)
}

#[memprofile(print = "never", hits = true)]
fn with_an_inner_block() -> usize {
    let outer = block(100);
    let inner = {
        let first = block(20);
        block(3).capacity() + first.capacity()
    };
    outer.capacity() + inner
}

#[test]
fn the_lines_of_a_call_are_those_that_ran_in_the_order_of_the_functions() {
    run(|| {
        with_an_inner_block();

        let report = report();
        let of_function = report.functions[0].lines.iter();
        let of_function = of_function.filter(|line| line.hits > Some(0));
        let of_function: Vec<_> = of_function.map(|line| (line.number, line.own)).collect();
        let of_call = report.calls[0].lines.iter();
        let of_call: Vec<_> = of_call.map(|line| (line.number, line.own)).collect();
        assert_eq!(of_call, of_function);
        let numbers: Vec<u32> = of_call.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    });
}

#[memprofile(print = "never", hits = true)]
fn outer() {
    leaf(100); // first
    for _ in 0..3 {
        leaf(20); // second
        middle(); // third
    }
}

#[memprofile(print = "never", hits = true)]
fn middle() {
    drop(block(5000));
    leaf(7); // only
}

#[memprofile(print = "never", hits = true)]
fn leaf(bytes: usize) {
    drop(block(bytes));
}

#[test]
fn each_way_to_a_function_has_its_own_numbers() {
    run(|| {
        leaf(1);
        outer();
        leaf(2);
        let report = report();
        let inclusive = 100 + 60 + 15_000 + 21;
        let expected = [
            call("leaf", 2, 3, 3),
            call("outer", 1, 0, inclusive),
            call("outer first > leaf", 1, 100, 100),
            call("outer second > leaf", 3, 60, 60),
            call("outer third > middle", 3, 15_000, 15_021),
            call("outer third > middle only > leaf", 3, 21, 21),
        ];
        assert_eq!(calls(&report), expected);

        let of = |name: &str| {
            let found = report
                .functions
                .iter()
                .find(|found| found.path.ends_with(name));
            let found = found.unwrap();
            let [made, inclusive] = [found.own(), found.inclusive()];
            (
                found.call_count,
                made.allocated_bytes,
                inclusive.allocated_bytes,
            )
        };
        assert_eq!(of("leaf"), (Some(9), 184, 184));
        assert_eq!(of("middle"), (Some(3), 15_000, 15_021));
        assert_eq!(of("outer"), (Some(1), 0, inclusive));
    });
}

#[memprofile(print = "never", hits = true)]
fn even(count: usize) {
    let kept = block(10);
    if count > 0 {
        odd(count - 1); // down
    }
    drop(kept);
}

#[memprofile(print = "never", hits = true)]
fn odd(count: usize) {
    let kept = block(1);
    if count > 0 {
        even(count - 1); // down
    }
    drop(kept);
}

#[test]
fn functions_that_call_each_other_make_one_way_and_count_each_block_once() {
    run(|| {
        even(9);
        let report = report();
        let expected = [call("even", 5, 50, 55), call("even down > odd", 5, 5, 5)];
        assert_eq!(calls(&report), expected);
    });
}

#[test]
fn a_hundred_thousand_calls_deep_is_as_one() {
    run(|| {
        let deep = thread::Builder::new().stack_size(1 << 30);
        let thread = deep.spawn(|| even(99_999)).unwrap();
        thread.join().unwrap();
        let report = report();
        let expected = [
            call("even", 50_000, 500_000, 550_000),
            call("even down > odd", 50_000, 50_000, 50_000),
        ];
        assert_eq!(calls(&report), expected);
    });
}

#[memprofile(print = "never")]
fn descends(levels: u32) {
    let kept = block(1);
    if levels > 1 {
        descends(levels - 1);
    }
    drop(kept);
}

#[test]
fn calls_that_are_too_deep_are_said_and_lose_no_bytes() {
    const DEPTH: u32 = 300_000;
    let output = Program::new(|| {
        let deep = thread::Builder::new().stack_size(1 << 30);
        let thread = deep.spawn(|| {
            descends(DEPTH);
            // The thread is in no call any more.
            descends(1);
        });
        thread.unwrap().join().unwrap();
        let report = report();
        assert_law_3(&report);
        // Deeper calls have no entry, so that the line which called the first of them has it all.
        let lines = &report.functions[0].lines;
        let of_lines = lines.iter().map(|line| line.own.allocated_bytes);
        assert_eq!(of_lines.sum::<u64>(), u64::from(DEPTH) + 1);
        let recursive = lines.iter().find(|line| line.source.contains("levels - 1"));
        assert_eq!(
            recursive.unwrap().own.allocated_bytes,
            u64::from(DEPTH) - 262_142
        );
    })
    .output();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let said = "a thread is in more than 262142 calls of profiled functions";
    assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
}

#[test]
#[cfg(target_os = "linux")]
fn calls_without_memory_for_them_are_said_and_untracked() {
    let output = Program::new(|| {
        thread::spawn(|| descends(1)).join().unwrap();
        memprof_tests::with_no_new_memory(|| descends(3));
        descends(1);
        let report = report();
        assert_law_3(&report);
        let of_lines = report.functions[0].lines.iter();
        let of_lines = of_lines.map(|line| line.own.allocated_bytes);
        assert_eq!(of_lines.sum::<u64>(), 2);
        assert!(report.untracked.allocated_bytes >= 3);
    })
    .output();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let said = "the system had no memory for the calls of a thread";
    assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
}

#[test]
fn threads_begin_ways_of_their_own() {
    run(|| {
        fn spawns() {
            let threads = [1, 2, 3].map(|bytes| thread::spawn(move || leaf(bytes)));
            for thread in threads {
                thread.join().unwrap();
            }
        }
        outer();
        spawns();
        let report = report();
        assert!(calls(&report).contains(&call("leaf", 3, 6, 6)));
    });
}

#[memprofile(print = "never", hits = true)]
async fn awaits(depth: usize) {
    drop(block(100));
    pause().await;
    if depth > 0 {
        waits().await; // below
    }
}

#[memprofile(print = "never", hits = true)]
async fn waits() {
    pause().await;
    drop(block(3));
    pause().await;
}

#[test]
fn a_task_is_on_the_way_of_who_awaits_it() {
    run(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            let spawned = tokio::spawn(waits());
            tokio::join!(awaits(0), awaits(1));
            spawned.await.unwrap();
        });
        let report = report();
        let mut calls = calls(&report);
        calls.sort();
        let expected = [
            call("awaits", 2, 200, 203),
            call("awaits below > waits", 1, 3, 3),
            call("waits", 1, 3, 3),
        ];
        assert_eq!(calls, expected);
    });
}

/// Functions that call each other: there are more paths than can be recorded.
macro_rules! labyrinth {
    ($($name:ident)*) => {
        $(
            #[memprofile(print = "never", hits = true)]
            fn $name(way: u64, depth: u32) {
                drop(block(1));
                go_on(way, depth);
            }
        )*
        const ROOMS: &[fn(u64, u32)] = &[$($name),*];
    };
}

labyrinth!(a b c d e f g h i);

fn go_on(way: u64, depth: u32) {
    if depth > 0 {
        let room = usize::try_from(way % 9).unwrap();
        ROOMS[room](way / 9, depth - 1);
    }
}

#[test]
fn ways_that_are_too_many_are_said_and_lose_no_bytes() {
    run(|| {
        // All sequences of up to nine different functions: 986,409 paths.
        fn visit(taken: &mut Vec<u64>) {
            if taken.len() == 9 {
                let way = taken.iter().rev().fold(0, |way, room| 9 * way + room);
                go_on(way, 9);
                return;
            }
            for room in 0..9 {
                if !taken.contains(&room) {
                    taken.push(room);
                    visit(taken);
                    taken.pop();
                }
            }
        }
        visit(&mut Vec::with_capacity(9));
        let report = report();
        assert_eq!(report.calls.len(), (1 << 16) + 9);
        // One more for each function, for its calls over all further paths.
        let beginnings = &report.calls[1 << 16..];
        assert_eq!(report.callers_left_out, 9);
        assert!(beginnings.iter().all(|call| call.caller.is_none()));
        let calls = beginnings.iter().map(|call| call.call_count.unwrap());
        assert!(calls.sum::<u64>() > 9 * 362_880 / 2);
        let made: u64 = report
            .functions
            .iter()
            .map(|found| found.own().allocated_bytes)
            .sum();
        assert_eq!(made, 9 * 362_880);
        let counts = report.functions.iter().map(|found| found.call_count);
        let calls: u64 = counts.map(Option::unwrap).sum();
        assert_eq!(calls, 9 * 362_880);
        assert_eq!(report.total.live_bytes(), {
            let lines = report.functions.iter().flat_map(|found| &found.lines);
            lines.map(|line| line.own.live_bytes()).sum::<i64>() + report.untracked.live_bytes()
        });
    });
}
