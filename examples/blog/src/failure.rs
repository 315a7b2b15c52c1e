//! The error type of the commands.

use std::fmt;

/// What a command tried to do, and why that failed; displayed as one line.
#[derive(Debug)]
pub struct Failure {
    tried: String,
    why: String,
}

impl Failure {
    /// `tried` completes the message "cannot {tried}: {why}".
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

/// Joins the lines of a cause, since a database's message may have several.
pub(crate) fn one_line(why: impl fmt::Display) -> String {
    let text = why.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ")
}
