//! The heap use of a request by line, and the memory of the process over the last requests.

use crate::model::report::Report;
use crate::model::units::{bytes, grouped};
use crate::web::RequestProfile;
use crate::web::toolbar::content::{Chart, ChartLine, Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::history::History;
use crate::web::toolbar::units::{short_bytes, signed};
use std::cmp::Reverse;
use std::sync::Arc;

/// How many lines are shown.
const LINES: usize = 200;

pub(super) struct Memory {
    history: Arc<History>,
}

impl Memory {
    pub(super) fn new(history: Arc<History>) -> Self {
        Self { history }
    }

    /// Memory of the whole process at the end of each of the last requests.
    fn chart(&self) -> Option<Chart> {
        let mut exchanges = self.history.all();
        exchanges.reverse();
        let ended = exchanges.iter().filter_map(|exchange| exchange.ended());
        let (heap, resident): (Vec<i64>, Vec<Option<i64>>) = ended
            .map(|ended| (ended.heap_bytes, ended.resident_bytes.map(signed)))
            .unzip();
        // Empty if resident memory can't be read.
        let resident: Vec<i64> = resident.into_iter().flatten().collect();
        let highest = heap.iter().chain(&resident).copied().max()?.max(1);
        let line = |name: &str, numbers: &[i64]| ChartLine {
            name: name.to_owned(),
            points: points(numbers, highest),
            last: numbers
                .last()
                .copied()
                .map_or_else(String::new, short_bytes),
        };
        Some(Chart {
            title: format!(
                "Memory of the process at the end of the last {} requests",
                heap.len()
            ),
            highest: short_bytes(highest),
            lines: [("live heap", &heap), ("resident memory", &resident)]
                .into_iter()
                .filter(|(_, numbers)| !numbers.is_empty())
                .map(|(name, numbers)| line(name, numbers))
                .collect(),
        })
    }
}

/// The points of a line in a box of 1,000 by 200.
#[expect(clippy::cast_precision_loss, reason = "a pixel is more")]
fn points(numbers: &[i64], highest: i64) -> String {
    let steps = numbers.len().saturating_sub(1).max(1) as f64;
    let point = |(place, number): (usize, &i64)| {
        let x = 1000.0 * place as f64 / steps;
        let y = 200.0 * (1.0 - *number as f64 / highest as f64);
        format!("{x:.1},{y:.1}")
    };
    let mut points: Vec<_> = numbers.iter().enumerate().map(point).collect();
    if let [only] = points.as_slice() {
        // A single point wouldn't be visible.
        points.push(only.replacen("0.0", "1000.0", 1));
    }
    points.join(" ")
}

impl Panel for Memory {
    fn title(&self) -> &'static str {
        "Memory"
    }

    fn number(&self, exchange: &Exchange) -> String {
        let profile = exchange.profile();
        profile.map_or_else(String::new, |profile| {
            format!("peak {}", short_bytes(signed(profile.usage.peak_bytes)))
        })
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let content = match exchange.profile() {
            Some(profile) => of_request(profile),
            None => Content::new().text("The request is under way."),
        };
        match self.chart() {
            Some(chart) => content.chart(chart),
            None => content,
        }
    }
}

fn of_request(profile: &RequestProfile) -> Content {
    let usage = &profile.usage;
    let in_blocks = |number: u64, blocks: u64| {
        format!(
            "{} in {} blocks",
            bytes(number.into()),
            grouped(blocks.into())
        )
    };
    let allocated = in_blocks(usage.allocated_bytes, usage.allocation_count);
    let freed = in_blocks(usage.freed_bytes, usage.deallocation_count);
    let mut figures = vec![
        ("Allocated", allocated),
        ("Freed", freed),
        ("Peak", bytes(usage.peak_bytes.into())),
    ];
    if profile.report.lines_are_unknown {
        return Content::new()
            .pairs(figures)
            .text(Report::LINES_ARE_UNKNOWN);
    }
    let mut content = Content::new();
    if profile.report.owners_are_unknown {
        content = content.pairs(figures).text(Report::OWNERS_ARE_UNKNOWN);
    } else {
        let alive = profile.report.total.live_bytes();
        figures.push(("Alive afterwards", bytes(alive.into())));
        content = content.pairs(figures);
    }
    content.heading("By line").table(by_line(profile))
}

fn by_line(profile: &RequestProfile) -> Table {
    let functions = profile.report.functions.iter();
    let lines = functions.flat_map(|function| {
        let lines = function.lines.iter();
        lines.map(move |line| (&*function.file, line))
    });
    let mut lines: Vec<_> = lines
        .filter(|(_, line)| line.own.allocated_bytes > 0 || line.own.live_bytes() > 0)
        .collect();
    let main = profile.report.main_quantity();
    lines.sort_by_key(|(_, line)| {
        let made = &line.own;
        Reverse((main.of(made), made.allocated_bytes, made.live_bytes()))
    });
    let rest = (
        &profile.report.untracked,
        String::new(),
        "functions without #[memprofile]",
    );
    let lines = lines.into_iter().take(LINES).map(|(file, line)| {
        let place = format!("{file}:{}", line.number);
        (&line.own, place, line.source.trim())
    });
    let is_known = !profile.report.owners_are_unknown;
    let mut table = Table::new(["Alive", "Allocated", "Blocks", "Line", "Source"]);
    for (made, place, source) in lines.chain([rest]) {
        let cells = [
            if is_known {
                bytes(made.live_bytes().into())
            } else {
                String::new()
            },
            bytes(made.allocated_bytes.into()),
            grouped(made.allocation_count.into()),
            place,
            source.to_owned(),
        ];
        table.push(cells.into(), is_known && made.live_bytes() > 0);
    }
    table
}
