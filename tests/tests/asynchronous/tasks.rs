//! The lines of a task are charged with what its polls allocate, on any thread, and with nothing
//! that runs between the polls.

use memprof::{measure_async, memprofile};
use memprof_tests::{Table, block, pause, run};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use tokio::runtime::{Builder, Runtime};

fn four_workers() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap()
}

/// Polls a future once.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[memprofile(columns = "default, hits, allocated, freed, peak")]
async fn inner(bytes: usize) -> Vec<u8> {
    let temporary = block(bytes);
    pause().await;
    drop(temporary);
    pause().await;
    block(bytes / 2)
}

#[memprofile(columns = "hits, allocated, freed, peak")]
async fn outer(bytes: usize) -> usize {
    let made = inner(bytes).await;
    let length = made.capacity() + block(5).capacity();
    pause().await;
    length
}

#[test]
fn a_call_goes_on_after_the_calls_it_awaits() {
    let tables = run(|| {
        four_workers().block_on(outer(1000));
    });

    let [inner, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert_eq!(inner.function(), "inner");
    assert_eq!(inner.row("block(bytes);").number("Allocated"), Some(1000));
    assert_eq!(inner.row("block(bytes / 2)").number("Allocated"), Some(500));
    assert_eq!(inner.row("drop(temporary)").number("Freed"), Some(1000));
    assert_eq!(outer.function(), "outer");
    let awaiting = outer.row("inner(bytes).await");
    assert_eq!(awaiting.number("Hits"), Some(1));
    assert_eq!(awaiting.number("Allocated"), Some(1500));
    assert_eq!(awaiting.number("Freed"), Some(1000));
    assert_eq!(awaiting.number("Peak"), Some(1000));
    assert_eq!(outer.row("block(5)").number("Allocated"), Some(5));
    assert_eq!(outer.row("pause().await").number("Hits"), Some(1));
    assert_eq!(outer.total("net"), 0);
    assert_eq!(outer.total("peak"), 1000);
}

#[test]
fn five_hundred_tasks_at_once_do_not_see_each_other() {
    const TASKS: usize = 500;
    let tables = run(|| {
        four_workers().block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| tokio::spawn(outer(2 * task)))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });

    let mut outer: Vec<&Table> = tables
        .iter()
        .filter(|table| table.function() == "outer")
        .collect();
    assert_eq!(outer.len(), TASKS);
    outer.sort_by_key(|table| table.total("allocated"));
    for (task, table) in outer.into_iter().enumerate() {
        let bytes = 2 * i64::try_from(task).unwrap();
        assert_eq!(
            table.row("inner(bytes).await").number("Allocated"),
            Some(bytes + bytes / 2)
        );
        assert_eq!(table.row("block(5)").number("Allocated"), Some(5));
        assert_eq!(table.sum("Allocated"), bytes + bytes / 2 + 5);
        assert_eq!(table.sum("Freed"), bytes + bytes / 2 + 5);
    }
}

#[test]
fn a_task_takes_its_numbers_along_from_thread_to_thread() {
    let tables = run(|| {
        let mut task = Box::pin(outer(4000));
        loop {
            let polled;
            (task, polled) = thread::spawn(move || {
                let poll = poll_once(task.as_mut());
                (task, poll)
            })
            .join()
            .unwrap();
            if polled.is_ready() {
                break;
            }
            drop(block(1_000_000));
        }
    });

    let outer = &tables[1];
    assert_eq!(
        outer.row("inner(bytes).await").number("Allocated"),
        Some(6000)
    );
    assert_eq!(outer.total("allocated"), 6005);
    assert_eq!(outer.total("freed"), 6005);
    assert_eq!(outer.total("peak"), 4000);
}

#[memprofile(columns = "hits, allocated, freed")]
async fn waits_for_ever(given: Vec<u8>) -> Vec<u8> {
    let held = block(100);
    let more = block(10);
    std::future::pending::<()>().await;
    drop(held);
    drop(more);
    given
}

#[test]
fn a_future_dropped_half_way_says_where_and_what_it_freed() {
    let tables = run(|| {
        let mut task = Box::pin(waits_for_ever(block(1000)));
        assert!(poll_once(task.as_mut()).is_pending());
    });

    assert_eq!(tables.len(), 1);
    let table = &tables[0];
    let waiting = table.row("pending");
    let ending = format!(
        "; cut short in line {} as its future was dropped",
        waiting.number
    );
    assert!(table.summary.ends_with(&ending), "{}", table.summary);
    assert_eq!(table.row("drop(held)").number("Hits"), None);
    // The locals are allocated in the function; the argument is only freed in it.
    assert_eq!(table.total("allocated"), 110);
    assert_eq!(table.total("freed"), 1110);
    assert_eq!(table.sum("Freed"), 1110);
}

