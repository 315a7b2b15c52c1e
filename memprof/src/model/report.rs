//! A report: what has been recorded of the whole process, or of one scope, as plain data.
//!
//! Measuring is done in `count` and `record`, rendering in [`report`](mod@crate::report).

use crate::model::change::Change;
use crate::model::sampled_time::{SampledTime, Sampling};
use crate::model::units::grouped;
use crate::model::usage::Usage;
use std::borrow::Cow;
use std::ops::AddAssign;
use std::time::Duration;

/// What each line allocated and what of that is still alive, at one moment.
///
/// [`report()`](crate::report()) returns the report of the whole process,
/// [`Scope::report`](crate::Scope::report) that of the work done in a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The profiled functions that have allocated something, or called one that did, or whose
    /// [hits](LineReport::hits) are counted; in the order in which that first happened.
    pub functions: Vec<FunctionReport>,

    /// The call tree: which function called which, from which line. There is one node for each call
    /// path, and a node comes after its caller's.
    pub calls: Vec<CallNode>,

    /// Blocks allocated outside of the lines of profiled functions.
    pub untracked: Allocations,

    /// All blocks: each quantity is the sum over all lines and `untracked`.
    pub total: Allocations,

    /// By how many bytes the true peak may exceed [`Allocations::bytes_at_peak`] of `total`.
    ///
    /// 0 while the process has a single thread, and in the report of a scope, which has no peak. In
    /// addition, the peak may miss a block that one thread allocated while another thread was
    /// adding up the heap, and freed before its own next allocation.
    pub peak_error_bytes: u64,

    /// Resident memory of the process, in bytes. `None` where it can't be read, and in the report
    /// of a scope.
    ///
    /// What exceeds the live bytes of `total` is code, stacks, memory allocated by other means than
    /// the global allocator, and memory that the allocator keeps after it was freed.
    pub resident_bytes: Option<u64>,

    /// Whether this kernel reports resident memory exactly to the page, if that is known. Some
    /// kernels round it in steps of 128 KiB or more.
    pub resident_is_exact: Option<bool>,

    /// The number of functions that were called over call paths which are missing from `calls`,
    /// because there are too many paths. What these calls did is in the last nodes of `calls`,
    /// which have no caller.
    pub callers_left_out: u64,

    /// The number of accessors that attributes on `impl` blocks, traits and modules have left out,
    /// in items of which another function is in the report.
    ///
    /// An [accessor](macro@crate::memprofile#accessors--true--false) can't allocate, by its form: it
    /// returns a field or a constant, or nothing.
    pub accessors_left_out: u64,

    /// Bytes that memprof uses to know which line allocated each live block, if that is known.
    ///
    /// These are eight bytes behind each block, or the resident pages of the side tables, depending
    /// on the [`CountingAlloc`](crate::CountingAlloc). They are included in resident memory, but
    /// not in `total`. `None` in the report of a scope.
    pub tag_bytes: Option<u64>,

    /// Whether blocks aren't tagged with the line that allocated them, because the allocator is a
    /// [`CountingAlloc::counting`](crate::CountingAlloc::counting).
    ///
    /// What lines allocated, and the `total` of the process, are still known. Numbers that aren't
    /// known are 0: what was freed, for lines, for `untracked` and for the total of a scope, so
    /// that everything seems to be alive; bytes at the peak; and temporary blocks.
    pub owners_are_unknown: bool,

    /// Whether the report is of a scope that began while 4,096 others existed. Its lines were not
    /// counted, and the report is empty.
    pub lines_are_unknown: bool,

    /// How long after the first call of a profiled function the profiler took this report, if it
    /// took it while the program went on, as with `MEMPROF_EVERY`. `None` for reports taken at the
    /// end of the process or by the program itself.
    pub interim_after: Option<Duration>,

    /// The samples of threads' call stacks, if a [`Sampler`](crate::Sampler) has taken any. They
    /// tell how long each line ran, callees included or not.
    pub sampling: Option<Sampling>,
}

/// One function: its calls and its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionReport {
    /// The function's path, including the type that a method belongs to.
    pub path: Cow<'static, str>,

    /// The source file, as the compiler named it.
    pub file: Cow<'static, str>,

    /// Remarks on the numbers, one sentence each: that everything is on one line because the
    /// attribute can't read the function's syntax; that another attribute has replaced its body;
    /// that its thread switched stacks.
    pub notes: Vec<Cow<'static, str>>,

    /// How often the function was called. `None` if that wasn't counted, as [`LineReport::hits`].
    pub call_count: Option<u64>,

    /// How long threads were in the function, callees included; for a recursive function, in its
    /// outermost calls.
    ///
    /// Measured in the report of a scope, and in that of the process if a column shows the time.
    /// Otherwise, it is known from [samples](Report::sampling), or zero.
    pub inclusive_elapsed: Duration,

    /// The same, less the time in called functions whose own time is known.
    pub own_elapsed: Duration,

    /// The lines that can be measured, in source order.
    pub lines: Vec<LineReport>,
}

