//! Is it a leak, or does the allocator keep it? In a sentence or two.

use super::history::{Moment, Trend};
use crate::model::units::{bytes, mebibytes};

/// Less than this may be a buffer here and a stack there, code that runs for the first time,
/// and what some kernels round resident memory by.
const NOISE_BYTES: i64 = 1 << 20;

/// What can be said of a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The program's own blocks have become more.
    HeapGrew,
    /// They have not, and resident memory has.
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

    /// With what the lines that have grown since the mark look like.
    pub(super) fn sentence(&self, mark: Moment, now: Moment, trends: &[Trend]) -> String {
        let heap = change(now.live_bytes - mark.live_bytes);
        let resident = match now.resident_change(mark) {
            Some(bytes) => format!("resident memory by {}", change(bytes)),
            None => "resident memory can't be read here".to_owned(),
        };
        match self {
            Self::HeapGrew => format!(
                "Since the mark the program's own blocks have changed by {heap}, {}.",
                whose(trends)
            ),
            Self::ResidentGrew => format!(
                "Since the mark resident memory has changed by {}, and the program's own blocks by {heap} only: no \
                 line holds it. The allocator keeps what was freed, or it is stacks, maps and \
                 what C libraries allocate.",
                change(now.resident_change(mark).unwrap_or(0))
            ),
            Self::Level => format!(
                "Since the mark the program's own blocks have changed by {heap}, and {resident}: {}.",
                if is_rising(trends) {
                    "that is little so far, but lines go on rising"
                } else {
                    "neither is a leak to speak of"
                }
            ),
        }
    }
}

/// Whether one of the lines is.
pub(super) fn is_rising(trends: &[Trend]) -> bool {
    trends.iter().any(|trend| trend.is_rising())
}

/// Who holds what the heap has grown by.
fn whose(trends: &[Trend]) -> &'static str {
    if trends.is_empty() {
        "and no line of a profiled function holds more: others do, which the attribute would show"
    } else if is_rising(trends) {
        "and lines are still rising: the program holds that memory, not the allocator"
    } else if trends.contains(&Trend::Unknown) {
        "which the program holds, not the allocator; whether its lines go on rising, some more \
         reports will tell"
    } else {
        "which the program holds, and its lines have levelled off: it may be a cache that is full"
    }
}

/// What is between the heap's live bytes and resident memory.
pub(super) fn difference(now: Moment, peak_bytes: i64) -> String {
    let Moment {
        live_bytes,
        resident_bytes,
        ..
    } = now;
    let Some(resident_bytes) = resident_bytes else {
        return "How much of the process is in RAM can't be read here.".to_owned();
    };
    let between = resident_bytes - live_bytes;
    if between < 0 {
        return format!(
            "{} of the live blocks are not in RAM: they were never written to, or are swapped out.",
            size(-between)
        );
    }
    let fallen = match peak_bytes - live_bytes {
        fallen if fallen > NOISE_BYTES => format!(
            "; the heap was once {} larger, and the allocator may still have all of that",
            size(fallen)
        ),
        _ => String::new(),
    };
    format!(
        "The difference of {} is code, stacks, what others than the global allocator allocate, \
         and what the allocator keeps of freed blocks{fallen}.",
        size(between)
    )
}

/// `+94,208 B`, `-3.50 MiB`.
pub(super) fn change(number: i64) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", size(number))
}

/// In bytes, or MiB where those would be many.
pub(super) fn size(number: i64) -> String {
    if number.unsigned_abs() < 1 << 20 {
        bytes(number.into())
    } else {
        mebibytes(number.into(), 2)
    }
}
