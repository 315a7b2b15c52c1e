//! `memprof diff`: what changed between two reports.

use crate::lines::{LESS, MORE, Quantity, cell, lines, number, table, write};
use crate::reading::{is_confidential, read_to_compare};
use anstyle::Style;
use clap::ValueEnum;
use memprof::__command::units::interim;
use memprof::report::{Allocations, FileError, Report};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

/// Identifies a line in both reports: its function, its source text, and how many earlier lines
/// of the function have the same text.
type Key<'a> = (&'a str, &'a str, usize);

/// Two reports with the same kinds of numbers, so that they can be compared.
pub(crate) struct Compared {
    pub(crate) before: Report,
    pub(crate) after: Report,
    /// Whether both are reports. A baseline has its lines only, and no process total.
    is_whole: bool,
}

impl Compared {
    /// Reads both files. If one is a baseline, which has no process total, the totals of both are
    /// the sums of their lines.
    pub(crate) fn read(before: &Path, after: &Path) -> Result<Self, FileError> {
        let [before, after] = [read_to_compare(before)?, read_to_compare(after)?];
        let is_whole = !before.1 && !after.1;
        let mut reports = [before.0, after.0];
        if is_confidential() {
            hide_source(&mut reports);
        }
        let [before, after] = reports.map(|mut report| {
            if !is_whole {
                report.untracked = Allocations::default();
                report.total = Allocations::default();
                for (_, line) in lines(&report.clone()) {
                    report.total += line.own;
                }
            }
            report
        });
        Ok(Self {
            before,
            after,
            is_whole,
        })
    }

    /// The quantity to sort by unless another is asked for. A baseline has no peak to derive it
    /// from and is about what its lines leave alive.
    pub(crate) fn main_quantity(&self) -> Quantity {
        if self.is_whole {
            self.after.main_quantity_since(&self.before).into()
        } else {
            Quantity::LiveBytes
        }
    }

    /// Refuses to sort by or limit a quantity that a baseline doesn't have, and to limit one that
    /// a report doesn't know.
    pub(crate) fn check(&self, sort: Quantity, limits: &[Limit]) -> Result<(), String> {
        let limits = || limits.iter().map(|limit| limit.quantity);
        let is_lacking = |quantity: &Quantity| {
            use Quantity::{BytesAtPeak, Hits, MovedBytes, TemporaryCount};
            matches!(quantity, BytesAtPeak | Hits | MovedBytes | TemporaryCount)
        };
        let lacking = limits().chain([sort]).find(is_lacking);
        if let Some(quantity) = lacking.filter(|_| !self.is_whole) {
            return Err(format!(
                "a baseline has no {quantity}; compare two reports, or use live_bytes, live_count, \
                 allocated_bytes, allocation_count, freed_bytes or transferred_bytes"
            ));
        }
        // The process totals of live bytes and of the peak are known without owners of blocks.
        let is_known = |quantity: Quantity| {
            [&self.before, &self.after].into_iter().all(|report| {
                let is_total = !matches!(quantity, Quantity::TemporaryCount | Quantity::Hits);
                let total_is_known = is_total && report.total.deallocation_count > 0;
                quantity.is_known_in(report) || total_is_known
            })
        };
        match limits().find(|quantity| !is_known(*quantity)) {
            None => Ok(()),
            Some(quantity) => {
                let why = match quantity {
                    Quantity::Hits => Report::HITS_ARE_UNKNOWN,
                    _ => Report::OWNERS_ARE_UNKNOWN,
                };
                Err(format!("{quantity} can't have a limit: {why}"))
            }
        }
    }
}

/// Replaces each distinct source text by a number, so that lines stay distinguishable.
fn hide_source(reports: &mut [Report]) {
    let mut numbers = HashMap::new();
    let functions = reports.iter_mut().flat_map(|report| &mut report.functions);
    for line in functions.flat_map(|function| &mut function.lines) {
        let next = numbers.len() + 1;
        let number = *numbers.entry(line.source.trim().to_owned()).or_insert(next);
        line.source = format!("({number})").into();
    }
}