/// One line of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineReport {
    /// The line's number in its file.
    pub number: u32,

    /// The line's text.
    pub source: Cow<'static, str>,

    /// How often the line began to run. A loop's header runs once more than its body.
    ///
    /// `None` if that wasn't counted. Calls and executions of lines are counted in functions whose
    /// tables are printed, in functions with `hits = true`, and with `MEMPROF_HITS=on`. Scopes
    /// count them in all functions that are called in them.
    pub hits: Option<u64>,

    /// Blocks allocated while this was the innermost running line.
    pub own: Allocations,

    /// `own`, and what the profiled functions called from this line allocated.
    ///
    /// With recursion, each block is counted once, at the line of the outermost call under which it
    /// was allocated.
    pub inclusive: Allocations,

    /// Time in which this was the innermost running line, from [samples](Report::sampling).
    pub own_time: SampledTime,

    /// `own_time`, and the time in profiled functions called from this line. With recursion, each
    /// sample is counted once, as for `inclusive`.
    pub inclusive_time: SampledTime,

    /// What happened to memory while the line ran. `None` for functions whose tables are never
    /// printed, and in the report of a scope. Calls that haven't ended are not included.
    pub while_running: Option<LineExecution>,
}

/// What happened to memory while a line ran, callees included, over all its executions.
///
/// For a recursive function, only the outermost calls count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineExecution {
    /// What the running thread did to the heap. Freed blocks count whichever line allocated them.
    pub heap: Usage,

    /// Resident memory when the line was last left, in bytes. If it wasn't read then, the last
    /// reading before that; `None` if there was no reading.
    pub resident_bytes: Option<u64>,

    /// Sum of the changes in resident memory that are attributed to the line, in bytes.
    ///
    /// A change between two readings that are several lines apart is attributed to the line in
    /// between that moved most on the heap, or else to the line that was running at the second
    /// reading. `None` if resident memory was never read at the line and no change was attributed
    /// to it.
    pub resident_increment_bytes: Option<i64>,

    /// Executions of the line after which resident memory was read.
    pub resident_read_count: u64,

    /// How long the line ran. Zero unless a column shows the time.
    pub elapsed: Duration,
}

/// A function on one of the call paths it was reached by.
///
/// Recursion is folded: a function appears at most once on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallNode {
    /// The function, as an index into [`Report::functions`].
    pub function: usize,

    /// Where the function was called from. `None` at the start of a path: the caller is a thread, a
    /// task or a function that isn't profiled.
    pub caller: Option<CallSite>,

    /// How often the function was called over this path. `None` if that wasn't counted, as
    /// [`LineReport::hits`].
    pub call_count: Option<u64>,

    /// How long threads were in the function over this path, without the profiled functions that it
    /// called. Measured in scopes; in the report of the process, known from
    /// [samples](Report::sampling), or zero.
    pub own_elapsed: Duration,

    /// The same, including the profiled functions that it called.
    pub inclusive_elapsed: Duration,

    /// The function's lines over this path that ran, if that was counted, or have any other number,
    /// in source order.
    pub lines: Vec<CallNodeLine>,
}

/// The line from which a function was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSite {
    /// The calling node, as an index into [`Report::calls`].
    pub call: usize,

    /// The line's number in its file.
    pub line: u32,
}

/// One line of a function, over one call path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallNodeLine {
    /// The line's number in its file.
    pub number: u32,

    /// How often the line began to run. `None` if that wasn't counted, as [`LineReport::hits`].
    pub hits: Option<u64>,

    /// Blocks allocated while this was the innermost running line.
    pub own: Allocations,

    /// `own`, and what the profiled functions called from this line allocated.
    pub inclusive: Allocations,

    /// Time in which this was the innermost running line, from [samples](Report::sampling).
    pub own_time: SampledTime,

    /// `own_time`, and the time in profiled functions called from this line.
    pub inclusive_time: SampledTime,
}

