//! Reports as the command reads them: without the text of the source, if that is wanted.

use memprof::baseline::Baseline;
use memprof::report::{FileError, Format, Report};
use std::env;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once, before anything is read.
static IS_CONFIDENTIAL: AtomicBool = AtomicBool::new(false);

/// Has the text of the source left out of all that is read, if the flag asks for it or
/// `MEMPROF_CONFIDENTIAL` does.
pub(crate) fn leave_out_source(is_asked: bool) {
    let said = env::var_os("MEMPROF_CONFIDENTIAL").unwrap_or_default();
    // As programs under profile read it.
    let is_said = !matches!(said.to_string_lossy().trim(), "" | "off" | "0");
    IS_CONFIDENTIAL.store(is_asked || is_said, Ordering::Relaxed);
}

pub(crate) fn is_confidential() -> bool {
    // Relaxed: threads begin after it is set.
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

/// Reads a report, or a baseline; whether it is one. Their texts are still there, by which
/// lines are known.
pub(crate) fn read_to_compare(path: &Path) -> Result<(Report, bool), FileError> {
    Report::read(path)
        .map(|report| (report, false))
        .or_else(|error| match Baseline::read(path) {
            Ok(report) => Ok((report, true)),
            // What it isn't either is no news.
            Err(_) => Err(error),
        })
}

/// The error, and what may be the cause where a program was to listen.
pub(crate) fn explained(error: FileError, path: &Path) -> Box<dyn Error> {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let is_missing = cause.is_some_and(|cause: &io::Error| cause.kind() == ErrorKind::NotFound);
    if is_missing && Format::from_path(path).is_none() {
        let why = "a program listens there from its first call of a profiled function to its end";
        return format!("{error}; {why}").into();
    }
    error.into()
}
