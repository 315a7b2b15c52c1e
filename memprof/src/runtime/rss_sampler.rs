//! Resident memory as a thread's lines see it: when it is read, and what of a change
//! in it is the program's.
//!
//! A reading is a system call, a hundred times the rest of a probe. In a hot loop of
//! cheap statements most are left out: a thread reads again when it has run for
//! [`READINGS_APART`] times as long as a reading takes, or has allocated and freed so
//! much that it may matter.
//!
//! What changed between two readings belongs to one of the lines that ran in between:
//! to the one that [moved most](Moves) on the heap. Where none moved anything, or far
//! less than what changed, it is the line that is open at the second reading.
//!
//! Even the clock takes longer than the rest of a probe. So after many short lines
//! in a row it is looked at once in [`LINES_TO_A_LOOK`], until a look finds that some
//! line has run long.

use crate::count::{this_thread, uncounted};
use crate::model::usage::Usage;
use crate::sys::{clock, rss};
use std::cell::Cell;

/// The first executions of a line on a thread, which are always read.
pub(crate) const ALWAYS_READ: u64 = 16;

/// Readings take no more than one in so many parts of the time.
const READINGS_APART: u64 = 20;

/// What a thread allocates and frees between two readings, if it isn't for long.
const BYTES_APART: u64 = 64 << 10;

/// After so many looks at the clock, each less than a reading from the last, lines
/// are taken to be short.
const LOOKS_AT_SHORT_LINES: u32 = 256;

/// How many short lines there are to a look.
const LINES_TO_A_LOOK: u32 = 8;

thread_local! {
    /// What the thread read last, 0 if nothing.
    static LAST: Cell<Resident> = const { Cell::new(Resident { process: 0, own: 0 }) };
    /// The time of the next reading.
    static DUE_TICKS: Cell<u64> = const { Cell::new(0) };
    /// Or what the thread has allocated and freed by then.
    static DUE_TRAFFIC_BYTES: Cell<u64> = const { Cell::new(0) };
    /// The least that a reading took.
    static COST_TICKS: Cell<u64> = const { Cell::new(u64::MAX) };
    /// When the thread looked at the clock last.
    static LOOKED_TICKS: Cell<u64> = const { Cell::new(0) };
    /// How many looks in a row have found short lines only.
    static SHORT_LOOKS: Cell<u32> = const { Cell::new(0) };
    /// How many lines are to begin without a look.
    static WITHOUT_LOOK: Cell<u32> = const { Cell::new(0) };
}

/// Resident memory at a moment, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    pub(crate) process: u64,
    /// What of that the profiler itself has added on this thread so far.
    own: i64,
}

impl Resident {
    /// Now. If it can't be read for once, nothing has changed since `earlier`.
    pub(crate) fn now(earlier: Self) -> Self {
        Self {
            process: rss::resident_bytes().unwrap_or(earlier.process),
            own: uncounted::resident_bytes(),
        }
    }

    /// Now, and noted as the thread's last reading.
    pub(crate) fn noted(earlier: Self) -> Self {
        let before = clock::ticks();
        let now = Self::now(earlier);
        let ticks = clock::ticks();
        let cost = ticks.wrapping_sub(before).min(COST_TICKS.get());
        COST_TICKS.set(cost);
        LOOKED_TICKS.set(ticks);
        LAST.set(now);
        DUE_TICKS.set(ticks.saturating_add(cost.saturating_mul(READINGS_APART)));
        DUE_TRAFFIC_BYTES.set(this_thread::traffic_bytes().saturating_add(BYTES_APART));
        now
    }

    /// As it was at the thread's last reading; now, if there was none.
    pub(crate) fn last() -> Self {
        let last = LAST.get();
        if last.process == 0 {
            return Self::noted(Self::default());
        }
        last
    }

    /// What the program changed since `earlier`.
    pub(crate) fn increment_since(self, earlier: Self) -> i64 {
        let all = self.process.wrapping_sub(earlier.process).cast_signed();
        all.wrapping_sub(self.own.wrapping_sub(earlier.own))
    }
}

/// By how much resident memory may grow at once as a block is made that is smaller: where
/// the kernel has huge pages, the first byte of one makes all of it resident.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// What the lines of a call have moved on the heap since resident memory was read last.
///
/// Lines that have moved nothing cost nothing here: those that have are a list, through
/// the places of all lines.
#[derive(Debug)]
pub(crate) struct Moves {
    lines: Box<[Move]>,
    /// The place of the line that was the last to move something for the first time.
    first: Option<u32>,
}

/// What one line has moved, callees included.
#[derive(Clone, Copy, Debug, Default)]
struct Move {
    /// Allocated and freed together; 0 if the line is not in the list.
    all_bytes: u64,
    /// Allocated and not freed.
    net_bytes: i64,
    next: Option<u32>,
}

impl Moves {
    /// Of `line_count` lines that have moved nothing.
    pub(crate) fn new(line_count: usize) -> Self {
        Self {
            lines: vec![Move::default(); line_count].into(),
            first: None,
        }
    }

