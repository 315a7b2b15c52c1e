//! Reads reports and baselines, and leaves out source text where that is asked for.

use memprof::baseline::Baseline;
use memprof::report::{FileError, Format, Report};
use std::env;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether source text is left out. Set once, before any report is read.
static IS_CONFIDENTIAL: AtomicBool = AtomicBool::new(false);

/// Leaves the source text out of all reports read later, if the flag `--confidential` or
/// `MEMPROF_CONFIDENTIAL` asks for it.
pub(crate) fn leave_out_source(is_asked: bool) {
    let said = env::var_os("MEMPROF_CONFIDENTIAL").unwrap_or_default();
    // Profiled programs interpret the variable in the same way.
    let is_said = !matches!(said.to_string_lossy().trim(), "" | "off" | "0");
    IS_CONFIDENTIAL.store(is_asked || is_said, Ordering::Relaxed);
}

pub(crate) fn is_confidential() -> bool {
    // Relaxed: it is set before any thread is started.
    IS_CONFIDENTIAL.load(Ordering::Relaxed)
}

/// Reads a report from a file or a socket.
pub(crate) fn read(path: &Path) -> Result<Report, FileError> {
    let report = Report::read(path)?;
    Ok(if is_confidential() {
        report.without_source()
    } else {
        report
    })
}

/// Reads a report or a baseline, and returns whether it is a baseline.
///
/// The source text is kept even if it is confidential: lines are recognized by it.
pub(crate) fn read_to_compare(path: &Path) -> Result<(Report, bool), FileError> {
    Report::read(path)
        .map(|report| (report, false))
        .or_else(|error| match Baseline::read(path) {
            Ok(report) => Ok((report, true)),
            // The first error says more: most files are meant to be reports.
            Err(_) => Err(error),
        })
}

/// The error; for a missing file that may be a socket, with when a program listens on one.
pub(crate) fn explained(error: FileError, path: &Path) -> Box<dyn Error> {
    if error.is_not_found() && Format::from_path(path).is_none() {
        let why = "a program listens there from its first call of a profiled function to its end";
        return format!("{error}; {why}").into();
    }
    error.into()
}