/// Blocks allocated in one place, and what became of them wherever they were freed.
///
/// A block that grows in another line than the one that allocated it is transferred to that line
/// with all its bytes. Each byte is allocated once, by the line that requested it: the line that
/// takes the block over allocates only the bytes by which it grew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocations {
    /// Bytes of new blocks, and bytes by which blocks grew.
    pub allocated_bytes: u64,

    /// New blocks.
    pub allocation_count: u64,

    /// Bytes of these blocks that have been freed since, and bytes by which they shrank. Includes
    /// blocks that were taken over, so it can exceed `allocated_bytes`.
    pub freed_bytes: u64,

    /// Blocks that have been freed since, including those that were taken over.
    pub deallocation_count: u64,

    /// Bytes of blocks taken over from other lines, less bytes of blocks that other lines took
    /// over.
    ///
    /// The sum over all lines is 0 in the report of the process. In that of a scope, it is what was
    /// taken over from outside.
    pub transferred_bytes: i64,

    /// Blocks taken over from other lines, less those that other lines took over.
    pub transferred_count: i64,

    /// Bytes of these blocks that were alive at the heap's peak: its highest point since the
    /// process began or since [`reset`](crate::reset). 0 in the report of a scope.
    pub bytes_at_peak: u64,

    /// Blocks freed by the thread that allocated them before it had allocated more than one other
    /// block. A block counts for the line it belonged to when it was freed.
    pub temporary_count: u64,

    /// Bytes copied because blocks that the line resized, its own or others', had to move.
    pub moved_bytes: u64,
}

impl Allocations {
    /// Bytes that are still alive: allocated plus transferred, less freed.
    ///
    /// Negative in a [difference](Report::since) where more was freed than allocated, and for a
    /// moment in a report of running threads, if a block's freeing was seen before its allocation.
    #[must_use]
    pub fn live_bytes(&self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .cast_signed()
            .wrapping_add(self.transferred_bytes)
    }

    /// Blocks that are still alive. Negative in the same cases as [`live_bytes`](Self::live_bytes).
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
            // Negative if a running thread was read in the middle of a change.
            bytes_at_peak: u64::try_from(bytes_at_peak).unwrap_or(0),
            temporary_count: change.temporary_count,
            moved_bytes: change.moved_bytes,
        }
    }

    /// The numbers that are known without tags.
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

    /// The sentence that the page and the table of a request show where its
    /// [`lines_are_unknown`](Self::lines_are_unknown).
    #[cfg(feature = "web")]
    pub(crate) const LINES_ARE_UNKNOWN: &'static str = "too many requests at once: lines not known";

    /// The sentence that reports show where [`owners_are_unknown`](Self::owners_are_unknown).
    pub const OWNERS_ARE_UNKNOWN: &'static str = "the allocator counts without noting which line allocated each block (`CountingAlloc::counting`): which of a line's blocks are alive, were alive at the peak or were temporary isn't known";

    /// Whether the total of live blocks is known.
    #[cfg(feature = "export")]
    pub(crate) fn total_is_known(&self) -> bool {
        // In the report of a scope without tags, nothing is counted as freed.
        !self.owners_are_unknown || self.total.deallocation_count > 0
    }

    /// Whether calls and executions of lines were counted in any function. If not, all
    /// [`hits`](LineReport::hits) and [`call_count`](FunctionReport::call_count)s are `None`.
    #[must_use]
    pub fn has_hits(&self) -> bool {
        let mut functions = self.functions.iter();
        functions.any(|function| function.call_count.is_some())
    }

    /// The message where calls or hits are asked for, and the report [has none](Self::has_hits).
    pub const HITS_ARE_UNKNOWN: &'static str = "calls and executions of lines weren't counted: to count them, put `hits = true` into the attribute, set `MEMPROF_HITS=on`, or take the report of a scope";

    /// The sentence that reports show if there are
    /// [`accessors_left_out`](Self::accessors_left_out).
    #[must_use]
    pub fn accessors_note(&self) -> Option<String> {
        match self.accessors_left_out {
            0 => None,
            1 => Some("1 accessor, which only returns a field or a constant, was left out: `accessors = true` profiles it, too".to_owned()),
            count => Some(format!(
                "{} accessors, which only return a field or a constant, were left out: `accessors = true` profiles them, too",
                grouped(count.into())
            )),
        }
    }

    /// What was allocated and freed between `earlier` and this report.
    ///
    /// Both reports have to be taken after the last [`reset`](crate::reset). A number that seems to
    /// have fallen, because a thread was running, becomes 0. Bytes at the peak are those of this
    /// report, although the peak may be older than `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        difference.subtract(earlier);
        difference
    }

    /// All remarks on numbers, with their functions.
    #[cfg(feature = "export")]
    pub(crate) fn notes(&self) -> impl Iterator<Item = (&FunctionReport, &str)> {
        let functions = self.functions.iter();
        functions.flat_map(|function| function.notes.iter().map(move |note| (function, &**note)))
    }

    /// What functions under one of the path `prefixes` allocated, including the functions they
    /// called.
    pub(crate) fn made_under(&self, prefixes: &[&str]) -> Allocations {
        let mut sum = Allocations::default();
        let mut is_under: Vec<bool> = Vec::with_capacity(self.calls.len());
        // A node comes after its caller's.
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
        if let (Some(sampling), Some(before)) = (&mut self.sampling, earlier.sampling) {
            *sampling = sampling.since(before);
        }
        // Functions and calls are only ever added, and a function's lines never change.
        for (function, before) in self.functions.iter_mut().zip(&earlier.functions) {
            function.call_count = count_since(function.call_count, before.call_count);
            let inclusive = &mut function.inclusive_elapsed;
            *inclusive = inclusive.saturating_sub(before.inclusive_elapsed);
            function.own_elapsed = function.own_elapsed.saturating_sub(before.own_elapsed);
            for (line, before) in function.lines.iter_mut().zip(&before.lines) {
                line.hits = count_since(line.hits, before.hits);
                line.own = line.own.since(before.own);
                line.inclusive = line.inclusive.since(before.inclusive);
                line.own_time = line.own_time.since(before.own_time);
                line.inclusive_time = line.inclusive_time.since(before.inclusive_time);
                if let (Some(line), Some(before)) = (&mut line.while_running, before.while_running)
                {
                    *line = line.since(before);
                }
            }
        }
        for (call, before) in self.calls.iter_mut().zip(&earlier.calls) {
            call.call_count = count_since(call.call_count, before.call_count);
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
                line.hits = count_since(line.hits, before.hits);
                line.own = line.own.since(before.own);
                line.inclusive = line.inclusive.since(before.inclusive);
                line.own_time = line.own_time.since(before.own_time);
                line.inclusive_time = line.inclusive_time.since(before.inclusive_time);
            }
            call.lines.retain(CallNodeLine::has_numbers);
        }
    }
}

