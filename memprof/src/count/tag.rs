//! The tag that a block carries: the line that made it, and the scope it was made in.

/// The id of whatever isn't a line of a profiled function.
pub(crate) const UNTRACKED: u32 = 0;

/// The id of what the profiler does for itself.
pub(crate) const PROFILER: u32 = 1;

/// How many ids there are outside of profiled functions: their path is 0.
pub(crate) const OUTSIDE_COUNT: usize = 2;

/// The low bits of an id are the line's place in its function.
const PLACE_BITS: u32 = 14;

/// Lines of a function beyond these are untracked.
pub(crate) const MOST_LINES: usize = 1 << PLACE_BITS;

/// Paths below this are in the counters' three levels.
pub(crate) const MOST_PATHS: u32 = 1 << (32 - PLACE_BITS);

/// The id of a path's first line; the others follow.
#[inline(always)]
pub(crate) const fn first_id(path: u32) -> u32 {
    path << PLACE_BITS
}

/// The path of a line.
#[inline(always)]
pub(crate) const fn path_of(line: u32) -> u32 {
    line >> PLACE_BITS
}

/// The place of a line in its function.
#[inline(always)]
pub(crate) const fn place_of(line: u32) -> u32 {
    line & ((1 << PLACE_BITS) - 1)
}

/// What a block carries: the line that made it, and the [scope](crate::scope::handle) it
/// was made in.
///
/// Read from behind a block, it is anything if the program wrote over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

impl Tag {
    /// No tag of a block, but the current one of a thread that is new.
    pub(crate) const NEW_THREAD: Self = Self(u64::MAX);

    pub(crate) const UNTRACKED: Self = Self(UNTRACKED as u64);

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "that half is what is asked for"
    )]
    pub(crate) fn line(self) -> u32 {
        self.0 as u32
    }

    /// The scope, or 0.
    #[inline(always)]
    pub(crate) fn scope(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Another line in the same scope.
    #[inline(always)]
    pub(crate) fn with_line(self, line: u32) -> Self {
        Self(self.0 & !u64::from(u32::MAX) | u64::from(line))
    }

    /// The same line in another scope.
    pub(crate) fn with_scope(self, scope: u32) -> Self {
        Self(u64::from(scope) << 32 | u64::from(self.line()))
    }
}
