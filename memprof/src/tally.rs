//! What a thread has allocated and freed since it began.
//!
//! One writer, the thread itself, from inside the allocator: no atomics, no
//! locks, and arithmetic that wraps, since a plain `+` can panic in a debug
//! build and a panic in an allocator is undefined behaviour.

use crate::usage::Usage;
use std::cell::Cell;
use std::marker::PhantomData;

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

/// The same fields as [`Tally`], each in a cell of its own so that the
/// allocator writes only those an event changes.
// In one line of the cache, which an event then touches alone.
#[repr(align(64))]
struct Counters {
    allocated_bytes: Cell<u64>,
    freed_bytes: Cell<u64>,
    allocation_count: Cell<u64>,
    deallocation_count: Cell<u64>,
    reallocation_count: Cell<u64>,
    highest_net_bytes: Cell<i64>,
}

thread_local! {
    // Const-initialised and without a destructor: reaching it never allocates,
    // and it can still be reached while the thread is being torn down.
    static COUNTERS: Counters = const {
        Counters {
            allocated_bytes: Cell::new(0),
            freed_bytes: Cell::new(0),
            allocation_count: Cell::new(0),
            deallocation_count: Cell::new(0),
            reallocation_count: Cell::new(0),
            highest_net_bytes: Cell::new(0),
        }
    };
}

#[inline]
fn add(cell: &Cell<u64>, amount: u64) -> u64 {
    let total = cell.get().wrapping_add(amount);
    cell.set(total);
    total
}

impl Counters {
    #[inline]
    fn grow(&self, bytes: usize) {
        let allocated_bytes = add(&self.allocated_bytes, bytes as u64);
        let net_bytes = allocated_bytes
            .wrapping_sub(self.freed_bytes.get())
            .cast_signed();
        if net_bytes > self.highest_net_bytes.get() {
            self.highest_net_bytes.set(net_bytes);
        }
    }

    #[inline]
    fn shrink(&self, bytes: usize) {
        add(&self.freed_bytes, bytes as u64);
    }
}

/// Counts a new block of the calling thread.
#[inline]
pub(crate) fn add_allocation(size: usize) {
    COUNTERS.with(|counters| {
        add(&counters.allocation_count, 1);
        counters.grow(size);
    });
}

/// Counts a block that the calling thread freed.
#[inline]
pub(crate) fn add_deallocation(size: usize) {
    COUNTERS.with(|counters| {
        add(&counters.deallocation_count, 1);
        counters.shrink(size);
    });
}

/// Counts a block whose size the calling thread changed.
///
/// Only the difference counts: growing a block from 64 to 128 bytes allocates
/// 64. That is what `stats_alloc` does too, and it keeps what a growing `Vec`
/// allocates at what it holds, wherever its blocks are moved.
#[inline]
pub(crate) fn add_reallocation(old_size: usize, new_size: usize) {
    COUNTERS.with(|counters| {
        add(&counters.reallocation_count, 1);
        if new_size >= old_size {
            counters.grow(new_size - old_size);
        } else {
            counters.shrink(old_size - new_size);
        }
    });
}

/// The calling thread's counters as they stand.
#[inline(always)]
pub(crate) fn now() -> Tally {
    COUNTERS.with(|counters| Tally {
        allocated_bytes: counters.allocated_bytes.get(),
        freed_bytes: counters.freed_bytes.get(),
        allocation_count: counters.allocation_count.get(),
        deallocation_count: counters.deallocation_count.get(),
        reallocation_count: counters.reallocation_count.get(),
        highest_net_bytes: counters.highest_net_bytes.get(),
    })
}

/// The calling thread's counters, and a new peak from here on.
///
/// Whoever was watching the peak before needs what it was back in the end,
/// through [`resume_peak`].
#[inline(always)]
pub(crate) fn lap() -> Tally {
    let now = now();
    COUNTERS.with(|counters| counters.highest_net_bytes.set(now.net_bytes()));
    now
}

/// Ends a peak of one's own: the outer one goes on as if it had been watching.
#[inline]
pub(crate) fn resume_peak(outer_highest_net_bytes: i64) {
    COUNTERS.with(|counters| {
        let highest = counters
            .highest_net_bytes
            .get()
            .max(outer_highest_net_bytes);
        counters.highest_net_bytes.set(highest);
    });
}

/// Keeps the calling thread's count still while it lives.
///
/// The profiler allocates too, and what it allocates isn't the program's. The
/// allocator isn't told, so a pause costs it nothing: the counters are put back
/// as they were, by a panic too. A block allocated under a pause has to be freed
/// under one, or memory would seem to vanish.
#[must_use = "counting comes back as soon as the guard is dropped"]
pub(crate) struct Paused {
    before: Tally,
    // Dropping it on another thread would put back the wrong count.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread's count still until the answer is dropped.
pub(crate) fn pause() -> Paused {
    Paused {
        before: now(),
        _not_send: PhantomData,
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        let before = self.before;
        COUNTERS.with(|counters| {
            counters.allocated_bytes.set(before.allocated_bytes);
            counters.freed_bytes.set(before.freed_bytes);
            counters.allocation_count.set(before.allocation_count);
            counters.deallocation_count.set(before.deallocation_count);
            counters.reallocation_count.set(before.reallocation_count);
            counters.highest_net_bytes.set(before.highest_net_bytes);
        });
    }
}