/// Adds a number of calls or hits to a sum, which is known as soon as one of them is.
pub(crate) fn add_count(sum: &mut Option<u64>, count: Option<u64>) {
    if let Some(count) = count {
        *sum = Some(sum.unwrap_or(0).saturating_add(count));
    }
}

/// A number of calls or hits since an earlier one, if it was counted.
fn count_since(count: Option<u64>, earlier: Option<u64>) -> Option<u64> {
    count.map(|count| count.saturating_sub(earlier.unwrap_or(0)))
}

impl FunctionReport {
    /// Sum over the lines' [`own`](LineReport::own).
    #[must_use]
    pub fn own(&self) -> Allocations {
        let mut sum = Allocations::default();
        self.lines.iter().for_each(|line| sum += line.own);
        sum
    }

    /// Sum over the lines' [`inclusive`](LineReport::inclusive): with the profiled functions that
    /// they called.
    #[must_use]
    pub fn inclusive(&self) -> Allocations {
        let mut sum = Allocations::default();
        self.lines.iter().for_each(|line| sum += line.inclusive);
        sum
    }
}

impl FunctionReport {
    /// Whether the function's path begins with one of these prefixes, ending at a name's boundary.
    pub(crate) fn begins_with(&self, prefixes: &[&str]) -> bool {
        let mut rests = prefixes.iter().map(|prefix| self.path.strip_prefix(prefix));
        rests.any(|rest| {
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with("::") || rest.starts_with('<')
            })
        })
    }
}

impl CallNode {
    /// The time of the call's lines, from samples.
    pub(crate) fn sampled_elapsed(&self) -> Duration {
        let times = self.lines.iter().map(|line| line.own_time.elapsed());
        times.fold(Duration::ZERO, Duration::saturating_add)
    }

    /// Whether the call's own time comes from samples, and wasn't measured.
    #[cfg(feature = "export")]
    pub(crate) fn time_is_sampled(&self) -> bool {
        self.own_elapsed == self.sampled_elapsed()
    }
}

impl CallNodeLine {
    /// Whether the line itself has allocated something, blocks of it were freed or moved to another
    /// line, or there are samples of it.
    #[cfg(feature = "export")]
    pub(crate) fn has_own_numbers(&self) -> bool {
        self.own != Allocations::default() || !self.own_time.is_none()
    }

    /// Whether anything besides the line's number is set.
    pub(crate) fn has_numbers(&self) -> bool {
        self.hits.is_some_and(|hits| hits > 0)
            || self.own != Allocations::default()
            || self.inclusive != Allocations::default()
            || !self.inclusive_time.is_none()
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