/// The allocations and hits of a line in one report.
type Numbers = (Allocations, Option<u64>);

/// The numbers of a line in both reports; `None` where it is missing.
#[derive(Default)]
struct Change<'a> {
    /// The line number in the later report: `None` if the line is gone, 0 if it has no number,
    /// as in a baseline.
    number: Option<u32>,
    before: Option<Numbers>,
    after: Option<Numbers>,
    key: Key<'a>,
}

impl Change<'_> {
    /// By how much a quantity has changed, if it was counted. A missing line counts as 0.
    fn of(&self, quantity: Quantity) -> Option<i128> {
        let of = |numbers: &Option<Numbers>| match numbers {
            Some((made, hits)) => quantity.of(made, *hits),
            None => Some(0),
        };
        Some(of(&self.after)? - of(&self.before)?)
    }
}

const COLUMNS: [Quantity; 4] = [
    Quantity::LiveBytes,
    Quantity::LiveCount,
    Quantity::AllocatedBytes,
    Quantity::AllocationCount,
];

pub(crate) fn show(
    Compared {
        before,
        after,
        is_whole,
    }: &Compared,
    sort: Quantity,
    top: usize,
    mut out: impl Write,
) -> io::Result<()> {
    let owners_are_unknown = before.owners_are_unknown || after.owners_are_unknown;
    let is_known = |column: Quantity| column.is_known_in(before) && column.is_known_in(after);
    let sort = if is_known(sort) {
        sort
    } else {
        Quantity::AllocatedBytes
    };
    let mut columns = COLUMNS.to_vec();
    columns.retain(|column| is_known(*column));
    if !columns.contains(&sort) {
        columns.insert(0, sort);
    }
    let mut changes = changes(before, after);
    let has_changed = |number: i128| number != 0;
    changes.retain(|change| {
        let mut columns = columns.iter();
        columns.any(|column| change.of(*column).is_some_and(has_changed))
    });
    changes.sort_by_key(|change| Reverse(change.of(sort).map(i128::abs)));
    if changes.is_empty() {
        writeln!(out, "no line has changed")?;
    } else {
        let headings = columns.iter().map(|column| column.heading());
        let mut table = table(headings.chain(["Where", "Line"]));
        let mut styles = Vec::new();
        for change in changes.iter().take(top) {
            styles.push(match change.of(sort) {
                Some(1..) => MORE,
                Some(..0) => LESS,
                Some(0) | None => Style::new(),
            });
            let (function, source, _) = change.key;
            let numbers = columns.iter().map(|column| {
                let text = change.of(*column);
                number(&text.map_or_else(String::new, |number| signed(*column, number)))
            });
            let place = match change.number {
                None => format!("{} (gone)", cell(function)),
                Some(0) => cell(function),
                Some(line) => format!("{}:{line}", cell(function)),
            };
            table.add_row(numbers.chain([place, cell(source)].map(Into::into)));
        }
        write(&table, &styles, &mut out)?;
        if changes.len() > top {
            writeln!(out, "and {} more", changes.len() - top)?;
        }
    }
    let total = |quantity: Quantity| {
        let change = quantity.of_blocks(&after.total) - quantity.of_blocks(&before.total);
        signed(quantity, change)
    };
    let [alive, allocated] = [Quantity::LiveBytes, Quantity::AllocatedBytes].map(total);
    let whole = if *is_whole { "process" } else { "lines" };
    if owners_are_unknown {
        writeln!(
            out,
            "\n{whole}: {allocated} allocated\nnot known: {}",
            Report::OWNERS_ARE_UNKNOWN
        )?;
    } else {
        writeln!(out, "\n{whole}: {alive} alive, {allocated} allocated")?;
    }
    for (which, report) in [("The earlier report", before), ("The later report", after)] {
        if let Some(after) = report.interim_after {
            writeln!(out, "{}", interim(which, after))?;
        }
    }
    Ok(())
}

