//! What a thread has allocated and freed.
//!
//! A thread counts in cells of its own, which it alone writes, from inside the
//! allocator: no locks, no contention, and arithmetic that wraps, since a plain
//! `+` can panic in a debug build and a panic in an allocator is undefined
//! behaviour. They are atomic for the sake of [others](crate::registry) who read
//! them meanwhile.
//!
//! What the current line does isn't counted a second time for the line: it is the
//! difference in the thread's counters, put down to the line when another one
//! becomes current ([`set_line`]).

use crate::owner::{self, OWNERSHIP, Slot};
use crate::registry;
use crate::usage::Usage;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// The heap counters of one thread at one moment, since the thread began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Bytes of new blocks, and by which blocks grew.
    pub(crate) allocated_bytes: u64,
    /// Bytes of freed blocks, and by which blocks shrank.
    ///
    /// A block is counted where it is freed, so a thread that drops what
    /// another one made can free more than it allocated.
    pub(crate) freed_bytes: u64,
    /// New blocks.
    pub(crate) allocation_count: u64,
    /// Freed blocks.
    pub(crate) deallocation_count: u64,
    /// Blocks that grew or shrank.
    pub(crate) reallocation_count: u64,
    /// The most that [`net_bytes`](Self::net_bytes) has been since
    /// [`lap`].
    pub(crate) highest_net_bytes: i64,
}

impl Tally {
    /// Before anything has happened.
    #[cfg(feature = "stats_alloc")]
    pub(crate) const ZERO: Self = Self {
        allocated_bytes: 0,
        freed_bytes: 0,
        allocation_count: 0,
        deallocation_count: 0,
        reallocation_count: 0,
        highest_net_bytes: 0,
    };

    /// Bytes allocated and not freed, negative where more was freed.
    pub(crate) fn net_bytes(self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .cast_signed()
    }

    /// What happened between `earlier` and this moment.
    ///
    /// `earlier` is the answer of [`lap`], and the peak is right if all later
    /// laps have been [resumed](resume_peak) since.
    #[inline(always)]
    pub(crate) fn since(self, earlier: Self) -> Usage {
        let peak_bytes = self.highest_net_bytes.wrapping_sub(earlier.net_bytes());
        Usage {
            allocated_bytes: self.allocated_bytes.wrapping_sub(earlier.allocated_bytes),
            freed_bytes: self.freed_bytes.wrapping_sub(earlier.freed_bytes),
            peak_bytes: u64::try_from(peak_bytes).unwrap_or(0),
            allocation_count: self.allocation_count.wrapping_sub(earlier.allocation_count),
            deallocation_count: self
                .deallocation_count
                .wrapping_sub(earlier.deallocation_count),
            reallocation_count: self
                .reallocation_count
                .wrapping_sub(earlier.reallocation_count),
        }
    }
}

/// The counters of a thread.
// Those of an event are in one line of the cache, which it touches alone.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Counters {
    allocated_bytes: AtomicU64,
    allocation_count: AtomicU64,
    freed_bytes: AtomicU64,
    deallocation_count: AtomicU64,
    highest_net_bytes: AtomicI64,
    /// The line that the thread is in, by its id; `NO_LINE` as long as it hasn't
    /// allocated anything.
    line: AtomicU32,

    reallocation_count: AtomicU64,
    /// What of `freed_bytes` and `deallocation_count` was of blocks that another
    /// line made than the one that was current.
    others_freed_bytes: AtomicU64,
    others_deallocation_count: AtomicU64,
    /// What has been put down to lines.
    settled_allocated_bytes: AtomicU64,
    settled_allocation_count: AtomicU64,
    settled_freed_bytes: AtomicU64,
    settled_deallocation_count: AtomicU64,
}

thread_local! {
    // Const-initialised and without a destructor: reaching it never allocates,
    // and it can still be reached while the thread is being torn down.
    static COUNTERS: Counters = const { Counters::new() };
}

// Relaxed, all of them: each counter stands alone and has one writer.
#[inline(always)]
fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[inline(always)]
fn store(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}

#[inline(always)]
fn add(counter: &AtomicU64, amount: u64) -> u64 {
    let total = load(counter).wrapping_add(amount);
    store(counter, total);
    total
}

