//! What a request did that its toolbar is told of.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};
use tracing_core::Metadata;

/// An event of a request.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) about: &'static Metadata<'static>,
    pub(super) time: SystemTime,
    pub(super) text: String,
}

/// A statement that has been carried out, or given up.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: Cow<'static, str>,
    pub(super) parameters: Vec<String>,
    pub(super) elapsed: Duration,
    pub(super) rows: Option<u64>,
    pub(super) place: Option<Place>,
    pub(super) plan: Option<String>,
}

/// Where a statement is from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) file: &'static str,
    pub(super) line: u32,
}

/// A template, and what it was given.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) name: String,
    /// As JSON, and cut, so that it may end anywhere.
    pub(super) context: String,
}
