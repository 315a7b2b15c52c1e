//! The CSV format: one row per line.

use crate::model::report::Report;
use std::io;

const HEADINGS: [&str; 25] = [
    "function",
    "file",
    "line",
    "source",
    "hits",
    "allocated_bytes",
    "allocation_count",
    "freed_bytes",
    "deallocation_count",
    "transferred_bytes",
    "transferred_count",
    "live_bytes",
    "live_count",
    "bytes_at_peak",
    "temporary_count",
    "moved_bytes",
    "inclusive_allocated_bytes",
    "inclusive_live_bytes",
    "resident_bytes",
    "resident_increment_bytes",
    "peak_bytes",
    "elapsed_ns",
    "sample_count",
    "sampled_running_ns",
    "sampled_waiting_ns",
];

pub(crate) fn write(report: &Report, out: impl io::Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADINGS)?;
    for function in &report.functions {
        for line in &function.lines {
            let made = line.own;
            let inclusive = line.inclusive;
            let running = line.while_running;
            let resident = running.and_then(|running| running.resident_bytes);
            let increment = running.and_then(|running| running.resident_increment_bytes);
            let known = |number: Option<String>| number.unwrap_or_default();
            let of_owner = |number: String| known((!report.owners_are_unknown).then_some(number));
            let sampled = |number: u128| known(report.sampling.map(|_| number.to_string()));
            writer.write_record([
                &*function.path,
                &*function.file,
                &line.number.to_string(),
                line.source.trim(),
                &known(line.hits.map(|hits| hits.to_string())),
                &made.allocated_bytes.to_string(),
                &made.allocation_count.to_string(),
                &of_owner(made.freed_bytes.to_string()),
                &of_owner(made.deallocation_count.to_string()),
                &of_owner(made.transferred_bytes.to_string()),
                &of_owner(made.transferred_count.to_string()),
                &of_owner(made.live_bytes().to_string()),
                &of_owner(made.live_count().to_string()),
                &of_owner(made.bytes_at_peak.to_string()),
                &of_owner(made.temporary_count.to_string()),
                &made.moved_bytes.to_string(),
                &inclusive.allocated_bytes.to_string(),
                &of_owner(inclusive.live_bytes().to_string()),
                &known(resident.map(|bytes| bytes.to_string())),
                &known(increment.map(|bytes| bytes.to_string())),
                &known(running.map(|running| running.heap.peak_bytes.to_string())),
                &known(running.map(|running| running.elapsed.as_nanos().to_string())),
                &sampled(line.own_time.sample_count.into()),
                &sampled(line.own_time.running.as_nanos()),
                &sampled(line.own_time.waiting.as_nanos()),
            ])?;
        }
    }
    writer.flush()
}
