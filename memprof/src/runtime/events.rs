//! Tables as events of `tracing` and records of `log`, with the target `memprof`.

use crate::model::table::Table;
use crate::sys::output::say;
use std::sync::Once;

const TARGET: &str = "memprof";

/// Sends a table to the subscriber. Numbers that aren't known are left out.
#[cfg(feature = "tracing")]
pub(crate) fn to_tracing(table: &Table) {
    if !tracing::dispatcher::has_been_set() {
        say_nobody_receives("tracing", "subscriber");
        return;
    }
    let heap = table.heap;
    tracing::info!(
        target: TARGET,
        function = table.function,
        file = table.file,
        line = table.line,
        call_count = table.call_count,
        net_bytes = heap.map(|heap| heap.net_bytes()),
        allocated_bytes = heap.map(|heap| heap.allocated_bytes),
        freed_bytes = heap.map(|heap| heap.freed_bytes),
        peak_bytes = heap.filter(|_| !table.heap_is_of_process).map(|heap| heap.peak_bytes),
        increment_bytes = table.resident_increment_bytes(),
        "{table}"
    );
}

/// Sends a table to the logger. The record's module path is the function's path, and its file and
/// line are where the function begins.
#[cfg(feature = "log")]
pub(crate) fn to_log(table: &Table) {
    // The level is `Off` until a logger is set and has raised it.
    if log::max_level() == log::LevelFilter::Off {
        say_nobody_receives("log", "logger");
        return;
    }
    if !log::log_enabled!(target: TARGET, log::Level::Info) {
        return;
    }
    let mut record = log::Record::builder();
    record
        .target(TARGET)
        .level(log::Level::Info)
        .module_path_static(Some(table.function))
        .file_static(Some(table.file))
        .line(Some(table.line));
    log::logger().log(&record.args(format_args!("{table}")).build());
}

/// Reports, once per process, that tables are lost.
fn say_nobody_receives(word: &str, receiver: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        say(&format!(
            "tables are lost: they go to `{word}`, and the program has set no {receiver}"
        ));
    });
}
