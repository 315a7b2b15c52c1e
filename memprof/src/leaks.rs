//! Lines whose blocks survive.

use crate::recorded::{FunctionReport, LineReport, Made, Report};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

/// A line that has more alive than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The path of its function.
    pub function: Cow<'static, str>,

    /// The file it is in.
    pub file: Cow<'static, str>,

    /// Its number there.
    pub line: u32,

    /// Its text.
    pub source: Cow<'static, str>,

    /// By how many bytes it has more alive.
    pub bytes: i64,

    /// By how many blocks; none if those that there were have grown.
    pub blocks: i64,
}

/// The lines with more bytes alive in `after` than in `before`, those with most first.
///
/// A line that frees as much as it makes, as a cache that is full, is none of them. Those of
/// a program and of another run of it can be compared, too: a line is known by its function,
/// its number and its text. What no line made is left out: the first report itself is such.
///
/// ```
/// use memprof::memprofile;
/// use std::sync::Mutex;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
///
/// #[memprofile(print = "never")]
/// fn handle(name: &str) {
///     let name = name.to_uppercase();
///     SEEN.lock().unwrap().push(name);
/// }
///
/// # fn main() {
/// handle("ada");
/// let before = memprof::report();
/// handle("grace");
/// let after = memprof::report();
///
/// let leaks = memprof::leaks(&before, &after);
/// assert_eq!(leaks.len(), 1);
/// assert!(leaks[0].function.ends_with("handle"));
/// assert_eq!((leaks[0].bytes, leaks[0].blocks), (5, 1));
/// # }
/// ```
#[must_use]
pub fn leaks(before: &Report, after: &Report) -> Vec<Leak> {
    let mut known: HashMap<Key<'_>, VecDeque<Made>> = HashMap::new();
    for (function, line) in lines(before) {
        let key = key(function, line);
        known.entry(key).or_default().push_back(line.made);
    }
    let mut leaks = Vec::new();
    for (function, line) in lines(after) {
        let key = key(function, line);
        // A generic function is there once for each of its types.
        let before = known.get_mut(&key).and_then(VecDeque::pop_front);
        let before = before.unwrap_or_default();
        leaks.push(Leak {
            function: function.path.clone(),
            file: function.file.clone(),
            line: line.number,
            source: line.source.clone(),
            bytes: line.made.live_bytes() - before.live_bytes(),
            blocks: line.made.live_count() - before.live_count(),
        });
    }
    leaks.retain(|leak| leak.bytes > 0);
    leaks.sort_by_key(|leak| Reverse(leak.bytes));
    leaks
}

type Key<'a> = (&'a str, &'a str, u32, &'a str);

fn key<'a>(function: &'a FunctionReport, line: &'a LineReport) -> Key<'a> {
    (&function.path, &function.file, line.number, &line.source)
}

/// Each line with its function.
pub(crate) fn lines(report: &Report) -> impl Iterator<Item = (&FunctionReport, &LineReport)> {
    report.functions.iter().flat_map(|function| {
        let lines = function.lines.iter();
        lines.map(move |line| (function, line))
    })
}
