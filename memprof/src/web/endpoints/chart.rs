//! A chart of live heap and resident memory over the last reports.

use super::history::Moment;
use serde::Serialize;
use std::fmt::Write as _;

/// In units of the SVG's view box.
const WIDTH: f64 = 1000.0;
/// See [`WIDTH`].
const HEIGHT: f64 = 160.0;

/// The points of the two lines, for SVG.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    pub(super) live: String,
    pub(super) resident: String,
    /// The value at the upper edge, in bytes. The lower edge is 0.
    pub(super) highest_bytes: i64,
    /// The time from the left edge to the right edge.
    pub(super) seconds: u64,
    /// The x coordinate of the mark.
    pub(super) mark: String,
}

impl Chart {
    /// The chart of two or more moments.
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
                // A value that couldn't be read has no point.
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

/// The fraction `part / whole`, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "it is drawn")]
pub(super) fn share(part: i64, whole: i64) -> f64 {
    (part as f64 / whole.max(1) as f64).clamp(0.0, 1.0)
}
