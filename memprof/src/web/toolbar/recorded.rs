//! Data that requests report to their toolbar.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};
use tracing_core::Metadata;

/// A log line: an event of `tracing`.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) about: &'static Metadata<'static>,
    pub(super) time: SystemTime,
    pub(super) text: String,
}

/// A statement that has been executed or cancelled.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: Cow<'static, str>,
    pub(super) parameters: Vec<String>,
    pub(super) elapsed: Duration,
    pub(super) rows: Option<u64>,
    pub(super) place: Option<SourceLine>,
    pub(super) plan: Option<String>,
}

/// The line that sent a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceLine {
    pub(super) file: &'static str,
    pub(super) line: u32,
}

/// A template and its context.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) name: String,
    /// JSON, which may be cut anywhere.
    pub(super) context: String,
}
