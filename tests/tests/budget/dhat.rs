//! Budgets count the same as dhat, except for resized blocks, which dhat counts as new blocks with
//! their full size.
//!
//! There is only one test per binary: dhat counts the whole process, so nothing else may run
//! concurrently.

use memprof::{CountingAlloc, assert_alloc};
use memprof_tests::{Program, block};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[global_allocator]
static ALLOC: CountingAlloc<dhat::Alloc> = CountingAlloc::new(dhat::Alloc).with_tags_behind();

/// dhat's numbers of a piece of code.
fn stats_of<T>(work: impl Fn() -> T) -> dhat::HeapStats {
    let profiler = dhat::Profiler::builder().testing().build();
    let value = work();
    let stats = dhat::HeapStats::get();
    drop(profiler);
    drop(value);
    stats
}

/// Compares memprof's numbers of a piece of code with dhat's.
fn compare<T>(has_resizes: bool, work: impl Fn() -> T) {
    // Let one-time allocations happen before.
    drop(work());
    let stats = stats_of(&work);
    // As the inner allocator, dhat also sees the tag behind each block.
    let without_tags = |bytes: usize, blocks: usize| (bytes - 8 * blocks) as u64;
    let net = without_tags(stats.curr_bytes, stats.curr_blocks).cast_signed();
    let peak = without_tags(stats.max_bytes, stats.max_blocks);
    let total = stats.total_bytes - 8 * stats.total_blocks;
    let resized = if has_resizes { 1..=u64::MAX } else { 0..=0 };

    let check = || {
        let (value, usage) = memprof::measure(&work);
        drop(value);
        assert!(resized.contains(&usage.reallocation_count));
        // dhat counts a resized block as a new one.
        let blocks = stats.total_blocks - usage.reallocation_count;
        drop(assert_alloc!(
            allocated_bytes >= if has_resizes { 0 } else { total },
            allocated_bytes <= total,
            net_bytes == net,
            peak_bytes == peak,
            allocation_count == blocks,
            deallocation_count == blocks - stats.curr_blocks as u64,
            { work() }
        ));
    };
    check();
    beside_others(check);
}

/// Calls `act` while other threads allocate and free.
fn beside_others(act: impl Fn()) {
    let is_over = AtomicBool::new(false);
    let started = Barrier::new(3);
    thread::scope(|scope| {
        for bytes in [100, 10_000] {
            let (is_over, started) = (&is_over, &started);
            scope.spawn(move || {
                drop(block(bytes));
                started.wait();
                while !is_over.load(Ordering::Relaxed) {
                    drop(block(bytes));
                }
            });
        }
        started.wait();
        act();
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_budget_counts_what_dhat_counts() {
    let mut program = Program::new(|| {
        compare(false, || ());
        compare(false, || Box::new([0_u64; 100]));
        compare(false, || vec![0_u8; 1 << 20].into_boxed_slice());
        compare(false, || {
            let numbers: Vec<String> = (0..100).map(|n| n.to_string()).collect();
            numbers.concat()
        });
        compare(false, || {
            let list = (0..500).map(|n| (n, format!("{n:5}")));
            list.collect::<BTreeMap<_, _>>()
        });
        compare(false, || {
            let mut map = HashMap::with_capacity(500);
            map.extend((0..500).map(|n| (n, vec![n; 3])));
            map.retain(|n, _| n % 2 == 0);
            map
        });
        compare(true, || {
            let numbers = (0..1000).filter(|n| n % 3 == 0);
            numbers.collect::<Vec<u64>>()
        });
        compare(true, || {
            let mut queue = VecDeque::new();
            for n in 0..10_000 {
                queue.push_back(n);
                if n % 3 == 0 {
                    queue.pop_front();
                }
            }
            queue.shrink_to_fit();
            queue
        });
        compare(true, || {
            serde_json::from_str::<serde_json::Value>(r#"{"a": [1, 2, 3, 4, 5, {"b": "text"}]}"#)
        });
    });
    program.stdout();
}
