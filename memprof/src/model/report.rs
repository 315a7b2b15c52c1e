//! What has been recorded of the whole process, or of a scope, as data.
//!
//! Who measures it, and how it looks, is others' business.

use crate::model::change::Change;
use crate::model::usage::Usage;
use std::borrow::Cow;
use std::ops::AddAssign;
use std::time::Duration;

/// Which line made what, and what of that is still alive, at one moment.
///
/// Made by [`report()`](crate::report()), of the whole process, and by
/// [`Scope::report`](crate::Scope::report), of what was done in a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The profiled functions that have run, in the order in which they first did.
    pub functions: Vec<FunctionReport>,

    /// Which of them called which, from which line: one for each way to a function,
    /// after the one that it was called from.
    pub calls: Vec<CallNode>,

    /// Blocks that no line of a profiled function made.
    pub untracked: Allocations,

    /// All blocks: the sum of all lines and the untracked ones, for each quantity.
    pub total: Allocations,

    /// By how much the heap can have stood above [`Allocations::bytes_at_peak`] of `total`
    /// without being seen. 0 as long as the process has one thread, and in the report of a
    /// scope, which has no peak. A block that a thread made while another one added up the
    /// heap, and freed before its next allocation, may be missing in addition.
    pub peak_error_bytes: u64,

    /// What the kernel kept of the process in RAM, in bytes; none where it can't be read, and
    /// in the report of a scope. What it has above the live bytes of `total` is code, stacks,
    /// what others allocate, and what the allocator keeps of what was freed.
    pub resident_bytes: Option<u64>,

    /// Whether resident memory is exact to the page on this kernel, if that is known;
    /// some round it in steps of 128 KiB and more.
    pub resident_is_exact: Option<bool>,

    /// How often a function was called by a way that is not in `calls`, since there
    /// are too many: such calls are at a beginning there, without a caller.
    pub calls_left_out: u64,

    /// What it takes to know which line made each block that is alive, in bytes, if that is
    /// known: eight behind each block, or the resident pages of the tables beside them, as
    /// [`CountingAlloc`](crate::CountingAlloc) has it. It is not in `total`, and is in resident
    /// memory. None in the report of a scope.
    pub tag_bytes: Option<u64>,

    /// Whether it isn't noted which line made each block, by
    /// [`CountingAlloc::counting`](crate::CountingAlloc::counting).
    ///
    /// What lines allocated is known then, and `total` of the process. What isn't known is 0
    /// here: of lines, of untracked blocks and of the total of a scope all that was freed, so
    /// that everything seems to be alive; bytes at the peak; temporary blocks.
    pub owners_are_unknown: bool,

    /// Whether it is of a scope that began when there were 4,096 already: nothing is known
    /// of its lines, and nothing of it is in the report.
    pub lines_are_unknown: bool,

    /// Of a report that the profiler took while the program went on, as for
    /// `MEMPROF_EVERY`: how long after the first call of a profiled function. None of one that
    /// was taken as the process ended, or by the program itself.
    pub interim_after: Option<Duration>,
}

/// What the lines of one function made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionReport {
    /// Its path, with the type that a method belongs to.
    pub path: Cow<'static, str>,

    /// The file it is in, as the compiler named it.
    pub file: Cow<'static, str>,

    /// What is to be said about its numbers, in a sentence each: that all of it is on one line,
    /// since it is in syntax that the attribute can't read; that another attribute has replaced
    /// its body; that its thread switched stacks.
    pub notes: Vec<Cow<'static, str>>,

    /// How often it was called.
    pub call_count: u64,

    /// How long threads were in it, callees included. Of the process, zero where no
    /// column asks for the time; in a scope, of every function. Of a function that calls
    /// itself, in the outermost calls.
    pub inclusive_elapsed: Duration,

    /// The same without the time in functions it called whose time is known, too.
    pub own_elapsed: Duration,

    /// Its lines that can be measured, in the order of the source.
    pub lines: Vec<LineReport>,
}

/// What one line made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineReport {
    /// The line's number in its file.
    pub number: u32,

    /// The line's text.
    pub source: Cow<'static, str>,

    /// How often it was begun; a loop's header once more than its body.
    pub hits: u64,

    /// The blocks that were made while this was the innermost line running.
    pub own: Allocations,

    /// Those, and what the profiled functions made that the line called. Of a
    /// function that calls itself, each block is counted once: with the line of the
    /// outermost call that it was made under.
    pub inclusive: Allocations,

    /// What memory did while the line ran; none of a function that is never printed,
    /// and of a scope. Calls that haven't ended are not in it.
    pub while_running: Option<LineExecution>,
}

