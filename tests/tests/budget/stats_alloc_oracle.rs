//! Budgets count the same as `stats_alloc`, in the same run.
//!
//! There is only one test per binary, since `stats_alloc` counts the whole process.

use memprof::{CountingAlloc, assert_alloc};
use memprof_tests::Program;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::{BTreeMap, HashMap, VecDeque};

#[global_allocator]
static ALLOC: CountingAlloc<&StatsAlloc<System>> =
    CountingAlloc::new(&INSTRUMENTED_SYSTEM).with_tags_behind();

/// Compares memprof's numbers of a piece of code with those of `stats_alloc`.
fn compare<T>(work: impl Fn() -> T) {
    // Let one-time allocations happen before.
    drop(work());
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let value = work();
    let stats = region.change();
    drop(value);
    // As the inner allocator, `stats_alloc` also sees the tag behind each block.
    let without_tags = |bytes: usize, blocks: usize| (bytes - 8 * blocks) as u64;
    let allocated = without_tags(stats.bytes_allocated, stats.allocations);
    let freed = without_tags(stats.bytes_deallocated, stats.deallocations);
    let value = assert_alloc!(
        allocated_bytes == allocated,
        freed_bytes == freed,
        net_bytes == allocated.cast_signed() - freed.cast_signed(),
        allocation_count == stats.allocations as u64,
        deallocation_count == stats.deallocations as u64,
        reallocation_count == stats.reallocations as u64,
        { work() }
    );
    drop(value);
}

#[test]
fn a_budget_counts_what_stats_alloc_counts() {
    let mut program = Program::new(|| {
        compare(|| ());
        compare(|| Box::new([0_u64; 100]));
        compare(|| {
            (0..1000)
                .map(|n| n * n)
                .filter(|n| n % 3 == 0)
                .collect::<Vec<u64>>()
        });
        compare(|| {
            (0..100)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        });
        compare(|| {
            (0..500)
                .map(|n| (n, n.to_string()))
                .collect::<BTreeMap<_, _>>()
        });
        compare(|| {
            // With the same keys, the map grows in the same way each time.
            let mut map = HashMap::new();
            map.extend((0..500).map(|n| (n, vec![n; 3])));
            map.retain(|n, _| n % 2 == 0);
            map.shrink_to_fit();
            map
        });
        compare(|| {
            let mut queue = VecDeque::new();
            for n in 0..10_000 {
                queue.push_back(n);
                if n % 3 == 0 {
                    queue.pop_front();
                }
            }
            queue
        });
        compare(|| vec![0_u8; 1 << 20].into_boxed_slice());
        compare(|| serde_json::from_str::<serde_json::Value>(r#"{"a": [1, 2, {"b": "text"}]}"#));
    });
    program.stdout();
}
