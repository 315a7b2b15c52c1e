//! The text of a report's times: the lines that took longest.

use crate::model::printable::printable;
use crate::model::report::{FunctionReport, LineReport, Report};
use crate::model::sampled_time::{SampledTime, Sampling};
use crate::model::units::grouped;
use comfy_table::{CellAlignment, Table, presets};
use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

/// How many lines are shown.
const MOST_LINES: usize = 20;

/// The longest source text that is shown, in characters.
const MOST_CHARS: usize = 60;

/// The lines that took longest, as a text of a screen: see [`Report::times`].
#[derive(Clone, Copy, Debug)]
pub struct Times<'a>(&'a Report);

impl Report {
    /// The lines that took longest according to the [samples](Self::sampling), as a text: the time
    /// without and with callees, and the number of samples that it comes from. Without samples, the
    /// text says that there are none.
    ///
    /// [`Sampler`](crate::Sampler) has an example.
    #[must_use]
    pub fn times(&self) -> Times<'_> {
        Times(self)
    }
}

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let Some(sampling) = report.sampling else {
            return f.write_str("No samples: `Sampler` and `MEMPROF_SAMPLE` take them.\n");
        };
        writeln!(f, "{}", described(&sampling))?;
        let mut lines: Vec<_> = report.lines().collect();
        lines.retain(|(_, line)| !line.own_time.is_none());
        lines.sort_by_key(|(_, line)| Reverse(line.own_time.elapsed()));

        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "Own time",
            "Running",
            "Waiting",
            "With callees",
            "Samples",
            "Line",
        ]);
        for column in table.column_iter_mut().take(5) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let rows = lines.iter().take(MOST_LINES);
        for (function, line) in rows {
            let place = place_of(function, line);
            table.add_row(row(line.own_time, line.inclusive_time, place));
        }
        if !sampling.untracked.is_none() {
            let outside = "outside of profiled functions".to_owned();
            table.add_row(row(sampling.untracked, sampling.untracked, outside));
        }
        writeln!(f, "{}", table.trim_fmt())?;
        match lines.len().saturating_sub(MOST_LINES) {
            0 => Ok(()),
            more => writeln!(f, "and {} more lines", grouped(more as i128)),
        }
    }
}

/// `1,024 samples of 1,024.1 ms: 612.0 ms running, 412.1 ms waiting`
pub(super) fn described(sampling: &Sampling) -> String {
    let total = sampling.total;
    let dropped = match sampling.dropped_count {
        0 => String::new(),
        count => format!("; {} more were dropped", grouped(count.into())),
    };
    format!(
        "{} samples of {}: {} running, {} waiting{dropped}",
        grouped(total.sample_count.into()),
        text(total.elapsed()),
        text(total.running),
        text(total.waiting)
    )
}

fn row(own: SampledTime, inclusive: SampledTime, place: String) -> [String; 6] {
    [
        text(own.elapsed()),
        text(own.running),
        text(own.waiting),
        text(inclusive.elapsed()),
        grouped(own.sample_count.into()),
        place,
    ]
}

/// `1,024.1 ms`: in one unit, so that the numbers of a column can be compared.
fn text(elapsed: Duration) -> String {
    let tenths = (elapsed.as_micros() + 50) / 100;
    let milliseconds = i128::try_from(tenths / 10).unwrap_or(i128::MAX);
    format!("{}.{} ms", grouped(milliseconds), tenths % 10)
}

/// `blog::posts::get_post:12  let post = find(id);`
fn place_of(function: &FunctionReport, line: &LineReport) -> String {
    let source: String = line.source.trim().chars().take(MOST_CHARS).collect();
    let place = format!("{}:{}  {source}", function.path, line.number);
    printable(place.trim_end(), '\u{fffd}')
}
