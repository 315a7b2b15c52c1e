//! The profiled calls that a thread is in at one moment.

use crate::model::source_line::SourceLine;
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
    /// The line that each call is on, that of the innermost call first.
    pub calls: Vec<SourceLine>,
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
