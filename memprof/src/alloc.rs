//! The allocator that counts.
//!
//! [`CountingAlloc`] stands between the program and the allocator it would
//! otherwise use, and adds every request to the calling thread's
//! [tally](crate::tally).
//!
//! Nothing here may allocate, lock or panic. An allocation made while counting
//! would be counted in turn, and unwinding out of a `GlobalAlloc` method is
//! undefined behaviour.
#![allow(unsafe_code)]

use crate::tally;
use std::alloc::{GlobalAlloc, Layout, System};

/// Counts what goes through the allocator inside it.
///
/// As the program's global allocator, it gives memprof its heap numbers:
///
/// ```
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// # let (_, usage) = memprof::measure(|| vec![0_u8; 1000]);
/// # assert_eq!(usage.allocated_bytes, 1000);
/// # }
/// ```
///
/// Pointers, alignment and sizes are the inner allocator's: nothing is added to
/// a block. Counters are the calling thread's own, so threads don't slow each
/// other down.
#[derive(Debug, Default)]
pub struct CountingAlloc<A = System> {
    inner: A,
}

impl CountingAlloc {
    /// Counts over the system's allocator.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> CountingAlloc<A> {
    /// Counts over `inner`, which does the allocating.
    ///
    /// ```
    /// use std::alloc::{GlobalAlloc, Layout, System};
    ///
    /// struct Arena; // or mimalloc's, or jemalloc's
    /// # unsafe impl GlobalAlloc for Arena {
    /// #     unsafe fn alloc(&self, layout: Layout) -> *mut u8 { unsafe { System.alloc(layout) } }
    /// #     unsafe fn dealloc(&self, block: *mut u8, layout: Layout) { unsafe { System.dealloc(block, layout) } }
    /// # }
    ///
    /// #[global_allocator]
    /// static ALLOC: memprof::CountingAlloc<Arena> = memprof::CountingAlloc::new(Arena);
    /// # fn main() {}
    /// ```
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

// SAFETY: each method passes its arguments to `inner` as they came and returns
// what `inner` returned, so the contract holds wherever it holds for `inner`.
// The counting in between adds integers in `Cell`s of a thread-local: it cannot
// allocate, unwind, or touch the block.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAlloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller's promise about `layout` is the one `inner` asks.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            tally::add_allocation(layout.size());
        }
        block
    }

    // Forwarded, not left to the trait's default, so that `inner` can hand out
    // pages the kernel has already zeroed.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            tally::add_allocation(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // Counted first, so that nothing is left to do after the inner call.
        tally::add_deallocation(layout.size());
        // SAFETY: `block` came from `inner`, since every method that hands one
        // out gets it there, and our caller promises `layout` is its layout.
        unsafe { self.inner.dealloc(block, layout) };
    }

    // Forwarded, so that a block can grow where it is.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as for `dealloc`; our caller promises a valid `new_size`.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        // A null answer means the old block still stands, so nothing changed.
        if !moved.is_null() {
            tally::add_reallocation(layout.size(), new_size);
        }
        moved
    }
}
