//! What has been recorded of the whole process, as a snapshot.
//!
//! A report is data: who measures it, and how it looks, is others' business.

use crate::heap::{self, HeapSource};
use crate::own_work;
use crate::owner::{self, Slot};
use crate::site::Site;
use crate::threads::Reading;
use std::sync::{Mutex, PoisonError};

/// Which line made what, and what of that is still alive, at one moment.
///
/// Made by [`report`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The profiled functions that have run, in the order in which they first did.
    pub functions: Vec<FunctionReport>,

    /// Blocks that no line of a profiled function made.
    pub untracked: Made,

    /// All blocks of the process. Their live bytes and count are those of every
    /// line and the untracked ones together; a block that has gone over from one
    /// line to another was made once here, and twice there.
    pub process: Made,
}

/// What the lines of one function made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionReport {
    /// Its path, with the type that a method belongs to.
    pub path: &'static str,

    /// The file it is in, as the compiler named it.
    pub file: &'static str,

    /// Its lines that can be measured, in the order of the source.
    pub lines: Vec<LineReport>,
}

/// What one line made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineReport {
    /// The line's number in its file.
    pub number: u32,

    /// The line's text.
    pub source: &'static str,

    /// The blocks that were made while this was the innermost line running.
    pub made: Made,
}

/// Blocks made in one place, wherever and whenever they were freed.
///
/// A block that grows in another line than the one that made it goes over to
/// that line, with all its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Made {
    /// Bytes of the blocks, and by which they grew.
    pub allocated_bytes: u64,

    /// Blocks.
    pub allocation_count: u64,

    /// Bytes that have been freed since, and by which blocks shrank.
    pub freed_bytes: u64,

    /// Blocks that have been freed since.
    pub deallocation_count: u64,
}

impl Made {
    /// Bytes that are still alive.
    ///
    /// Negative in a [difference](Report::since), where more was freed than made; and
    /// for a moment in a report of running threads, where a block's freeing was
    /// seen before its making.
    #[must_use]
    pub fn live_bytes(&self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .cast_signed()
    }

    /// Blocks that are still alive, negative as [`live_bytes`](Self::live_bytes).
    #[must_use]
    pub fn live_count(&self) -> i64 {
        self.allocation_count
            .wrapping_sub(self.deallocation_count)
            .cast_signed()
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
        }
    }
}

impl From<Slot> for Made {
    fn from(slot: Slot) -> Self {
        Self {
            allocated_bytes: slot.allocated_bytes,
            allocation_count: slot.allocation_count,
            freed_bytes: slot.freed_bytes,
            deallocation_count: slot.deallocation_count,
        }
    }
}

/// What [`report`] leaves out: what there was at the last [`reset`].
static BEFORE: Mutex<Option<Report>> = Mutex::new(None);

/// Which line made what, since the process began or [`reset`].
///
/// Counts every block of every thread, and may be called at any time. It takes
/// nothing away and stops nobody: of a thread that is running, the last it did may
/// be missing. The calling thread's own numbers are exact, and so are all of them
/// while the others rest.
///
/// ```
/// use memprof::memprofile;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile(print = "never")]
/// fn greet(names: &[&str]) -> Vec<String> {
///     let mut greetings = Vec::with_capacity(names.len());
///     for name in names {
///         greetings.push(name.to_uppercase());
///     }
///     greetings
/// }
///
/// # fn main() {
/// let greetings = greet(&["ada", "grace"]);
///
/// let report = memprof::report();
/// let alive: Vec<i64> = report.functions[0].lines.iter().map(|line| line.made.live_count()).collect();
/// // The first row, the list, the loop, the greetings, and two closing lines.
/// assert_eq!(alive, [0, 1, 0, 2, 0, 0]);
///
/// drop(greetings);
/// let freed = memprof::report().since(&report);
/// assert_eq!(freed.functions[0].lines[3].made.deallocation_count, 2);
/// # }
/// ```
///
/// Where the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc),
/// nothing has been made, which is said once on the standard error.
#[must_use]
pub fn report() -> Report {
    // Held over the reading, so that no reset comes in between.
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut report = Report::now();
    if let Some(before) = &*before {
        report.subtract(before);
    }
    report
}

/// Has later [reports](report) begin here.
///
/// Blocks that are alive stay out of them, but for being freed.
pub fn reset() {
    own_work::during(false, || {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        *before = Some(Report::now());
    });
}

impl Report {
    fn now() -> Self {
        if HeapSource::current() == HeapSource::Nobody {
            heap::say_nobody_counts();
        }
        // What a report takes is allocated first, so that nothing is between its
        // numbers: they are of one moment, as far as this thread goes.
        let mut report = Self::default();
        let sites = Site::all();
        report.functions.extend(sites.iter().map(|site| {
            FunctionReport {
                path: site.path(),
                file: site.file(),
                lines: site
                    .lines()
                    .iter()
                    .map(|line| LineReport::empty(site, *line))
                    .collect(),
            }
        }));

        let reading = Reading::begin();
        for (function, site) in report.functions.iter_mut().zip(&sites) {
            for (line, place) in function.lines.iter_mut().zip(0..) {
                line.made = reading.of_line(site.id(place)).into();
            }
            function.lines.sort_unstable_by_key(|line| line.number);
        }
        report.untracked = reading.of_line(owner::UNTRACKED).into();
        report.process = reading.of_process().into();
        report
    }

    /// What was made and freed between `earlier` and this report.
    ///
    /// Both have to have been taken after the last [`reset`]. A number that seems to
    /// have fallen, of a thread that was running, is 0.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = self.clone();
        difference.subtract(earlier);
        difference
    }

    fn subtract(&mut self, earlier: &Self) {
        self.untracked = self.untracked.since(earlier.untracked);
        self.process = self.process.since(earlier.process);
        // Functions are only ever added, and their lines are always the same.
        for (function, before) in self.functions.iter_mut().zip(&earlier.functions) {
            for (line, before) in function.lines.iter_mut().zip(&before.lines) {
                line.made = line.made.since(before.made);
            }
        }
    }
}

impl LineReport {
    fn empty(site: &Site, number: u32) -> Self {
        Self {
            number,
            source: site.source(number),
            made: Made::default(),
        }
    }
}
