//! Why a command could not do its work.

use std::fmt;

/// What a command tried, and why that failed: one line for the terminal.
#[derive(Debug)]
pub struct Failure {
    tried: String,
    why: String,
}

impl Failure {
    /// `tried` follows "cannot".
    pub(crate) fn new(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            tried: tried.into(),
            why: one_line(why),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.tried, self.why)
    }
}

impl std::error::Error for Failure {}

/// A cause as one line: a database's message may span several.
pub(crate) fn one_line(why: impl fmt::Display) -> String {
    let text = why.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ")
}
