//! The report that the environment asks for at the end of the process.

use super::file::FileError;
use super::format::Format;
use super::writer::{self, Turn};
use crate::recorded::Report;
use crate::variables::{self, NamedPath};
use crate::{copies, forks, output, snapshot};
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where it goes, if it is asked for.
static OUTPUT: OnceLock<Option<Output>> = OnceLock::new();

#[derive(Debug)]
struct Output {
    path: NamedPath,
    format: Format,
    /// That of this copy of memprof, where the process has more than one.
    number: usize,
}

/// Reads `MEMPROF_OUTPUT` and `MEMPROF_FORMAT`. What makes no sense is said at once, and
/// not after the program has run.
pub(crate) fn prepare_output() {
    OUTPUT.get_or_init(|| {
        let name = variables::get("MEMPROF_OUTPUT")?;
        let named = variables::get("MEMPROF_FORMAT");
        let format = match &named {
            Some(format) => format
                .to_str()
                .and_then(|format| Format::named(format.trim().trim_start_matches('.'))),
            None => Format::of_path(Path::new(&name)),
        };
        let Some(format) = format else {
            let (variable, found) = match &named {
                Some(format) => ("MEMPROF_FORMAT", format),
                None => ("MEMPROF_OUTPUT", &name),
            };
            output::say(&format!(
                "no report will be written: {variable} is {:?}, which is none of {}",
                found.to_string_lossy(),
                Format::endings()
            ));
            return None;
        };
        has_source();
        let output = Output {
            path: NamedPath::new(name),
            format,
            number: copies::number(),
        };
        let path = output.path();
        if output.number > 1 && path != output.path.path() {
            output::say(&format!(
                "a second copy of memprof in this process, as that of a plugin, writes its report \
                 to {:?}: the first one has the path of MEMPROF_OUTPUT",
                path.to_string_lossy()
            ));
        }
        Some(output)
    });
}

impl Output {
    fn write(&self, report: Report) {
        if let Err(error) = self.try_write(report) {
            output::say(&error.to_string());
        }
    }

    fn try_write(&self, mut report: Report) -> Result<(), FileError> {
        if !has_source() {
            report = report.without_source();
        }
        report.write_as(self.format, self.path())
    }

    /// The path for this process, and for this copy of memprof in it.
    fn path(&self) -> PathBuf {
        let path = self.path.path();
        // What isn't replaced has room for several reports.
        let is_replaced = fs::metadata(&path).map_or(true, |there| there.is_file());
        if self.number > 1 && is_replaced {
            numbered(&path, self.number)
        } else {
            path
        }
    }
}

/// The path with a number before its ending: `report.2.json`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let ending = Format::ending_of(&name.to_string_lossy()).unwrap_or_default();
    let stem = ending
        .matches('.')
        .fold(name, |name, _| Path::new(name).file_stem().unwrap_or(name));
    let mut new = stem.to_owned();
    new.push(format!(".{number}{ending}"));
    path.with_file_name(new)
}

/// Whether a report that the environment asks for has the text of the source in it.
pub(crate) fn has_source() -> bool {
    static HAS_SOURCE: OnceLock<bool> = OnceLock::new();
    *HAS_SOURCE.get_or_init(|| {
        let confidential = variables::get("MEMPROF_CONFIDENTIAL").unwrap_or_default();
        matches!(confidential.to_string_lossy().trim(), "" | "off" | "0")
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
    match Turn::take() {
        Some(turn) => {
            to.write(snapshot::report());
            // The thread for it has no further turn.
            mem::forget(turn);
        }
        None => output::say("the report at exit is lost: one before is still being written"),
    }
    // There is nothing more to write for a signal that comes now.
    #[cfg(target_os = "linux")]
    crate::signals::set_done();
}

/// Writes the report that is asked for, on the thread for it, as a signal ends the process.
#[cfg(target_os = "linux")]
pub(super) fn write_as_it_ends(set_collected: fn()) {
    if let (Some(Some(to)), Some(_turn)) = (OUTPUT.get(), Turn::take()) {
        let report = snapshot::report();
        set_collected();
        to.write(report);
    }
}

/// Writes the report that is asked for, on the thread for it, while the program goes on. What
/// goes wrong is said unless it `is_failing` already; whether it is.
pub(super) fn write_as_it_goes_on(is_failing: bool) -> bool {
    let (Some(Some(to)), Some(_turn)) = (OUTPUT.get(), Turn::take()) else {
        return is_failing;
    };
    let mut report = snapshot::report();
    report.interim_after = Some(writer::elapsed());
    let written = to.try_write(report);
    if let (Err(error), false) = (&written, is_failing) {
        output::say(&error.to_string());
    }
    written.is_err()
}

/// Where the report goes, and how, if it is asked for.
pub(super) fn output() -> Option<(PathBuf, Format)> {
    let to = OUTPUT.get()?.as_ref()?;
    Some((to.path(), to.format))
}

#[cfg(test)]
mod tests {
    use super::numbered;
    use std::path::Path;

    #[test]
    fn the_number_of_a_copy_comes_before_the_ending() {
        for (path, expected) in [
            ("/a.b/report.json", "/a.b/report.2.json"),
            ("r.speedscope.json", "r.2.speedscope.json"),
            ("/a.json/report", "/a.json/report.2"),
        ] {
            assert_eq!(numbered(Path::new(path), 2), Path::new(expected));
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_name_that_is_no_text_gets_a_number_too() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes| Path::new(OsStr::from_bytes(bytes));
        assert_eq!(numbered(path(b"/a/\xff.json"), 3), path(b"/a/\xff.3.json"));
    }
}
