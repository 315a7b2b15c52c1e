//! The report that the environment asks for at the end of the process.

use crate::count::environment::{self, NamedPath};
use crate::model::report::Report;
use crate::record::collect;
use crate::report::FileError;
use crate::report::Format;
use crate::sys::output::say;
use crate::sys::{fork_lock, library_copies};
use std::fs;
use std::mem;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Where it goes, if it is asked for.
static OUTPUT: OnceLock<Option<Output>> = OnceLock::new();

/// How long one of the process's threads waits for another that is writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process that is writing its report, or 0. A forked child takes it from its parent,
/// whose thread it doesn't have.
static WRITING: AtomicU32 = AtomicU32::new(0);

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
        let name = environment::get("MEMPROF_OUTPUT")?;
        let named = environment::get("MEMPROF_FORMAT");
        let format = match &named {
            Some(format) => format
                .to_str()
                .and_then(|format| format.trim().trim_start_matches('.').parse().ok()),
            None => Format::from_path(Path::new(&name)),
        };
        let Some(format) = format else {
            let (variable, found) = match &named {
                Some(format) => ("MEMPROF_FORMAT", format),
                None => ("MEMPROF_OUTPUT", &name),
            };
            say(&format!(
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
            number: library_copies::number(),
        };
        let path = output.path();
        if output.number > 1 && path != output.path.path() {
            say(&format!(
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
            say(&error.to_string());
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
        let confidential = environment::get("MEMPROF_CONFIDENTIAL").unwrap_or_default();
        matches!(confidential.to_string_lossy().trim(), "" | "off" | "0")
    })
}

/// Writes the report that is asked for.
pub(crate) fn write_output() {
    let Some(Some(to)) = OUTPUT.get() else {
        return;
    };
    if !fork_lock::holds_none() {
        say("the report at exit is lost: the process ended in the middle of another");
        return;
    }
    match Turn::take() {
        Some(turn) => {
            to.write(collect::report());
            // The thread for it has no further turn.
            mem::forget(turn);
        }
        None => say("the report at exit is lost: one before is still being written"),
    }
    // There is nothing more to write for a signal that comes now.
    #[cfg(target_os = "linux")]
    crate::sys::signals::set_done();
}

/// Writes the report that is asked for, on the thread for it, as a signal ends the process.
#[cfg(target_os = "linux")]
pub(super) fn write_as_it_ends(set_collected: fn()) {
    if let (Some(Some(to)), Some(_turn)) = (OUTPUT.get(), Turn::take()) {
        let report = collect::report();
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
    let mut report = collect::report();
    report.interim_after = Some(elapsed());
    let written = to.try_write(report);
    if let (Err(error), false) = (&written, is_failing) {
        say(&error.to_string());
    }
    written.is_err()
}

/// Where the report goes, and how, if it is asked for.
pub(super) fn output() -> Option<(PathBuf, Format)> {
    let to = OUTPUT.get()?.as_ref()?;
    Some((to.path(), to.format))
}

/// How long ago the first profiled function was called.
pub(super) fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// That no other thread of the process writes its report.
#[derive(Debug)]
pub(super) struct Turn(());

impl Turn {
    /// Waits for it, but not without end: a disk may be stalled.
    pub(super) fn take() -> Option<Self> {
        let own = process::id();
        let start = Instant::now();
        loop {
            // Acquire: what was written in the last turn is there.
            let taken = WRITING.fetch_update(Ordering::Acquire, Ordering::Relaxed, |writing| {
                (writing != own).then_some(own)
            });
            if taken.is_ok() {
                return Some(Self(()));
            }
            if start.elapsed() >= PATIENCE {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        WRITING.store(0, Ordering::Release);
    }
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
