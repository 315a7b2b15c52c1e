//! The counting allocator.
//!
//! [`CountingAlloc`] stands between the program and the allocator it would otherwise use. It counts
//! every allocation and free in the calling thread's [counters](this_thread), and stores with each
//! block its [`Tag`]: the line that allocated it, and the scope.
//!
//! # Where tags are
//!
//! - *Behind* a block: in eight bytes after its end, which are requested from the inner allocator
//!   along with the block.
//! - [*Aside*](aside): in tables of their own, for the sizes that [`aside::holds`] is true for.
//!   Blocks of other sizes have their tags behind them.
//! - *Nowhere*, with [`CountingAlloc::counting`]: what a line allocates is counted, but when a
//!   block is freed, its line is unknown.
//!
//! The block's size alone decides, so that a thread that frees a block knows where its tag is.
//!
//! # Allocating
//!
//! The inner allocator is called first. Then the block is counted, its tag written, and the block
//! handed out. [`this_thread::add_allocation`] is the fast path; it returns `None` for a thread's
//! first block and for one that may raise the process's peak, and the cold path takes over.
//!
//! # Freeing and resizing
//!
//! The tag is read before the inner allocator gets the block: afterwards another thread may own the
//! address, or the block may be cut where the tag was. A free is also counted before the inner
//! call, which is then the last thing to do (a tail call). A resize is counted after the inner
//! call, since it may fail.
//!
//! # What may not happen here
//!
//! Nothing here may allocate from the counting allocator, lock or panic. An allocation made while
//! counting would be counted in turn, a lock may be held by a thread that a forked child doesn't
//! have, and unwinding out of a `GlobalAlloc` method is undefined behaviour.
#![allow(unsafe_code)] // `GlobalAlloc` is an unsafe trait.

use crate::count::aside;
use crate::count::tag::Tag;
use crate::count::this_thread::{self, Resized};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// A global allocator that counts what goes through the allocator inside it.
///
/// As the program's global allocator, it provides memprof's heap numbers:
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
/// Blocks come from the inner allocator and keep its addresses and alignment. The line that
/// allocated a block is stored where that takes least memory:
///
/// - Over the [system's allocator](Self::system), in a tag: eight bytes behind the block's end.
///   glibc's block sizes are multiples of 16 bytes, so blocks take 2.85 % more memory on average,
///   and half of them take none.
/// - Over [any other allocator](Self::new), in tables separate from the blocks. Allocators such as
///   `mimalloc` and `jemalloc` have size classes, and eight more bytes would push a block that
///   fills its class, as all powers of two do, into the next one. With the tables, resident memory
///   is about 3 % higher for blocks of 64 bytes and more, where tags behind the blocks make it a
///   quarter higher; it is 6 % higher at 32 bytes, 12 % at 16 and 24 % at 8, where tags double it.
///   A block of fewer than 64 bytes whose class has eight bytes to spare has its tag there.
/// - With [`counting`](Self::counting), nowhere: resident memory is that of the inner allocator.
///
/// [`Report::tag_bytes`](crate::report::Report::tag_bytes) tells how many bytes this takes in a
/// program.
///
/// Each thread has its own counters, so threads don't slow each other down. The counters need
/// thread-locals that the platform itself provides, as Linux, macOS and Windows with MSVC do. Where
/// `std` allocates thread-locals, as on Windows with the GNU toolchain, an allocator can't use
/// them, and memprof compiles only with the feature `off`.
#[derive(Debug, Default)]
pub struct CountingAlloc<A = System> {
    inner: A,
    owners: Owners,
}

/// Where a block's tag is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owners {
    /// Behind the block.
    Behind,
    /// [Aside](aside) if the tables hold blocks of its size, else behind it.
    #[default]
    Aside,
    /// Nowhere: blocks have no tags.
    Unknown,
}

impl CountingAlloc {
    /// Counts over the system's allocator, with tags behind the blocks.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System).with_tags_behind()
    }
}

