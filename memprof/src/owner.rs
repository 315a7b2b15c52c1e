//! Which line made each block, and what of a line's blocks is alive.
//!
//! A line has a number in the process, its id. Each block carries the id of the
//! line that made it, behind its last byte; freed anywhere, it is that line's
//! block that is freed. Here are the ids, and the counters by id: each thread has
//! some of its own, which it alone writes, so that threads in the same function
//! don't slow each other down.

use crate::leaked::{Leaked, leak};
use std::array;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Whether blocks carry the id of their line.
pub(crate) const OWNERSHIP: bool = cfg!(feature = "ownership");

/// The id of whatever isn't a line of a profiled function.
pub(crate) const UNTRACKED: u32 = 0;

/// The id of what the profiler does for itself.
pub(crate) const PROFILER: u32 = 1;

/// Ids below this are lines. A program with more has the rest as untracked.
const MOST_IDS: u32 = RACKS * BOXES * SLOTS;

/// A box of counters is small, so that a thread has room for little more than
/// the functions that it runs.
const SLOTS: u32 = 64;
const BOXES: u32 = 64;
const RACKS: u32 = 64;

/// No id, and no block's tag unless somebody wrote over it.
pub(crate) const NO_LINE: u32 = u32::MAX;

/// The first id of a line.
pub(crate) const FIRST_LINE: u32 = 2;

static NEXT_ID: AtomicU32 = AtomicU32::new(FIRST_LINE);

/// The id in a block's tag, which somebody may have written over.
pub(crate) fn checked(tag: u32) -> u32 {
    if tag < NEXT_ID.load(Ordering::Relaxed) {
        tag
    } else {
        UNTRACKED
    }
}

/// Ids for `count` lines; the first of them. Nothing if there are no more.
pub(crate) fn new_ids(count: u32) -> Option<u32> {
    // Relaxed: a number is all there is to it.
    let first = NEXT_ID.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
        next.checked_add(count).filter(|end| *end <= MOST_IDS)
    });
    first.ok()
}

/// The id `place` after `first`, or `UNTRACKED` if there was none for it.
#[inline(always)]
pub(crate) fn nth(first: u32, place: u32) -> u32 {
    if first == NO_LINE {
        UNTRACKED
    } else {
        first.wrapping_add(place)
    }
}

/// What one thread, or all of them, did to the blocks of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) allocated_bytes: u64,
    pub(crate) allocation_count: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) deallocation_count: u64,
}

impl Slot {
    pub(crate) fn allocated(allocated_bytes: u64, allocation_count: u64) -> Self {
        Self {
            allocated_bytes,
            allocation_count,
            ..Self::default()
        }
    }

    pub(crate) fn freed(freed_bytes: u64, deallocation_count: u64) -> Self {
        Self {
            freed_bytes,
            deallocation_count,
            ..Self::default()
        }
    }

    /// This one's freed blocks, and those that `other` says were allocated.
    pub(crate) fn with_allocated(self, other: &Self) -> Self {
        Self {
            allocated_bytes: other.allocated_bytes,
            allocation_count: other.allocation_count,
            ..self
        }
    }

    pub(crate) fn without(self, other: &Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.saturating_sub(other.allocated_bytes),
            allocation_count: self.allocation_count.saturating_sub(other.allocation_count),
            freed_bytes: self.freed_bytes.saturating_sub(other.freed_bytes),
            deallocation_count: self
                .deallocation_count
                .saturating_sub(other.deallocation_count),
        }
    }

    fn as_array(&self) -> [u64; 4] {
        [
            self.allocated_bytes,
            self.allocation_count,
            self.freed_bytes,
            self.deallocation_count,
        ]
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.wrapping_add(other.allocated_bytes),
            allocation_count: self.allocation_count.wrapping_add(other.allocation_count),
            freed_bytes: self.freed_bytes.wrapping_add(other.freed_bytes),
            deallocation_count: self
                .deallocation_count
                .wrapping_add(other.deallocation_count),
        }
    }
}

/// The counters of one line.
#[derive(Debug)]
#[repr(align(32))]
struct Counters([AtomicU64; 4]);

type Rack = [Leaked<[Counters; SLOTS as usize]>; BOXES as usize];

/// A thread's counters for all lines, as many of them as it needs.
#[derive(Debug)]
pub(crate) struct Slots([Leaked<Rack>; RACKS as usize]);

/// Counters that threads share for lines that they never ran but freed blocks of.
static SHARED: Slots = Slots::new();

impl Slots {
    pub(crate) const fn new() -> Self {
        Self([const { Leaked::empty() }; RACKS as usize])
    }

    /// Makes room for `count` lines from `first` on. Where there is no memory,
    /// what happens to these lines isn't counted.
    pub(crate) fn prepare(&self, first: u32, count: u32) {
        if first == NO_LINE {
            return;
        }
        let mut line = first;
        while line < first + count {
            if self.counters(line).is_none() {
                self.make_room(line);
                SHARED.make_room(line);
            }
            // On to the first line of the next box.
            line = (line / SLOTS + 1) * SLOTS;
        }
    }

    fn make_room(&self, line: u32) -> Option<()> {
        let [row, place, _] = split(line);
        let room = self.0.get(row)?;
        let rack = match room.get() {
            Some(there) => there,
            None => room.set(leak([const { Leaked::empty() }; BOXES as usize])?),
        };
        let room = rack.get(place)?;
        if room.get().is_none() {
            room.set(leak(array::from_fn(|_| {
                Counters([const { AtomicU64::new(0) }; 4])
            }))?);
        }
        Some(())
    }

    fn counters(&self, line: u32) -> Option<&'static Counters> {
        let [row, place, slot] = split(line);
        self.0.get(row)?.get()?.get(place)?.get()?.get(slot)
    }

    /// Adds to the counters of a line. Only the thread whose slots they are may.
    pub(crate) fn add(&self, line: u32, change: &Slot) {
        let Some(Counters(counters)) = self.counters(line) else {
            return add_shared(line, change);
        };
        for (counter, change) in counters.iter().zip(change.as_array()) {
            // Relaxed: each counter stands alone, and has one writer.
            let sum = counter.load(Ordering::Relaxed).wrapping_add(change);
            counter.store(sum, Ordering::Relaxed);
        }
    }

    /// The counters of a line.
    pub(crate) fn get(&self, line: u32) -> Slot {
        let Some(Counters(counters)) = self.counters(line) else {
            return Slot::default();
        };
        let [
            allocated_bytes,
            allocation_count,
            freed_bytes,
            deallocation_count,
        ] = counters
            .each_ref()
            .map(|counter| counter.load(Ordering::Relaxed));
        Slot {
            allocated_bytes,
            allocation_count,
            freed_bytes,
            deallocation_count,
        }
    }
}

/// Where the counters of a line are: which rack, which box in it, which counters in that.
fn split(line: u32) -> [usize; 3] {
    [line / SLOTS / BOXES, line / SLOTS % BOXES, line % SLOTS].map(|index| index as usize)
}

/// The counters that threads share.
pub(crate) fn shared(line: u32) -> Slot {
    SHARED.get(line)
}

/// Adds to the counters that threads share.
pub(crate) fn add_shared(line: u32, change: &Slot) {
    if let Some(Counters(counters)) = SHARED.counters(line) {
        for (counter, change) in counters.iter().zip(change.as_array()) {
            // Relaxed: each counter stands alone.
            counter.fetch_add(change, Ordering::Relaxed);
        }
    }
}
