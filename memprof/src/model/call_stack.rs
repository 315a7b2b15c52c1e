//! The profiled calls that a thread is in at one moment.

use crate::model::site::Site;
use std::fmt;

/// The profiled calls that a thread is in, the innermost first, as [`call_stack`] returns them.
///
/// Shown with `{}`, each call takes one line, with the line of the source that it is on:
///
/// ```text
/// 0: blog::posts::render at src/posts.rs:52: let html = markdown(&post.body);
/// 1: blog::posts::get_post at src/posts.rs:41: Ok(Html(render(post)?))
/// ```
///
/// [`call_stack`]: crate::call_stack()
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallStack {
    /// The calls, the innermost first.
    pub calls: Vec<RunningCall>,
}

/// A call of a profiled function that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningCall {
    /// The function's path, as `blog::posts::get_post`.
    pub function: &'static str,
    /// The source file, as the compiler was given it.
    pub file: &'static str,
    /// The number of the line that the call is on.
    pub line: u32,
    /// The text of that line.
    pub source: &'static str,
}

impl RunningCall {
    /// A call of a function at the line with this place among its lines.
    pub(crate) fn at(site: &'static Site, place: u32) -> Self {
        let line = site.lines().get(place as usize);
        let line = line.or(site.lines().first()).copied().unwrap_or(0);
        Self {
            function: site.path(),
            file: site.file(),
            line,
            source: site.source(line),
        }
    }
}

impl fmt::Display for RunningCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source.trim();
        write!(
            f,
            "{} at {}:{}: {source}",
            self.function, self.file, self.line
        )
    }
}

impl fmt::Display for CallStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Deep recursion isn't shown as a whole.
        const MOST_SHOWN: usize = 64;
        for (number, call) in self.calls.iter().take(MOST_SHOWN).enumerate() {
            let line_break = if number == 0 { "" } else { "\n" };
            write!(f, "{line_break}{number}: {call}")?;
        }
        match self.calls.len().saturating_sub(MOST_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n(and {more} calls around these)"),
        }
    }
}