#[test]
fn a_future_that_was_never_polled_has_no_table() {
    let tables = run(|| drop(waits_for_ever(block(1000))));

    assert_eq!(tables, []);
}

#[memprofile(columns = "hits, allocated, freed")]
async fn panics(given: Vec<u8>) -> usize {
    let held = block(100);
    pause().await;
    if held.capacity() == 100 {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
    given.len()
}

#[test]
fn a_panic_in_a_task_ends_its_table_in_the_line_it_was_in() {
    let tables = run(|| {
        four_workers().block_on(async {
            assert!(tokio::spawn(panics(block(7))).await.is_err());
        });
    });

    let table = &tables[0];
    let panicking = table.row("resume_unwind");
    let ending = format!("; cut short in line {} by a panic", panicking.number);
    assert!(table.summary.ends_with(&ending), "{}", table.summary);
    assert_eq!(panicking.number("Freed"), Some(107));
    assert_eq!(table.row("given.len()").number("Hits"), None);
}

#[memprofile(columns = "hits, allocated, freed")]
async fn times_out() -> usize {
    let held = block(100);
    let waited = tokio::time::timeout(std::time::Duration::ZERO, waits_for_ever(block(9))).await;
    held.len() + usize::from(waited.is_err())
}

#[test]
fn a_future_that_times_out_ends_inside_the_line_that_awaits_it() {
    let tables = run(|| {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(runtime.block_on(times_out()), 1);
    });

    let [dropped, table] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(dropped.summary.ends_with("as its future was dropped"));
    assert_eq!(dropped.total("freed"), 119);
    assert!(!table.summary.contains("cut short"));
    assert_eq!(table.row("let held").number("Allocated"), Some(100));
    assert_eq!(table.row("}").number("Freed"), Some(100));
}

#[memprofile(columns = "hits, allocated, freed, peak")]
async fn joins() -> usize {
    let (a, b) = tokio::join!(inner(100), inner(40));
    a.capacity() + b.capacity()
}

#[test]
fn futures_joined_in_a_line_are_that_lines() {
    let tables = run(|| {
        four_workers().block_on(joins());
    });

    let joins = &tables[2];
    assert_eq!(joins.function(), "joins");
    assert_eq!(joins.row("join!").number("Allocated"), Some(210));
    assert_eq!(joins.row("join!").number("Freed"), Some(140));
    assert_eq!(joins.row("join!").number("Peak"), Some(140));
}

#[test]
fn measures_of_tasks_at_once_are_exact() {
    four_workers().block_on(async {
        let tasks = (0..300_usize).map(|task| {
            tokio::spawn(async move {
                let (kept, usage) = measure_async(async {
                    let temporary = block(1000 * task);
                    pause().await;
                    let kept = block(task);
                    drop(temporary);
                    pause().await;
                    kept
                })
                .await;
                let task = u64::try_from(task).unwrap();
                assert_eq!(usage.allocated_bytes, 1001 * task);
                assert_eq!(usage.freed_bytes, 1000 * task);
                assert_eq!(usage.peak_bytes, 1001 * task);
                assert_eq!(usage.net_bytes(), i64::try_from(kept.capacity()).unwrap());
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

#[test]
fn the_peak_of_a_measure_leaves_out_what_happened_between_its_polls() {
    let mut measured = pin!(measure_async(async {
        let first = block(100);
        pause().await;
        let second = block(50);
        first.capacity() + second.capacity()
    }));
    assert!(poll_once(measured.as_mut()).is_pending());
    let between = block(10_000);

    let Poll::Ready((_, usage)) = poll_once(measured) else {
        panic!("not ready")
    };

    drop(between);
    assert_eq!(usage.allocated_bytes, 150);
    assert_eq!(usage.peak_bytes, 150);
}

#[memprofile(columns = "hits, allocated")]
#[tokio::main(flavor = "current_thread")]
async fn starts_a_runtime() -> usize {
    let made = block(123);
    pause().await;
    made.capacity()
}

#[test]
fn lines_are_seen_above_an_attribute_that_starts_a_runtime() {
    let tables = run(|| {
        starts_a_runtime();
    });

    assert_eq!(tables[0].row("let made").number("Allocated"), Some(123));
    assert_eq!(tables[0].row("pause().await").number("Hits"), Some(1));
}
