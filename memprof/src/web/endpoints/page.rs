//! The page of the running process, and the page that lists its profiles.

use super::answer::Answer;
use super::chart::{self, Chart};
use super::history::{History, Moment, Trend};
use super::lines::{self, Line};
use super::metrics;
use super::verdict::{self, Verdict};
use crate::model::report::Report;
use crate::model::units::{bytes, grouped};
use crate::report::Format;
use crate::sys::rss;
use crate::web::templates::environment;
use http::StatusCode;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use std::cmp::Reverse;
use std::sync::LazyLock;
use std::time::Instant;

pub(super) const STYLE: &str = include_str!("page/style.css");
pub(super) const SCRIPT: &str = include_str!("page/script.js");

/// How many lines each table shows.
const MOST_LINES: usize = 50;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment(&[
        ("process.html", include_str!("page/process.html")),
        ("profiles.html", include_str!("page/profiles.html")),
    ])
});

fn render(name: &str, values: impl Into<Value>) -> Answer {
    let page = TEMPLATES.get_template(name);
    match page.and_then(|page| page.render(values)) {
        Ok(html) => Answer::page(html),
        Err(error) => {
            let sentence = format!("The page can't be rendered: {error}.");
            Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &sentence)
        }
    }
}

/// The page at `/debug/pprof/`.
pub(super) fn profiles() -> Answer {
    let program = program();
    render("profiles.html", context! { program })
}

/// The page without a report, which says why there is none.
pub(super) fn without_report(why: &str) -> Answer {
    let resident = rss::resident_bytes().map(|number| verdict::size(number.cast_signed()));
    let (program, process) = (program(), std::process::id());
    render("process.html", context! { program, process, why, resident })
}

/// The page of a report, which is added to the history.
pub(super) fn of(report: &Report, history: &mut History) -> Answer {
    let mut lines = lines::by_live_bytes(report);
    if report.owners_are_unknown {
        lines.clear();
    }
    let now = Moment::of(report);
    history.add(now, &lines);
    let mark = history.marked().unwrap_or(now);
    let rows = rows(&lines, history);
    let mut growing: Vec<&Row<'_>> = rows.iter().filter(|row| row.growth_bytes > 0).collect();
    growing.sort_by_key(|row| Reverse(row.growth_bytes));
    let trends: Vec<Trend> = growing.iter().map(|row| row.trend).collect();
    let growing_count = growing.len();
    growing.truncate(MOST_LINES);
    let mut alive: Vec<&Row<'_>> = rows.iter().filter(|row| row.live_bytes != 0).collect();
    let alive_count = alive.len();
    alive.truncate(MOST_LINES);
    let verdict = Verdict::of(mark, now);
    let peak_bytes = metrics::peak_bytes(report);
    let moments: Vec<Moment> = history.moments().collect();
    let chart = Chart::of(&moments, mark);
    render(
        "process.html",
        Serde(View {
            program: program(),
            process: std::process::id(),
            figures: figures(report, mark, now, peak_bytes),
            kind: match verdict {
                Verdict::HeapGrew if verdict::is_rising(&trends) => "more",
                Verdict::Level if !verdict::is_rising(&trends) => "level",
                Verdict::HeapGrew | Verdict::ResidentGrew | Verdict::Level => "some",
            },
            verdict: verdict.sentence(mark, now, &trends),
            difference: verdict::difference(now, peak_bytes),
            highest: chart.as_ref().map(|it| verdict::size(it.highest_bytes)),
            chart,
            since_mark: ago(mark.when),
            report_count: history.report_count(),
            growing,
            growing_count,
            alive,
            alive_count,
            untracked: verdict::size(report.untracked.live_bytes()),
            unknown: report
                .owners_are_unknown
                .then_some(Report::OWNERS_ARE_UNKNOWN),
            has_hits: report.has_hits(),
            formats: formats(report),
        }),
    )
}

/// The values of the page's template.
#[derive(Debug, Serialize)]
struct View<'a> {
    program: String,
    process: u32,
    figures: Vec<Figure>,
    kind: &'static str,
    verdict: String,
    difference: String,
    chart: Option<Chart>,
    highest: Option<String>,
    since_mark: String,
    report_count: u32,
    growing: Vec<&'a Row<'a>>,
    growing_count: usize,
    alive: Vec<&'a Row<'a>>,
    alive_count: usize,
    untracked: String,
    /// Why the lines' live bytes aren't known, if they aren't.
    unknown: Option<&'static str>,
    has_hits: bool,
    formats: Vec<String>,
}

