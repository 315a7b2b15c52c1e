//! The counting allocator forwards every request, and counts the result.

use memprof::{CountingAlloc, Usage, measure};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

#[global_allocator]
static ALLOC: CountingAlloc = memprof_tests::system(env!("CARGO_CRATE_NAME"));

/// The system's allocator, until it is told to fail.
struct Failing;

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: each method returns null, or forwards its arguments to `System` unchanged.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FAILS.get() {
            return ptr::null_mut();
        }
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if FAILS.get() {
            return ptr::null_mut();
        }
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if FAILS.get() {
            return ptr::null_mut();
        }
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

static OVER_FAILING: CountingAlloc<Failing> = CountingAlloc::new(Failing);

fn usage_of(work: impl FnOnce()) -> Usage {
    let ((), usage) = measure(work);
    usage
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn a_failure_of_the_allocator_inside_is_passed_on_and_not_counted() {
    let layout = layout(100, 8);
    // SAFETY: no layout has size 0, and the block is freed once.
    let usage = usage_of(|| unsafe {
        let block = OVER_FAILING.alloc(layout);
        FAILS.set(true);
        assert!(OVER_FAILING.alloc(layout).is_null());
        assert!(OVER_FAILING.alloc_zeroed(layout).is_null());
        assert!(OVER_FAILING.realloc(block, layout, 200).is_null());
        FAILS.set(false);
        // The old block is still allocated.
        block.write_bytes(7, 100);
        OVER_FAILING.dealloc(block, layout);
    });

    assert_eq!(usage.allocated_bytes, 100);
    assert_eq!(usage.freed_bytes, 100);
    assert_eq!(usage.allocation_count, 1);
    assert_eq!(usage.reallocation_count, 0);
}

#[test]
fn blocks_as_large_as_can_be_asked_for_are_refused_and_not_counted() {
    let largest = isize::MAX as usize;
    // SAFETY: no layout has size 0.
    let usage = usage_of(|| unsafe {
        for below in 0..16 {
            assert!(ALLOC.alloc(layout(largest - below, 1)).is_null());
            assert!(ALLOC.alloc_zeroed(layout(largest - below, 1)).is_null());
        }
        assert!(ALLOC.alloc(layout(largest - 4095, 4096)).is_null());
        assert!(ALLOC.alloc(layout(largest - 8191, 4096)).is_null());
        let block = ALLOC.alloc(layout(10, 1));
        assert!(ALLOC.realloc(block, layout(10, 1), largest).is_null());
        assert!(ALLOC.realloc(block, layout(10, 1), largest - 3).is_null());
        ALLOC.dealloc(block, layout(10, 1));
    });

    assert_eq!(usage.allocated_bytes, 10);
    assert_eq!(usage.freed_bytes, 10);
}

#[test]
fn alignment_is_what_was_asked_for_up_to_a_mebibyte() {
    for shift in 0..=20 {
        for size in [1, 3, 8, 100, 4096, 70_000] {
            let layout = layout(size, 1 << shift);
            // SAFETY: the layout's size isn't 0. The block is only accessed within its size, and
            // freed once.
            unsafe {
                let block = ALLOC.alloc_zeroed(layout);
                assert_eq!(block.addr() % layout.align(), 0);
                assert!((0..size).all(|index| block.add(index).read() == 0));
                block.write_bytes(0xff, size);
                let block = ALLOC.realloc(block, layout, 2 * size);
                assert_eq!(block.addr() % layout.align(), 0);
                assert!((0..size).all(|index| block.add(index).read() == 0xff));
                block.write_bytes(0xff, 2 * size);
                let grown = Layout::from_size_align(2 * size, layout.align()).unwrap();
                ALLOC.dealloc(block, grown);
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_large_zeroed_block_is_not_touched() {
    const SIZE: usize = 256 << 20;
    let before = memprof::resident_bytes().unwrap();
    let zeroed = std::hint::black_box(vec![0_u8; SIZE]);
    let after = memprof::resident_bytes().unwrap();

    // Other tests run concurrently, and touch a few pages.
    assert!(after.saturating_sub(before) < 16 << 20, "{before} {after}");
    drop(zeroed);
}
