//! The HTML format: an interactive page in a single file that makes no requests.
//!
//! Script and style are the same in every page, and the page's `Content-Security-Policy` allows
//! only them, by their hashes. The contents of the report are columns of numbers and texts in
//! base64, so that no name and no source text can end the element that it is in. The script shows
//! them as plain text only.

mod columns;
mod pair;

use crate::model::report::{Allocations, Report};
use crate::model::sampled_time::SampledTime;
use crate::report::quantity::Quantity;
use crate::report::times;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use columns::Columns;
use pair::Pair;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::iter;

const STYLE: &str = include_str!("page/style.css");

/// The script files in the order in which the browser evaluates them.
const SCRIPT: &str = concat!(
    "\"use strict\";\n",
    include_str!("page/units.js"),
    include_str!("page/data.js"),
    include_str!("page/tree.js"),
    include_str!("page/state.js"),
    include_str!("page/colours.js"),
    include_str!("page/icicle.js"),
    include_str!("page/sunburst.js"),
    include_str!("page/chart.js"),
    include_str!("page/rows.js"),
    include_str!("page/table.js"),
    include_str!("page/source.js"),
    include_str!("page/search.js"),
    include_str!("page/keys.js"),
    include_str!("page/about.js"),
    include_str!("page/main.js"),
);

type NumberOf = fn(&Allocations) -> i64;

/// The quantities of each line, by their names in the script.
const QUANTITIES: [(&str, NumberOf); 7] = [
    ("live_bytes", Allocations::live_bytes),
    ("bytes_at_peak", |made| signed(made.bytes_at_peak)),
    ("allocated_bytes", |made| signed(made.allocated_bytes)),
    ("allocation_count", |made| signed(made.allocation_count)),
    ("live_count", Allocations::live_count),
    ("temporary_count", |made| signed(made.temporary_count)),
    ("moved_bytes", |made| signed(made.moved_bytes)),
];

type TimeOf = fn(&SampledTime) -> i64;

/// The times of each line that samples tell, by their names in the script.
const TIMES: [(&str, TimeOf); 3] = [
    ("own_ns", |time| nanoseconds(time.elapsed().as_nanos())),
    ("waiting_ns", |time| nanoseconds(time.waiting.as_nanos())),
    ("sample_count", |time| signed(time.sample_count)),
];

/// The quantities that are known if blocks aren't attributed to lines.
const KNOWN_WITHOUT_OWNERS: [&str; 3] = ["allocated_bytes", "allocation_count", "moved_bytes"];

/// The `Content-Security-Policy` of all pages: allows their script and style and nothing else.
pub(super) fn policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// Writes a page of `after`, or of the changes since `before` if that is given.
pub(super) fn write(before: Option<&Report>, after: &Report, out: impl Write) -> io::Result<()> {
    write_with(&[], before, after, out)
}

/// Writes a page of `report` with facts about what was measured, as names and values. The first two
/// facts are the headline.
#[cfg(feature = "web")]
pub(crate) fn write_about(
    facts: &[(String, String)],
    report: &Report,
    out: impl Write,
) -> io::Result<()> {
    let mut facts = facts.to_vec();
    if report.lines_are_unknown {
        let sentence = Report::LINES_ARE_UNKNOWN;
        facts.push(("Lines".to_owned(), sentence.to_owned()));
    }
    if report.owners_are_unknown {
        let sentence = Report::OWNERS_ARE_UNKNOWN;
        facts.push(("Owners".to_owned(), sentence.to_owned()));
    }
    write_with(&facts, None, report, out)
}

