//! A profiled function and its lines, as a `static` that the attribute generates.

use crate::model::options::Options;
#[cfg(feature = "timeline")]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// A function under `#[memprofile]`.
#[derive(Debug)]
pub struct Site {
    path: fn() -> &'static str,
    file: &'static str,
    first_line: u32,
    source: &'static str,
    lines: &'static [u32],
    note: Option<&'static str>,
    options: Options,
    left_out: LeftOut,
    /// The [`Kind`] as a number; `UNKNOWN` until the function first runs.
    kind: AtomicU8,
    /// Whether a thread [switched stacks](crate::sys::stack_switch) while it was in the function.
    has_switched: AtomicBool,
    /// How many of its calls were marked in a timeline file.
    #[cfg(feature = "timeline")]
    marks: AtomicU32,
}

/// The accessors that the attribute on the item around a function has left out: functions that
/// can't allocate, by their form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeftOut {
    /// The item, by a number that is its own in its file.
    pub(crate) item: u64,
    pub(crate) count: u64,
}

/// What happens at the lines of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Nothing: profiling is off.
    Off,
    /// Blocks are attributed to the lines that allocate them; nothing else is measured.
    Owning,
    /// Blocks are attributed to lines, and calls and executions of lines are counted.
    Counting,
    /// What happens to memory while a line runs is measured, too.
    Settling,
}

impl Kind {
    #[inline(always)]
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::Owning,
            2 => Self::Counting,
            _ => Self::Settling,
        }
    }

    /// Whether calls and executions of lines are counted.
    pub(crate) fn counts_hits(self) -> bool {
        matches!(self, Self::Counting | Self::Settling)
    }
}

const UNKNOWN: u8 = u8::MAX;

impl Site {
    /// Describes a function.
    ///
    /// `path` returns the name of a type that the function declares: it begins with the function's
    /// path, including the type that a method belongs to, which no macro knows. `source` is the
    /// function's text from `first_line` on. `lines` are the numbers of the lines that can be
    /// measured, the first of them `first_line`; a line is begun by its index in this list.
    #[must_use]
    pub const fn new(
        path: fn() -> &'static str,
        file: &'static str,
        first_line: u32,
        source: &'static str,
        lines: &'static [u32],
    ) -> Self {
        Self {
            path,
            file,
            first_line,
            source,
            lines,
            note: None,
            options: Options::new(),
            left_out: LeftOut { item: 0, count: 0 },
            kind: AtomicU8::new(UNKNOWN),
            has_switched: AtomicBool::new(false),
            #[cfg(feature = "timeline")]
            marks: AtomicU32::new(0),
        }
    }

    /// Sets the attribute's options.
    #[must_use]
    pub const fn with(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Adds a sentence on what the function's table can't show.
    #[must_use]
    pub const fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// Sets how many accessors the attribute on the item around the function has left out. Each
    /// function of the item knows, since any of them may be the only one that runs.
    #[must_use]
    pub const fn leaves_out(mut self, item: u64, count: u64) -> Self {
        self.left_out = LeftOut { item, count };
        self
    }

    /// The function's path, its type included: `blog::posts::get_post`.
    pub(crate) fn path(&self) -> &'static str {
        let path = (self.path)();
        let path = path.strip_suffix("::__MemprofSite").unwrap_or(path);
        // Another attribute may have put the function's body into a closure.
        path.trim_end_matches("::{{closure}}")
    }

    pub(crate) fn file(&self) -> &'static str {
        self.file
    }

    pub(crate) fn lines(&self) -> &'static [u32] {
        self.lines
    }

    /// What the function's table can't show, if anything.
    pub(crate) fn note(&self) -> Option<&'static str> {
        self.note
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    pub(crate) fn note_switch(&self) {
        // Relaxed: nothing is inferred from it.
        self.has_switched.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_switched(&self) -> bool {
        self.has_switched.load(Ordering::Relaxed)
    }

    #[cfg(feature = "timeline")]
    pub(crate) fn marks(&self) -> &AtomicU32 {
        &self.marks
    }

    /// What happens at the function's lines in this process, once that has been
    /// [determined](crate::runtime::entry).
    #[inline]
    pub(crate) fn kind(&self) -> Option<Kind> {
        // Relaxed: every thread determines the same.
        match self.kind.load(Ordering::Relaxed) {
            UNKNOWN => None,
            number => Some(Kind::from_number(number.into())),
        }
    }

    /// Whether all of its calls and all executions of its lines are counted in this process. If
    /// not, only scopes count them.
    pub(crate) fn counts_hits(&self) -> bool {
        self.kind().is_some_and(Kind::counts_hits)
    }

    pub(crate) fn set_kind(&self, kind: Kind) {
        self.kind.store(kind as u8, Ordering::Relaxed);
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