fn signed(quantity: Quantity, number: i128) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", quantity.text(number))
}

fn changes<'a>(before: &'a Report, after: &'a Report) -> Vec<Change<'a>> {
    let mut changes: Vec<Change<'a>> = Vec::new();
    let mut places = HashMap::new();
    for (report, is_after) in [(before, false), (after, true)] {
        let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
        for (function, line) in lines(report) {
            let name = (&*function.path, line.source.trim());
            let nth = seen.entry(name).or_default();
            let key = (name.0, name.1, *nth);
            *nth += 1;
            let place = *places.entry(key).or_insert_with(|| {
                changes.push(Change {
                    key,
                    ..Change::default()
                });
                changes.len() - 1
            });
            if let Some(change) = changes.get_mut(place) {
                let numbers = Some((line.own, line.hits));
                if is_after {
                    change.after = numbers;
                    change.number = Some(line.number);
                } else {
                    change.before = numbers;
                }
            }
        }
    }
    changes
}

/// A limit of `--fail-on`, such as `live_bytes>+5%`.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    text: String,
    quantity: Quantity,
    most: Most,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Most {
    /// The largest value that the later report may have.
    Number(i128),
    /// The largest increase since the earlier report.
    More(i128),
    /// The largest increase, in percent of the earlier report's value.
    MorePercent(f64),
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "it should be a quantity, `>` and a number, as in `live_bytes>+5%`, \
                        `allocation_count>+100` or `bytes_at_peak>64MiB`";
        let (quantity, most) = text.split_once('>').ok_or(expected)?;
        let quantity = Quantity::from_str(quantity.trim(), true).map_err(|_| {
            let names = Quantity::value_variants().iter().map(ToString::to_string);
            let names: Vec<_> = names.collect();
            format!("{quantity:?} is none of {}", names.join(", "))
        })?;
        let most = most.trim();
        let most = match most.strip_prefix('+') {
            None => Most::Number(number_of(most).ok_or(expected)?),
            Some(more) => match more.strip_suffix('%') {
                None => Most::More(number_of(more).ok_or(expected)?),
                Some(percent) => {
                    let percent: f64 = percent.trim().parse().map_err(|_| expected)?;
                    if !percent.is_finite() || percent < 0.0 {
                        return Err(expected.to_owned());
                    }
                    Most::MorePercent(percent)
                }
            },
        };
        Ok(Self {
            text: text.to_owned(),
            quantity,
            most,
        })
    }
}

/// Parses `100`, `64 KiB` or `1.5MiB`; a fraction of a byte is dropped.
pub(crate) fn number_of(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit: u32 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: i128 = whole.parse::<u64>().ok()?.into();
    let part = format!("0.{part}").parse::<f64>().ok()? * f64::from(unit);
    #[expect(clippy::cast_possible_truncation, reason = "it is less than the unit")]
    Some(whole * i128::from(unit) + part as i128)
}

/// How often lines ran, without those whose executions weren't counted.
fn hits(report: &Report) -> i128 {
    let hits = lines(report).filter_map(|(_, line)| line.hits);
    hits.map(i128::from).sum()
}

impl Limit {
    /// The message, if the later report exceeds the limit.
    #[expect(clippy::cast_precision_loss, reason = "percentages needn't be exact")]
    pub(crate) fn passed(&self, Compared { before, after, .. }: &Compared) -> Option<String> {
        let [was, is] = [before, after].map(|report| match self.quantity {
            Quantity::Hits => hits(report),
            quantity => quantity.of_blocks(&report.total),
        });
        let is_passed = match self.most {
            Most::Number(most) => is > most,
            Most::More(more) => is - was > more,
            Most::MorePercent(percent) => (is - was) as f64 > was as f64 * percent / 100.0,
        };
        is_passed.then(|| {
            format!(
                "{} exceeded: was {}, is now {}",
                self.text,
                self.quantity.text(was),
                self.quantity.text(is)
            )
        })
    }
}
