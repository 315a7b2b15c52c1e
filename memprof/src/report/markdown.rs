//! The Markdown format: a table for people who read it in a browser.

use crate::model::printable::printable;
use crate::model::report::{Allocations, LineReport, Report};
use crate::model::units::{bytes, grouped, interim};
use crate::report::quantity::Quantity;
use std::io;

pub(crate) fn write(report: &Report, mut out: impl io::Write) -> io::Result<()> {
    write_totals(report, &mut out)?;
    let mut lines: Vec<_> = report.lines().collect();
    lines.retain(|(_, line)| line.own != Allocations::default());
    if lines.is_empty() {
        writeln!(out, "No line of a profiled function allocated anything.")?;
        return write_notes(report, out);
    }
    let main = report.main_quantity();
    lines.sort_by_key(|(_, line)| {
        let made = &line.own;
        let main = match main {
            Quantity::LiveBytes => made.live_bytes(),
            _ => made.allocated_bytes.cast_signed(),
        };
        let rest = (made.live_bytes(), made.bytes_at_peak, made.allocated_bytes);
        std::cmp::Reverse((main, rest))
    });
    // A column that would be empty is left out.
    let (heading, rule) = if report.has_hits() {
        (" Hits |", "--:|")
    } else {
        ("", "")
    };
    writeln!(
        out,
        "| Alive | Blocks alive | At the peak | Allocated | Blocks |{heading} Where | Line |\n\
         |--:|--:|--:|--:|--:|{rule}---|---|"
    )?;
    let of_owner = |number: String| {
        if report.owners_are_unknown {
            String::new()
        } else {
            number
        }
    };
    let hits = |line: &LineReport| match line.hits {
        Some(hits) => format!(" {} |", grouped(hits.into())),
        None if report.has_hits() => " |".to_owned(),
        None => String::new(),
    };
    for (function, line) in lines {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |{} {} | {} |",
            of_owner(bytes(line.own.live_bytes().into())),
            of_owner(grouped(line.own.live_count().into())),
            of_owner(bytes(line.own.bytes_at_peak.into())),
            bytes(line.own.allocated_bytes.into()),
            grouped(line.own.allocation_count.into()),
            hits(line),
            code(&format!("{}:{}", function.path, line.number)),
            code(line.source.trim()),
        )?;
    }
    write_notes(report, out)
}

/// Writes the numbers of the process.
fn write_totals(report: &Report, mut out: impl io::Write) -> io::Result<()> {
    let Report {
        total, untracked, ..
    } = report;
    if let Some(after) = report.interim_after {
        writeln!(out, "{}\n", interim("This report", after))?;
    }
    if report.total_is_known() {
        write!(
            out,
            "**{}** alive in {} blocks, {} at the peak, ",
            bytes(total.live_bytes().into()),
            grouped(total.live_count().into()),
            bytes(total.bytes_at_peak.into()),
        )?;
    }
    write!(
        out,
        "{} allocated in {} blocks; of these, ",
        bytes(total.allocated_bytes.into()),
        grouped(total.allocation_count.into()),
    )?;
    if !report.owners_are_unknown {
        write!(out, "{} alive and ", bytes(untracked.live_bytes().into()))?;
    }
    writeln!(
        out,
        "{} allocated outside of profiled functions.\n",
        bytes(untracked.allocated_bytes.into()),
    )?;
    if report.owners_are_unknown {
        writeln!(out, "Not known: {}.\n", Report::OWNERS_ARE_UNKNOWN)?;
    }
    Ok(())
}

/// Writes what was left out, and the notes on functions, a paragraph each.
fn write_notes(report: &Report, mut out: impl io::Write) -> io::Result<()> {
    if let Some(note) = report.accessors_note() {
        writeln!(out, "\n{note}.")?;
    }
    for (function, note) in report.notes() {
        writeln!(out, "\n{}: {note}", code(&function.path))?;
    }
    Ok(())
}

/// Formats any text as inline code in a table cell.
pub(crate) fn code(text: &str) -> String {
    let text = printable(text, ' ');
    if text.trim().is_empty() {
        return String::new();
    }
    // The fence has to be longer than any run of backticks in the text. A bar would end the cell.
    let mut longest = 0;
    for run in text.split(|char| char != '`') {
        longest = longest.max(run.len());
    }
    let fence = "`".repeat(longest + 1);
    let gap = if longest > 0 { " " } else { "" };
    format!("{fence}{gap}{}{gap}{fence}", text.replace('|', "\\|"))
}
