//! An inner allocator whose own methods are profiled, and which the profiler calls, too.

use memprof::{CountingAlloc, memprofile, report};
use memprof_tests::{assert_law_3, made, run};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

struct Profiled;

#[memprofile(print = "exit", columns = "hits, allocated")]
// SAFETY: both methods forward their arguments to `System` unchanged.
unsafe impl GlobalAlloc for Profiled {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let layout = black_box(layout);
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.alloc(layout) } // asked
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let layout = black_box(layout);
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOC: CountingAlloc<Profiled> = CountingAlloc::new(Profiled);

#[memprofile(print = "never")]
fn keeps() -> Vec<u8> {
    black_box(Vec::with_capacity(1000)) // kept
}

#[test]
fn an_allocator_can_be_profiled_while_it_is_the_profilers() {
    let tables = run(|| {
        let kept = keeps();
        let report = report();
        assert_eq!(made(&report, "keeps", "// kept"), [1000, 1, 1000, 1]);
        assert_law_3(&report);
        drop(kept);
    });
    let alloc = tables
        .iter()
        .find(|table| table.function().ends_with("::alloc"));
    assert!(alloc.unwrap().row("// asked").number("Hits") > Some(0));
}
