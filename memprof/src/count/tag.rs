//! The tag of a block: the line that allocated it, and the scope it was allocated in.
//!
//! A line's id is the number of the call path it was reached by (the upper 18 bits) and the
//! line's place in its function (the lower 14 bits). Path 0 is what is outside of profiled
//! functions.

/// The id of everything that isn't a line of a profiled function.
pub(crate) const UNTRACKED: u32 = 0;

/// The id of the profiler's own work.
pub(crate) const PROFILER: u32 = 1;

/// The number of ids outside of profiled functions. Their path is 0.
pub(crate) const OUTSIDE_COUNT: usize = 2;

/// The low bits of an id are the line's place in its function.
const PLACE_BITS: u32 = 14;

/// In place of a line's place: the line is one of those after the first [`MOST_LINES`].
pub(crate) const BEYOND_PLACE: u32 = (1 << PLACE_BITS) - 2;

/// The most lines of a function that are tracked.
pub(crate) const MOST_LINES: usize = BEYOND_PLACE as usize;

/// The limit for path numbers, which the three levels of the counters' tables have room for. The
/// last two numbers have another meaning in a [call stack](crate::count::call_stack).
pub(crate) const MOST_PATHS: u32 = 1 << (32 - PLACE_BITS);

/// The id of a path's first line. The ids of its other lines follow.
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

/// The tag of a block: the line that allocated it (low half), and the [scope](crate::scope::handle)
/// it was allocated in (high half, 0 for none).
///
/// Read from behind a block, it can be any value if the program wrote past the block's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

impl Tag {
    /// The current tag of a thread that hasn't registered. Never a block's tag.
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

    /// The scope's id, or 0.
    #[inline(always)]
    pub(crate) fn scope(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The same scope with another line.
    #[inline(always)]
    pub(crate) fn with_line(self, line: u32) -> Self {
        Self(self.0 & !u64::from(u32::MAX) | u64::from(line))
    }

    /// The same line with another scope.
    pub(crate) fn with_scope(self, scope: u32) -> Self {
        Self(u64::from(scope) << 32 | u64::from(self.line()))
    }
}