impl Counters {
    const fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocation_count: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            deallocation_count: AtomicU64::new(0),
            highest_net_bytes: AtomicI64::new(0),
            line: AtomicU32::new(owner::NO_LINE),
            reallocation_count: AtomicU64::new(0),
            others_freed_bytes: AtomicU64::new(0),
            others_deallocation_count: AtomicU64::new(0),
            settled_allocated_bytes: AtomicU64::new(0),
            settled_allocation_count: AtomicU64::new(0),
            settled_freed_bytes: AtomicU64::new(0),
            settled_deallocation_count: AtomicU64::new(0),
        }
    }

    #[inline(always)]
    fn line(&self) -> u32 {
        self.line.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn grow(&self, bytes: u64) {
        let allocated = add(&self.allocated_bytes, bytes);
        let net = allocated
            .wrapping_sub(load(&self.freed_bytes))
            .cast_signed();
        if net > self.highest_net_bytes.load(Ordering::Relaxed) {
            self.highest_net_bytes.store(net, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    fn shrink(&self, bytes: u64, blocks: u64) {
        add(&self.freed_bytes, bytes);
        add(&self.deallocation_count, blocks);
    }

    /// As [`shrink`](Self::shrink), for a block of any line.
    fn shrink_of(&self, owner: u32, bytes: u64, blocks: u64) {
        self.attach();
        self.shrink(bytes, blocks);
        if OWNERSHIP && owner != self.line() {
            add(&self.others_freed_bytes, bytes);
            add(&self.others_deallocation_count, blocks);
            registry::add(owner::checked(owner), &Slot::freed(bytes, blocks));
        }
    }

    /// Registers the thread, unless it is.
    fn attach(&self) {
        if self.line() == owner::NO_LINE {
            registry::attach(self);
            self.line.store(owner::UNTRACKED, Ordering::Relaxed);
        }
    }

    /// Puts down to lines what there is, and begins anew, as a thread that hasn't
    /// allocated anything; what there was. For when the thread ends.
    pub(crate) fn take(&self) -> Tally {
        self.set_line(owner::UNTRACKED);
        let tally = self.tally();
        for counter in [
            &self.allocated_bytes,
            &self.allocation_count,
            &self.freed_bytes,
            &self.deallocation_count,
            &self.reallocation_count,
            &self.others_freed_bytes,
            &self.others_deallocation_count,
            &self.settled_allocated_bytes,
            &self.settled_allocation_count,
            &self.settled_freed_bytes,
            &self.settled_deallocation_count,
        ] {
            store(counter, 0);
        }
        self.highest_net_bytes.store(0, Ordering::Relaxed);
        self.line.store(owner::NO_LINE, Ordering::Relaxed);
        tally
    }

    #[inline(always)]
    fn own_freed_bytes(&self) -> u64 {
        load(&self.freed_bytes).wrapping_sub(load(&self.others_freed_bytes))
    }

    fn own_deallocation_count(&self) -> u64 {
        load(&self.deallocation_count).wrapping_sub(load(&self.others_deallocation_count))
    }

    /// Makes `line` the current one.
    #[inline(always)]
    fn set_line(&self, line: u32) {
        let allocated = load(&self.allocated_bytes) ^ load(&self.settled_allocated_bytes);
        let freed = self.own_freed_bytes() ^ load(&self.settled_freed_bytes);
        // A block has at least one byte, so that nothing happened to them either.
        if allocated | freed != 0 {
            self.settle();
        }
        self.line.store(line, Ordering::Relaxed);
    }

    /// Puts down to the current line what has happened since it became current.
    fn settle(&self) {
        let line = self.line();
        let pending = self.pending();
        if line == owner::PROFILER {
            // Not the program's: it never happened.
            let back = |counter, own: u64| add(counter, own.wrapping_neg());
            back(&self.allocated_bytes, pending.allocated_bytes);
            back(&self.allocation_count, pending.allocation_count);
            back(&self.freed_bytes, pending.freed_bytes);
            back(&self.deallocation_count, pending.deallocation_count);
        } else {
            add(&self.settled_allocated_bytes, pending.allocated_bytes);
            add(&self.settled_allocation_count, pending.allocation_count);
            add(&self.settled_freed_bytes, pending.freed_bytes);
            add(&self.settled_deallocation_count, pending.deallocation_count);
            registry::add(line, &pending);
        }
    }

    /// What the current line has done that hasn't been put down to it.
    fn pending(&self) -> Slot {
        let since = |now: u64, settled: &AtomicU64| now.wrapping_sub(load(settled));
        Slot {
            allocated_bytes: since(load(&self.allocated_bytes), &self.settled_allocated_bytes),
            allocation_count: since(load(&self.allocation_count), &self.settled_allocation_count),
            freed_bytes: since(self.own_freed_bytes(), &self.settled_freed_bytes),
            deallocation_count: since(
                self.own_deallocation_count(),
                &self.settled_deallocation_count,
            ),
        }
    }

    /// The current line, and what it has done that hasn't been put down to it.
    pub(crate) fn current(&self) -> (u32, Slot) {
        (self.line(), self.pending())
    }

    #[inline(always)]
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            allocated_bytes: load(&self.allocated_bytes),
            freed_bytes: load(&self.freed_bytes),
            allocation_count: load(&self.allocation_count),
            deallocation_count: load(&self.deallocation_count),
            reallocation_count: load(&self.reallocation_count),
            highest_net_bytes: self.highest_net_bytes.load(Ordering::Relaxed),
        }
    }
}

/// Counts a new block of the calling thread; the line that made it.
///
/// A new thread's first block isn't counted: [`add_first_allocation`] has to be
/// called.
#[inline(always)]
pub(crate) fn add_allocation(size: usize) -> Option<u32> {
    COUNTERS.with(|counters| {
        // Read once: the compiler leaves no second reading out.
        let line = if OWNERSHIP {
            counters.line()
        } else {
            owner::UNTRACKED
        };
        if line == owner::NO_LINE {
            return None;
        }
        add(&counters.allocation_count, 1);
        counters.grow(size as u64);
        Some(line)
    })
}

/// Counts the first block of a new thread; the line that made it.
#[cold]
pub(crate) fn add_first_allocation(size: usize) -> u32 {
    COUNTERS.with(Counters::attach);
    add_allocation(size).unwrap_or(owner::UNTRACKED)
}

/// Counts a block that the calling thread freed, if its current line made it.
///
/// If not, nothing is counted, and [`add_deallocation_of`] has to be called.
#[inline(always)]
pub(crate) fn add_own_deallocation(owner: u32, size: usize) -> bool {
    COUNTERS.with(|counters| {
        // Never so of a new thread: `NO_LINE` makes no blocks. Where blocks don't
        // tell, each passes for the current line's.
        let is_own = !OWNERSHIP || owner == counters.line();
        if is_own {
            counters.shrink(size as u64, 1);
        }
        is_own
    })
}

/// Counts a block of any line that the calling thread freed.
#[cold]
pub(crate) fn add_deallocation_of(owner: u32, size: usize) {
    COUNTERS.with(|counters| counters.shrink_of(owner, size as u64, 1));
}

/// Counts a block of `owner` whose size the calling thread changed; whose it is
/// now.
///
/// Only the difference counts as allocated or freed: growing a block from 64 to
/// 128 bytes allocates 64. That is what `stats_alloc` does too, and it keeps what
/// a growing `Vec` allocates at what it holds, wherever its blocks are moved. A
/// line that lets another line's block grow takes it over.
#[inline]
pub(crate) fn add_reallocation(owner: u32, old_size: usize, new_size: usize) -> u32 {
    COUNTERS.with(|counters| {
        counters.attach();
        add(&counters.reallocation_count, 1);
        if new_size < old_size {
            counters.shrink_of(owner, (old_size - new_size) as u64, 0);
            return owner;
        }
        counters.grow((new_size - old_size) as u64);
        let line = counters.line();
        if OWNERSHIP && line != owner {
            let old_size = old_size as u64;
            registry::add(owner::checked(owner), &Slot::freed(old_size, 1));
            registry::add(line, &Slot::allocated(old_size, 1));
        }
        line
    })
}

/// Makes `line` the calling thread's current one; the one before.
#[inline(always)]
pub(crate) fn set_line(line: u32) -> u32 {
    COUNTERS.with(|counters| {
        counters.attach();
        let before = counters.line();
        counters.set_line(line);
        before
    })
}

/// The calling thread's counters as they stand.
#[inline(always)]
pub(crate) fn now() -> Tally {
    COUNTERS.with(Counters::tally)
}

/// The calling thread's counters, and a new peak from here on.
///
/// Whoever was watching the peak before needs what it was back in the end,
/// through [`resume_peak`].
#[inline(always)]
pub(crate) fn lap() -> Tally {
    COUNTERS.with(|counters| {
        let now = counters.tally();
        counters
            .highest_net_bytes
            .store(now.net_bytes(), Ordering::Relaxed);
        now
    })
}

/// Ends a peak of one's own: the outer one goes on as if it had been watching.
#[inline]
pub(crate) fn resume_peak(outer_highest_net_bytes: i64) {
    COUNTERS.with(|counters| {
        let highest = &counters.highest_net_bytes;
        let own = highest.load(Ordering::Relaxed);
        highest.store(own.max(outer_highest_net_bytes), Ordering::Relaxed);
    });
}

/// Keeps the calling thread's count still while it lives.
///
/// The profiler allocates too, and what it allocates isn't the program's. The
/// allocator isn't told, so a pause costs it nothing: its blocks are those of a
/// line whose doings are taken back when another line becomes current, by a panic
/// too. A block allocated under a pause has to be freed under one, or memory would
/// seem to vanish.
#[must_use = "counting comes back as soon as the guard is dropped"]
pub(crate) struct Paused {
    before: Tally,
    line: u32,
    // Dropping it on another thread would put back the wrong count.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread's count still until the answer is dropped.
pub(crate) fn pause() -> Paused {
    let line = set_line(owner::PROFILER);
    Paused {
        before: now(),
        line,
        _not_send: PhantomData,
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        set_line(self.line);
        COUNTERS.with(|counters| {
            store(&counters.reallocation_count, self.before.reallocation_count);
            let highest = self.before.highest_net_bytes;
            counters.highest_net_bytes.store(highest, Ordering::Relaxed);
        });
    }
}
