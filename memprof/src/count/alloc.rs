//! The allocator that counts.
//!
//! [`CountingAlloc`] stands between the program and the allocator it would
//! otherwise use, adds every request to the calling thread's
//! [tally](crate::count::thread_counters), and writes which line [made](crate::count::line_counters) each block: behind
//! it, or [aside](crate::count::aside).
//!
//! Nothing here may allocate, lock or panic. An allocation made while counting
//! would be counted in turn, and unwinding out of a `GlobalAlloc` method is
//! undefined behaviour.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait.

use crate::count::aside;
use crate::count::tag::Tag;
use crate::count::this_thread::{self, Resized};
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
/// A block is the inner allocator's, at its address and with its alignment. Which line made
/// it is written where that takes least memory:
///
/// - over the [system's allocator](Self::system), in eight bytes behind the block's end.
///   glibc has blocks in steps of 16 bytes, so that they take 2.85 % more on average, and
///   half of them none.
/// - over [any other](Self::new), in a table aside from the blocks. Allocators such as
///   `mimalloc` and `jemalloc` have size classes, and the eight bytes would have a block that
///   fills its class, as all powers of two do, be of the next one. With the table, resident
///   memory of blocks of 64 bytes and more is about 3 % higher, where tags behind the blocks
///   have it a quarter higher; 7 % at 32 bytes, 13 % at 16, 25 % at 8, where it is twice as
///   much with tags. A block of fewer than 64 bytes whose class has eight bytes left has
///   its tag there.
/// - with [`counting`](Self::counting), nowhere: resident memory is that of the inner
///   allocator.
///
/// [`Report::tag_bytes`](crate::report::Report::tag_bytes) is what it takes in a program.
///
/// Counters are the calling thread's own,
/// so threads don't slow each other down. They need thread-locals that the platform
/// itself provides, as Linux, macOS and Windows with MSVC do: where `std` allocates
/// them, as on Windows with GNU's tools, they can't be used inside an allocator, and
/// memprof compiles with the feature `off` only.
#[derive(Debug, Default)]
pub struct CountingAlloc<A = System> {
    inner: A,
    owners: Owners,
}

/// Where it is written who made a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owners {
    /// In a tag behind the block.
    Behind,
    /// [Aside](aside), where that holds blocks of its size; else behind it.
    #[default]
    Aside,
    /// Nowhere.
    Unknown,
}

impl CountingAlloc {
    /// Counts over the system's allocator.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System).with_tags_behind()
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
    ///
    /// Made for allocators with size classes, which most are that aren't the system's. Over
    /// [`System`], [`system`](CountingAlloc::system) is faster. The table aside is there on
    /// Unix with 64 bits; elsewhere this is as [`with_tags_behind`](Self::with_tags_behind).
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            owners: Owners::Aside,
        }
    }

    /// Has eight bytes behind each block say which line made it.
    ///
    /// For an allocator that leaves eight bytes unused behind most blocks, as one does that
    /// has a header before each: there it takes no memory, and less time.
    ///
    /// ```
    /// use memprof::CountingAlloc;
    /// # use std::alloc::System as HeadersBeforeBlocks;
    ///
    /// #[global_allocator]
    /// static ALLOC: CountingAlloc<HeadersBeforeBlocks> =
    ///     CountingAlloc::new(HeadersBeforeBlocks).with_tags_behind();
    /// # fn main() {}
    /// ```
    #[must_use]
    pub const fn with_tags_behind(mut self) -> Self {
        self.owners = Owners::Behind;
        self
    }

    /// Counts over `inner` without noting which line made each block: resident memory is
    /// that of `inner`.
    ///
    /// What a piece of code did to the heap is counted as ever: [`measure`](crate::measure()),
    /// budgets, `Allocated`, `Freed`, `Net`, `Peak` and `Count` of tables, the usage of
    /// scopes, what each line allocated, and what the process has alive and had at its peak.
    /// What isn't known is what of a line's blocks is still alive, was alive at the peak or
    /// was temporary, which reports say ([`Report::owners_are_unknown`][unknown]):
    /// [`leaks`](crate::leak::leaks()), [`growth`](crate::leak::growth()), [`Epochs`](crate::leak::Epochs) and
    /// baselines refuse, and `assert_no_leak!` holds what is allocated against what is freed,
    /// whichever line made it.
    ///
    /// [unknown]: crate::report::Report::owners_are_unknown
    ///
    /// ```
    /// use memprof::CountingAlloc;
    /// use std::alloc::System;
    ///
    /// #[global_allocator]
    /// static ALLOC: CountingAlloc = CountingAlloc::counting(System);
    ///
    /// # fn main() {
    /// let (kept, usage) = memprof::measure(|| vec![0_u8; 1000]);
    /// assert_eq!((usage.allocated_bytes, usage.net_bytes()), (1000, 1000));
    /// # drop(kept);
    /// assert!(memprof::report().owners_are_unknown);
    /// # }
    /// ```
    #[must_use]
    pub const fn counting(inner: A) -> Self {
        Self {
            inner,
            owners: Owners::Unknown,
        }
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
        let Some(tag) = this_thread::add_allocation(block.addr(), size) else {
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
    let tag = this_thread::add_rare_allocation(block.addr(), size);
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
    this_thread::add_deallocation_of(owner, block.addr(), layout.size());
    // SAFETY: `inner` made the block with a tag.
    unsafe { inner.dealloc(block, with_tag(layout)) };
}

/// As [`dealloc_of`], of a block whose owner is aside.
///
/// # Safety
///
/// As for [`dealloc_of`].
#[inline(never)]
unsafe fn dealloc_aside_of(block: *mut u8, layout: Layout, inner: &impl GlobalAlloc) {
    let (address, size) = (block.addr(), layout.size());
    this_thread::add_deallocation_of(aside::read(address, size), address, size);
    // SAFETY: `inner` made the block as it was asked for.
    unsafe { inner.dealloc(block, layout) };
}

/// Counts a new block, which may be null, and writes its owner aside; the block.
#[inline(always)]
fn counted_aside(block: *mut u8, size: usize) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    match this_thread::add_allocation(block.addr(), size) {
        Some(tag) if aside::write_at_once(block.addr(), size, tag) => block,
        Some(tag) => written_aside(block, size, tag),
        None => counted_rarely_aside(block, size),
    }
}

