//! `#[memprof::test]`: tests with a budget.

use memprof::{ScopeExt, memprofile};
use memprof_tests::{block, pause};
use std::cell::Cell;
use std::env;
use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{LazyLock, Mutex};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprof::test(
    max_peak_bytes = "1 KiB",
    max_net_bytes = 0,
    max_allocated_bytes = 1500,
    max_allocation_count = 2
)]
fn a_test_that_keeps_to_its_limits_passes() {
    drop(block(1024));
    drop(block(476));
}

#[memprof::test(max_peak_bytes = 1023)]
#[should_panic(expected = "! peak_bytes <= 1,023")]
fn one_byte_more_than_the_peak_fails() {
    drop(block(1024));
}

#[memprof::test(max_allocated_bytes = "1_499 B")]
#[should_panic(expected = "! allocated_bytes <= 1,499")]
fn one_byte_more_than_was_to_be_allocated_fails() {
    drop(block(1500));
}

#[memprof::test(max_allocation_count = 1)]
#[should_panic(expected = "! allocation_count <= 1")]
fn one_block_more_fails() {
    drop((block(1), block(1)));
}

static ONCE: LazyLock<Vec<u8>> = LazyLock::new(|| block(10_000));

#[memprof::test(max_net_bytes = "0 B", max_peak_bytes = 0, warmup = 1)]
fn what_is_made_once_is_made_in_the_warm_up() {
    assert_eq!(ONCE.capacity(), 10_000);
}

static RUNS: AtomicU32 = AtomicU32::new(0);

#[memprof::test(max_allocation_count = 0, warmup = 2, runs = 3)]
#[should_panic(expected = "memory budget exceeded in run 2 of 3")]
fn each_run_keeps_to_the_limits_by_itself() {
    if RUNS.fetch_add(1, Ordering::Relaxed) == 3 {
        drop(block(1));
    }
}

static RESULTS: AtomicU32 = AtomicU32::new(0);

#[memprof::test(max_allocation_count = 1, runs = 5)]
fn a_result_is_the_tests() -> Result<(), std::num::ParseIntError> {
    let number: u32 = "1".parse()?;
    RESULTS.fetch_add(number, Ordering::Relaxed);
    Ok(())
}

#[test]
fn the_first_error_is_the_result_and_the_end() {
    let trial = memprof::__private::BudgetTest {
        limits: &[],
        ignored: &[],
        warmup: 1,
        runs: 3,
    };
    let runs = Cell::new(0);
    let result = trial.run(|| {
        runs.set(runs.get() + 1);
        if runs.get() == 3 {
            Err("third")
        } else {
            Ok(())
        }
    });
    assert_eq!((result, runs.get()), (Err("third"), 3));
}

#[memprof::test(max_net_bytes = 0)]
#[should_panic(expected = "what a test prints counts, too")]
fn what_is_printed_may_be_why_a_test_fails() {
    let is_shown = env::args_os().any(|word| word == "--nocapture" || word == "--no-capture");
    assert!(!is_shown, "what a test prints counts, too, but isn't kept");
    println!("hello");
}

#[memprof::test(max_allocation_count = 0)]
#[should_panic(expected = "in the middle")]
fn a_test_that_panics_in_the_middle_fails_for_that() {
    drop(block(1));
    panic!("in the middle");
}

#[memprofile(print = "never")]
fn logs(line: &str) -> String {
    formats(line)
}

#[memprofile(print = "never")]
fn formats(line: &str) -> String {
    line.to_owned()
}

#[memprofile(print = "never")]
fn logs_more(line: &str) -> String {
    line.to_owned()
}

#[memprof::test(
    max_net_bytes = 30,
    max_allocation_count = 1,
    ignore = "budget_test_attribute::logs"
)]
fn functions_that_are_ignored_and_what_they_call_don_t_count() {
    std::mem::forget((logs("twelve bytes"), block(30)));
}