fn write_with(
    facts: &[(String, String)],
    before: Option<&Report>,
    after: &Report,
    mut out: impl Write,
) -> io::Result<()> {
    write!(
        out,
        include_str!("page/page.html"),
        policy = policy(),
        style = STYLE,
    )?;
    let pair = Pair::of(before, after);
    let mut columns = Columns::new(&mut out);
    if !facts.is_empty() {
        let texts = facts.iter().flat_map(|(name, value)| [&**name, &**value]);
        columns.texts("about-facts", texts)?;
    }
    let sampled = after.sampling.map(|sampling| {
        let samples = times::described(&sampling);
        format!("Time by line comes from {samples}")
    });
    let remarks: Vec<String> = sampled.into_iter().chain(after.accessors_note()).collect();
    if !remarks.is_empty() {
        columns.texts("remarks", remarks.iter().map(|remark| &**remark))?;
    }
    let notes = || after.notes();
    if notes().next().is_some() {
        let texts = notes().flat_map(|(function, note)| [&*function.path, note]);
        columns.texts("notes", texts)?;
    }
    let main = match before {
        Some(before) => after.main_quantity_since(before),
        None => after.main_quantity(),
    };
    let main = match main {
        Quantity::LiveBytes => "live_bytes",
        _ => "allocated_bytes",
    };
    columns.texts("main-measure", std::iter::once(main))?;
    let owners_are_unknown = [before, Some(after)]
        .into_iter()
        .flatten()
        .any(|report| report.owners_are_unknown);
    if owners_are_unknown {
        columns.texts("unknown", iter::once(Report::OWNERS_ARE_UNKNOWN))?;
    }
    write_texts(&pair, &mut columns)?;
    write_shape(&pair, &mut columns)?;
    let is_sampled = [before, Some(after)]
        .into_iter()
        .flatten()
        .any(|report| report.sampling.is_some());
    for (side, report) in [before, Some(after)].into_iter().enumerate() {
        if let Some(report) = report {
            write_numbers(&pair, side, report, owners_are_unknown, &mut columns)?;
        }
        if let Some(report) = report.filter(|_| is_sampled) {
            write_times(&pair, side, report, &mut columns)?;
        }
    }
    writeln!(out, "<script>{SCRIPT}</script>")?;
    out.flush()
}

fn write_texts(pair: &Pair<'_>, columns: &mut Columns<impl Write>) -> io::Result<()> {
    let functions = || pair.functions.iter();
    columns.texts("functions.name", functions().map(pair::Function::path))?;
    columns.texts("functions.file", functions().map(pair::Function::file))?;
    let lines = functions().flat_map(|function| &function.lines);
    columns.texts("lines.source", lines.map(pair::Line::source))
}

/// Writes which lines belong to which function, which calls to which caller, and which rows to
/// which call.
fn write_shape(pair: &Pair<'_>, columns: &mut Columns<impl Write>) -> io::Result<()> {
    let functions = pair.functions.iter();
    let lines_of_each = functions.map(|function| function.lines.len());
    columns.places("functions.lines", lines_of_each)?;

    let calls = || pair.calls.iter();
    columns.places("calls.function", calls().map(|call| call.function))?;
    // The distance to the caller in the list; 0 for a call without a caller.
    let callers = calls().enumerate().map(|(place, call)| match call.caller {
        Some((caller, _)) => place - caller,
        None => 0,
    });
    columns.places("calls.caller", callers)?;
    let lines = calls().map(|call| call.caller.map_or(0, |(_, line)| line));
    columns.places("calls.line", lines)?;
    columns.places("calls.rows", calls().map(|call| call.rows.len()))?;
    let rows = calls().flat_map(|call| &call.rows);
    columns.places("rows.line", rows.map(|row| row.line))
}

