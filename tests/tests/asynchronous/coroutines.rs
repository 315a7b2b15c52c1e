//! Stackful coroutines: code on a separate stack, which can be suspended while its thread runs
//! something else. The profiler isn't told about it, so lines may be mixed up. Each affected table
//! and report says so, and no other.

use corosensei::{Coroutine, CoroutineResult, Yielder};
use memprof::{memprofile, report};
use memprof_tests::{Program, Table, assert_law_3, block, run};
use std::hint::black_box;
use std::thread;

type Resting = Yielder<(), ()>;
type Running = Coroutine<(), (), ()>;

#[memprofile(columns = "hits, allocated, freed")]
fn rests_twice(resting: &Resting, bytes: usize) -> usize {
    let first = block(bytes);
    resting.suspend(());
    let second = block(2 * bytes);
    resting.suspend(());
    first.len() + second.len()
}

#[memprofile(columns = "hits, allocated, freed", print = "exit")]
fn rests_and_is_printed_at_the_end(resting: &Resting, bytes: usize) -> usize {
    let first = block(bytes);
    resting.suspend(());
    first.len()
}

#[memprofile(print = "never")]
fn rests_and_is_never_printed(resting: &Resting, bytes: usize) -> usize {
    let first = block(bytes);
    resting.suspend(());
    first.len() + block(bytes).len()
}

#[memprofile(columns = "hits, allocated, freed")]
fn is_plain(bytes: usize) -> usize {
    let page = block(bytes);
    page.len()
}

#[memprofile(columns = "hits, allocated, freed")]
fn goes_on_with(running: &mut Running) -> bool {
    let page = block(7);
    let is_done = goes_on(running);
    is_done && page.is_empty()
}

/// Calls functions on the coroutine's stack, between suspensions.
#[memprofile(columns = "hits, allocated, freed")]
fn calls_between_rests(resting: &Resting) -> usize {
    let mut sum = 0;
    for _ in 0..3 {
        resting.suspend(());
        sum += is_plain(10); // calls
        sum += block(5).len(); // after the call
    }
    sum
}

fn coroutine(act: impl FnOnce(&Resting) -> usize + 'static) -> Running {
    Coroutine::new(move |resting, ()| {
        black_box(act(resting));
    })
}

/// Resumes a coroutine, and returns whether it has ended.
fn goes_on(running: &mut Running) -> bool {
    matches!(running.resume(()), CoroutineResult::Return(()))
}

fn is_marked(table: &Table) -> bool {
    let note = table.note();
    note.is_some_and(|note| note.starts_with("Its thread switched stacks "))
}

#[test]
fn two_of_one_function_in_turn_have_a_marked_table_each() {
    let mut program = Program::new(|| {
        let order = std::env::var("ORDER").unwrap();
        let mut both =
            [100, 1000].map(|bytes| coroutine(move |resting| rests_twice(resting, bytes)));
        for which in order.split(' ') {
            goes_on(&mut both[which.parse::<usize>().unwrap()]);
        }
        assert!(both.iter().all(Coroutine::done));
        is_plain(10);
    });
    // Several orders in which they are resumed and end.
    for order in ["0 1 0 1 0 1", "0 1 0 1 1 0", "0 1 1 1 0 0", "0 0 1 0 1 1"] {
        let tables = program.env("ORDER", order).tables();
        let [first, second, plain] = &tables[..] else {
            panic!("{order}: {tables:#?}")
        };
        assert!(
            is_marked(first) && is_marked(second),
            "{order}: {tables:#?}"
        );
        assert!(!is_marked(plain), "{order}: {tables:#?}");
        assert_eq!(plain.row("let page").number("Allocated"), Some(10));
    }
}

#[test]
fn what_they_go_on_in_is_marked_and_what_comes_after_them_is_not() {
    let tables = run(|| {
        is_plain(10);
        let mut running = coroutine(|resting| rests_twice(resting, 100));
        // It is suspended when the function returns, and ends in another call of the function.
        for _ in 0..3 {
            goes_on_with(&mut running);
        }
        assert!(running.done());
        is_plain(10);
        thread::spawn(|| is_plain(10)).join().unwrap();
    });

    let marked: Vec<_> = tables
        .iter()
        .map(|table| (table.function(), is_marked(table)))
        .collect();
    assert_eq!(marked.len(), 7, "{tables:#?}");
    for (table, (function, is_marked)) in tables.iter().zip(marked) {
        assert_eq!(is_marked, !function.ends_with("is_plain"), "{function}");
        if !is_marked {
            let page = table.row("let page");
            assert_eq!(page.number("Hits"), Some(1), "{table:#?}");
            assert_eq!(page.number("Allocated"), Some(10), "{table:#?}");
        }
    }
}

#[test]
fn one_that_is_dropped_half_way_ends_marked() {
    let tables = run(|| {
        let mut running = coroutine(|resting| rests_twice(resting, 100));
        goes_on(&mut running);
        drop(running);
        is_plain(10);
    });

    let functions: Vec<_> = tables.iter().map(Table::function).collect();
    assert_eq!(functions.len(), 2);
    assert!(
        is_marked(&tables[0]) && !is_marked(&tables[1]),
        "{tables:#?}"
    );
}

#[test]
fn a_table_of_all_calls_and_a_report_are_marked() {
    let tables = run(|| {
        let mut printed = [100, 1000]
            .map(|bytes| coroutine(move |it| rests_and_is_printed_at_the_end(it, bytes)));
        let mut never =
            [10, 20].map(|bytes| coroutine(move |it| rests_and_is_never_printed(it, bytes)));
        for _ in 0..2 {
            printed.iter_mut().chain(&mut never).for_each(|running| {
                goes_on(running);
            });
        }
        is_plain(10);
        let before = report();
        drop(block(50));

        let report = report();
        for function in &report.functions {
            let is_plain = function.path.ends_with("is_plain");
            assert_eq!(function.notes.is_empty(), is_plain, "{function:#?}");
        }
        // Nothing is counted on lines of calls that have ended.
        let since = report.since(&before);
        for line in since.functions.iter().flat_map(|function| &function.lines) {
            assert_eq!(line.own.allocation_count, 0, "{line:#?}");
        }
        assert_law_3(&report);
    });

    let [plain, at_exit] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(!is_marked(plain) && is_marked(at_exit), "{tables:#?}");
    assert!(at_exit.summary.contains(", 2 calls: "), "{at_exit:#?}");
}

#[test]
fn after_one_has_ended_out_of_turn_others_go_on_with_their_lines() {
    let tables = run(|| {
        let mut first = coroutine(|resting| rests_twice(resting, 100));
        goes_on(&mut first);
        let mut second = coroutine(|resting| rests_twice(resting, 100));
        goes_on(&mut second);
        while !first.done() {
            goes_on(&mut first);
        }
        let mut last = coroutine(calls_between_rests);
        while !last.done() {
            goes_on(&mut last);
        }
        while !second.done() {
            goes_on(&mut second);
        }
    });

    assert_eq!(tables.len(), 6, "{tables:#?}");
    assert!(tables.iter().all(is_marked), "{tables:#?}");
    let calling = tables
        .iter()
        .find(|table| table.function() == "calls_between_rests")
        .unwrap();
    let after = calling.row("// after the call");
    assert_eq!(after.number("Hits"), Some(3), "{calling:#?}");
    assert_eq!(after.number("Allocated"), Some(15), "{calling:#?}");
}