/// What memory did while a line ran, callees included, over all executions.
///
/// Of a function that calls itself, the outermost calls only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineExecution {
    /// What the thread did to the heap, on each block, whoever made it.
    pub heap: Usage,

    /// Resident memory when the line was last left, in bytes. Where it wasn't read then, the
    /// last reading before that; none where there was no reading.
    pub resident_bytes: Option<u64>,

    /// The sum of what the line changed in resident memory, in bytes. What has changed
    /// between two readings, over several lines, belongs to the one of them that moved most
    /// on the heap, or else to the line that was open at the second reading. None where
    /// resident memory wasn't read at the line, and no change belongs to it.
    pub resident_increment_bytes: Option<i64>,

    /// After how many executions of the line resident memory was read.
    pub resident_read_count: u64,

    /// How long the line ran; zero where no column asks for the time.
    pub elapsed: Duration,
}

/// A function by one of the ways it was called.
///
/// A function that is on the way already isn't on it again: recursion is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallNode {
    /// The function, by its place in [`Report::functions`].
    pub function: usize,

    /// Who called it; nobody at the beginning of a way: a thread, a task, or a
    /// function that isn't profiled.
    pub caller: Option<CallSite>,

    /// How often it was called this way.
    pub call_count: u64,

    /// How long threads were in it when it was called this way, without and with the
    /// profiled functions that it called. In a scope; of the process, it is zero.
    pub own_elapsed: Duration,

    /// See [`own_elapsed`](Self::own_elapsed).
    pub inclusive_elapsed: Duration,

    /// What those of its lines made that ran or have blocks alive when it was called this
    /// way, in the order of the function's lines.
    pub lines: Vec<CallNodeLine>,
}

/// The line that a function was called from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSite {
    /// The call that the line is of, by its place in [`Report::calls`].
    pub call: usize,

    /// The number of the line.
    pub line: u32,
}

/// What a line made in a function that was called in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallNodeLine {
    /// The line's number in its file.
    pub number: u32,

    /// How often it was begun.
    pub hits: u64,

    /// The blocks that were made while this was the innermost line running.
    pub own: Allocations,

    /// Those, and what the profiled functions made that the line called.
    pub inclusive: Allocations,
}

/// Blocks made in one place, wherever and whenever they were freed.
///
/// A block that grows in another line than the one that made it goes over to that
/// line, with all its bytes. Each byte is allocated once, in the line that asked for it:
/// the line that takes a block over allocates the bytes by which it grew, and the others
/// are transferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocations {
    /// Bytes of new blocks, and by which blocks grew.
    pub allocated_bytes: u64,

    /// New blocks.
    pub allocation_count: u64,

    /// Bytes that have been freed since, and by which blocks shrank; of blocks that were
    /// taken over, too, so that it can be more than was allocated.
    pub freed_bytes: u64,

    /// Blocks that have been freed since, also of those that were taken over.
    pub deallocation_count: u64,

    /// Bytes of blocks that were taken over from other lines, without those that other
    /// lines took over. The sum over all lines is 0 in the report of the process; in that of
    /// a scope, it is what was taken over from outside.
    pub transferred_bytes: i64,

    /// Blocks that were taken over, without those that other lines took over.
    pub transferred_count: i64,

    /// What of these was alive when the heap of the process stood highest, since the
    /// process began or [`reset`](crate::reset). 0 in the report of a scope.
    pub bytes_at_peak: u64,

    /// Blocks that were freed by the thread that made them before it had made more
    /// than one other. They count for the line whose they were at the end.
    pub temporary_count: u64,

    /// Bytes that were copied as the line had blocks grow or shrink, its own or
    /// others', and they didn't fit where they were.
    pub moved_bytes: u64,
}

impl Allocations {
    /// Bytes that are still alive: those that were allocated and transferred, without those
    /// that were freed.
    ///
    /// Negative in a [difference](Report::since), where more was freed than made; and
    /// for a moment in a report of running threads, where a block's freeing was
    /// seen before its making.
    #[must_use]
    pub fn live_bytes(&self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .cast_signed()
            .wrapping_add(self.transferred_bytes)
    }