    /// Adds what the line at `place` has done to the heap.
    pub(crate) fn add(&mut self, place: u32, usage: &Usage) {
        let all_bytes = usage.allocated_bytes.wrapping_add(usage.freed_bytes);
        if all_bytes == 0 {
            return;
        }
        let Some(line) = self.lines.get_mut(place as usize) else {
            return;
        };
        if line.all_bytes == 0 {
            line.next = self.first.replace(place);
        }
        line.all_bytes = line.all_bytes.wrapping_add(all_bytes);
        line.net_bytes = line.net_bytes.wrapping_add(usage.net_bytes());
    }

    /// Forgets the lines; the place of the one that a change of resident memory belongs
    /// to, if it is one of them.
    ///
    /// That is the line that has allocated most and not freed it, or freed most where
    /// resident memory fell; and among lines that freed all that they made, the one that
    /// made most. A growth by far more than all of them moved is of no block that they
    /// made: it is memory that was touched for the first time.
    pub(crate) fn take(&mut self, increment: i64) -> Option<u32> {
        let mut most = (None, (0, 0));
        let mut sum_bytes = 0_u64;
        let mut next = self.first.take();
        while let Some(place) = next {
            let line = self.lines.get_mut(place as usize)?;
            let Move {
                all_bytes,
                net_bytes,
                ..
            } = *line;
            next = line.next;
            *line = Move::default();
            sum_bytes = sum_bytes.saturating_add(all_bytes);
            let same_way = if increment < 0 {
                net_bytes.wrapping_neg()
            } else {
                net_bytes
            };
            let key = (same_way.max(0), all_bytes);
            if key > most.1 {
                most = (Some(place), key);
            }
        }
        let most_bytes = sum_bytes.saturating_add(HUGE_PAGE_BYTES);
        let is_explained = u64::try_from(increment).is_ok_and(|grown| grown <= most_bytes);
        most.0.filter(|_| increment < 0 || is_explained)
    }
}

/// Whether the thread should read again.
#[inline]
pub(crate) fn is_due() -> bool {
    if this_thread::traffic_bytes() >= DUE_TRAFFIC_BYTES.get() {
        return true;
    }
    // Not `get` and `set`, which are calls.
    let is_short = WITHOUT_LOOK.with(|lines| match lines.get() {
        0 => false,
        left => {
            lines.set(left - 1);
            true
        }
    });
    !is_short && look(clock::ticks())
}

/// Whether the thread should read again, as it is this time.
#[inline(never)]
fn look(ticks: u64) -> bool {
    let since_last = ticks.wrapping_sub(LOOKED_TICKS.replace(ticks));
    let short_looks = if since_last < COST_TICKS.get() {
        SHORT_LOOKS.get().saturating_add(1)
    } else {
        0
    };
    SHORT_LOOKS.set(short_looks);
    if short_looks >= LOOKS_AT_SHORT_LINES {
        WITHOUT_LOOK.set(LINES_TO_A_LOOK - 1);
    }
    ticks >= DUE_TICKS.get()
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::Resident;
    use super::{HUGE_PAGE_BYTES, Moves};
    #[cfg(target_os = "linux")]
    use crate::count::uncounted;
    use crate::model::usage::tests::usage;

    #[test]
    fn a_change_belongs_to_the_line_that_moved_most_the_same_way() {
        let mut moves = Moves::new(4);
        // Made and dropped; kept; dropped.
        let add = |moves: &mut Moves| {
            moves.add(0, &usage(5000, 5000, 5000));
            moves.add(1, &usage(100, 0, 100));
            moves.add(3, &usage(0, 300, 0));
            moves.add(1, &usage(100, 0, 100));
            moves.add(2, &usage(0, 0, 0));
        };
        add(&mut moves);
        assert_eq!(moves.take(4096), Some(1));
        assert_eq!(moves.take(4096), None);

        add(&mut moves);
        assert_eq!(moves.take(-4096), Some(3));

        moves.add(0, &usage(50, 50, 50));
        moves.add(2, &usage(70, 70, 70));
        assert_eq!(moves.take(4096), Some(2));
    }

    #[test]
    fn a_growth_by_far_more_than_was_moved_belongs_to_none_of_them() {
        let most = i64::try_from(HUGE_PAGE_BYTES).unwrap() + 100;
        let mut moves = Moves::new(1);
        for (increment, place) in [(most, Some(0)), (most + 1, None), (-10 * most, Some(0))] {
            moves.add(0, &usage(100, 0, 100));
            assert_eq!(moves.take(increment), place, "{increment}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_the_profiler_adds_after_a_reading_is_no_increment_since() {
        Resident::noted(Resident::default());
        let (touched, _) = uncounted::during(true, || vec![1_u8; 64 << 20]);
        let entered = Resident::last();

        let increment = Resident::now(entered).increment_since(entered);
        // Other tests may run beside this one.
        assert!(increment < 32 << 20, "{increment}");
        drop(touched);
    }
}
