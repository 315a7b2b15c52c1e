//! Counters and gauges of the process in Prometheus's text format.

use super::answer::Answer;
use super::lines::{self, Line};
use crate::model::report::Report;
use crate::sys::rss;
use http::StatusCode;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::fmt::Write as _;

/// The content type of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of `report` and of the `line_count` lines with most live bytes. Without a report,
/// only resident memory.
pub(super) fn answer(report: Result<&Report, &str>, line_count: usize) -> Answer {
    match text(report, line_count) {
        Ok(text) => Answer::new(TEXT, text),
        Err(error) => {
            let sentence = format!("The metrics can't be written: {error}.");
            Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &sentence)
        }
    }
}

fn text(report: Result<&Report, &str>, line_count: usize) -> prometheus::Result<String> {
    // A new registry for each answer, since memprof keeps the counts itself.
    let metrics = Metrics(Registry::new());
    let resident_bytes = match report {
        Ok(report) => report.resident_bytes,
        Err(_) => rss::resident_bytes(),
    };
    if let Some(bytes) = resident_bytes {
        let help = "Resident memory of the process in bytes.";
        metrics.gauge("process_resident_memory_bytes", help, signed(bytes))?;
    }
    if let Ok(report) = report {
        metrics.add_heap(report)?;
        if !report.owners_are_unknown {
            metrics.add_lines(&lines::by_live_bytes(report), line_count)?;
        }
    }
    let mut text = TextEncoder::new().encode_to_string(&metrics.0.gather())?;
    if report.is_ok_and(|report| report.owners_are_unknown) {
        let _ = writeln!(text, "# {}", Report::OWNERS_ARE_UNKNOWN);
    }
    if let Err(why) = report {
        let _ = writeln!(text, "# {why}");
    }
    Ok(text)
}

struct Metrics(Registry);

impl Metrics {
    fn add_heap(&self, report: &Report) -> prometheus::Result<()> {
        let total = &report.total;
        let counters = [
            (
                "memprof_allocated_bytes_total",
                "Bytes of allocated blocks, and bytes by which blocks grew.",
                total.allocated_bytes,
            ),
            (
                "memprof_freed_bytes_total",
                "Bytes of freed blocks, and bytes by which blocks shrank.",
                total.freed_bytes,
            ),
            (
                "memprof_allocations_total",
                "Allocated blocks.",
                total.allocation_count,
            ),
            (
                "memprof_deallocations_total",
                "Freed blocks.",
                total.deallocation_count,
            ),
        ];
        for (name, help, number) in counters {
            let counter = IntCounter::new(name, help)?;
            counter.inc_by(number);
            self.register(counter)?;
        }
        let help = "Bytes of live blocks.";
        self.gauge("memprof_live_bytes", help, total.live_bytes())?;
        let help = "Live blocks.";
        self.gauge("memprof_live_blocks", help, total.live_count())?;
        let help = "The highest number of live bytes so far.";
        self.gauge("memprof_peak_live_bytes", help, peak_bytes(report))
    }

    fn add_lines(&self, lines: &[Line<'_>], count: usize) -> prometheus::Result<()> {
        let help = format!("Live bytes that a line allocated; the {count} lines with the most.");
        let labels = ["function", "file", "line"];
        let gauge = IntGaugeVec::new(Opts::new("memprof_line_live_bytes", help), &labels)?;
        let alive = lines.iter().filter(|line| line.own.live_bytes() > 0);
        for Line { key, own, .. } in alive.take(count) {
            let values = [&*key.function, &*key.file, &*key.number.to_string()];
            gauge
                .get_metric_with_label_values(&values)?
                .set(own.live_bytes());
        }
        self.register(gauge)
    }

    fn gauge(&self, name: &str, help: &str, number: i64) -> prometheus::Result<()> {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(number);
        self.register(gauge)
    }

    fn register(&self, metric: impl Collector + 'static) -> prometheus::Result<()> {
        self.0.register(Box::new(metric))
    }
}

/// Bytes at the peak. At least the live bytes, since the latest peak may not be noticed yet.
pub(super) fn peak_bytes(report: &Report) -> i64 {
    signed(report.total.bytes_at_peak).max(report.total.live_bytes())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