/// Writes the numbers of the earlier report (side 0) or of the later one (side 1).
fn write_numbers(
    pair: &Pair<'_>,
    side: usize,
    report: &Report,
    owners_are_unknown: bool,
    columns: &mut Columns<impl Write>,
) -> io::Result<()> {
    let prefix = ["before", "after"][side];
    let name = |name: &str| format!("{prefix}.{name}");

    let process = [
        report.peak_error_bytes,
        report.callers_left_out,
        u64::from(report.resident_is_exact == Some(false)),
    ];
    // -1 if the report wasn't taken while the program went on.
    let interim = report.interim_after;
    let interim = interim.map_or(-1, |after| nanoseconds(after.as_nanos()));
    let process = process.into_iter().map(signed).chain([interim]);
    columns.numbers(&name("process"), process)?;

    let functions = || pair.functions.iter().map(|function| function.sides[side]);
    // What isn't in the report has run 0 times.
    let calls = functions().map(|it| it.map_or(0, |function| count(function.call_count)));
    columns.numbers(&name("functions.calls"), calls)?;
    let own = functions().map(|function| function.map_or(0, |it| it.own_elapsed.as_nanos()));
    columns.numbers(&name("functions.own_ns"), own.map(nanoseconds))?;
    let inclusive =
        functions().map(|function| function.map_or(0, |it| it.inclusive_elapsed.as_nanos()));
    columns.numbers(&name("functions.inclusive_ns"), inclusive.map(nanoseconds))?;

    let own = pair
        .calls
        .iter()
        .map(|call| call.own_elapsed[side].as_nanos());
    columns.numbers(&name("calls.own_ns"), own.map(nanoseconds))?;

    let lines = || {
        let lines = pair.functions.iter().flat_map(|function| &function.lines);
        lines.map(|line| line.sides[side])
    };
    let numbers = lines().map(|line| line.map_or(0, |line| line.number.into()));
    columns.numbers(&name("lines.number"), numbers)?;
    let hits = lines().map(|line| line.map_or(0, |line| count(line.hits)));
    columns.numbers(&name("lines.hits"), hits)?;
    let elapsed = lines().map(|line| match line.and_then(|line| line.while_running) {
        Some(running) => running.elapsed.as_nanos(),
        None => 0,
    });
    columns.numbers(&name("lines.elapsed_ns"), elapsed.map(nanoseconds))?;

    // An unknown quantity has no column.
    let known = QUANTITIES
        .iter()
        .filter(|(name, _)| !owners_are_unknown || KNOWN_WITHOUT_OWNERS.contains(name));
    for (quantity, number) in known {
        let column = |what: &str| name(&format!("{what}.{quantity}"));
        let process = [report.total, report.untracked];
        columns.numbers(&column("process"), process.iter().map(number))?;
        let own = lines().map(|line| line.map_or(0, |line| number(&line.own)));
        columns.numbers(&column("lines.own"), own)?;
        let inclusive = lines().map(|line| line.map_or(0, |line| number(&line.inclusive)));
        columns.numbers(&column("lines.inclusive"), inclusive)?;
        let rows = pair.calls.iter().flat_map(|call| &call.rows);
        let rows = rows.map(|row| row.sides[side].map_or(0, |line| number(&line.own)));
        columns.numbers(&column("rows"), rows)?;
    }
    Ok(())
}

/// Writes the times that samples tell, as [`write_numbers`] does.
fn write_times(
    pair: &Pair<'_>,
    side: usize,
    report: &Report,
    columns: &mut Columns<impl Write>,
) -> io::Result<()> {
    let prefix = ["before", "after"][side];
    let sampling = report.sampling.unwrap_or_default();
    for (quantity, number) in TIMES {
        let name = |what: &str| format!("{prefix}.{what}.{quantity}");
        let process = [sampling.total, sampling.untracked];
        columns.numbers(&name("process"), process.iter().map(number))?;
        let lines = || {
            let lines = pair.functions.iter().flat_map(|function| &function.lines);
            lines.map(|line| line.sides[side])
        };
        let own = lines().map(|line| line.map_or(0, |line| number(&line.own_time)));
        columns.numbers(&name("lines.own"), own)?;
        let inclusive = lines().map(|line| line.map_or(0, |line| number(&line.inclusive_time)));
        columns.numbers(&name("lines.inclusive"), inclusive)?;
        let rows = pair.calls.iter().flat_map(|call| &call.rows);
        let rows = rows.map(|row| row.sides[side].map_or(0, |line| number(&line.own_time)));
        columns.numbers(&name("rows"), rows)?;
    }
    // Whether the times of calls come from the samples, too.
    let calls = report.calls.iter();
    let measured = calls.filter(|call| !call.time_is_sampled()).count();
    let name = format!("{prefix}.measured-calls");
    columns.numbers(&name, iter::once(signed(measured as u64)))
}

/// A number of calls or hits, or -1 if they weren't counted.
fn count(count: Option<u64>) -> i64 {
    count.map_or(-1, signed)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn nanoseconds(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
