//! The file format of a baseline: JSON with one row per source line, one row to a line of the
//! file, so that diffs are readable.

use crate::model::printable::printable;
use crate::model::report::{Allocations, FunctionReport, LineReport, Report};
use crate::model::sampled_time::SampledTime;
use crate::report::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// The value of `"format"`.
const NAME: &str = "memprof baseline";

/// The latest version. In version 1, a block that moved from one line to another counted as
/// allocated in both, and the transferred numbers were missing.
const VERSION: u64 = 2;

/// The numbers of one source line.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Row {
    pub(super) function: String,
    /// The source text. Line numbers would change with every edit above the line.
    pub(super) line: String,
    allocated_bytes: u64,
    allocation_count: u64,
    live_bytes: i64,
    live_count: i64,
    /// As in [`Allocations`].
    #[serde(default, skip_serializing_if = "is_zero")]
    transferred_bytes: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    transferred_count: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Row {
    pub(super) fn of(&self, quantity: Quantity) -> i128 {
        match quantity {
            Quantity::AllocatedBytes => self.allocated_bytes.into(),
            Quantity::AllocationCount => self.allocation_count.into(),
            Quantity::LiveBytes => self.live_bytes.into(),
            Quantity::LiveCount => self.live_count.into(),
            // These also depend on the rest of the process.
            Quantity::BytesAtPeak | Quantity::TemporaryCount => 0,
        }
    }
}

impl Row {
    /// Whether the numbers are plausible: small enough to be added up without overflow, and with no
    /// more alive than was allocated and transferred.
    fn is_possible(&self) -> bool {
        const MOST: i128 = 1 << 56;
        let bytes = [self.live_bytes, self.transferred_bytes].map(i128::from);
        let blocks = [self.live_count, self.transferred_count].map(i128::from);
        let all = [
            (self.allocated_bytes.into(), bytes),
            (self.allocation_count.into(), blocks),
        ];
        let is_possible = |(allocated, [live, transferred]): (i128, [i128; 2])| {
            let is_counted = |number: i128| number.abs() < MOST;
            live <= allocated + transferred
                && [allocated, live, transferred].into_iter().all(is_counted)
        };
        all.into_iter().all(is_possible)
    }
}

#[derive(Deserialize)]
struct Document {
    format: String,
    version: u64,
    lines: Vec<Row>,
}

/// The lines that allocated, sorted by function, file and line number.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    // Instances of a generic function are separate entries in a report.
    let mut sums: BTreeMap<_, (&str, Allocations)> = BTreeMap::new();
    for (function, line) in report.lines() {
        let place = (&*function.path, &*function.file, line.number);
        let (_, sum) = sums
            .entry(place)
            .or_insert((&line.source, Allocations::default()));
        *sum += line.own;
    }
    let made_something = sums.into_iter().filter(|(_, (_, made))| {
        made.allocation_count > 0
            || made.allocated_bytes > 0
            || made.live_bytes() != 0
            || made.transferred_bytes != 0
    });
    let rows = made_something.map(|((function, _, _), (source, made))| Row {
        function: function.to_owned(),
        line: source.trim().to_owned(),
        allocated_bytes: made.allocated_bytes,
        allocation_count: made.allocation_count,
        live_bytes: made.live_bytes(),
        live_count: made.live_count(),
        transferred_bytes: made.transferred_bytes,
        transferred_count: made.transferred_count,
    });
    rows.collect()
}

/// Builds a report that has these lines and nothing else; totals are zero.
pub(super) fn report(rows: Vec<Row>) -> Report {
    let mut report = Report::default();
    for row in rows {
        // The freed numbers follow from the others.
        let freed = |allocated: u64, transferred: i64, live: i64| {
            let owned = allocated.wrapping_add(transferred.cast_unsigned());
            owned.wrapping_sub(live.cast_unsigned())
        };
        let made = Allocations {
            allocated_bytes: row.allocated_bytes,
            allocation_count: row.allocation_count,
            freed_bytes: freed(row.allocated_bytes, row.transferred_bytes, row.live_bytes),
            deallocation_count: freed(row.allocation_count, row.transferred_count, row.live_count),
            transferred_bytes: row.transferred_bytes,
            transferred_count: row.transferred_count,
            ..Allocations::default()
        };
        let line = LineReport {
            number: 0,
            source: row.line.into(),
            hits: None,
            own: made,
            inclusive: made,
            own_time: SampledTime::default(),
            inclusive_time: SampledTime::default(),
            while_running: None,
        };
        match report.functions.last_mut() {
            Some(function) if function.path == row.function => function.lines.push(line),
            _ => report.functions.push(FunctionReport {
                path: row.function.into(),
                file: "".into(),
                notes: Vec::new(),
                call_count: None,
                inclusive_elapsed: Duration::ZERO,
                own_elapsed: Duration::ZERO,
                lines: vec![line],
            }),
        }
    }
    report
}

pub(super) fn write(rows: &[Row], out: &mut dyn io::Write) -> io::Result<()> {
    write!(
        out,
        "{{\"format\": \"{NAME}\", \"version\": {VERSION}, \"lines\": ["
    )?;
    let mut separator = "\n";
    for row in rows {
        out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *out, row)?;
        separator = ",\n";
    }
    writeln!(out, "\n]}}")
}

/// Reads a file that [`write`] has written. The error is a message for users.
pub(super) fn read(text: &[u8]) -> Result<Vec<Row>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if document.format != NAME {
        return Err(format!("its `format` is not `{NAME}`"));
    }
    if document.version > VERSION {
        return Err(format!(
            "a newer memprof wrote it, in version {}, and this one reads up to version {VERSION}",
            document.version
        ));
    }
    match document.lines.iter().find(|row| !row.is_possible()) {
        Some(row) => Err(format!(
            "the numbers of a line of `{}` are impossible",
            printable(&row.function, ' ')
        )),
        None => Ok(document.lines),
    }
}
