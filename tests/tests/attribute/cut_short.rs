//! However a program ends, its tables are printed, and say what cut the calls short.
#![expect(clippy::manual_assert, reason = "a panic is to have a line of its own")]

use memprof::{__private as private, memprofile};
use memprof_tests::{Program, Table, block, pause, run};
use std::future::Future;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::exit;
use std::sync::mpsc::sync_channel;
use std::task::{Context, Poll, Waker};

#[memprofile(columns = "hits, allocated, freed")]
fn fails(how: &str) {
    let held = block(100);
    match how {
        "panic" => panic!("on purpose"),
        "exit" => exit(3),
        _ => {}
    }
    drop(held);
}

#[memprofile(columns = "hits, allocated")]
fn calls(how: &str) {
    let held = block(10);
    fails(how);
    drop(held);
}

#[test]
fn a_panic_closes_the_tables_of_all_the_calls_it_goes_through() {
    let tables = run(|| {
        assert!(catch_unwind(|| calls("panic")).is_err());
    });

    let [fails, calls] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let line = fails.row("\"panic\" =>").number;
    assert!(
        fails
            .summary
            .ends_with(&format!("; cut short in line {line} by a panic"))
    );
    assert_eq!(fails.row("let held").number("Allocated"), Some(100));
    assert_eq!(fails.row("drop(held)").number("Hits"), None);
    let line = calls.row("fails(how)").number;
    assert!(
        calls
            .summary
            .ends_with(&format!("; cut short in line {line} by a panic"))
    );
}

#[test]
fn an_exit_in_the_middle_prints_the_tables_of_the_calls_it_is_in() {
    let mut program = Program::new(|| calls("exit"));
    let output = program.output();

    assert_eq!(output.status.code(), Some(3));
    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    let [fails, calls] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let line = fails.row("\"exit\" =>").number;
    let ending = format!("; cut short in line {line} as the process exited");
    assert!(fails.summary.ends_with(&ending), "{}", fails.summary);
    let line = calls.row("fails(how)").number;
    let ending = format!("; cut short in line {line} as the process exited");
    assert!(calls.summary.ends_with(&ending), "{}", calls.summary);
}

#[memprofile(print = "exit", columns = "all")]
fn often(bytes: usize) -> Vec<u8> {
    let temporary = block(2 * bytes);
    if bytes == 3 {
        panic!("on purpose");
    }
    drop(temporary);
    block(bytes)
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net")]
fn recursive(depth: usize) -> usize {
    let held = block(10);
    if depth == 0 {
        return held.len();
    }
    held.len() + recursive(depth - 1)
}

#[test]
fn the_table_at_exit_adds_up_all_calls() {
    let tables = run(|| {
        let kept: Vec<Vec<u8>> = (0..3).map(often).collect();
        assert!(catch_unwind(|| often(3)).is_err());
        recursive(4);
        recursive(4);
        black_box(kept);
    });

    let [often, recursive] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(
        often.summary.contains("often, 4 calls: "),
        "{}",
        often.summary
    );
    let line = often.row("panic!").number;
    let ending = format!("; 1 cut short, the last in line {line} by a panic");
    assert!(often.summary.ends_with(&ending), "{}", often.summary);
    let temporary = often.row("let temporary");
    assert_eq!(temporary.number("Hits"), Some(4));
    assert_eq!(temporary.number("Allocated"), Some(2 + 4 + 6));
    assert_eq!(temporary.number("Peak"), Some(6));
    assert_eq!(often.row("    block(bytes)").number("Net"), Some(3));

    assert!(recursive.summary.contains("recursive, 10 calls: "));
    assert_eq!(recursive.total("allocated"), 2 * 5 * 10);
    assert_eq!(recursive.row("let held").number("Hits"), Some(10));
    assert_eq!(recursive.row("let held").number("Allocated"), Some(2 * 10));
    assert_eq!(
        recursive.row("depth - 1").number("Allocated"),
        Some(2 * 4 * 10)
    );
    assert_eq!(recursive.sum("Net"), 0);
}

#[test]
fn the_table_at_exit_comes_after_an_exit() {
    let tables = run(|| {
        drop(often(1));
        exit(0);
    });

    assert_eq!(tables[0].total("allocated"), 3);
}

#[test]
fn the_table_at_exit_comes_after_a_panic() {
    let mut program = Program::new(|| {
        drop(often(1));
        panic!("on purpose");
    });
    let output = program.output();

    assert!(!output.status.success());
    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(tables[0].total("allocated"), 3);
}

#[memprofile(print = "never")]
fn never(bytes: usize) -> usize {
    let held = block(bytes);
    held.capacity()
}

#[memprofile(columns = "allocated")]
fn calls_never() -> usize {
    let first = never(5);
    first + never(7)
}

#[test]
fn a_function_that_is_never_printed_is_still_in_its_callers_lines() {
    let tables = run(|| {
        calls_never();
    });

    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].row("let first").number("Allocated"), Some(5));
    assert_eq!(tables[0].row("first + ").number("Allocated"), Some(7));
}