/// As [`counted_aside`], for a block that is rarely made.
#[cold]
#[inline(never)]
fn counted_rarely_aside(block: *mut u8, size: usize) -> *mut u8 {
    let tag = this_thread::add_rare_allocation(block.addr(), size);
    written_aside(block, size, tag)
}

/// Writes aside who made a new block, or has nobody have made it; the block.
#[inline(never)]
fn written_aside(block: *mut u8, size: usize, tag: Tag) -> *mut u8 {
    if !aside::write(block.addr(), size, tag) {
        this_thread::disown_new(size);
    }
    block
}

/// Counts a new block, which may be null, of which it isn't written who made it; the block.
#[inline(always)]
fn counted_only(block: *mut u8, size: usize) -> *mut u8 {
    if !block.is_null() && this_thread::add_allocation(block.addr(), size).is_none() {
        this_thread::add_rare_allocation(block.addr(), size);
    }
    block
}

impl<A: GlobalAlloc> CountingAlloc<A> {
    /// Whether the owner of a block is aside.
    #[inline(always)]
    fn is_aside(&self, layout: Layout) -> bool {
        self.owners == Owners::Aside && aside::holds(layout.size())
    }

    /// The layout of a block as `inner` has it. Nothing if there can't be one.
    #[inline(always)]
    fn given(&self, layout: Layout) -> Option<Layout> {
        if self.owners == Owners::Unknown || self.is_aside(layout) {
            Some(layout)
        } else {
            tagged(layout)
        }
    }

