//! What a thread has allocated and freed: its counters, and their state at a
//! moment.
//!
//! Nothing here allocates, locks or panics. A thread alone writes its counters,
//! from inside the allocator, with arithmetic that wraps, since a plain `+` can
//! panic in a debug build and a panic in an allocator is undefined behaviour. They
//! are atomic for the sake of others who read them meanwhile.
//!
//! What the current line does isn't counted a second time for the line: it is the
//! difference in the thread's counters, put down to the line when another one
//! becomes current ([`Counters::set_line`]).

use crate::owner::{self, OWNERSHIP, Slot};
use crate::usage::Usage;
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
    /// [`Counters::lap`].
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
    /// `earlier` is the answer of [`Counters::lap`], and the peak is right if all
    /// later laps have been [resumed](Counters::resume_peak) since.
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
    pub(crate) const fn new() -> Self {
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
    pub(crate) fn line(&self) -> u32 {
        self.line.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn grow(&self, bytes: u64) {
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

    /// Whether the thread is new, and counts nothing yet.
    #[inline(always)]
    pub(crate) fn are_new(&self) -> bool {
        self.line() == owner::NO_LINE
    }

    /// Begins to count, or, with `NO_LINE`, ends.
    pub(crate) fn begin(&self, line: u32) {
        self.line.store(line, Ordering::Relaxed);
    }

    /// Counts a new block; the line that made it. Nothing if the counters are new.
    #[inline(always)]
    pub(crate) fn add_allocation(&self, size: usize) -> Option<u32> {
        // Read once: the compiler leaves no second reading out.
        let line = if OWNERSHIP {
            self.line()
        } else {
            owner::UNTRACKED
        };
        if line == owner::NO_LINE {
            return None;
        }
        add(&self.allocation_count, 1);
        self.grow(size as u64);
        Some(line)
    }

    /// Counts a freed block if the current line made it; whether it did.
    #[inline(always)]
    pub(crate) fn add_own_deallocation(&self, owner: u32, size: usize) -> bool {
        // Never so of new counters: `NO_LINE` makes no blocks. Where blocks don't
        // tell, each passes for the current line's.
        let is_own = !OWNERSHIP || owner == self.line();
        if is_own {
            self.shrink(size as u64, 1);
        }
        is_own
    }

    /// Counts bytes and blocks of `owner` that were freed; if that isn't the
    /// current line, the change to be put down to it.
    pub(crate) fn add_deallocation_of(&self, owner: u32, bytes: u64, blocks: u64) -> Option<Slot> {
        let is_others = OWNERSHIP && owner != self.line();
        // First, for the sake of who reads in between: see `pending`.
        if is_others {
            add(&self.others_freed_bytes, bytes);
            add(&self.others_deallocation_count, blocks);
        }
        self.shrink(bytes, blocks);
        is_others.then(|| Slot::freed(bytes, blocks))
    }

    /// Counts a block that grew or shrank, but not by how much.
    pub(crate) fn add_reallocation(&self) {
        add(&self.reallocation_count, 1);
    }

    /// Makes the counters new again; what there was in them.
    pub(crate) fn take(&self) -> Tally {
        let tally = self.now();
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
        load(&self.freed_bytes).saturating_sub(load(&self.others_freed_bytes))
    }

    fn own_deallocation_count(&self) -> u64 {
        load(&self.deallocation_count).saturating_sub(load(&self.others_deallocation_count))
    }

    /// Makes `line` the current one; the change that is to be put down to the one
    /// before.
    #[inline(always)]
    pub(crate) fn set_line(&self, line: u32) -> Option<(u32, Slot)> {
        let before = self.line();
        let allocated = load(&self.allocated_bytes) ^ load(&self.settled_allocated_bytes);
        let freed = self.own_freed_bytes() ^ load(&self.settled_freed_bytes);
        // A block has at least one byte, so that nothing happened to them either.
        let change = if allocated | freed == 0 {
            None
        } else {
            Some((before, self.settle()))
        };
        self.line.store(line, Ordering::Relaxed);
        change
    }

    /// What the current line has done since it became current, which then counts
    /// as put down to it.
    fn settle(&self) -> Slot {
        let pending = self.pending();
        if self.line() == owner::PROFILER {
            // Not the program's: it never happened.
            let back = |counter, own: u64| add(counter, own.wrapping_neg());
            back(&self.allocated_bytes, pending.allocated_bytes);
            back(&self.allocation_count, pending.allocation_count);
            back(&self.freed_bytes, pending.freed_bytes);
            back(&self.deallocation_count, pending.deallocation_count);
            return Slot::default();
        }
        add(&self.settled_allocated_bytes, pending.allocated_bytes);
        add(&self.settled_allocation_count, pending.allocation_count);
        add(&self.settled_freed_bytes, pending.freed_bytes);
        add(&self.settled_deallocation_count, pending.deallocation_count);
        pending
    }

    /// What the current line has done that hasn't been put down to it.
    ///
    /// Asked by another thread in the middle of an event, this may be too little. So
    /// that it isn't too much, what is settled is read before what it is taken from,
    /// and what others made, which is written first, after.
    fn pending(&self) -> Slot {
        let [
            allocated_bytes,
            allocation_count,
            freed_bytes,
            deallocation_count,
        ] = [
            &self.settled_allocated_bytes,
            &self.settled_allocation_count,
            &self.settled_freed_bytes,
            &self.settled_deallocation_count,
        ]
        .map(load);
        Slot {
            allocated_bytes: load(&self.allocated_bytes).saturating_sub(allocated_bytes),
            allocation_count: load(&self.allocation_count).saturating_sub(allocation_count),
            freed_bytes: self.own_freed_bytes().saturating_sub(freed_bytes),
            deallocation_count: self
                .own_deallocation_count()
                .saturating_sub(deallocation_count),
        }
    }

    /// The current line, and what it has done that hasn't been put down to it.
    pub(crate) fn current(&self) -> (u32, Slot) {
        (self.line(), self.pending())
    }

    /// The counters as they stand.
    #[inline(always)]
    pub(crate) fn now(&self) -> Tally {
        Tally {
            allocated_bytes: load(&self.allocated_bytes),
            freed_bytes: load(&self.freed_bytes),
            allocation_count: load(&self.allocation_count),
            deallocation_count: load(&self.deallocation_count),
            reallocation_count: load(&self.reallocation_count),
            highest_net_bytes: self.highest_net_bytes.load(Ordering::Relaxed),
        }
    }

    /// The counters as they stand, and a new peak from here on.
    ///
    /// Whoever was watching the peak before needs what it was back in the end,
    /// through [`resume_peak`](Self::resume_peak).
    #[inline(always)]
    pub(crate) fn lap(&self) -> Tally {
        let now = self.now();
        self.highest_net_bytes
            .store(now.net_bytes(), Ordering::Relaxed);
        now
    }

    /// Ends a peak of one's own: the outer one goes on as if it had been watching.
    pub(crate) fn resume_peak(&self, outer_highest_net_bytes: i64) {
        let own = self.highest_net_bytes.load(Ordering::Relaxed);
        let highest = own.max(outer_highest_net_bytes);
        self.highest_net_bytes.store(highest, Ordering::Relaxed);
    }

    /// Forgets what no line is asked for: the peak and the reallocations since.
    pub(crate) fn forget_since(&self, before: Tally) {
        store(&self.reallocation_count, before.reallocation_count);
        self.highest_net_bytes
            .store(before.highest_net_bytes, Ordering::Relaxed);
    }
}

impl From<Tally> for Slot {
    fn from(tally: Tally) -> Self {
        Self {
            allocated_bytes: tally.allocated_bytes,
            allocation_count: tally.allocation_count,
            freed_bytes: tally.freed_bytes,
            deallocation_count: tally.deallocation_count,
        }
    }
}
