//! The table at the end of `cargo memprof`: which lines keep memory, which allocated most, and which
//! allocated most blocks that were freed at once.

use crate::lines::{MORE, cell, lines, number, table, write};
use anstyle::Style;
use memprof::__command::units::{bytes, grouped};
use memprof::report::{Allocations, Quantity, Report};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// A line of the program, over all reports.
struct Row {
    place: String,
    source: String,
    own: Allocations,
}

/// A number of a line, with its heading.
type Column = (&'static str, fn(&Allocations) -> i128, fn(i128) -> String);

const ALIVE: Column = ("Alive", |own| own.live_bytes().into(), bytes);
const AT_PEAK: Column = ("At the peak", |own| own.bytes_at_peak.into(), bytes);
const ALLOCATED: Column = ("Allocated", |own| own.allocated_bytes.into(), bytes);
const BLOCKS: Column = ("Blocks", |own| own.allocation_count.into(), grouped);
const TEMPORARY: Column = ("Freed at once", |own| own.temporary_count.into(), grouped);

/// Writes the table of `reports`, each with the name of its program, with at most `top` lines in each
/// part.
pub(crate) fn show(reports: &[(&str, &Report)], top: usize, mut out: impl Write) -> io::Result<()> {
    let rows = rows(reports);
    let keeps = |(_, report): &(&str, &Report)| report.main_quantity() == Quantity::LiveBytes;
    let first = if reports.iter().any(keeps) {
        [ALIVE, AT_PEAK]
    } else {
        [AT_PEAK, ALIVE]
    };
    part(&rows, &first, top, &mut out)?;
    part(&rows, &[ALLOCATED, BLOCKS], top, &mut out)?;
    part(&rows, &[TEMPORARY, BLOCKS], top, &mut out)?;
    for (name, report) in reports {
        let of = |own: &Allocations, columns: &[Column]| -> Vec<String> {
            columns
                .iter()
                .map(|(_, value, text)| text(value(own)))
                .collect()
        };
        let [allocated, blocks, at_peak, alive] =
            &of(&report.total, &[ALLOCATED, BLOCKS, AT_PEAK, ALIVE])[..]
        else {
            continue;
        };
        let [rest, rest_blocks] = &of(&report.untracked, &[ALLOCATED, BLOCKS])[..] else {
            continue;
        };
        writeln!(
            out,
            "{name}: {allocated} allocated in {blocks} blocks, {at_peak} at the peak, {alive} alive at \
             the end; {rest} in {rest_blocks} blocks outside of these lines"
        )?;
        if report.owners_are_unknown {
            writeln!(out, "not known: {}", Report::OWNERS_ARE_UNKNOWN)?;
        }
    }
    Ok(())
}

/// One part of the table: the lines with the most of the first column.
fn part(rows: &[Row], columns: &[Column], top: usize, mut out: impl Write) -> io::Result<()> {
    let (_, main, _) = columns[0];
    let mut chosen: Vec<&Row> = rows.iter().filter(|row| main(&row.own) > 0).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    chosen.sort_by_key(|row| Reverse(main(&row.own)));
    let all: i128 = chosen.iter().map(|row| main(&row.own)).sum();
    let mut styles = Vec::new();
    let headings = columns.iter().map(|(heading, ..)| *heading);
    let mut table = table(headings.chain(["Where", "Line"]));
    for row in chosen.iter().take(top) {
        // A line with a quarter of the total is worth looking at.
        let is_much = 4 * main(&row.own) >= all;
        styles.push(if is_much { MORE } else { Style::new() });
        let numbers = columns
            .iter()
            .map(|(_, value, text)| number(&text(value(&row.own))));
        let texts = [cell(&row.place), cell(&row.source)];
        table.add_row(numbers.chain(texts.map(Into::into)));
    }
    write(&table, &styles, &mut out)?;
    writeln!(out)
}

/// The lines of all reports. A line that several programs have counts once.
fn rows(reports: &[(&str, &Report)]) -> Vec<Row> {
    let mut rows: BTreeMap<(&str, u32), Row> = BTreeMap::new();
    for (_, report) in reports {
        for (function, line) in lines(report) {
            let row = rows
                .entry((&function.file, line.number))
                .or_insert_with(|| Row {
                    place: format!("{}:{}", without_registry(&function.file), line.number),
                    source: shortened(line.source.trim()),
                    own: Allocations::default(),
                });
            add(&mut row.own, &line.own);
        }
    }
    rows.into_values().collect()
}

/// Adds what the table shows.
fn add(sum: &mut Allocations, own: &Allocations) {
    sum.allocated_bytes += own.allocated_bytes;
    sum.allocation_count += own.allocation_count;
    sum.freed_bytes += own.freed_bytes;
    sum.transferred_bytes += own.transferred_bytes;
    sum.bytes_at_peak += own.bytes_at_peak;
    sum.temporary_count += own.temporary_count;
}

/// The path of a file, from the folder of its package on if that is in cargo's registry.
fn without_registry(file: &str) -> &str {
    let inside = file.split_once("/registry/src/").map(|(_, inside)| inside);
    let package = inside.and_then(|inside| inside.split_once('/'));
    package.map_or(file, |(_, path)| path)
}

/// A line of source, cut off so that the table fits on most screens.
fn shortened(source: &str) -> String {
    const MOST: usize = 80;
    match source.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_registry;

    #[test]
    fn a_file_of_a_dependency_begins_with_the_name_of_its_package() {
        let path = "/home/ada/.cargo/registry/src/index.crates.io-1/strsim-0.11.1/src/lib.rs";
        assert_eq!(without_registry(path), "strsim-0.11.1/src/lib.rs");
        assert_eq!(without_registry("src/main.rs"), "src/main.rs");
    }
}
