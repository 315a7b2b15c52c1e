//! Heap and resident memory over the last reports, as lines of a drawing.

use super::history::Moment;
use serde::Serialize;
use std::fmt::Write as _;

/// In the units of the drawing.
const WIDTH: f64 = 1000.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 160.0;

/// The points of the two lines, for SVG.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) live: String,
    pub(super) resident: String,
    /// What is at the upper edge, in bytes; the lower one is 0.
    pub(super) highest_bytes: i64,
    /// How long from the left edge to the right one.
    pub(super) seconds: u64,
    /// How far to the right the mark was set.
    pub(super) mark: String,
}

impl Chart {
    /// None of a single moment.
    pub(super) fn of(moments: &[Moment], mark: Moment) -> Option<Self> {
        let [first, .., last] = moments else {
            return None;
        };
        let highest = |moment: &Moment| moment.live_bytes.max(moment.resident_bytes.unwrap_or(0));
        let highest_bytes = moments.iter().map(highest).max().unwrap_or(0).max(1);
        let span = last.when - first.when;
        let x = |moment: &Moment| {
            let passed = moment.when.saturating_duration_since(first.when);
            WIDTH * passed.as_secs_f64() / span.as_secs_f64().max(f64::MIN_POSITIVE)
        };
        let points = |bytes: fn(&Moment) -> Option<i64>| {
            let mut points = String::new();
            for moment in moments {
                // What wasn't read has no point.
                let Some(bytes) = bytes(moment) else {
                    continue;
                };
                let x = x(moment);
                let y = HEIGHT * (1.0 - share(bytes, highest_bytes));
                let _ = write!(points, "{x:.1},{y:.1} ");
            }
            points
        };
        Some(Self {
            live: points(|moment| Some(moment.live_bytes)),
            resident: points(|moment| moment.resident_bytes),
            highest_bytes,
            seconds: span.as_secs(),
            mark: format!("{:.1}", x(&mark)),
        })
    }
}

/// Which part of `whole` this is, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "it is drawn")]
pub(super) fn share(part: i64, whole: i64) -> f64 {
    (part as f64 / whole.max(1) as f64).clamp(0.0, 1.0)
}
