//! A profiled function and its lines, as static data written by the attribute.

use crate::config::Options;
use crate::owner;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A function under `#[memprofile]`.
#[derive(Debug)]
pub struct Site {
    path: fn() -> &'static str,
    file: &'static str,
    first_line: u32,
    source: &'static str,
    lines: &'static [u32],
    options: Options,
    /// The id of the first line; the others follow. 0 until the function first
    /// runs, `NO_LINE` if there were no more ids.
    first_id: AtomicU32,
}

/// The functions that have run, in that order.
static SITES: Mutex<Vec<&'static Site>> = Mutex::new(Vec::new());

impl Site {
    /// Describes a function.
    ///
    /// `source` is its text from `first_line` on. `lines` are the numbers of the
    /// lines that can be opened, the first of them `first_line`; a line is
    /// opened by its place in this list.
    #[must_use]
    pub const fn new(
        path: fn() -> &'static str,
        file: &'static str,
        first_line: u32,
        source: &'static str,
        lines: &'static [u32],
        options: Options,
    ) -> Self {
        Self {
            path,
            file,
            first_line,
            source,
            lines,
            options,
            first_id: AtomicU32::new(0),
        }
    }

    /// The function's path, its type included: `blog::posts::get_post`.
    pub(crate) fn path(&self) -> &'static str {
        let path = (self.path)();
        // That of the closure in the function's static, see `path_of`.
        path.rsplit_once("::__MEMPROF_SITE")
            .map_or(path, |(function, _)| function)
    }

    pub(crate) fn file(&self) -> &'static str {
        self.file
    }

    pub(crate) fn lines(&self) -> &'static [u32] {
        self.lines
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Gives the lines their ids, unless they have them.
    pub(crate) fn register(&'static self) {
        if self.first_id.load(Ordering::Relaxed) != 0 {
            return;
        }
        let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster.
        if self.first_id.load(Ordering::Relaxed) == 0 {
            let count = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
            let first_id = owner::new_ids(count).unwrap_or(owner::NO_LINE);
            self.first_id.store(first_id, Ordering::Relaxed);
            sites.push(self);
        }
    }

    /// All functions that have run, in the order in which they first did.
    pub(crate) fn all() -> Vec<&'static Self> {
        SITES.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The id of the first line, for [`Self::id`] once and for all.
    #[inline]
    pub(crate) fn first_id(&self) -> u32 {
        self.first_id.load(Ordering::Relaxed)
    }

    /// The id of the line at `place` of [`Self::lines`].
    pub(crate) fn id(&self, place: u32) -> u32 {
        owner::nth(self.first_id(), place)
    }

    /// The text of a line, by its number.
    pub(crate) fn source(&self, number: u32) -> &'static str {
        let place = number.wrapping_sub(self.first_line) as usize;
        self.source.lines().nth(place).unwrap_or_default()
    }

    /// Each line of the function's text with its number.
    pub(crate) fn source_lines(&self) -> impl Iterator<Item = (u32, &'static str)> {
        (self.first_line..).zip(self.source.lines())
    }
}

/// The path of a closure, which begins with that of the function it is in.
///
/// It knows what no macro can: the type that a method belongs to.
pub const fn path_of<F: Fn()>(_: &F) -> fn() -> &'static str {
    std::any::type_name::<F>
}