    /// Blocks that are still alive, negative as [`live_bytes`](Self::live_bytes).
    #[must_use]
    pub fn live_count(&self) -> i64 {
        self.allocation_count
            .wrapping_sub(self.deallocation_count)
            .cast_signed()
            .wrapping_add(self.transferred_count)
    }

    pub(crate) fn new(change: Change, bytes_at_peak: i64) -> Self {
        Self {
            allocated_bytes: change.allocated_bytes,
            allocation_count: change.allocation_count,
            freed_bytes: change.freed_bytes,
            deallocation_count: change.deallocation_count,
            transferred_bytes: change
                .taken_bytes
                .wrapping_sub(change.given_bytes)
                .cast_signed(),
            transferred_count: change
                .taken_count
                .wrapping_sub(change.given_count)
                .cast_signed(),
            // Of a thread that is running, it may have been read in between.
            bytes_at_peak: u64::try_from(bytes_at_peak).unwrap_or(0),
            temporary_count: change.temporary_count,
            moved_bytes: change.moved_bytes,
        }
    }

    /// What is known without knowing who made the blocks.
    pub(crate) fn without_owners(self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes,
            allocation_count: self.allocation_count,
            moved_bytes: self.moved_bytes,
            ..Self::default()
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.saturating_sub(earlier.allocated_bytes),
            allocation_count: self
                .allocation_count
                .saturating_sub(earlier.allocation_count),
            freed_bytes: self.freed_bytes.saturating_sub(earlier.freed_bytes),
            deallocation_count: self
                .deallocation_count
                .saturating_sub(earlier.deallocation_count),
            transferred_bytes: self
                .transferred_bytes
                .saturating_sub(earlier.transferred_bytes),
            transferred_count: self
                .transferred_count
                .saturating_sub(earlier.transferred_count),
            bytes_at_peak: self.bytes_at_peak,
            temporary_count: self.temporary_count.saturating_sub(earlier.temporary_count),
            moved_bytes: self.moved_bytes.saturating_sub(earlier.moved_bytes),
        }
    }
}

impl AddAssign for Allocations {
    fn add_assign(&mut self, other: Self) {
        // Saturating, since a report may have been read from a file.
        let add = |sum: &mut u64, number: u64| *sum = sum.saturating_add(number);
        add(&mut self.allocated_bytes, other.allocated_bytes);
        add(&mut self.allocation_count, other.allocation_count);
        add(&mut self.freed_bytes, other.freed_bytes);
        add(&mut self.deallocation_count, other.deallocation_count);
        add(&mut self.bytes_at_peak, other.bytes_at_peak);
        add(&mut self.temporary_count, other.temporary_count);
        add(&mut self.moved_bytes, other.moved_bytes);
        let add = |sum: &mut i64, number: i64| *sum = sum.saturating_add(number);
        add(&mut self.transferred_bytes, other.transferred_bytes);
        add(&mut self.transferred_count, other.transferred_count);
    }
}

