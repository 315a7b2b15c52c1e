//! The allocator that counts.
//!
//! [`CountingAlloc`] stands between the program and the allocator it would
//! otherwise use, adds every request to the calling thread's
//! [tally](crate::tally), and writes behind each block which line
//! [made](crate::owner) it.
//!
//! Nothing here may allocate, lock or panic. An allocation made while counting
//! would be counted in turn, and unwinding out of a `GlobalAlloc` method is
//! undefined behaviour.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait.

use crate::owner::Tag;
use crate::threads::{self, Resized};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

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
/// A block is the inner allocator's, at its address and with its alignment; eight
/// bytes behind its end say which line made it. Counters are the calling thread's own,
/// so threads don't slow each other down. They need thread-locals that the platform
/// itself provides, as Linux, macOS and Windows with MSVC do: where `std` allocates
/// them, as on Windows with GNU's tools, they can't be used inside an allocator, and
/// memprof compiles with the feature `off` only.
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

// `cfg(not(target_thread_local))`, which isn't stable.
#[cfg(all(
    not(feature = "off"),
    any(
        all(windows, target_env = "gnu", not(target_abi = "llvm")),
        target_env = "ohos",
        target_os = "android",
        target_os = "haiku",
        target_os = "illumos",
        target_os = "nto",
        target_os = "openbsd",
        target_os = "solaris",
    )
))]
compile_error!(
    "memprof counts in thread-locals of the platform's own, and Rust has none for this target: on Windows, \
     build for `x86_64-pc-windows-msvc`; elsewhere, switch memprof off with its feature `off`"
);

/// Whether nothing is counted, and there are no tags.
const OFF: bool = cfg!(feature = "off");

/// Bytes behind each block, for who made it.
const TAG_SIZE: usize = size_of::<u64>();

/// The layout of a block with its tag. Nothing if there can't be one that large.
#[inline(always)]
fn tagged(layout: Layout) -> Option<Layout> {
    // Rounded up to the alignment, a layout must not be larger than an `isize`.
    if layout.size() > isize::MAX as usize - TAG_SIZE - (layout.align() - 1) {
        return None;
    }
    // SAFETY: the alignment is a layout's, and the size has just been checked.
    Some(unsafe { Layout::from_size_align_unchecked(layout.size() + TAG_SIZE, layout.align()) })
}

/// The layout of a block that there is, or can be, with its tag.
///
/// # Safety
///
/// [`tagged`] has an answer for the same layout.
#[inline(always)]
unsafe fn with_tag(layout: Layout) -> Layout {
    // SAFETY: it is the same answer.
    unsafe { Layout::from_size_align_unchecked(layout.size() + TAG_SIZE, layout.align()) }
}

/// Writes the tag of a block.
///
/// # Safety
///
/// `block` is of `size` bytes and the tag.
#[inline(always)]
unsafe fn write_tag(block: *mut u8, size: usize, tag: Tag) {
    // SAFETY: behind `size` bytes there are those of the tag, at any alignment.
    unsafe { block.add(size).cast::<u64>().write_unaligned(tag.0) }
}

/// Reads the tag of a block, which is anything if the program wrote over it.
///
/// # Safety
///
/// As for [`write_tag`], which has been called for the block.
#[inline(always)]
unsafe fn read_tag(block: *mut u8, size: usize) -> Tag {
    // SAFETY: as for `write_tag`.
    Tag(unsafe { block.add(size).cast::<u64>().read_unaligned() })
}

/// Counts a new block, which may be null, and writes its tag; the block.
///
/// # Safety
///
/// As for [`write_tag`], unless `block` is null.
#[inline(always)]
unsafe fn counted(block: *mut u8, size: usize) -> *mut u8 {
    if !block.is_null() {
        let Some(tag) = threads::add_allocation(block.addr(), size) else {
            // SAFETY: our caller's promise is the same.
            return unsafe { counted_rarely(block, size) };
        };
        // SAFETY: our caller's promise.
        unsafe { write_tag(block, size, tag) };
    }
    block
}

/// As [`counted`], for a block that is rarely made.
///
/// # Safety
///
/// As for [`write_tag`].
#[cold]
#[inline(never)]
unsafe fn counted_rarely(block: *mut u8, size: usize) -> *mut u8 {
    let tag = threads::add_rare_allocation(block.addr(), size);
    // SAFETY: our caller's promise.
    unsafe { write_tag(block, size, tag) };
    block
}

/// The size of the largest block that is like most.
const MOST_COMMON_SIZE: usize = (1 << 31) - 1;

