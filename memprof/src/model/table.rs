//! The table of a function, as data and as text.

use crate::model::report::LineExecution;
use crate::model::usage::Usage;
use std::fmt;
use std::time::Duration;

/// What one table shows: the lines of a function, and what they did to memory in one call, or in
/// all calls with `print = "exit"`.
///
/// [`set_sink`](crate::set_sink) hands tables to a function of the program. `Display` writes the
/// table as it would have been printed, without the blank line at its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Table {
    /// The function's path, including the type that a method belongs to.
    pub function: &'static str,

    /// The source file, as the compiler named it.
    pub file: &'static str,

    /// The first line of the function, attributes included.
    pub line: u32,

    /// The number of calls that the table covers.
    pub call_count: u64,

    /// How many of these calls didn't return.
    pub cut_short_count: u64,

    /// How the last of the calls that didn't return ended, and the number of the line it was in.
    pub last_cut_short: Option<(CutShort, u32)>,

    /// What the calls did to the heap; its peak is the highest of a single call. `None` if nothing
    /// counts the heap. The heap numbers of rows are 0 then, and mean nothing.
    pub heap: Option<Usage>,

    /// Whether heap numbers are those of the whole process, as with the feature `stats_alloc`. Peaks
    /// aren't known then, and are 0.
    pub heap_is_of_process: bool,

    /// Resident memory of the process when the first of the calls began, in bytes. `None` if it
    /// wasn't read.
    pub resident_bytes_at_entry: Option<u64>,

    /// How long threads were in the calls, callees included. Zero unless a column shows the time.
    pub inclusive_elapsed: Duration,

    /// The same, less the time in called functions whose own time is known.
    pub own_elapsed: Duration,

    /// All lines of the function's text, in order.
    pub rows: Vec<TableRow>,

    /// The sentences below the rows, without final newlines: what the calls did, which lines own
    /// what is still alive and what was freed at once, and notes.
    pub sentences: Vec<String>,

    /// The whole table, without the blank line at its end.
    pub(crate) text: String,
}

/// One line of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableRow {
    /// The line's number in its file.
    pub number: u32,

    /// The line's text.
    pub source: &'static str,

    /// How often the line began to run. A loop's header runs once more than its body.
    pub hits: u64,

    /// What happened to memory while the line ran. `None` if it did nothing, because no statement
    /// begins on it or none of them ran.
    ///
    /// The first row also has what was done on no line of the function, for example by code that
    /// another attribute has inserted.
    pub while_running: Option<LineExecution>,

    /// What became of the blocks that the line itself allocated. `None` if the line can't be
    /// measured, if it isn't known who allocated a block, and in the table of one call also if no
    /// column shows it.
    pub owned: Option<OwnedBlocks>,
}

/// The blocks that one line allocated, and what became of them wherever they were freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedBlocks {
    /// Bytes that are still alive.
    pub live_bytes: i64,

    /// Blocks that are still alive.
    pub live_count: i64,

    /// Bytes that were alive when the heap of the process was highest.
    pub bytes_at_peak: i64,

    /// Blocks that the line allocated.
    pub allocation_count: u64,

    /// Blocks that were freed before the thread had allocated another two blocks.
    pub temporary_count: u64,
}

/// How a call ended that didn't return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutShort {
    /// A panic unwound it.
    Panic,
    /// Its future was dropped before completion.
    DroppedFuture,
    /// The process exited.
    ProcessExit,
    /// Code left the call without running its end, as a `longjmp` does.
    LeftBehind,
}

impl Table {
    /// The sum of the rows' changes in resident memory, in bytes. `None` if resident memory wasn't
    /// read.
    ///
    /// This is by how much resident memory changed in the calls, except for the memory that
    /// printing the tables of called functions took, and of an `async fn` for what happened between
    /// its polls.
    #[must_use]
    pub fn resident_increment_bytes(&self) -> Option<i64> {
        self.resident_bytes_at_entry?;
        let rows = self.rows.iter().filter_map(|row| row.while_running);
        Some(rows.filter_map(|row| row.resident_increment_bytes).sum())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "by a panic",
            Self::DroppedFuture => "as its future was dropped",
            Self::ProcessExit => "as the process exited",
            Self::LeftBehind => "as its end was skipped",
        })
    }
}
