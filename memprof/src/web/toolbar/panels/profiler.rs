//! The functions and lines that a request ran.

use crate::model::report::{Allocations, FunctionReport, Report};
use crate::model::units::{bytes, grouped, time};
use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use std::cmp::Reverse;
use std::time::Duration;

/// The lines of this many functions are shown.
const FUNCTIONS: usize = 50;

pub(super) struct Profiler;

fn text(elapsed: Duration) -> String {
    time(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

impl Panel for Profiler {
    fn title(&self) -> &'static str {
        "Profiler"
    }

    fn number(&self, exchange: &Exchange) -> String {
        let Some(profile) = exchange.profile() else {
            return String::new();
        };
        let functions = profile.report.functions.iter();
        let calls: u64 = functions.filter_map(|function| function.call_count).sum();
        grouped(calls.into())
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let Some(profile) = exchange.profile() else {
            return Content::new().text("The request is under way.");
        };
        if profile.report.lines_are_unknown {
            return Content::new().text(Report::LINES_ARE_UNKNOWN);
        }
        let mut functions: Vec<_> = profile.report.functions.iter().collect();
        if functions.is_empty() {
            return Content::new().text("The request ran no function with #[memprofile].");
        }
        functions.sort_by_key(|function| Reverse(function.own_elapsed));
        let path = format!("{}/profile.html", exchange.id());
        let link = ("The whole profile as a page".to_owned(), path);
        let is_unknown = profile.report.owners_are_unknown;
        let mut content = Content::new().table(table(&functions, is_unknown));
        if is_unknown {
            content = content.text(Report::OWNERS_ARE_UNKNOWN);
        }
        let content = content.links(vec![link]);
        let shown = functions.into_iter().take(FUNCTIONS);
        shown.fold(content, |content, function| {
            let content = content.heading(format!("{} in {}", function.path, function.file));
            let notes = function.notes.iter();
            let content = notes.fold(content, |content, note| content.text(&**note));
            content.table(lines(function, is_unknown))
        })
    }
}

/// A number of calls or hits, or nothing if they weren't counted.
fn count(count: Option<u64>) -> String {
    count.map_or_else(String::new, |count| grouped(count.into()))
}

/// The live bytes of these allocations, or nothing if they aren't known.
fn alive(made: &Allocations, is_unknown: bool) -> String {
    if is_unknown {
        String::new()
    } else {
        bytes(made.live_bytes().into())
    }
}

fn table(functions: &[&FunctionReport], is_unknown: bool) -> Table {
    let heads = [
        "Calls",
        "Own time",
        "With callees",
        "Allocated",
        "Alive",
        "Function",
    ];
    functions.iter().fold(Table::new(heads), |table, function| {
        let made = function.own();
        table.row([
            count(function.call_count),
            text(function.own_elapsed),
            text(function.inclusive_elapsed),
            bytes(made.allocated_bytes.into()),
            alive(&made, is_unknown),
            function.path.to_string(),
        ])
    })
}

fn lines(function: &FunctionReport, is_unknown: bool) -> Table {
    let table = Table::new(["Line", "Hits", "Allocated", "Alive", "Source"]);
    function.lines.iter().fold(table, |table, line| {
        table.row([
            line.number.to_string(),
            count(line.hits),
            bytes(line.own.allocated_bytes.into()),
            alive(&line.own, is_unknown),
            line.source.to_string(),
        ])
    })
}
