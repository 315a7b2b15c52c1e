//! Leaks: lines with blocks that are still alive.

use crate::check::requirements;
use crate::model::report::{Allocations, FunctionReport, LineReport, Report};
use crate::model::source_line::SourceLine;
use crate::model::units::{blocks, bytes, grouped};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::fmt;

/// A line with live blocks: those added between two reports ([`leaks`]), or those above an age
/// ([`Epochs::leaks`](crate::leak::Epochs::leaks)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Leak {
    /// The line. Its function is empty for blocks that no line of a profiled function allocated.
    pub line: SourceLine,

    /// Live bytes; from [`leaks`], the increase in live bytes.
    pub live_bytes: i64,

    /// Live blocks; from [`leaks`], the increase in live blocks, which is 0 if existing blocks have
    /// grown.
    pub live_count: i64,

    /// The ages of the blocks, the oldest first. Empty from [`leaks`]: two reports don't say which
    /// of a line's blocks are the same.
    pub ages: Vec<Age>,
}

/// Blocks of one line that were allocated in the same [epoch](crate::leak::Epochs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Age {
    /// The number of epochs that have begun since.
    pub epochs: u64,

    /// Live bytes.
    pub live_bytes: i64,

    /// Live blocks.
    pub live_count: i64,
}

impl fmt::Display for Leak {
    /// Writes two lines, without a final newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n    {} in {}",
            self.line,
            bytes(self.live_bytes.into()),
            blocks(self.live_count.into())
        )?;
        let age = |age: &Age| grouped(age.epochs.into());
        match (self.ages.first(), self.ages.last()) {
            (Some(oldest), Some(newest)) if oldest != newest => {
                write!(f, ", {} to {} epochs old", age(newest), age(oldest))
            }
            (Some(only), _) => write!(f, ", {} epochs old", age(only)),
            _ => f.write_str(" more"),
        }
    }
}

/// Returns the lines with more live bytes in `after` than in `before`, the largest increase first.
///
/// A line that frees as much as it allocates, such as a full cache, isn't reported. The reports may
/// come from two runs of a program: lines are matched by function, file, number and text. Untracked
/// blocks are left out, since `before` itself is one of them. For the ages of blocks, use
/// [`Epochs`](crate::leak::Epochs).
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
/// let leaks = memprof::leak::leaks(&before, &after);
/// assert_eq!(leaks.len(), 1);
/// assert!(leaks[0].line.function.ends_with("handle"));
/// assert_eq!((leaks[0].live_bytes, leaks[0].live_count), (5, 1));
/// # }
/// ```
///
/// # Panics
///
/// - If `after` is empty and the global allocator isn't a
///   [`CountingAlloc`](crate::CountingAlloc), so that a leak would have gone unnoticed.
/// - If either report comes from an allocator that only
///   [counts](crate::CountingAlloc::counting).
#[must_use]
#[track_caller]
pub fn leaks(before: &Report, after: &Report) -> Vec<Leak> {
    if !cfg!(feature = "off") {
        assert!(
            requirements::are_counted(after),
            "{}",
            requirements::NOT_COUNTED
        );
        let are_known = !before.owners_are_unknown && !after.owners_are_unknown;
        assert!(are_known, "{}", requirements::OWNERS_NOT_RECORDED);
    }
    let mut known: HashMap<Key<'_>, VecDeque<Allocations>> = HashMap::new();
    for (function, line) in before.lines() {
        let key = key(function, line);
        known.entry(key).or_default().push_back(line.own);
    }
    let mut leaks = Vec::new();
    for (function, line) in after.lines() {
        let key = key(function, line);
        // Instances of a generic function are separate entries with the same key, in order.
        let before = known.get_mut(&key).and_then(VecDeque::pop_front);
        let before = before.unwrap_or_default();
        leaks.push(Leak {
            live_bytes: line.own.live_bytes() - before.live_bytes(),
            live_count: line.own.live_count() - before.live_count(),
            ..Leak::of(function, line)
        });
    }
    leaks.retain(|leak| leak.live_bytes > 0);
    leaks.sort_by_key(|leak| Reverse(leak.live_bytes));
    leaks
}

impl Leak {
    /// A line without any blocks yet.
    pub(crate) fn of(function: &FunctionReport, line: &LineReport) -> Self {
        Self {
            line: SourceLine::of(function, line),
            ..Self::of_no_line()
        }
    }

    pub(crate) fn of_no_line() -> Self {
        Self {
            line: SourceLine::default(),
            live_bytes: 0,
            live_count: 0,
            ages: Vec::new(),
        }
    }

    /// Adds blocks that are as old as the youngest ones so far, or younger.
    pub(crate) fn add(&mut self, epochs: u64, made: &Allocations) {
        let (bytes, blocks) = (made.live_bytes(), made.live_count());
        self.live_bytes += bytes;
        self.live_count += blocks;
        match self.ages.last_mut().filter(|age| age.epochs == epochs) {
            Some(age) => {
                age.live_bytes += bytes;
                age.live_count += blocks;
            }
            None => self.ages.push(Age {
                epochs,
                live_bytes: bytes,
                live_count: blocks,
            }),
        }
    }
}

type Key<'a> = (&'a str, &'a str, u32, &'a str);

fn key<'a>(function: &'a FunctionReport, line: &'a LineReport) -> Key<'a> {
    (&function.path, &function.file, line.number, &line.source)
}
