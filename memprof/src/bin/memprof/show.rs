//! A report as a table of its lines.

use crate::lines::{MORE, Quantity, cell, lines, number, table, write};
use crate::units::interim;
use anstyle::Style;
use memprof::{Made, Report};
use std::cmp::Reverse;
use std::io::{self, Write};

pub(crate) fn show(
    report: &Report,
    function: Option<&str>,
    sort: Quantity,
    top: usize,
    columns: &[Quantity],
    mut out: impl Write,
) -> io::Result<()> {
    let mut chosen: Vec<_> = lines(report)
        .filter(|(of, _)| function.is_none_or(|name| of.path.contains(name)))
        .filter(|(_, line)| line.made != Made::default())
        .collect();
    chosen.sort_by_key(|(_, line)| Reverse(sort.of(&line.made, line.hits)));

    let headings = columns.iter().map(|column| column.heading());
    let mut table = table(headings.chain(["Where", "Line"]));
    let all: i128 = chosen
        .iter()
        .map(|(_, line)| sort.of(&line.made, line.hits))
        .sum();
    let mut styles = Vec::new();
    for (of, line) in chosen.iter().take(top) {
        // A quarter of all in one line is where to look.
        let is_much = all > 0 && 4 * sort.of(&line.made, line.hits) >= all;
        styles.push(if is_much { MORE } else { Style::new() });
        let numbers = columns
            .iter()
            .map(|column| number(&column.text(column.of(&line.made, line.hits))));
        let place = format!("{}:{}", cell(&of.path), line.number);
        let texts = [place, cell(&line.source)];
        table.add_row(numbers.chain(texts.map(Into::into)));
    }
    write(&table, &styles, &mut out)?;
    if chosen.len() > top {
        writeln!(out, "and {} lines more", chosen.len() - top)?;
    }

    let sum = |made: &Made| {
        let parts = [
            Quantity::LiveBytes,
            Quantity::BytesAtPeak,
            Quantity::AllocatedBytes,
        ];
        parts.map(|part| part.text(part.of(made, 0)))
    };
    let [alive, at_peak, allocated] = sum(&report.total);
    writeln!(
        out,
        "\nprocess: {alive} alive, {at_peak} at the peak, {allocated} allocated"
    )?;
    let [alive, at_peak, allocated] = sum(&report.untracked);
    writeln!(
        out,
        "untracked: {alive} alive, {at_peak} at the peak, {allocated} allocated"
    )?;
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
