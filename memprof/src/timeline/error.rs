//! The error type for sampling memory over time and for its files.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error while sampling memory over time, or while reading or writing a file of samples.
///
/// The text has everything, also the system's error, so there is no `source`.
#[derive(Debug)]
pub struct TimelineError(Problem);

#[derive(Debug)]
pub(super) enum Problem {
    /// The program, as the command named it.
    Start(String, io::Error),
    Wait(io::Error),
    Thread(io::Error),
    Process(u32),
    Unsupported,
    Read(PathBuf, io::Error),
    Write(PathBuf, io::Error),
    /// What is wrong with the file.
    Unreadable(PathBuf, String),
}

impl TimelineError {
    pub(super) fn new(problem: Problem) -> Self {
        Self(problem)
    }

    pub(super) fn unreadable(path: &Path, what: impl Into<String>) -> Self {
        Self(Problem::Unreadable(path.to_owned(), what.into()))
    }
}

impl TimelineError {
    /// Whether there is no such file or program.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match &self.0 {
            Problem::Start(_, error) | Problem::Read(_, error) | Problem::Write(_, error) => {
                error.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }

    /// Whether there is no such process, or its memory may not be read.
    #[must_use]
    pub fn is_no_process(&self) -> bool {
        matches!(self.0, Problem::Process(_))
    }

    /// Whether the system doesn't report resident memory.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.0, Problem::Unsupported)
    }

    /// Whether the file was read and isn't a timeline, or is a damaged one.
    #[must_use]
    pub fn is_not_a_timeline(&self) -> bool {
        matches!(self.0, Problem::Unreadable(..))
    }
}

impl fmt::Display for TimelineError {
    #[expect(
        clippy::unnecessary_debug_formatting,
        reason = "a name may have anything in it"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Problem::Start(program, error) => {
                write!(f, "the program {program:?} can't be started: {error}")
            }
            Problem::Wait(error) => write!(f, "the program can't be waited for: {error}"),
            Problem::Thread(error) => write!(f, "the sampling thread can't be started: {error}"),
            Problem::Process(number) => write!(
                f,
                "the memory of process {number} can't be read; is it running, and is it yours?"
            ),
            Problem::Unsupported => f.write_str(
                "the memory of this process can't be read: this system doesn't report resident \
                 memory",
            ),
            Problem::Read(path, error) => write!(f, "{path:?} can't be read: {error}"),
            Problem::Write(path, error) => write!(f, "{path:?} can't be written: {error}"),
            Problem::Unreadable(path, what) => write!(f, "{path:?} can't be read: {what}"),
        }
    }
}

impl Error for TimelineError {}
