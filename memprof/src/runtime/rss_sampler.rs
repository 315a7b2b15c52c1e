//! When a thread reads resident memory, and which line a change is charged to.
//!
//! # When it is read
//!
//! A reading is a system call and takes a hundred times as long as the rest of a probe, so most
//! readings are skipped in a hot loop of cheap statements. A thread reads again when it has run for
//! [`READINGS_APART`] times as long as a reading takes, or has allocated and freed
//! [`BYTES_APART`] bytes, since its last reading.
//!
//! The clock, too, takes longer than the rest of a probe. After [`LOOKS_AT_SHORT_LINES`] short
//! lines in a row, it is read at one line in [`LINES_TO_A_LOOK`] only, until it shows that a line
//! ran long.
//!
//! # Which line a change belongs to
//!
//! A change between two readings is charged to one of the lines that ran in between: the one that
//! [moved most](Moves::take) on the heap. If no line moved anything, or far less than the change,
//! it is the line that is open at the second reading. What the profiler itself adds to resident
//! memory is subtracted.

use crate::count::{this_thread, uncounted};
use crate::model::usage::Usage;
use crate::sys::{clock, rss};
use std::cell::Cell;

/// After each of a line's first executions on a thread, up to this number, resident memory is
/// always read.
pub(crate) const ALWAYS_READ: u64 = 16;

/// The time between two readings, in multiples of what one takes.
const READINGS_APART: u64 = 20;

/// A thread that has allocated and freed this many bytes reads again before its time.
const BYTES_APART: u64 = 64 << 10;

/// After this many looks at the clock in a row, each closer to the last than a reading takes, lines
/// are assumed to be short.
const LOOKS_AT_SHORT_LINES: u32 = 256;

/// The clock is read at one in this many short lines.
const LINES_TO_A_LOOK: u32 = 8;

thread_local! {
    /// The thread's last reading, 0 if there was none.
    static LAST: Cell<Resident> = const { Cell::new(Resident { process: 0, own: 0 }) };
    /// When the next reading is due, in ticks of the clock.
    static DUE_TICKS: Cell<u64> = const { Cell::new(0) };
    /// The next reading is also due when the thread has allocated and freed this many bytes.
    static DUE_TRAFFIC_BYTES: Cell<u64> = const { Cell::new(0) };
    /// The shortest time that a reading has taken.
    static COST_TICKS: Cell<u64> = const { Cell::new(u64::MAX) };
    /// When the thread last looked at the clock.
    static LOOKED_TICKS: Cell<u64> = const { Cell::new(0) };
    /// How many looks at the clock in a row came sooner than a reading takes.
    static SHORT_LOOKS: Cell<u32> = const { Cell::new(0) };
    /// The number of lines that will begin without a look.
    static WITHOUT_LOOK: Cell<u32> = const { Cell::new(0) };
}

/// A reading of resident memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resident {
    /// Of the whole process.
    pub(crate) process: u64,
    /// What the profiler's own work on this thread has added to it so far.
    own: i64,
}

impl Resident {
    /// Reads resident memory. If the reading fails, the process's is taken from `earlier`.
    pub(crate) fn now(earlier: Self) -> Self {
        Self {
            process: rss::resident_bytes().unwrap_or(earlier.process),
            own: uncounted::resident_bytes(),
        }
    }

    /// As [`now`](Self::now), and records it as the thread's last reading.
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

    /// The thread's last reading. Takes one if there was none.
    pub(crate) fn last() -> Self {
        let last = LAST.get();
        if last.process == 0 {
            return Self::noted(Self::default());
        }
        last
    }

    /// The change since `earlier`, without what the profiler has added.
    pub(crate) fn increment_since(self, earlier: Self) -> i64 {
        let all = self.process.wrapping_sub(earlier.process).cast_signed();
        all.wrapping_sub(self.own.wrapping_sub(earlier.own))
    }
}

/// How much more resident memory may grow than was moved on the heap: with huge pages, touching one
/// byte makes the whole page resident.
const HUGE_PAGE_BYTES: u64 = 2 << 20;

/// What the lines of a call have moved on the heap, that is allocated and freed, since the last
/// reading of resident memory.
///
/// The lines that have moved something form a linked list inside an array of all lines, so that
/// the others cost nothing.
#[derive(Debug)]
pub(crate) struct Moves {
    lines: Box<[Move]>,
    /// The head of the list: the place of the line that was added last.
    first: Option<u32>,
}

/// What one line has moved, callees included.
#[derive(Clone, Copy, Debug, Default)]
struct Move {
    /// Bytes allocated plus bytes freed; 0 if the line is not in the list.
    all_bytes: u64,
    /// Bytes allocated minus bytes freed.
    net_bytes: i64,
    next: Option<u32>,
}

impl Moves {
    /// For `line_count` lines, none of which has moved anything.
    pub(crate) fn new(line_count: usize) -> Self {
        Self {
            lines: vec![Move::default(); line_count].into(),
            first: None,
        }
    }

    /// Adds what the line at `place` has done to the heap, if it has moved anything.
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

    /// Empties the list. Returns the place of the line that a change of resident memory by
    /// `increment` belongs to, if it is in the list.
    ///
    /// This is the line with the largest net growth of the heap or, if resident memory fell, the
    /// largest net decrease; among lines that freed all that they allocated, the one that moved
    /// most. If resident memory grew by more than all lines moved plus [`HUGE_PAGE_BYTES`], none of
    /// their blocks explains it: older memory was touched for the first time.
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

/// Whether the thread's next reading is due.
#[inline]
pub(crate) fn is_due() -> bool {
    if this_thread::traffic_bytes() >= DUE_TRAFFIC_BYTES.get() {
        return true;
    }
    // Not `get` and `set`, which compile to calls.
    let is_short = WITHOUT_LOOK.with(|lines| match lines.get() {
        0 => false,
        left => {
            lines.set(left - 1);
            true
        }
    });
    !is_short && look(clock::ticks())
}

/// Looks at the clock, which shows `ticks`. Returns whether the next reading is due.
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
        // Line 0 allocates and frees, line 1 keeps, line 3 frees.
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