impl<A> CountingAlloc<A> {
    /// Counts over `inner`, which allocates the blocks.
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
    /// Meant for allocators with size classes, as most are except the system's. Over [`System`],
    /// [`system`](CountingAlloc::system) is faster. The side tables exist on 64-bit Unix;
    /// elsewhere, this is the same as [`with_tags_behind`](Self::with_tags_behind).
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            owners: Owners::Aside,
        }
    }

    /// Stores the line that allocated a block in eight bytes behind the block.
    ///
    /// For an allocator that leaves eight bytes unused behind most blocks, such as one with a
    /// header before each block: there the tags take no memory, and they take less time than the
    /// tables.
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

    /// Counts over `inner` without storing which line allocated each block: resident memory is that
    /// of `inner`.
    ///
    /// What a piece of code does to the heap is counted as usual: [`measure`](crate::measure()),
    /// budgets, the columns `Allocated`, `Freed`, `Net`, `Peak` and `Count`, the usage of scopes,
    /// what each line allocated, and the process's live bytes and peak.
    ///
    /// Which of a line's blocks are alive, were alive at the peak or were temporary is not known,
    /// and reports say so ([`Report::owners_are_unknown`][unknown]).
    /// [`leaks`](crate::leak::leaks()), [`growth`](crate::leak::growth()),
    /// [`Epochs`](crate::leak::Epochs) and baselines refuse to work; `assert_no_leak!` compares
    /// what is allocated with what is freed, regardless of the line.
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

/// An allocator that is a static of the program.
///
/// `cargo memprof` counts over the program's own `#[global_allocator]` with this, and leaves the
/// static as it is: the program may also use it by its name.
#[derive(Debug)]
pub struct StaticAlloc<A: 'static>(pub &'static A);

// SAFETY: each method passes its arguments to the static as they came and returns what it returned,
// so the contract holds wherever it holds for the static.
unsafe impl<A: GlobalAlloc> GlobalAlloc for StaticAlloc<A> {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller's promise is the same.
        unsafe { self.0.alloc(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.dealloc(block, layout) }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.realloc(block, layout, new_size) }
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

/// Whether counting is compiled out: no counters, no tags.
const OFF: bool = cfg!(feature = "off");

/// Size in bytes of the tag behind a block.
const TAG_SIZE: usize = size_of::<u64>();

/// The layout of a block with its tag behind it. `None` if that would be too large for a layout.
#[inline(always)]
fn tagged(layout: Layout) -> Option<Layout> {
    // Rounded up to its alignment, a layout's size must not exceed `isize::MAX`.
    if layout.size() > isize::MAX as usize - TAG_SIZE - (layout.align() - 1) {
        return None;
    }
    // SAFETY: the alignment is that of a valid layout, and the size was checked above.
    Some(unsafe { Layout::from_size_align_unchecked(layout.size() + TAG_SIZE, layout.align()) })
}

/// The layout of a block with its tag, for a layout that is known to have room for it.
///
/// # Safety
///
/// [`tagged`] returns `Some` for the same layout.
#[inline(always)]
unsafe fn with_tag(layout: Layout) -> Layout {
    // SAFETY: by our caller's promise, `tagged` has made the same layout.
    unsafe { Layout::from_size_align_unchecked(layout.size() + TAG_SIZE, layout.align()) }
}

/// Writes the tag behind a block.
///
/// # Safety
///
/// `block` has room for `size` bytes and the tag after them.
#[inline(always)]
unsafe fn write_tag(block: *mut u8, size: usize, tag: Tag) {
    // SAFETY: our caller promises room for the tag after `size` bytes; it may be unaligned.
    unsafe { block.add(size).cast::<u64>().write_unaligned(tag.0) }
}

/// Reads the tag behind a block. It can be any value if the program wrote past the block's end.
///
/// # Safety
///
/// As for [`write_tag`], which has been called for the block.
#[inline(always)]
unsafe fn read_tag(block: *mut u8, size: usize) -> Tag {
    // SAFETY: as in `write_tag`; the tag has been written, so it is initialised.
    Tag(unsafe { block.add(size).cast::<u64>().read_unaligned() })
}

/// Counts a new block and writes its tag behind it. Does nothing if `block` is null. Returns
/// `block`.
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

/// As [`counted`], for the rare blocks that [`this_thread::add_allocation`] leaves to the cold
/// path.
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

/// The size of the largest [common](is_common) block, in bytes.
const MOST_COMMON_SIZE: usize = (1 << 31) - 1;

/// Whether a block has a common size and alignment. The compiler can then drop the checks and the
/// alignment code that such blocks don't need.
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
    // SAFETY: with the tag, the size isn't zero.
    let block = unsafe { inner.alloc(tagged) };
    // SAFETY: `inner` allocated the block with room for the tag, or returned null.
    unsafe { counted(block, layout.size()) }
}

