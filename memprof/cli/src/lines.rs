//! The lines of a report, the numbers of each, and tables of them.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{Cell, CellAlignment, Table, presets};
use memprof::__command::printable;
use memprof::__command::units::{bytes, grouped};
use memprof::report::{Allocations, FunctionReport, LineReport, Report};
use std::io::{self, Write};
use std::iter;

/// A number of a line, by which tables are sorted and limits are set.
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

    /// The default columns of a report whose main quantity is `main`, which comes first.
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

    /// This number of a line that ran `hits` times and has the allocations `made`. `None` if it
    /// wasn't counted.
    pub(crate) fn of(self, made: &Allocations, hits: Option<u64>) -> Option<i128> {
        match self {
            Self::Hits => hits.map(i128::from),
            quantity => Some(quantity.of_blocks(made)),
        }
    }

    /// This number of the allocations `made`, which have no hits.
    pub(crate) fn of_blocks(self, made: &Allocations) -> i128 {
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
            Self::Hits => 0,
        }
    }

    /// Whether the lines of `report` have this number.
    pub(crate) fn is_known_in(self, report: &Report) -> bool {
        match self {
            Self::AllocatedBytes | Self::AllocationCount | Self::MovedBytes => true,
            Self::Hits => report.has_hits(),
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

/// The styles of rows with too much or more than before, and with less than before.
pub(crate) const MORE: Style = AnsiColor::Red.on_default();
pub(crate) const LESS: Style = AnsiColor::Blue.on_default();

/// Writes a table, its headings in bold and each row in its style.
pub(crate) fn write(table: &Table, styles: &[Style], mut out: impl Write) -> io::Result<()> {
    let text = table.trim_fmt();
    let styles = iter::once(&const { Style::new().bold() }).chain(styles);
    for (row, style) in text.lines().zip(styles) {
        writeln!(out, "{style}{row}{style:#}")?;
    }
    Ok(())
}

/// An empty table with these headings.
pub(crate) fn table(headings: impl IntoIterator<Item = &'static str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings);
    table
}

/// A right-aligned cell.
pub(crate) fn number(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A text from a file as a cell of a table, cut off after 500 characters.
pub(crate) fn cell(text: &str) -> String {
    /// `comfy_table` breaks the rows of much wider tables.
    const MOST: usize = 500;
    let mut chars = text.trim().char_indices();
    match chars.nth(MOST) {
        Some((end, _)) => self::text(&text.trim()[..end]) + "…",
        None => self::text(text),
    }
}

/// A text from a file, with U+FFFD in place of control and invisible characters, so that a
/// terminal interprets nothing in it.
pub(crate) fn text(text: &str) -> String {
    printable(text.trim(), '\u{fffd}')
}