/// The formats that this report can be written in: not those of calls if none was counted.
fn formats(report: &Report) -> Vec<String> {
    let can_write = |format: &Format| *format != Format::Pstats || report.has_hits();
    let formats = Format::all().filter(can_write);
    formats.map(|format| format.to_string()).collect()
}

/// A number of the process, and its change since the mark.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    number: String,
    exactly: String,
    change: Option<String>,
}

fn figures(report: &Report, mark: Moment, now: Moment, peak_bytes: i64) -> Vec<Figure> {
    let figure = |name, number, before: Option<i64>| Figure {
        name,
        number: verdict::size(number),
        exactly: bytes(number.into()),
        change: before.map(|before| verdict::change(number - before)),
    };
    let mut figures = vec![figure("Live heap", now.live_bytes, Some(mark.live_bytes))];
    if let Some(resident_bytes) = now.resident_bytes {
        let before = mark.resident_bytes;
        figures.push(figure("Resident memory", resident_bytes, before));
        let between = resident_bytes - now.live_bytes;
        let before = before.map(|before| before - mark.live_bytes);
        figures.push(figure("Difference", between, before));
    }
    figures.push(figure("Peak of the heap", peak_bytes, None));
    figures.push(Figure {
        name: "Live blocks",
        number: grouped(report.total.live_count().into()),
        exactly: grouped(report.total.live_count().into()),
        change: None,
    });
    figures
}

/// A line in a table.
#[derive(Debug, Serialize)]
struct Row<'a> {
    live: String,
    blocks: String,
    peak: String,
    allocated: String,
    /// `None` if they weren't counted.
    hits: Option<String>,
    growth: String,
    rise_count: u32,
    risen_last: u32,
    trend_name: &'static str,
    /// In pieces, between which the page may break the line.
    function: Vec<&'a str>,
    file: &'a str,
    line: u32,
    source: &'a str,
    /// Live bytes in percent of those of the first line.
    share: u32,
    #[serde(skip)]
    trend: Trend,
    #[serde(skip)]
    live_bytes: i64,
    #[serde(skip)]
    growth_bytes: i64,
}

fn rows<'a>(lines: &'a [Line<'_>], history: &History) -> Vec<Row<'a>> {
    let largest = lines.first().map_or(0, |line| line.own.live_bytes());
    let rows = lines.iter().map(|line| {
        let growth = history.growth(&line.key);
        let live_bytes = line.own.live_bytes();
        Row {
            live: bytes(live_bytes.into()),
            blocks: grouped(line.own.live_count().into()),
            peak: bytes(line.own.bytes_at_peak.into()),
            allocated: bytes(line.own.allocated_bytes.into()),
            hits: line.hits.map(|hits| grouped(hits.into())),
            growth: change_in_bytes(growth.bytes),
            rise_count: growth.rise_count,
            risen_last: growth.in_a_row,
            trend_name: match growth.trend() {
                Trend::Rising => "rising",
                Trend::RisingInSteps => "rising in steps",
                Trend::LevelledOff => "levelled off",
                Trend::Unknown => "",
            },
            trend: growth.trend(),
            function: line.key.function.split_inclusive("::").collect(),
            file: &line.key.file,
            line: line.key.number,
            source: line.source,
            share: percent(chart::share(live_bytes, largest)),
            live_bytes,
            growth_bytes: growth.bytes,
        }
    });
    rows.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 1"
)]
fn percent(share: f64) -> u32 {
    (share * 100.0).ceil() as u32
}

/// `+94,208 B`.
fn change_in_bytes(number: i64) -> String {
    let sign = if number > 0 { "+" } else { "" };
    format!("{sign}{}", bytes(number.into()))
}

/// `12 s ago`, `1 h 20 min ago`.
fn ago(when: Instant) -> String {
    let seconds = when.elapsed().as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s ago"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s ago"),
        (hours, minutes, _) => format!("{hours} h {minutes} min ago"),
    }
}

/// The program's name.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_stem().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
