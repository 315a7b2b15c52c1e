//! Content of panels as it is shown: without secrets, and with columns of numbers marked.

use super::content::{Chart, Content, Piece, Table};
use super::exchange::Exchange;
use super::units::{short_bytes, short_time, signed};
use crate::web::recording::Outcome;
use crate::web::redact::Redactor;
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::time::SystemTime;

/// `2026-11-23 13:44:58.123`, in local time.
pub(super) fn date(time: SystemTime) -> String {
    let Ok(time) = Timestamp::try_from(time) else {
        return String::new();
    };
    let time = time.to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// A piece of a panel, for a template.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shown {
    Heading(String),
    Text(String),
    Code(String),
    Pairs(Vec<[String; 2]>),
    Table(ShownTable),
    Links(Vec<(String, String)>),
    Chart(Chart),
}

#[derive(Debug, Serialize)]
pub(super) struct ShownTable {
    heads: Vec<Head>,
    rows: Vec<ShownRow>,
}

#[derive(Debug, Serialize)]
struct Head {
    text: String,
    is_number: bool,
}

#[derive(Debug, Serialize)]
struct ShownRow {
    cells: Vec<String>,
    is_marked: bool,
}

/// A panel's content without secrets.
pub(super) fn shown(content: Content, redactor: &Redactor) -> Vec<Shown> {
    let plain = |text: String| redactor.text(&text).into_owned();
    let pieces = content.pieces.into_iter();
    let shown = pieces.map(|piece| match piece {
        Piece::Heading(text) => Shown::Heading(plain(text)),
        Piece::Text(text) => Shown::Text(plain(text)),
        Piece::Code(text) => Shown::Code(plain(text)),
        Piece::Links(links) => Shown::Links(links),
        Piece::Chart(chart) => Shown::Chart(chart),
        Piece::Table(table) => Shown::Table(of_table(table, redactor)),
        Piece::Pairs(pairs) => {
            let pairs = pairs.into_iter().map(|(name, value)| {
                let value = redactor.value(&name, &value).into_owned();
                [plain(name), value]
            });
            Shown::Pairs(pairs.collect())
        }
    });
    shown.collect()
}

fn of_table(table: Table, redactor: &Redactor) -> ShownTable {
    let Table { heads, rows } = table;
    let is_number = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.cells.get(column));
        cells.all(|cell| is_number(cell))
    };
    let numbers: Vec<bool> = (0..heads.len()).map(is_number).collect();
    let rows = rows.into_iter().map(|row| {
        let cells = row.cells.iter().enumerate().map(|(column, cell)| {
            let head = heads.get(column).map_or("", String::as_str);
            let before = column
                .checked_sub(1)
                .and_then(|column| row.cells.get(column));
            // In a table of names and values, the name is in the column before.
            let name = before.filter(|_| head.eq_ignore_ascii_case("value"));
            redactor
                .value(name.map_or(head, String::as_str), cell)
                .into_owned()
        });
        ShownRow {
            cells: cells.collect(),
            is_marked: row.is_marked,
        }
    });
    let rows = rows.collect();
    let heads = heads.into_iter().zip(numbers);
    let heads = heads.map(|(text, is_number)| Head {
        text: redactor.text(&text).into_owned(),
        is_number,
    });
    ShownTable {
        heads: heads.collect(),
        rows,
    }
}

/// Whether a cell is empty or a number, with or without a short unit.
fn is_number(text: &str) -> bool {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    text.is_empty() || (number.replace(',', "").parse::<f64>().is_ok() && unit.len() <= 3)
}

/// A request as a row of the history.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    began: String,
    method: String,
    target: String,
    /// The response's status, or how else the request ended.
    outcome: String,
    /// `good`, `moved`, `bad` or `open`.
    class: &'static str,
    elapsed: String,
    allocated: String,
    peak: String,
    alive: String,
    queries: usize,
    lines: usize,
    left_out: u64,
    is_open: bool,
}

impl Row {
    pub(super) fn of(exchange: &Exchange, redactor: &Redactor) -> Self {
        let profile = exchange.profile();
        let usage = profile.map(|profile| profile.usage);
        let bytes = |number: Option<i64>| number.map_or_else(String::new, short_bytes);
        let state = exchange.state();
        let (queries, lines) = (state.statements.len(), state.lines.len());
        let left_out = state.left_out;
        drop(state);
        let (outcome, class) = match (exchange.outcome(), exchange.status()) {
            (None, Some(status)) => (format!("{} …", status.as_u16()), "open"),
            (None, None) => ("…".to_owned(), "open"),
            (Some(outcome), _) => outcome_of(outcome),
        };
        Self {
            id: exchange.id(),
            began: date(exchange.began()),
            method: exchange.method().to_string(),
            target: redactor.address(&exchange.target()).into_owned(),
            outcome,
            class,
            elapsed: profile.map_or_else(String::new, |it| short_time(it.elapsed)),
            allocated: bytes(usage.map(|usage| signed(usage.allocated_bytes))),
            peak: bytes(usage.map(|usage| signed(usage.peak_bytes))),
            alive: bytes(
                profile
                    .filter(|profile| !profile.report.lines_are_unknown)
                    .filter(|profile| !profile.report.owners_are_unknown)
                    .map(|profile| profile.report.total.live_bytes()),
            ),
            queries,
            lines,
            left_out,
            is_open: profile.is_none(),
        }
    }

    /// Names and values. The first two are the headline.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let facts = [
            ("Request", format!("{} {}", self.method, self.target)),
            ("Response", self.outcome.clone()),
            ("Began", self.began.clone()),
            ("Took", self.elapsed.clone()),
            ("Allocated", self.allocated.clone()),
            ("Peak", self.peak.clone()),
            ("Alive afterwards", self.alive.clone()),
        ];
        let owned = |(name, value): (&str, String)| (name.to_owned(), value);
        facts.map(owned).into()
    }
}

fn outcome_of(outcome: Outcome) -> (String, &'static str) {
    let class = match outcome {
        Outcome::Response(status) if status.is_redirection() => "moved",
        Outcome::Response(status) if status < StatusCode::BAD_REQUEST => "good",
        _ => "bad",
    };
    let text = match outcome {
        Outcome::Response(status) => status.as_str().to_owned(),
        Outcome::Aborted(status) => format!("{} cut", status.as_u16()),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Panicked => "panicked".to_owned(),
        Outcome::Dropped => "dropped".to_owned(),
    };
    (text, class)
}
