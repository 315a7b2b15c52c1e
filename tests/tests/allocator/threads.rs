//! Law 4: a line isn't charged with allocations of other threads, and the profiler's own
//! allocations are counted nowhere.

use memprof::{Usage, measure, memprofile};
use memprof_tests::{block, run};
use std::hint::black_box;
use std::panic::catch_unwind;
use std::sync::Barrier;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

#[memprofile(columns = "hits, allocated, freed, peak, count")]
fn works_beside(started: &Barrier, done: &Barrier) {
    started.wait();
    let a = block(100);
    done.wait();
    drop(a);
}

#[test]
fn what_another_thread_does_meanwhile_is_on_no_line() {
    let tables = run(|| {
        let started = Barrier::new(2);
        let done = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                started.wait();
                for bytes in 0..10_000 {
                    drop(block(bytes));
                }
                done.wait();
            });
            works_beside(&started, &done);
        });
    });

    let table = &tables[0];
    assert_eq!(table.row("let a").number("Allocated"), Some(100));
    assert_eq!(table.row("done.wait()").number("Allocated"), Some(0));
    assert_eq!(table.row("done.wait()").number("Peak"), Some(0));
    assert_eq!(table.sum("Allocated"), 100);
    assert_eq!(table.sum("Freed"), 100);
    assert_eq!(table.sum("Count"), 1);
}

#[memprofile(columns = "allocated, freed")]
fn sends(given: &SyncSender<Vec<u8>>) {
    let made = block(300);
    given.send(made).unwrap();
}

#[memprofile(columns = "allocated, freed, net")]
fn receives(taken: &Receiver<Vec<u8>>) -> usize {
    let received = taken.recv().unwrap();
    let length = received.len();
    drop(received);
    length
}

#[test]
fn a_block_is_freed_where_it_is_freed_whoever_made_it() {
    let tables = run(|| {
        let (given, taken) = sync_channel(1);
        given.send(block(1)).unwrap();
        drop(taken.recv());
        sends(&given);
        thread::spawn(move || receives(&taken)).join().unwrap();
    });

    assert_eq!(tables[0].total("net"), 300);
    assert_eq!(tables[1].row("drop(received)").number("Freed"), Some(300));
    assert_eq!(tables[1].row("drop(received)").number("Net"), Some(-300));
}

#[memprofile(columns = "hits, allocated")]
fn on_each_thread(bytes: usize) -> usize {
    let a = block(bytes);
    let b = block(1);
    a.capacity() + b.capacity()
}

#[test]
fn every_thread_has_its_own_tables_and_none_is_lost() {
    const THREADS: usize = 200;
    let tables = run(|| {
        thread::scope(|scope| {
            for bytes in 1..=THREADS {
                scope.spawn(move || on_each_thread(bytes));
            }
        });
    });

    let mut allocated: Vec<i64> = tables
        .iter()
        .map(|table| table.total("allocated"))
        .collect();
    allocated.sort_unstable();
    let expected: Vec<i64> = (2..).take(THREADS).collect();
    assert_eq!(allocated, expected);
}

#[memprofile(columns = "default, allocated, freed, peak, count")]
fn calls_profiled_functions(times: usize) -> usize {
    let mut sum = 0;
    for bytes in 0..times {
        sum += on_each_thread(bytes);
    }
    sum
}

#[test]
fn what_the_profiler_allocates_is_on_nobodys_line() {
    let tables = run(|| {
        calls_profiled_functions(100);
    });

    let outer = tables.last().unwrap();
    let calling = outer.row("sum += ");
    assert_eq!(
        calling.number("Allocated"),
        Some((0..100).map(|bytes| bytes + 1).sum())
    );
    assert_eq!(calling.number("Freed"), calling.number("Allocated"));
    assert_eq!(calling.number("Peak"), Some(100));
    assert_eq!(calling.number("Count"), Some(199));
}

fn usage_of(work: impl FnOnce()) -> Usage {
    let ((), usage) = measure(work);
    usage
}

#[test]
fn a_measure_knows_all_that_happened() {
    let usage = usage_of(|| {
        let mut list: Vec<u8> = Vec::with_capacity(10);
        list.reserve_exact(100);
        black_box(&mut list).shrink_to(20);
        drop(list);
        drop(block(60));
    });

    assert_eq!(usage.allocated_bytes, 10 + 90 + 60);
    assert_eq!(usage.freed_bytes, 80 + 20 + 60);
    assert_eq!(usage.peak_bytes, 100);
    assert_eq!(usage.allocation_count, 2);
    assert_eq!(usage.deallocation_count, 2);
    assert_eq!(usage.reallocation_count, 2);
    assert_eq!(usage.net_bytes(), 0);
}

#[test]
fn measures_nest_and_each_has_its_own_peak() {
    let mut inner = Usage::default();
    let outer = usage_of(|| {
        drop(block(1000));
        inner = usage_of(|| drop(block(10)));
        drop(block(500));
    });

    assert_eq!(inner.peak_bytes, 10);
    assert_eq!(outer.peak_bytes, 1000);
    assert_eq!(outer.allocated_bytes, 1510);
}

#[test]
fn a_measure_left_by_a_panic_does_not_disturb_the_one_around_it() {
    let usage = usage_of(|| {
        drop(block(1000));
        let left = catch_unwind(|| measure(|| std::panic::resume_unwind(Box::new(()))));
        drop(left.map(|((), usage)| usage));
        drop(block(1));
    });

    assert_eq!(usage.peak_bytes, 1000);
}

#[test]
fn measures_on_a_hundred_threads_are_exact() {
    thread::scope(|scope| {
        for bytes in 0..100 {
            scope.spawn(move || {
                for _ in 0..100 {
                    let usage = usage_of(|| drop(block(bytes)));
                    assert_eq!(usage.allocated_bytes, bytes as u64);
                    assert_eq!(usage.peak_bytes, bytes as u64);
                }
            });
        }
    });
}
