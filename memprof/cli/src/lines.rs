//! The lines of a report, and what there is to know of each.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, Table, presets};
use memprof::__command::printable;
use memprof::__command::units::{bytes, grouped};
use memprof::report::{Allocations, FunctionReport, LineReport, Report};
use std::io::{self, Write};
use std::iter;

/// A number that a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Quantity {
    LiveBytes,
    LiveCount,
    BytesAtPeak,
    AllocatedBytes,
    AllocationCount,
    FreedBytes,
    TransferredBytes,
    TemporaryCount,
    MovedBytes,
    Hits,
}

impl Quantity {
    const DEFAULT: [Self; 6] = [
        Self::LiveBytes,
        Self::LiveCount,
        Self::BytesAtPeak,
        Self::AllocatedBytes,
        Self::AllocationCount,
        Self::Hits,
    ];

    /// The columns of a report that is about `main`, which comes first.
    pub(crate) fn columns(main: Self) -> Vec<Self> {
        let mut columns = Self::DEFAULT.to_vec();
        if main == Self::AllocatedBytes {
            columns.sort_by_key(|column| match column {
                Self::AllocatedBytes | Self::AllocationCount => 0,
                Self::Hits => 2,
                _ => 1,
            });
        }
        columns
    }

    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::LiveBytes => "Alive",
            Self::LiveCount => "Blocks alive",
            Self::BytesAtPeak => "At the peak",
            Self::AllocatedBytes => "Allocated",
            Self::AllocationCount => "Blocks",
            Self::FreedBytes => "Freed",
            Self::TransferredBytes => "Taken over",
            Self::TemporaryCount => "Temporary",
            Self::MovedBytes => "Moved",
            Self::Hits => "Hits",
        }
    }

    /// The number of a line that ran `hits` times and made this.
    pub(crate) fn of(self, made: &Allocations, hits: u64) -> i128 {
        match self {
            Self::LiveBytes => made.live_bytes().into(),
            Self::LiveCount => made.live_count().into(),
            Self::BytesAtPeak => made.bytes_at_peak.into(),
            Self::AllocatedBytes => made.allocated_bytes.into(),
            Self::AllocationCount => made.allocation_count.into(),
            Self::FreedBytes => made.freed_bytes.into(),
            Self::TransferredBytes => made.transferred_bytes.into(),
            Self::TemporaryCount => made.temporary_count.into(),
            Self::MovedBytes => made.moved_bytes.into(),
            Self::Hits => hits.into(),
        }
    }

    /// Whether a report knows it of lines.
    pub(crate) fn is_known_in(self, report: &Report) -> bool {
        match self {
            Self::AllocatedBytes | Self::AllocationCount | Self::MovedBytes | Self::Hits => true,
            Self::LiveBytes
            | Self::LiveCount
            | Self::BytesAtPeak
            | Self::FreedBytes
            | Self::TransferredBytes
            | Self::TemporaryCount => !report.owners_are_unknown,
        }
    }

    /// The number, with its unit.
    pub(crate) fn text(self, number: i128) -> String {
        match self {
            Self::LiveBytes
            | Self::BytesAtPeak
            | Self::AllocatedBytes
            | Self::FreedBytes
            | Self::TransferredBytes
            | Self::MovedBytes => bytes(number),
            Self::LiveCount | Self::AllocationCount | Self::TemporaryCount | Self::Hits => {
                grouped(number)
            }
        }
    }
}

impl From<memprof::report::Quantity> for Quantity {
    fn from(main: memprof::report::Quantity) -> Self {
        match main {
            memprof::report::Quantity::LiveBytes => Self::LiveBytes,
            _ => Self::AllocatedBytes,
        }
    }
}

/// Each line with its function.
pub(crate) fn lines(report: &Report) -> impl Iterator<Item = (&FunctionReport, &LineReport)> {
    report.functions.iter().flat_map(|function| {
        let lines = function.lines.iter();
        lines.map(move |line| (function, line))
    })
}

/// More than there should be, and less, where there is colour.
pub(crate) const MORE: Style = AnsiColor::Red.on_default();
pub(crate) const LESS: Style = AnsiColor::Blue.on_default();

/// Writes a table, each of its rows in a style.
pub(crate) fn write(table: &Table, styles: &[Style], mut out: impl Write) -> io::Result<()> {
    let text = table.trim_fmt();
    let styles = iter::once(&const { Style::new().bold() }).chain(styles);
    for (row, style) in text.lines().zip(styles) {
        writeln!(out, "{style}{row}{style:#}")?;
    }
    Ok(())
}

/// A table with these headings, of which the last two are texts.
pub(crate) fn table(headings: impl IntoIterator<Item = &'static str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings);
    table
}

/// A number, at the right of its column.
pub(crate) fn number(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A text from a file for a cell of a table, which is as wide as somebody may read.
pub(crate) fn cell(text: &str) -> String {
    /// A table that is much wider breaks its rows.
    const MOST: usize = 500;
    let mut chars = text.trim().char_indices();
    match chars.nth(MOST) {
        Some((end, _)) => self::text(&text.trim()[..end]) + "…",
        None => self::text(text),
    }
}

/// A text from a file, with nothing in it that a terminal obeys or that is not seen.
pub(crate) fn text(text: &str) -> String {
    printable(text.trim(), '\u{fffd}')
}
