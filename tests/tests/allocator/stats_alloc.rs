//! A program whose allocator is `stats_alloc`'s has heap numbers of the whole process in its
//! tables.

use memprof::memprofile;
use memprof_tests::{Program, block, run};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::thread;

#[global_allocator]
static ALLOC: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn inner(bytes: usize) -> Vec<u8> {
    let temporary = block(2 * bytes);
    drop(temporary);
    block(bytes)
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count, live, temporary")]
fn outer() {
    let kept = inner(100);
    thread::scope(|scope| {
        scope.spawn(|| drop(block(1_000_000)));
    });
    drop(kept);
}

#[test]
fn numbers_are_the_processes_and_leave_the_profiler_out() {
    let tables = run(|| {
        memprof::use_stats_alloc(&INSTRUMENTED_SYSTEM);
        outer();
    });

    let [inner, outer] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert_eq!(inner.row("let temporary").number("Allocated"), Some(200));
    assert_eq!(inner.row("let temporary").cell("Peak"), "n/a");
    assert_eq!(inner.row("drop(temporary)").number("Net"), Some(-200));
    assert!(
        inner
            .summary
            .ends_with("inner: heap of the whole process net 100 B, allocated 300 B, freed 200 B")
    );
    // Printing the inner call's table isn't counted on the caller's line.
    assert_eq!(outer.row("let kept").number("Allocated"), Some(300));
    assert_eq!(outer.row("let kept").number("Freed"), Some(200));
    assert_eq!(outer.row("drop(kept)").number("Freed"), Some(100));
    // `stats_alloc` doesn't know which line allocated a block.
    assert_eq!(outer.row("let kept").cell("Live"), "n/a");
    assert_eq!(outer.row("let kept").cell("Temporary"), "n/a");
    assert!(outer.words.is_empty(), "{:?}", outer.words);
    // The other thread's allocations are on any of this thread's lines.
    let spawned = outer.total("allocated") - 300;
    assert!(spawned > 1_000_000, "{spawned}");
}

#[test]
fn a_sink_is_told_that_numbers_are_the_processes() {
    let mut program = Program::new(|| {
        memprof::use_stats_alloc(&INSTRUMENTED_SYSTEM);
        memprof::set_sink(|table| {
            let heap = table.heap.unwrap();
            assert!(table.heap_is_of_process);
            assert_eq!((heap.allocated_bytes, heap.peak_bytes), (300, 0));
            println!("told");
        });
        drop(inner(100));
    });

    assert!(program.stdout().contains("told"));
}