#[memprofile(print = "exit", columns = "hits")]
fn ticks(count: u64) -> u64 {
    count + 1
}

#[test]
fn the_table_at_exit_comes_while_other_threads_go_on_calling() {
    let tables = run(|| {
        let (called, wait) = sync_channel(4);
        for _ in 0..4 {
            let called = called.clone();
            std::thread::spawn(move || {
                let mut count = ticks(0);
                called.send(()).unwrap();
                loop {
                    count = ticks(count);
                }
            });
        }
        for _ in 0..4 {
            wait.recv().unwrap();
        }
    });

    assert!(tables[0].row("count + 1").number("Hits") >= Some(4));
}

type Boxed = Pin<Box<dyn Future<Output = usize>>>;

#[memprofile(print = "exit", columns = "hits, allocated, freed, net")]
async fn awaits(bytes: usize, other: Option<Boxed>) -> usize {
    let held = block(bytes);
    pause().await;
    if let Some(other) = other {
        return other.await + held.len();
    }
    held.len()
}

#[test]
fn a_call_that_is_inside_another_for_some_polls_is_counted_once() {
    let tables = run(|| {
        let context = &mut Context::from_waker(Waker::noop());
        // Started outside of a call, and completed inside another call.
        let mut first: Boxed = Box::pin(awaits(1000, None));
        assert!(first.as_mut().poll(context).is_pending());
        let mut second: Boxed = Box::pin(awaits(10, Some(first)));
        while second.as_mut().poll(context).is_pending() {}
    });

    assert_eq!(tables[0].row("let held").number("Hits"), Some(2));
    assert_eq!(tables[0].total("allocated"), 1010);
    // The second call frees the box of the first one.
    let boxed = tables[0].total("freed") - 1010;
    assert!((1..500).contains(&boxed), "{boxed}");
    assert_eq!(tables[0].sum("Allocated"), 1010);
    assert_eq!(tables[0].sum("Freed"), 1010 + boxed);
}

#[memprofile(columns = "hits, freed")]
async fn waits_and_panics(panics: bool) -> usize {
    let held = block(100);
    pause().await;
    if panics {
        panic!("on purpose");
    }
    held.capacity()
}

/// Calls `work` while a panic unwinds.
fn in_a_panic(work: impl FnOnce()) {
    struct OnDrop<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            self.0.take().unwrap()();
        }
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(Some(work));
        panic!("around");
    }));
    assert!(caught.is_err());
}

#[test]
fn a_task_that_ends_well_in_a_panic_around_it_is_not_cut_short() {
    let tables = run(|| {
        let context = &mut Context::from_waker(Waker::noop());
        let mut task = Box::pin(waits_and_panics(false));
        assert!(task.as_mut().poll(context).is_pending());
        in_a_panic(|| assert_eq!(task.as_mut().poll(context), Poll::Ready(100)));
    });

    assert!(
        !tables[0].summary.contains("cut short"),
        "{}",
        tables[0].summary
    );
    assert_eq!(tables[0].rows.last().unwrap().number("Freed"), Some(100));
}

#[test]
fn a_task_begun_in_a_panic_around_it_can_be_cut_short_by_its_own() {
    let tables = run(|| {
        let context = &mut Context::from_waker(Waker::noop());
        let mut task = Box::pin(waits_and_panics(true));
        in_a_panic(|| assert!(task.as_mut().poll(context).is_pending()));
        let caught = catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context)));
        assert!(caught.is_err());
    });

    let line = tables[0].row("panic!").number;
    let ending = format!("; cut short in line {line} by a panic");
    assert!(
        tables[0].summary.ends_with(&ending),
        "{}",
        tables[0].summary
    );
}

/// A function that is left without running its end, as by `longjmp`.
static LEFT: private::Site = private::Site::new(|| "left", "left.rs", 1, "fn is_left() {", &[1])
    .with(private::Options::new().columns(&[private::Column::Allocated]));

#[memprofile(columns = "hits, allocated, freed")]
fn leaves_a_frame_behind() {
    std::mem::forget(private::enter(&LEFT));
    drop(block(70));
}

#[memprofile(columns = "hits, allocated, freed")]
fn calls_what_leaves_a_frame_behind() {
    drop(block(100)); // before
    leaves_a_frame_behind();
    drop(block(3)); // after
}

#[test]
fn a_frame_that_is_left_behind_is_marked_and_harms_no_caller() {
    let tables = run(|| {
        calls_what_leaves_a_frame_behind();
    });

    // The innermost call ends first, whatever ends it.
    let [left, leaves, calls] = &tables[..] else {
        panic!("three tables: {tables:?}");
    };
    assert!(left.summary.ends_with("as its end was skipped"), "{left:?}");
    assert_eq!(leaves.total("allocated"), 70);
    let rows = [
        ("before", 100),
        ("leaves_a_frame_behind();", 70),
        ("after", 3),
    ];
    for (words, bytes) in rows {
        assert_eq!(calls.row(words).number("Allocated"), Some(bytes), "{words}");
        assert_eq!(calls.row(words).number("Freed"), Some(bytes), "{words}");
    }
}
