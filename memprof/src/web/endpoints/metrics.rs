//! Counters and gauges of the process, as Prometheus reads them.

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

/// All there is to say of `report`, and of its first lines by live bytes, so many at the
/// most; of no report, what is known without.
pub(super) fn answer(report: Result<&Report, &str>, line_count: usize) -> Answer {
    match text(report, line_count) {
        Ok(text) => Answer::new(TEXT, text),
        Err(error) => {
            let sentence = format!("There are no metrics: {error}.");
            Answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &sentence)
        }
    }
}

fn text(report: Result<&Report, &str>, line_count: usize) -> prometheus::Result<String> {
    // One for each answer: what is counted is counted elsewhere.
    let metrics = Metrics(Registry::new());
    let resident_bytes = match report {
        Ok(report) => report.resident_bytes,
        Err(_) => rss::resident_bytes(),
    };
    if let Some(bytes) = resident_bytes {
        let help = "What the kernel keeps of the process in RAM, in bytes.";
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
                "Bytes of blocks that were allocated, and by which they grew.",
                total.allocated_bytes,
            ),
            (
                "memprof_freed_bytes_total",
                "Bytes of blocks that were freed, and by which they shrank.",
                total.freed_bytes,
            ),
            (
                "memprof_allocations_total",
                "Blocks that were allocated.",
                total.allocation_count,
            ),
            (
                "memprof_deallocations_total",
                "Blocks that were freed.",
                total.deallocation_count,
            ),
        ];
        for (name, help, number) in counters {
            let counter = IntCounter::new(name, help)?;
            counter.inc_by(number);
            self.register(counter)?;
        }
        let help = "Bytes of blocks that are alive.";
        self.gauge("memprof_live_bytes", help, total.live_bytes())?;
        let help = "Blocks that are alive.";
        self.gauge("memprof_live_blocks", help, total.live_count())?;
        let help = "The most bytes that were alive at once.";
        self.gauge("memprof_peak_live_bytes", help, peak_bytes(report))
    }

    fn add_lines(&self, lines: &[Line<'_>], count: usize) -> prometheus::Result<()> {
        let help = format!("Bytes alive that a line made; the {count} lines with most of them.");
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

/// Bytes at the peak: at least those of now, which may have been made since one was seen.
pub(super) fn peak_bytes(report: &Report) -> i64 {
    signed(report.total.bytes_at_peak).max(report.total.live_bytes())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
