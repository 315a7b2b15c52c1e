//! A report as a table in plain text, for a terminal or a browser.

use super::lines;
use crate::model::report::{Allocations, Report};
use crate::model::units::{bytes, grouped};
use crate::report::Quantity;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

/// The lines that allocated or freed blocks, those with most of `quantity` first.
pub(super) fn of(report: &Report, quantity: Quantity, over: Option<Duration>) -> String {
    let mut lines = lines::by_live_bytes(report);
    lines.retain(|line| line.own != Allocations::default());
    let is_unknown = report.owners_are_unknown;
    let of_owner = |number: String| if is_unknown { String::new() } else { number };
    if quantity == Quantity::AllocatedBytes {
        lines.sort_by_key(|line| Reverse(line.own.allocated_bytes));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.add_row([
        "Alive",
        "Blocks alive",
        "Allocated",
        "Blocks",
        "Where",
        "Line",
    ]);
    for line in &lines {
        table.add_row([
            of_owner(bytes(line.own.live_bytes().into())),
            of_owner(grouped(line.own.live_count().into())),
            bytes(line.own.allocated_bytes.into()),
            grouped(line.own.allocation_count.into()),
            format!("{}:{}", line.key.function, line.key.number),
            line.source.to_owned(),
        ]);
    }
    let untracked = &report.untracked;
    table.add_row([
        of_owner(bytes(untracked.live_bytes().into())),
        of_owner(grouped(untracked.live_count().into())),
        bytes(untracked.allocated_bytes.into()),
        grouped(untracked.allocation_count.into()),
        "no profiled function".to_owned(),
        String::new(),
    ]);
    for column in table.column_iter_mut().take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let total = &report.total;
    let [alive, blocks] = [total.live_bytes(), total.live_count()];
    let (alive, blocks) = (bytes(alive.into()), grouped(blocks.into()));
    let head = match over {
        Some(over) => format!(
            "In {} s: live heap changed by {alive} in {blocks} blocks, {} allocated, {} freed",
            over.as_secs(),
            bytes(total.allocated_bytes.into()),
            bytes(total.freed_bytes.into()),
        ),
        None => format!(
            "{alive} alive in {blocks} blocks, {} at the peak{}",
            bytes(total.bytes_at_peak.into()),
            report
                .resident_bytes
                .map_or_else(String::new, |resident| format!(
                    ", {} resident",
                    bytes(resident.into())
                )),
        ),
    };
    let unknown = if is_unknown {
        format!("\nNot known: {}.", Report::OWNERS_ARE_UNKNOWN)
    } else {
        String::new()
    };
    let mut text = format!("{head}{unknown}\n\n{}\n", table.trim_fmt());
    if let Some(note) = report.accessors_note() {
        let _ = write!(text, "\n{note}\n");
    }
    for (function, note) in report.notes() {
        let _ = write!(text, "\nnote on {}: {note}\n", function.path);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::model::report::Report;
    use crate::report::Quantity;

    #[test]
    fn accessors_that_were_left_out_are_a_sentence() {
        let mut report = Report::default();
        assert!(!of(&report, Quantity::LiveBytes, None).contains("accessor"));

        report.accessors_left_out = 3;
        let note = report.accessors_note().unwrap();
        let text = of(&report, Quantity::LiveBytes, None);
        assert!(text.ends_with(&format!("\n{note}\n")), "{text}");
    }
}