/// Whether a block is like most: what is true of all of them the compiler then knows,
/// and leaves out.
#[inline(always)]
fn is_common(layout: Layout) -> bool {
    layout.align() <= TAG_SIZE && layout.size() <= MOST_COMMON_SIZE
}

/// Allocates a block that is not [common](is_common).
///
/// # Safety
///
/// As for [`GlobalAlloc::alloc`] of the allocator around `inner`.
#[cold]
#[inline(never)]
unsafe fn alloc_uncommon(layout: Layout, inner: &impl GlobalAlloc) -> *mut u8 {
    let Some(tagged) = tagged(layout) else {
        return ptr::null_mut();
    };
    // SAFETY: `tagged` is of more than no bytes.
    let block = unsafe { inner.alloc(tagged) };
    // SAFETY: `inner` made room for the tag.
    unsafe { counted(block, layout.size()) }
}

/// Frees a block of another line than the current one.
///
/// # Safety
///
/// As for [`GlobalAlloc::dealloc`] of the allocator around `inner`.
#[inline(never)]
unsafe fn dealloc_of(block: *mut u8, layout: Layout, owner: Tag, inner: &impl GlobalAlloc) {
    threads::add_deallocation_of(owner, block.addr(), layout.size());
    // SAFETY: `inner` made the block with a tag.
    unsafe { inner.dealloc(block, with_tag(layout)) };
}

// SAFETY: each method asks `inner` for the block that it was asked for, of the
// same alignment and `TAG_SIZE` bytes more, and returns what `inner` returned, so
// the contract holds wherever it holds for `inner`. The tag lies behind the bytes
// that the caller may use. The counting in between adds integers in cells of
// the thread: it cannot unwind, or touch the block.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAlloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if OFF {
            // SAFETY: our caller's promises are the same, here and in what follows.
            return unsafe { self.inner.alloc(layout) };
        }
        if !is_common(layout) {
            // SAFETY: our caller's promise is the same.
            return unsafe { alloc_uncommon(layout, &self.inner) };
        }
        // SAFETY: common blocks are so small that there is room for the tag, and with
        // it they are of more than no bytes.
        let block = unsafe { self.inner.alloc(with_tag(layout)) };
        // SAFETY: `inner` made room for the tag.
        unsafe { counted(block, layout.size()) }
    }

    // Forwarded, not left to the trait's default, so that `inner` can hand out
    // pages the kernel has already zeroed. The tag touches the last one only.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if OFF {
            // SAFETY: as for `alloc`.
            return unsafe { self.inner.alloc_zeroed(layout) };
        }
        let Some(tagged) = tagged(layout) else {
            return ptr::null_mut();
        };
        // SAFETY: as for `alloc`.
        let block = unsafe { self.inner.alloc_zeroed(tagged) };
        // SAFETY: as for `alloc`.
        unsafe { counted(block, layout.size()) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if OFF {
            // SAFETY: as for `alloc`.
            return unsafe { self.inner.dealloc(block, layout) };
        }
        // SAFETY: every method that hands out a block writes its tag, and our
        // caller promises that `layout` is its layout.
        let owner = unsafe { read_tag(block, layout.size()) };
        // Counted first, and what is rare somewhere else, so that nothing is left
        // to do here after the inner call.
        if threads::add_own_deallocation(owner, block.addr(), layout.size()) {
            // SAFETY: `inner` made the block with a tag.
            unsafe { self.inner.dealloc(block, with_tag(layout)) };
        } else {
            // SAFETY: our caller's promises are the same.
            unsafe { dealloc_of(block, layout, owner, &self.inner) };
        }
    }

    // Forwarded, so that a block can grow where it is.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if OFF {
            // SAFETY: as for `alloc`.
            return unsafe { self.inner.realloc(block, layout, new_size) };
        }
        let new_layout = Layout::from_size_align(new_size, layout.align());
        let Some(new_tagged) = new_layout.ok().and_then(tagged) else {
            return ptr::null_mut();
        };
        // SAFETY: as for `dealloc`. Read now, since the block may be cut there.
        let owner = unsafe { read_tag(block, layout.size()) };
        // SAFETY: as for `dealloc`; the new size is of a valid layout.
        let moved = unsafe {
            self.inner
                .realloc(block, with_tag(layout), new_tagged.size())
        };
        // A null answer means the old block still stands, so nothing changed.
        if !moved.is_null() {
            let resized = Resized {
                old_address: block.addr(),
                new_address: moved.addr(),
                old_size: layout.size(),
                new_size,
            };
            let owner = threads::add_reallocation(owner, resized);
            // SAFETY: `inner` made room for the tag behind the new size.
            unsafe { write_tag(moved, new_size, owner) };
        }
        moved
    }
}
