//! The report that the environment asks for at the end of the process.

use super::format::Format;
use crate::{forks, output, snapshot};
use std::env;
use std::path::{self, PathBuf};
use std::process;
use std::sync::OnceLock;

/// Where it goes, if it is asked for.
static OUTPUT: OnceLock<Option<Output>> = OnceLock::new();

#[derive(Debug)]
struct Output {
    path: PathBuf,
    format: Format,
}

/// Reads `MEMPROF_OUTPUT` and `MEMPROF_FORMAT`. What makes no sense is said at once, and
/// not after the program has run.
pub(crate) fn prepare_output() {
    OUTPUT.get_or_init(|| {
        let path = PathBuf::from(env::var_os("MEMPROF_OUTPUT").filter(|path| !path.is_empty())?);
        let named = env::var("MEMPROF_FORMAT").ok();
        let format = match &named {
            Some(name) => Format::named(name.trim().trim_start_matches('.')),
            None => Format::of_path(&path),
        };
        let Some(format) = format else {
            let (variable, found) = match named {
                Some(name) => ("MEMPROF_FORMAT", format!("{name:?}")),
                None => ("MEMPROF_OUTPUT", format!("{:?}", path.to_string_lossy())),
            };
            output::say(&format!(
                "no report will be written: {variable} is {found}, which is none of {}",
                Format::endings()
            ));
            return None;
        };
        has_source();
        // Of the folder that the program began in, if it goes elsewhere.
        let path = path::absolute(&path).unwrap_or(path);
        Some(Output { path, format })
    });
}

/// Whether a report that the environment asks for has the text of the source in it.
pub(crate) fn has_source() -> bool {
    static HAS_SOURCE: OnceLock<bool> = OnceLock::new();
    *HAS_SOURCE.get_or_init(|| {
        let confidential = env::var("MEMPROF_CONFIDENTIAL").unwrap_or_default();
        matches!(confidential.trim(), "" | "off" | "0")
    })
}

/// Writes the report that is asked for.
pub(crate) fn write_output() {
    let Some(Some(to)) = OUTPUT.get() else {
        return;
    };
    if !forks::holds_none() {
        output::say("the report at exit is lost: the process ended in the middle of another");
        return;
    }
    let mut report = snapshot::report();
    if !has_source() {
        report = report.without_source();
    }
    // Processes that share the variable have files of their own by it.
    let path = to
        .path
        .to_string_lossy()
        .replace("%p", &process::id().to_string());
    if let Err(error) = report.write_as(to.format, path) {
        output::say(&error.to_string());
    }
}
