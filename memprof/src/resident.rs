//! Resident memory as a thread's lines see it: when it is read, and what of a change
//! in it is the program's.
//!
//! A reading is a system call, a hundred times the rest of a probe. In a hot loop of
//! cheap statements most are left out: a thread reads again when it has run for
//! [`READINGS_APART`] times as long as a reading takes, or has allocated and freed so
//! much that it may matter. What changed meanwhile lands at the next reading.
//!
//! Even the clock takes longer than the rest of a probe. So after many short lines
//! in a row it is looked at once in [`LINES_TO_A_LOOK`], until a look finds that some
//! line has run long.

use crate::{clock, own_work, rss, threads};
use std::cell::Cell;

/// How often resident memory is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    /// Whenever a line begins.
    Exact,
    /// When the line before was executed for one of the first times, ran long, or
    /// moved enough memory to matter.
    Adaptive,
    /// Never.
    Off,
}

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
            own: own_work::resident_bytes(),
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
        DUE_TRAFFIC_BYTES.set(threads::traffic_bytes().saturating_add(BYTES_APART));
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

/// Whether the thread should read again.
#[inline]
pub(crate) fn is_due() -> bool {
    if threads::traffic_bytes() >= DUE_TRAFFIC_BYTES.get() {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Resident, own_work};

    #[test]
    fn what_the_profiler_adds_after_a_reading_is_no_increment_since() {
        Resident::noted(Resident::default());
        let (touched, _) = own_work::during(true, || vec![1_u8; 64 << 20]);
        let entered = Resident::last();

        let increment = Resident::now(entered).increment_since(entered);
        // Other tests may run beside this one.
        assert!(increment < 32 << 20, "{increment}");
        drop(touched);
    }
}