/// Frees a block that the current line doesn't own.
#[inline(never)]
unsafe fn dealloc_of(block: *mut u8, layout: Layout, owner: Tag, inner: &impl GlobalAlloc) {
    this_thread::add_deallocation_of(owner, block.addr(), layout.size());
    // SAFETY: `inner` allocated the block with the tagged layout.
    unsafe { inner.dealloc(block, with_tag(layout)) };
}

/// As [`dealloc_of`], for a block whose tag is aside.
///
/// # Safety
///
/// As for [`dealloc_of`].
#[inline(never)]
unsafe fn dealloc_aside_of(block: *mut u8, layout: Layout, inner: &impl GlobalAlloc) {
    let (address, size) = (block.addr(), layout.size());
    this_thread::add_deallocation_of(aside::read(address, size), address, size);
    // SAFETY: `inner` allocated the block with this layout, without a tag.
    unsafe { inner.dealloc(block, layout) };
}

/// Counts a new block and writes its tag aside. Does nothing if `block` is null. Returns `block`.
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

/// As [`counted_aside`], for the rare blocks that [`this_thread::add_allocation`] leaves to the
/// cold path.
#[cold]
#[inline(never)]
fn counted_rarely_aside(block: *mut u8, size: usize) -> *mut u8 {
    let tag = this_thread::add_rare_allocation(block.addr(), size);
    written_aside(block, size, tag)
}

/// Writes a new block's tag aside. If the system has no memory for the table, the block becomes
/// untracked. Returns `block`.
#[inline(never)]
fn written_aside(block: *mut u8, size: usize, tag: Tag) -> *mut u8 {
    if !aside::write(block.addr(), size, tag) {
        this_thread::disown_new(size);
    }
    block
}

/// Counts a new block without writing a tag. Does nothing if `block` is null. Returns `block`.
#[inline(always)]
fn counted_only(block: *mut u8, size: usize) -> *mut u8 {
    if !block.is_null() && this_thread::add_allocation(block.addr(), size).is_none() {
        this_thread::add_rare_allocation(block.addr(), size);
    }
    block
}

impl<A: GlobalAlloc> CountingAlloc<A> {
    /// Whether the block's tag is aside.
    #[inline(always)]
    fn is_aside(&self, layout: Layout) -> bool {
        self.owners == Owners::Aside && aside::holds(layout.size())
    }

    /// The layout that is requested from `inner` for a block. `None` if it would be too large.
    #[inline(always)]
    fn given(&self, layout: Layout) -> Option<Layout> {
        if self.owners == Owners::Unknown || self.is_aside(layout) {
            Some(layout)
        } else {
            tagged(layout)
        }
    }

    /// [`GlobalAlloc::alloc`] with the tag behind the block.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::alloc`].
    #[inline(always)]
    unsafe fn alloc_behind(&self, layout: Layout) -> *mut u8 {
        if !is_common(layout) {
            // SAFETY: our caller's promise is the same.
            return unsafe { alloc_uncommon(layout, &self.inner) };
        }
        // SAFETY: common blocks are small enough for `tagged` to succeed, and with the tag the size
        // isn't zero.
        let block = unsafe { self.inner.alloc(with_tag(layout)) };
        // SAFETY: `inner` allocated the block with room for the tag, or returned null.
        unsafe { counted(block, layout.size()) }
    }

    /// [`GlobalAlloc::dealloc`] with the tag behind the block.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    #[inline(always)]
    unsafe fn dealloc_behind(&self, block: *mut u8, layout: Layout) {
        // SAFETY: every method that hands out such a block has written its tag, and our caller
        // promises that `layout` is its layout.
        let owner = unsafe { read_tag(block, layout.size()) };
        // Counted first, with the rare case out of line, so that the inner call is a tail call.
        if this_thread::add_own_deallocation(owner, block.addr(), layout.size()) {
            // SAFETY: `inner` allocated the block with the tagged layout.
            unsafe { self.inner.dealloc(block, with_tag(layout)) };
        } else {
            // SAFETY: our caller's promises are the same.
            unsafe { dealloc_of(block, layout, owner, &self.inner) };
        }
    }

