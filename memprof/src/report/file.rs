//! Reading reports from files and writing them to files.

use super::format::Format;
use super::json::{self, Unreadable};
use super::page;
use crate::count::{this_thread, uncounted};
use crate::model::report::Report;
use crate::sys::os;
use crate::sys::read_file::Input;
use crate::sys::replace_file::replace;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

impl Report {
    /// Writes the report to a file, in the format given by the ending of its name.
    ///
    /// An existing file is replaced only once the whole report is written, by a file with the same
    /// mode; on an error, it stays as it was. To a pipe, a device or an open file such as
    /// `/dev/stdout`, the report is appended. A pipe must already have a reader, since this doesn't
    /// wait for one.
    ///
    /// In a folder that every user can write to, such as `/tmp`, a file that another user has put
    /// at this path is an error, and a link of another user isn't followed.
    ///
    /// `MEMPROF_CONFIDENTIAL` doesn't apply here, only to reports requested by environment
    /// variables: the report has the source text unless you [remove](Self::without_source) it.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("report.json");
    /// memprof::report().write(&path)?;
    ///
    /// let report = memprof::report::Report::read(&path)?;
    /// assert_eq!(report.total.deallocation_count, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If no format has this ending, or the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        match Format::from_path(path) {
            Some(format) => self.write_as(format, path),
            None => Err(FileError::new(path, Problem::Ending)),
        }
    }

    /// Like [`write`](Self::write), in the given format whatever the ending.
    ///
    /// # Errors
    ///
    /// If the file can't be written.
    pub fn write_as(&self, format: Format, path: impl AsRef<Path>) -> Result<(), FileError> {
        replace_uncounted(path.as_ref(), |out| self.write_to(format, out))
    }

    /// Writes a [page](Format::Html) with the changes since `earlier`, which may come from another
    /// run or another version of the program.
    ///
    /// Functions are matched by path, and lines by function and source text, regardless of their
    /// line numbers.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("change.html");
    /// let earlier = memprof::report();
    /// memprof::report().write_difference(&earlier, &path)?;
    /// # assert!(std::fs::read_to_string(&path)?.contains("before.functions.calls"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the ending isn't `.html`, or the file can't be written.
    pub fn write_difference(
        &self,
        earlier: &Self,
        path: impl AsRef<Path>,
    ) -> Result<(), FileError> {
        let path = path.as_ref();
        if Format::from_path(path) != Some(Format::Html) {
            return Err(FileError::new(path, Problem::EndingOfDifference));
        }
        replace_uncounted(path, |out| page::write(Some(earlier), self, out))
    }

    /// Reads a report from a file in the format [`Json`](Format::Json), or from the socket of a
    /// running program, which answers with its current report.
    ///
    /// # Errors
    ///
    /// - If the file can't be read, or isn't such a report.
    /// - If the program on a socket sends nothing for 30 seconds, for example because it is
    ///   stopped, or isn't done after 5 minutes.
    /// - If no process opens a pipe for writing within 5 seconds.
    /// - If more than 1 GiB comes from something other than a regular file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let text = Input::open(path).and_then(Input::json);
        let text = text.map_err(|error| FileError::new(path, Problem::Read(error)))?;
        json::read(&text).map_err(|error| FileError::new(path, Problem::Unreadable(error)))
    }
}

/// Like [`replace`], but uncounted: what it allocates is attributed to no line and doesn't raise
/// the peak.
fn replace_uncounted(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    let write = || os::without_signals_of_writing(|| replace(path, write));
    let (written, _) = uncounted::during(false, || this_thread::without_peak(write));
    written.map_err(|error| FileError::new(path, Problem::Write(error)))
}

/// An error while writing a report to a file, or reading it from one.
///
/// The text has everything, also the system's error, so there is no `source`.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    Ending,
    EndingOfDifference,
    Write(io::Error),
    Read(io::Error),
    Unreadable(Unreadable),
}

impl FileError {
    fn new(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    /// Whether there is no such file, socket or folder.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is_of_system(io::ErrorKind::NotFound)
    }

    /// Whether the program on the socket didn't answer in time, or no process opened the pipe.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        self.is_of_system(io::ErrorKind::TimedOut)
    }

    /// Whether no format has the ending of the file's name.
    #[must_use]
    pub fn is_unknown_ending(&self) -> bool {
        matches!(self.problem, Problem::Ending | Problem::EndingOfDifference)
    }

    /// Whether the file was read and isn't a report, or is a damaged one or in another version.
    #[must_use]
    pub fn is_not_a_report(&self) -> bool {
        matches!(self.problem, Problem::Unreadable(_))
    }

    fn is_of_system(&self, kind: io::ErrorKind) -> bool {
        match &self.problem {
            Problem::Write(error) | Problem::Read(error) => error.kind() == kind,
            _ => false,
        }
    }
}

impl fmt::Display for FileError {
    #[expect(
        clippy::unnecessary_debug_formatting,
        reason = "a name may have anything in it"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.problem {
            Problem::Ending => write!(
                f,
                "no report is written to {path:?}: its name should end in one of {}",
                Format::endings()
            ),
            Problem::EndingOfDifference => write!(
                f,
                "no difference is written to {path:?}: it is a page, whose name should end in \
                 `.html`"
            ),
            Problem::Write(error) => write!(f, "the report can't be written to {path:?}: {error}"),
            Problem::Read(error) => write!(f, "{path:?} can't be read: {error}"),
            Problem::Unreadable(error) => write!(f, "{path:?} can't be read: {error}"),
        }
    }
}

impl Error for FileError {}
