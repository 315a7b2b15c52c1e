//! The report of `MEMPROF_OUTPUT`, which is written when the process exits.
//!
//! # Turns
//!
//! The same file is also written while the program runs ([`report_writer`]) and when a signal ends
//! it. A [`Turn`] makes sure that one thread writes at a time. Waiting for a turn ends after
//! [`PATIENCE`], since a disk may be stalled and the process has to exit all the same.
//!
//! [`report_writer`]: crate::runtime::report_writer

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

/// Where the report goes, if there is to be one. Set once, when the first profiled function is
/// called.
static OUTPUT: OnceLock<Option<Output>> = OnceLock::new();

/// How long a thread waits for another one that is writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The id of the process that is writing its report, or 0. A forked child that inherits its
/// parent's id knows that the thread which was writing doesn't exist in the child.
static WRITING: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
struct Output {
    path: NamedPath,
    format: Format,
    /// The number of this copy of memprof among those in the process, from 1.
    number: usize,
}

/// Reads `MEMPROF_OUTPUT` and `MEMPROF_FORMAT`. Invalid values are reported at once, not after the
/// program has run.
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
                "a second copy of memprof in this process, such as that of a plugin, writes its \
                 report to {:?}: the first copy uses the path in MEMPROF_OUTPUT",
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

    /// The path for this process and this copy of memprof.
    fn path(&self) -> PathBuf {
        let path = self.path.path();
        // Anything but a regular file, such as a pipe, takes several reports.
        let is_replaced = fs::metadata(&path).map_or(true, |there| there.is_file());
        if self.number > 1 && is_replaced {
            numbered(&path, self.number)
        } else {
            path
        }
    }
}

/// The path with a number before its extension: `report.2.json`.
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

/// Whether reports that environment variables ask for include source text. `MEMPROF_CONFIDENTIAL`
/// leaves it out.
pub(crate) fn has_source() -> bool {
    static HAS_SOURCE: OnceLock<bool> = OnceLock::new();
    *HAS_SOURCE.get_or_init(|| {
        let confidential = environment::get("MEMPROF_CONFIDENTIAL").unwrap_or_default();
        matches!(confidential.to_string_lossy().trim(), "" | "off" | "0")
    })
}

/// Writes the report at exit, if there is to be one.
pub(crate) fn write_output() {
    let Some(Some(to)) = OUTPUT.get() else {
        return;
    };
    if !fork_lock::holds_none() {
        say("the report at exit is lost: the process exited while it was making another report");
        return;
    }
    match Turn::take() {
        Some(turn) => {
            to.write(collect::report());
            // Never given back, so that no other thread replaces this report.
            mem::forget(turn);
        }
        None => say("the report at exit is lost: an earlier report is still being written"),
    }
    // A signal that comes now has nothing more to write.
    #[cfg(target_os = "linux")]
    crate::sys::signals::set_done();
}

/// Writes the report because a signal ends the process. Called by the thread that writes reports;
/// calls `set_collected` as soon as the report is collected.
#[cfg(target_os = "linux")]
pub(super) fn write_as_it_ends(set_collected: fn()) {
    if let (Some(Some(to)), Some(_turn)) = (OUTPUT.get(), Turn::take()) {
        let report = collect::report();
        set_collected();
        to.write(report);
    }
}

/// Writes the report while the program runs. Called by the thread that writes reports.
///
/// Returns whether that failed. The error is printed unless the last report failed, too
/// (`is_failing`).
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

/// The path and the format of the report, if there is to be one.
pub(super) fn output() -> Option<(PathBuf, Format)> {
    let to = OUTPUT.get()?.as_ref()?;
    Some((to.path(), to.format))
}

/// The time since the first profiled function was called.
pub(super) fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The right to write the report: no other thread of the process has one at the same time.
#[derive(Debug)]
pub(super) struct Turn(());

impl Turn {
    /// Waits for the turn, up to [`PATIENCE`].
    pub(super) fn take() -> Option<Self> {
        let own = process::id();
        let start = Instant::now();
        loop {
            // Acquire, pairs with the release in `drop`: sees what was written in the last turn.
            let taken = WRITING.fetch_update(Ordering::Acquire, Ordering::Relaxed, |writing| {
                (writing != own).then_some(own)
            });
            if taken.is_ok() {
                return Some(Self(()));
            }
            if start.elapsed() >= PATIENCE {
                return None;
            }
            // Not by a condition: a signal may have interrupted the thread that would announce it.
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