    /// [`GlobalAlloc::alloc`] with the tag aside, if the tables hold the size.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::alloc`].
    // Neither this nor the next function is inlined: the registers that they save over calls would
    // then be saved for blocks, too, that don't need it.
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

    /// [`GlobalAlloc::dealloc`] with the tag aside, if the tables hold the size.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::dealloc`].
    #[inline(never)]
    unsafe fn dealloc_aside(&self, block: *mut u8, layout: Layout) {
        let (address, size) = (block.addr(), layout.size());
        if !aside::holds(size) {
            // SAFETY: our caller's promises are the same.
            return unsafe { self.dealloc_behind(block, layout) };
        }
        let owner = aside::read_at_once(address, size);
        if this_thread::add_own_deallocation(owner, address, size) {
            // SAFETY: `inner` allocated the block with this layout, without a tag.
            unsafe { self.inner.dealloc(block, layout) };
        } else {
            // SAFETY: our caller's promises are the same.
            unsafe { dealloc_aside_of(block, layout, &self.inner) };
        }
    }

    /// [`GlobalAlloc::realloc`] where not all blocks have their tags behind them. A block can
    /// change its side with its size.
    ///
    /// # Safety
    ///
    /// As for [`GlobalAlloc::realloc`].
    #[inline]
    unsafe fn realloc_aside(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new_layout = Layout::from_size_align(new_size, layout.align()).ok();
        let given = new_layout.and_then(|new| Some((self.given(layout)?, self.given(new)?, new)));
        let Some((old_given, new_given, new_layout)) = given else {
            return ptr::null_mut();
        };
        // Read before the inner call: `inner` may give the address to another thread, or cut the
        // block where the tag is.
        let owner = match self.owners {
            Owners::Unknown => None,
            _ if self.is_aside(layout) => Some(aside::read(block.addr(), layout.size())),
            // SAFETY: a block whose tag isn't aside has it behind its end, and our caller promises
            // that `layout` is its layout.
            _ => Some(unsafe { read_tag(block, layout.size()) }),
        };
        // SAFETY: `inner` allocated the block with this layout, and the new size is that of a valid
        // layout with the same alignment.
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
            // SAFETY: `inner` resized the block to the new size and room for the tag.
            unsafe { write_tag(moved, new_size, owner) };
        }
        moved
    }
}

// SAFETY: each method requests from `inner` the block that it was asked for, with the same
// alignment and with either `TAG_SIZE` more bytes or none, and returns what `inner` returned; so
// the contract holds wherever it holds for `inner`. The size alone decides whether there are more
// bytes, so a block goes back to `inner` with the layout it was requested with. The tag lies behind
// the bytes that the caller may use. The counting in between adds integers in thread-locals and
// writes to tables of its own: it cannot unwind or touch the block's contents.
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

    // Forwarded instead of left to the trait's default, so that `inner` can hand out pages that the
    // kernel has already zeroed. The tag touches only the last one.
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
                // SAFETY: `inner` allocated the block with this layout, without a tag.
                unsafe { self.inner.dealloc(block, layout) };
            }
        }
    }

    // Forwarded instead of left to the trait's default, so that a block can grow in place.
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
        // SAFETY: as for `dealloc`. Read before the inner call, which may cut the block there.
        let owner = unsafe { read_tag(block, layout.size()) };
        // SAFETY: as for `dealloc`; the new size is that of a valid layout.
        let moved = unsafe {
            self.inner
                .realloc(block, with_tag(layout), new_tagged.size())
        };
        // Null means that the old block is still there, so nothing changed.
        if !moved.is_null() {
            let resized = Resized {
                old_address: block.addr(),
                new_address: moved.addr(),
                old_size: layout.size(),
                new_size,
            };
            let owner = this_thread::add_reallocation(owner, resized);
            // SAFETY: `inner` resized the block to the new size and room for the tag.
            unsafe { write_tag(moved, new_size, owner) };
        }
        moved
    }
}
