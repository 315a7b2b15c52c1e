//! The page's answer, in a sentence or two, to: is it a leak, or does the allocator keep it?

use super::history::{Moment, Trend};
use crate::model::units::{bytes, mebibytes};

/// Smaller changes may be buffers, stacks, code that runs for the first time, or the rounding of
/// resident memory by some kernels.
const NOISE_BYTES: i64 = 1 << 20;

/// What grew since the mark.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The live heap.
    HeapGrew,
    /// Only resident memory.
    ResidentGrew,
    /// Neither.
    Level,
}

impl Verdict {
    pub(super) fn of(mark: Moment, now: Moment) -> Self {
        if now.live_bytes - mark.live_bytes > NOISE_BYTES {
            Self::HeapGrew
        } else if now.resident_change(mark) > Some(NOISE_BYTES) {
            Self::ResidentGrew
        } else {
            Self::Level
        }
    }

    /// The verdict in words. `trends` are those of the lines that have grown since the mark.
    pub(super) fn sentence(&self, mark: Moment, now: Moment, trends: &[Trend]) -> String {
        let heap = change(now.live_bytes - mark.live_bytes);
        let resident = match now.resident_change(mark) {
            Some(bytes) => format!("resident memory by {}", change(bytes)),
            None => "resident memory can't be read here".to_owned(),
        };
        match self {
            Self::HeapGrew => format!(
                "Since the mark, the live heap has changed by {heap}, {}.",
                whose(trends)
            ),
            Self::ResidentGrew => format!(
                "Since the mark, resident memory has changed by {}, but the live heap only by \
                 {heap}: no line holds it. The allocator keeps freed memory, or it is stacks, \
                 memory maps or allocations of C libraries.",
                change(now.resident_change(mark).unwrap_or(0))
            ),
            Self::Level => format!(
                "Since the mark, the live heap has changed by {heap}, and {resident}: {}.",
                if is_rising(trends) {
                    "little so far, but lines are still rising"
                } else {
                    "no sign of a leak"
                }
            ),
        }
    }
}

/// Whether at least one line is rising.
pub(super) fn is_rising(trends: &[Trend]) -> bool {
    trends.iter().any(|trend| trend.is_rising())
}

/// Which part of the program holds the growth of the heap.
fn whose(trends: &[Trend]) -> &'static str {
    if trends.is_empty() {
        "but no line of a profiled function holds more: functions without the attribute do"
    } else if is_rising(trends) {
        "and lines are still rising: the program holds that memory, not the allocator"
    } else if trends.contains(&Trend::Unknown) {
        "which the program holds, not the allocator; more reports will show whether its lines \
         keep rising"
    } else {
        "which the program holds, and its lines have levelled off, as those of a full cache do"
    }
}

/// What makes up the difference between resident memory and the live heap.
pub(super) fn difference(now: Moment, peak_bytes: i64) -> String {
    let Moment {
        live_bytes,
        resident_bytes,
        ..
    } = now;
    let Some(resident_bytes) = resident_bytes else {
        return "Resident memory can't be read on this system.".to_owned();
    };
    let between = resident_bytes - live_bytes;
    if between < 0 {
        return format!(
            "{} of the live heap isn't in RAM: it was never written to, or is swapped out.",
            size(-between)
        );
    }
    let fallen = match peak_bytes - live_bytes {
        fallen if fallen > NOISE_BYTES => format!(
            "; the heap was {} larger at its peak, and the allocator may still keep all of that",
            size(fallen)
        ),
        _ => String::new(),
    };
    format!(
        "The difference of {} is code, stacks, memory that doesn't come from the global \
         allocator, and freed memory that the allocator keeps{fallen}.",
        size(between)
    )
}

/// `+94,208 B`, `-3.50 MiB`.
pub(super) fn change(number: i64) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", size(number))
}

/// `94,208 B`, or from 1 MiB on `3.50 MiB`. The page's tables show exact bytes instead.
pub(super) fn size(number: i64) -> String {
    if number.unsigned_abs() < 1 << 20 {
        bytes(number.into())
    } else {
        mebibytes(number.into(), 2)
    }
}
