//! The profiled calls that the calling thread is in, for those who want to show them.

use crate::count::call_stack;
use crate::model::call_stack::CallStack;
use crate::model::source_line::SourceLine;

/// Returns the profiled calls that the calling thread is in, the innermost first, with the line
/// that each of them is on.
///
/// It is empty if the thread is in no profiled function, or if profiling is off. Closures and
/// `async` blocks are calls of their own here, of the function that they are written in. A task is
/// shown with the tasks that poll it, and with what the thread was in when it polled them.
///
/// In a panic hook, the calls are those in which the panic began:
///
/// ```
/// use memprof::memprofile;
///
/// #[memprofile(print = "never")]
/// fn parse(text: &str) -> u32 {
///     let digits = text.trim();
///     digits.parse().unwrap()
/// }
///
/// # fn main() {
/// std::panic::set_hook(Box::new(|info| {
///     eprintln!("{info}\nin\n{}", memprof::call_stack());
/// #   let calls = memprof::call_stack().calls;
/// #   assert!(calls[0].function.ends_with("parse"), "{calls:?}");
/// #   assert_eq!(calls[0].source.trim(), "digits.parse().unwrap()");
/// }));
/// assert!(std::panic::catch_unwind(|| parse("many")).is_err());
/// assert!(memprof::call_stack().calls.is_empty());
/// # }
/// ```
#[must_use]
pub fn call_stack() -> CallStack {
    let mut calls = Vec::new();
    let mut next = call_stack::programs_top();
    while let Some(site) = next.site() {
        calls.push(SourceLine::at(site, next.place()));
        next = next.below();
    }
    CallStack { calls }
}

/// As [`call_stack`], in a text that is empty or ends with a line break. Not counted as the
/// program's memory if it is called in the profiler's own work.
pub(crate) fn described() -> String {
    let calls = call_stack();
    if calls.calls.is_empty() {
        String::new()
    } else {
        format!("The thread was in these profiled calls:\n{calls}\n")
    }
}