impl Report {
    /// Each line with its function.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&FunctionReport, &LineReport)> {
        self.functions.iter().flat_map(|function| {
            let lines = function.lines.iter();
            lines.map(move |line| (function, line))
        })
    }

    /// What is to be said where [`owners_are_unknown`](Self::owners_are_unknown).
    pub const OWNERS_ARE_UNKNOWN: &'static str = "the allocator counts without noting which line made each block         (`CountingAlloc::counting`): which lines' blocks are alive, were at the peak or were temporary isn't known";

    /// Whether what is alive in all is known.
    #[cfg(feature = "export")]
    pub(crate) fn total_is_known(&self) -> bool {
        // Of a scope, nothing was counted as freed.
        !self.owners_are_unknown || self.total.deallocation_count > 0
    }

    /// What was made and freed between `earlier` and this report.
    ///
    /// Both have to have been taken after the last [`reset`](crate::reset). A number that seems to
    /// have fallen, of a thread that was running, is 0. Bytes at the peak are those of
    /// this report: the peak may have been before `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        difference.subtract(earlier);
        difference
    }

    /// What is to be said about the numbers of functions.
    #[cfg(feature = "export")]
    pub(crate) fn notes(&self) -> impl Iterator<Item = (&FunctionReport, &str)> {
        let functions = self.functions.iter();
        functions.flat_map(|function| function.notes.iter().map(move |note| (function, &**note)))
    }

    /// What the functions made whose path begins with one of `prefixes`, and what those
    /// made that they called.
    pub(crate) fn made_under(&self, prefixes: &[&str]) -> Allocations {
        let mut sum = Allocations::default();
        let mut is_under: Vec<bool> = Vec::with_capacity(self.calls.len());
        // A call comes after the one that it was made from.
        for call in &self.calls {
            let caller = call.caller.and_then(|caller| is_under.get(caller.call));
            let function = self.functions.get(call.function);
            let is_named = || function.is_some_and(|function| function.begins_with(prefixes));
            let is_in = caller.copied().unwrap_or(false) || is_named();
            is_under.push(is_in);
            if is_in {
                call.lines.iter().for_each(|line| sum += line.own);
            }
        }
        sum
    }

    pub(crate) fn subtract(&mut self, earlier: &Self) {
        self.untracked = self.untracked.since(earlier.untracked);
        self.total = self.total.since(earlier.total);
        self.calls_left_out = self.calls_left_out.saturating_sub(earlier.calls_left_out);
        // Functions and calls are only ever added, and a function's lines are always the same.
        for (function, before) in self.functions.iter_mut().zip(&earlier.functions) {
            function.call_count = function.call_count.saturating_sub(before.call_count);
            let inclusive = &mut function.inclusive_elapsed;
            *inclusive = inclusive.saturating_sub(before.inclusive_elapsed);
            function.own_elapsed = function.own_elapsed.saturating_sub(before.own_elapsed);
            for (line, before) in function.lines.iter_mut().zip(&before.lines) {
                line.hits = line.hits.saturating_sub(before.hits);
                line.own = line.own.since(before.own);
                line.inclusive = line.inclusive.since(before.inclusive);
                if let (Some(line), Some(before)) = (&mut line.while_running, before.while_running)
                {
                    *line = line.since(before);
                }
            }
        }
        for (call, before) in self.calls.iter_mut().zip(&earlier.calls) {
            call.call_count = call.call_count.saturating_sub(before.call_count);
            call.own_elapsed = call.own_elapsed.saturating_sub(before.own_elapsed);
            let inclusive = &mut call.inclusive_elapsed;
            *inclusive = inclusive.saturating_sub(before.inclusive_elapsed);
            for line in &mut call.lines {
                let known = before
                    .lines
                    .binary_search_by_key(&line.number, |line| line.number);
                let Some(before) = known.ok().and_then(|place| before.lines.get(place)) else {
                    continue;
                };
                line.hits = line.hits.saturating_sub(before.hits);
                line.own = line.own.since(before.own);
                line.inclusive = line.inclusive.since(before.inclusive);
            }
            call.lines.retain(CallNodeLine::has_numbers);
        }
    }
}

impl FunctionReport {
    /// What all its lines made.
    #[must_use]
    pub fn own(&self) -> Allocations {
        let mut sum = Allocations::default();
        self.lines.iter().for_each(|line| sum += line.own);
        sum
    }

    /// What all its lines made, and what the profiled functions made that they called.
    #[must_use]
    pub fn inclusive(&self) -> Allocations {
        let mut sum = Allocations::default();
        self.lines.iter().for_each(|line| sum += line.inclusive);
        sum
    }
}

impl FunctionReport {
    /// Whether its path begins with one of these, which end where a name does.
    pub(crate) fn begins_with(&self, prefixes: &[&str]) -> bool {
        let mut rests = prefixes.iter().map(|prefix| self.path.strip_prefix(prefix));
        rests.any(|rest| {
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with("::") || rest.starts_with('<')
            })
        })
    }
}

impl CallNodeLine {
    /// Whether it has any but its own.
    pub(crate) fn has_numbers(&self) -> bool {
        self.hits > 0
            || self.own != Allocations::default()
            || self.inclusive != Allocations::default()
    }
}

impl LineExecution {
    fn since(self, earlier: Self) -> Self {
        Self {
            heap: self.heap.without(earlier.heap),
            resident_bytes: self.resident_bytes,
            resident_increment_bytes: self.resident_increment_bytes.map(|increment| {
                increment.wrapping_sub(earlier.resident_increment_bytes.unwrap_or(0))
            }),
            resident_read_count: self
                .resident_read_count
                .saturating_sub(earlier.resident_read_count),
            elapsed: self.elapsed.saturating_sub(earlier.elapsed),
        }
    }
}