// Channels allocate when a thread first waits for them.
#[memprof::test(
    max_net_bytes = 0,
    max_allocation_count = 0,
    ignore = "budget_test_attribute::logs",
    warmup = 3
)]
fn what_is_ignored_may_be_freed_elsewhere() {
    let block = logs("twelve bytes");
    free_elsewhere(block);
}

#[memprof::test(max_net_bytes = 87, ignore = "budget_test_attribute::logs")]
#[should_panic(
    expected = "in all: net 88 B, allocated 88 B in 0 blocks, freed 0 B in 0 blocks, 1 block resized,"
)]
fn what_is_ignored_may_grow_elsewhere() {
    let mut text = logs("twelve bytes");
    text.reserve_exact(100 - text.len());
    std::mem::forget(text);
}

#[memprof::test(
    max_net_bytes = 0,
    max_allocation_count = 0,
    ignore = "budget_test_attribute::grows",
    warmup = 1
)]
fn what_was_there_before_may_be_ignored() {
    let mut lists = BEFORE.lock().unwrap();
    let list = lists.iter_mut().find(|list| list.is_empty()).unwrap();
    grows(list);
}

/// Blocks allocated during the warm-up, one for each run of the test.
static BEFORE: LazyLock<Mutex<[Vec<u8>; 2]>> =
    LazyLock::new(|| Mutex::new([block(1000), block(1000)]));

#[memprofile(print = "never")]
fn grows(list: &mut Vec<u8>) {
    list.resize(2000, 0);
}

/// Frees a block on a thread that was started before the test, and isn't in its scope.
fn free_elsewhere(block: String) {
    let (give, given) = (&CHANNEL.0, &CHANNEL.1);
    give.send(block).expect("the thread runs");
    given.lock().unwrap().recv().expect("the thread answers");
}

type Channel = (SyncSender<String>, Mutex<Receiver<()>>);

static CHANNEL: LazyLock<Channel> = LazyLock::new(|| {
    let (give, given) = sync_channel(0);
    let (tell, told) = sync_channel(0);
    thread::spawn(move || {
        for block in given {
            drop(block);
            tell.send(()).expect("a test waits");
        }
    });
    (give, Mutex::new(told))
});

#[memprof::test(
    max_allocation_count = 0,
    ignore = "budget_test_attribute::logs",
    ignore = "other"
)]
#[should_panic(
    expected = "not counted, except in the peak: what budget_test_attribute::logs and other allocated"
)]
fn a_name_that_begins_alike_is_another_function() {
    drop(logs_more("more"));
}

#[memprof::test(max_net_bytes = 0, max_peak_bytes = 300, warmup = 1, runs = 2)]
#[tokio::test]
async fn an_async_test_is_counted_in_its_polls() {
    let kept = block(200);
    tokio::task::yield_now().await;
    drop(block(100));
    pause().await;
    drop(kept);
}

#[memprof::test(max_allocation_count = 0)]
#[tokio::test]
#[should_panic(expected = "! allocation_count <= 0")]
async fn an_async_test_fails_too() {
    pause().await;
    drop(block(1));
}

#[test]
fn a_failure_of_an_async_test_is_at_the_tests_place() {
    thread_local! {
        static FILE: Cell<Option<bool>> = const { Cell::new(None) };
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        FILE.set(info.location().map(|place| place.file() == file!()));
        before(info);
    }));
    panic::catch_unwind(an_async_test_fails_too).expect_err("it makes a block");
    assert_eq!(FILE.get(), Some(true));
}

#[memprof::test(max_net_bytes = "10 kB", runs = 2)]
#[tokio::test(flavor = "multi_thread")]
async fn an_async_test_has_a_result_and_the_tasks_that_join_it()
-> Result<(), tokio::task::JoinError> {
    let task = tokio::spawn(async { drop(block(5000)) }.with_current_scope());
    task.await
}

#[memprof::test(max_net_bytes = 999)]
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "! net_bytes <= 999")]
async fn what_a_task_that_joins_keeps_counts() {
    let task = tokio::spawn(async { std::mem::forget(block(1000)) }.with_current_scope());
    task.await.expect("the task doesn't panic");
}
