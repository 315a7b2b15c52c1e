//! The error type of baselines.

use crate::model::printable::printable;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

/// The error of a failed [`Baseline`](super::Baseline) check, or of a baseline that can't be read.
///
/// The text has everything, also the system's error, so there is no `source`. `Debug` writes the
/// same as `Display`: a message of several lines, which `unwrap` and a test that ends with `?` would
/// otherwise show escaped.
pub struct BaselineError {
    pub(super) kind: Kind,
    pub(super) message: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exceeded,
    Missing,
    Incomparable,
    NotABaseline,
    /// A file can't be read or written.
    File,
    /// A name or a variable has a value that isn't valid.
    Setting,
}

impl BaselineError {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(super) fn of_file(path: &Path, done: &str, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => Kind::Missing,
            _ => Kind::File,
        };
        Self::new(kind, format!("{} can't be {done}: {error}", shown(path)))
    }

    /// Whether a function takes more memory than the file says.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.kind == Kind::Exceeded
    }

    /// Whether there is no such file, in CI or for [`Baseline::read`](super::Baseline::read).
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }

    /// Whether there is nothing to compare: nothing was counted, or a function in the file didn't
    /// run.
    #[must_use]
    pub fn is_incomparable(&self) -> bool {
        self.kind == Kind::Incomparable
    }

    /// Whether the file was read and isn't a baseline.
    #[must_use]
    pub fn is_not_a_baseline(&self) -> bool {
        self.kind == Kind::NotABaseline
    }
}

impl fmt::Debug for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for BaselineError {}

/// A path for a message, without control characters that it may contain.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), ' ')
}
