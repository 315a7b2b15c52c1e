//! `memprof show`: a report as a table of its lines.

use crate::lines::{MORE, Quantity, cell, lines, number, table, write};
use anstyle::Style;
use memprof::__command::units::{bytes, interim};
use memprof::report::{Allocations, Report};
use std::cmp::Reverse;
use std::io::{self, Write};

pub(crate) fn show(
    report: &Report,
    function: Option<&str>,
    sort: Quantity,
    top: usize,
    columns: Option<&[Quantity]>,
    mut out: impl Write,
) -> io::Result<()> {
    let asked = columns.unwrap_or_default().iter().chain([&sort]);
    let lacks_hits = asked.into_iter().any(|asked| *asked == Quantity::Hits) && !report.has_hits();
    let columns = match columns {
        Some(columns) => columns.to_vec(),
        None => Quantity::columns(report.main_quantity().into()),
    };
    let sort = if sort.is_known_in(report) {
        sort
    } else {
        Quantity::AllocatedBytes
    };
    let columns: Vec<Quantity> = columns
        .into_iter()
        .filter(|column| column.is_known_in(report))
        .collect();
    let mut chosen: Vec<_> = lines(report)
        .filter(|(of, _)| function.is_none_or(|name| of.path.contains(name)))
        .filter(|(_, line)| line.own != Allocations::default())
        .collect();
    chosen.sort_by_key(|(_, line)| Reverse(sort.of(&line.own, line.hits)));

    let headings = columns.iter().map(|column| column.heading());
    let mut table = table(headings.chain(["Where", "Line"]));
    let all: i128 = chosen
        .iter()
        .filter_map(|(_, line)| sort.of(&line.own, line.hits))
        .sum();
    let mut styles = Vec::new();
    for (of, line) in chosen.iter().take(top) {
        // A line with a quarter of the total is worth looking at.
        let is_much = all > 0 && 4 * sort.of(&line.own, line.hits).unwrap_or(0) >= all;
        styles.push(if is_much { MORE } else { Style::new() });
        let numbers = columns.iter().map(|column| {
            let text = column.of(&line.own, line.hits);
            number(&text.map_or_else(String::new, |number| column.text(number)))
        });
        let place = format!("{}:{}", cell(&of.path), line.number);
        let texts = [place, cell(&line.source)];
        table.add_row(numbers.chain(texts.map(Into::into)));
    }
    write(&table, &styles, &mut out)?;
    if chosen.len() > top {
        writeln!(out, "and {} more", chosen.len() - top)?;
    }
    write_totals(report, &mut out)?;
    if lacks_hits {
        writeln!(out, "not known: {}", Report::HITS_ARE_UNKNOWN)?;
    }
    if report.sampling.is_some() {
        write!(out, "\n{}", report.times())?;
    }
    if let Some(note) = report.accessors_note() {
        writeln!(out, "{note}")?;
    }
    let functions = report.functions.iter();
    for of in functions.filter(|of| function.is_none_or(|name| of.path.contains(name))) {
        for note in &of.notes {
            writeln!(out, "note on {}: {}", cell(&of.path), cell(note))?;
        }
    }
    match report.interim_after {
        Some(after) => writeln!(out, "{}", interim("This report", after)),
        None => Ok(()),
    }
}

/// Writes the numbers of the process and of blocks that no line allocated.
fn write_totals(report: &Report, mut out: impl Write) -> io::Result<()> {
    let sum = |made: &Allocations, is_known: bool| {
        let text = |part: Quantity| part.text(part.of_blocks(made));
        let [alive, at_peak] = [Quantity::LiveBytes, Quantity::BytesAtPeak].map(text);
        let allocated = text(Quantity::AllocatedBytes);
        if is_known {
            format!("{alive} alive, {at_peak} at the peak, {allocated} allocated")
        } else {
            format!("{allocated} allocated")
        }
    };
    // If owners are unknown, the report of a scope has no freed blocks in its total, so that
    // what is alive isn't known either.
    let total_is_known = !report.owners_are_unknown || report.total.deallocation_count > 0;
    let tags = report.tag_bytes.filter(|tags| *tags > 0);
    let tags = tags.map_or(String::new(), |tags| {
        format!("; {} more for the profiler's tags", bytes(tags.into()))
    });
    writeln!(
        out,
        "\nprocess: {}{tags}",
        sum(&report.total, total_is_known)
    )?;
    let untracked = sum(&report.untracked, !report.owners_are_unknown);
    writeln!(out, "untracked: {untracked}")?;
    if report.owners_are_unknown {
        writeln!(out, "not known: {}", Report::OWNERS_ARE_UNKNOWN)?;
    }
    Ok(())
}