    /// As [`GlobalAlloc::alloc`], where owners are behind blocks.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(always)]
    unsafe fn alloc_behind(&self, layout: Layout) -> *mut u8 {
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

    /// As [`GlobalAlloc::dealloc`], where owners are behind blocks.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(always)]
    unsafe fn dealloc_behind(&self, block: *mut u8, layout: Layout) {
        // SAFETY: every method that hands out a block writes its tag, and our
        // caller promises that `layout` is its layout.
        let owner = unsafe { read_tag(block, layout.size()) };
        // Counted first, and what is rare somewhere else, so that nothing is left
        // to do here after the inner call.
        if this_thread::add_own_deallocation(owner, block.addr(), layout.size()) {
            // SAFETY: `inner` made the block with a tag.
            unsafe { self.inner.dealloc(block, with_tag(layout)) };
        } else {
            // SAFETY: our caller's promises are the same.
            unsafe { dealloc_of(block, layout, owner, &self.inner) };
        }
    }

    /// As [`GlobalAlloc::alloc`], where owners are aside.
    ///
    /// # Safety
    ///
    /// The same.
    // Neither this nor the next is a part of the methods: what they have to keep over calls
    // would be kept for blocks that need nothing of it.
    #[inline(never)]
    unsafe fn alloc_aside(&self, layout: Layout) -> *mut u8 {
        if aside::holds(layout.size()) {
            // SAFETY: our caller's promise is the same.
            let block = unsafe { self.inner.alloc(layout) };
            counted_aside(block, layout.size())
        } else {
            // SAFETY: as above.
            unsafe { self.alloc_behind(layout) }
        }
    }

    /// As [`GlobalAlloc::dealloc`], where owners are aside.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline(never)]
    unsafe fn dealloc_aside(&self, block: *mut u8, layout: Layout) {
        let (address, size) = (block.addr(), layout.size());
        if !aside::holds(size) {
            // SAFETY: our caller's promises are the same.
            return unsafe { self.dealloc_behind(block, layout) };
        }
        let owner = aside::read_at_once(address, size);
        if this_thread::add_own_deallocation(owner, address, size) {
            // SAFETY: `inner` made the block as it was asked for.
            unsafe { self.inner.dealloc(block, layout) };
        } else {
            // SAFETY: our caller's promises are the same.
            unsafe { dealloc_aside_of(block, layout, &self.inner) };
        }
    }

    /// As [`GlobalAlloc::realloc`], where owners aren't behind all blocks.
    ///
    /// # Safety
    ///
    /// The same.
    #[inline]
    unsafe fn realloc_aside(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new_layout = Layout::from_size_align(new_size, layout.align()).ok();
        let given = new_layout.and_then(|new| Some((self.given(layout)?, self.given(new)?, new)));
        let Some((old_given, new_given, new_layout)) = given else {
            return ptr::null_mut();
        };
        // Read now, since `inner` may give the address to another thread, or cut the block
        // there.
        let owner = match self.owners {
            Owners::Unknown => None,
            _ if self.is_aside(layout) => Some(aside::read(block.addr(), layout.size())),
            // SAFETY: a block whose owner isn't aside has a tag, and our caller promises that
            // `layout` is its layout.
            _ => Some(unsafe { read_tag(block, layout.size()) }),
        };
        // SAFETY: `inner` made the block of this layout, and the new size is of a valid one.
        let moved = unsafe { self.inner.realloc(block, old_given, new_given.size()) };
        if moved.is_null() {
            return moved;
        }
        let resized = Resized {
            old_address: block.addr(),
            new_address: moved.addr(),
            old_size: layout.size(),
            new_size,
        };
        let Some(owner) = owner else {
            this_thread::add_reallocation_of_unknown(resized);
            return moved;
        };
        let owner = this_thread::add_reallocation(owner, resized);
        if self.is_aside(new_layout) {
            let (address, size) = (moved.addr(), new_size);
            if !aside::write_at_once(address, size, owner) && !aside::write(address, size, owner) {
                this_thread::disown(owner, size);
            }
        } else {
            // SAFETY: `inner` made room for the tag behind the new size.
            unsafe { write_tag(moved, new_size, owner) };
        }
        moved
    }
}

// SAFETY: each method asks `inner` for the block that it was asked for, of the
// same alignment and with `TAG_SIZE` bytes more or none, and returns what `inner`
// returned, so the contract holds wherever it holds for `inner`. Whether there are more
// bytes is decided by the size, so that a block is given back as it was given. The tag
// lies behind the bytes that the caller may use. The counting in between adds integers in
// cells of the thread, and writes to tables of its own: it cannot unwind, or touch the
// block.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAlloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if OFF {
            // SAFETY: our caller's promises are the same, here and in what follows.
            return unsafe { self.inner.alloc(layout) };
        }
        match self.owners {
            // SAFETY: our caller's promise is the same.
            Owners::Behind => unsafe { self.alloc_behind(layout) },
            // SAFETY: as above.
            Owners::Aside => unsafe { self.alloc_aside(layout) },
            Owners::Unknown => {
                // SAFETY: as above.
                let block = unsafe { self.inner.alloc(layout) };
                counted_only(block, layout.size())
            }
        }
    }

    // Forwarded, not left to the trait's default, so that `inner` can hand out
    // pages the kernel has already zeroed. The tag touches the last one only.
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if OFF {
            // SAFETY: as for `alloc`.
            return unsafe { self.inner.alloc_zeroed(layout) };
        }
        if self.owners == Owners::Unknown {
            // SAFETY: as for `alloc`.
            let block = unsafe { self.inner.alloc_zeroed(layout) };
            return counted_only(block, layout.size());
        }
        if self.is_aside(layout) {
            // SAFETY: as for `alloc`.
            let block = unsafe { self.inner.alloc_zeroed(layout) };
            return counted_aside(block, layout.size());
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
        match self.owners {
            // SAFETY: our caller's promises are the same.
            Owners::Behind => unsafe { self.dealloc_behind(block, layout) },
            // SAFETY: as above.
            Owners::Aside => unsafe { self.dealloc_aside(block, layout) },
            Owners::Unknown => {
                this_thread::add_deallocation_of_unknown(layout.size());
                // SAFETY: `inner` made the block as it was asked for.
                unsafe { self.inner.dealloc(block, layout) };
            }
        }
    }

    // Forwarded, so that a block can grow where it is.
    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if OFF {
            // SAFETY: as for `alloc`.
            return unsafe { self.inner.realloc(block, layout, new_size) };
        }
        if self.owners != Owners::Behind {
            // SAFETY: our caller's promises are the same.
            return unsafe { self.realloc_aside(block, layout, new_size) };
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
            let owner = this_thread::add_reallocation(owner, resized);
            // SAFETY: `inner` made room for the tag behind the new size.
            unsafe { write_tag(moved, new_size, owner) };
        }
        moved
    }
}
