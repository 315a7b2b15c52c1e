//! A line of a profiled function, with its source.

use crate::model::report::{FunctionReport, LineReport};
use crate::model::site::Site;
use std::borrow::Cow;
use std::fmt;

/// A line of a profiled function.
///
/// Shown with `{}`, it is one line of text:
///
/// ```text
/// blog::posts::render at src/posts.rs:52: let html = markdown(&post.body);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SourceLine {
    /// The function's path, as `blog::posts::get_post`. Empty in place of a line where no profiled
    /// function was running.
    pub function: Cow<'static, str>,

    /// The source file, as the compiler was given it.
    pub file: Cow<'static, str>,

    /// The number of the line in that file.
    pub number: u32,

    /// The text of the line.
    pub source: Cow<'static, str>,
}

impl SourceLine {
    /// The line of a report.
    pub(crate) fn of(function: &FunctionReport, line: &LineReport) -> Self {
        Self {
            function: function.path.clone(),
            file: function.file.clone(),
            number: line.number,
            source: line.source.clone(),
        }
    }

    /// The line of a function with this place among its lines.
    pub(crate) fn at(site: &'static Site, place: u32) -> Self {
        let number = site.lines().get(place as usize);
        let number = number.or(site.lines().first()).copied().unwrap_or(0);
        Self {
            function: site.path().into(),
            file: site.file().into(),
            number,
            source: site.source(number).into(),
        }
    }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            file,
            number,
            source,
        } = self;
        if function.is_empty() {
            return f.write_str("no profiled function");
        }
        write!(f, "{function} at {file}:{number}: {}", source.trim())
    }
}
