//! Building a report from what all threads have counted, at one moment.
//!
//! # A consistent snapshot
//!
//! What a report needs is allocated first, uncounted. Then the numbers are read under a
//! [`Reading`], without an allocation in between, so that they are of one moment as far as the
//! calling thread is concerned. Other threads aren't stopped: their last events may be missing.
//! Meanwhile, the calling thread doesn't raise the peak, so the report's peak is from before the
//! report.
//!
//! # Locks
//!
//! `BEFORE` is held over the reading, so that no [`reset`] comes in between. With it, the thread
//! has its share of the [fork lock](crate::sys::fork_lock) before it takes [`Reading`].

use crate::count::call_paths::{self, Path};
use crate::count::registry::{self, Reading};
use crate::count::source::{self, HeapSource};
use crate::count::tag;
use crate::count::{peak, this_thread, uncounted};
use crate::model::report::{
    Allocations, CallNode, CallNodeLine, CallSite, FunctionReport, LineExecution, LineReport,
    Report, add_count,
};
use crate::model::sampled_time::SampledTime;
use crate::model::site::Site;
use crate::record::function_profile::{self, FunctionProfile, LineProfile};
use crate::record::samples::{self, Samples};
use crate::sys::fork_lock::Lock;
use crate::sys::{clock, rss, stack_switch};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ptr;
use std::time::Duration;

/// The report at the last [`reset`], which later reports subtract.
static BEFORE: Lock<Option<Report>> = Lock::new(None);

/// Returns what each line allocated and what of that is alive, since the process began or since
/// [`reset`].
///
/// The report covers every block of every thread, and may be taken at any time. Taking it changes
/// no numbers and stops no thread: the last events of a running thread may be missing. The calling
/// thread's own numbers are exact, and so are all numbers while other threads are idle.
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
/// let alive: Vec<i64> = report.functions[0].lines.iter().map(|line| line.own.live_count()).collect();
/// // The first row, the list, the loop, the greetings, and two closing lines.
/// assert_eq!(alive, [0, 1, 0, 2, 0, 0]);
///
/// drop(greetings);
/// let freed = memprof::report().since(&report);
/// assert_eq!(freed.functions[0].lines[3].own.deallocation_count, 2);
/// # }
/// ```
///
/// Where the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), all numbers are 0,
/// which is reported once on stderr.
#[must_use]
pub fn report() -> Report {
    // Held over the reading, so that no reset comes in between.
    let before = BEFORE.lock();
    let mut report = Report::of_process();
    if let Some(before) = &*before {
        report.subtract(before);
    }
    report
}

/// As [`report`], but since the process began, regardless of [`reset`].
#[cfg(feature = "web")]
pub(crate) fn whole_report() -> Report {
    Report::of_process()
}

/// Makes later [reports](report) begin here.
///
/// Blocks that are alive now no longer appear as allocated in them, but their frees do. The peak is
/// reset to what is alive now, so these blocks can be part of the bytes at the next peak.
pub fn reset() {
    uncounted::during(false, || {
        let mut before = BEFORE.lock();
        *before = Some(Report::of_process());
        this_thread::reset_peak();
    });
}

/// Where the numbers of a report come from: the process, or a scope.
pub(crate) trait Numbers {
    /// What a line allocated, and how often it ran.
    fn line(&self, id: u32) -> (Allocations, u64);

    /// How often a path was called.
    fn call_count(&self, path: u32) -> u64;

    /// Whether the calls of a path of `site`, of which there were `call_count`, and the executions
    /// of its lines were counted.
    fn are_counted(&self, site: &Site, call_count: u64) -> bool;

    /// The samples of where threads were, if there are any.
    fn samples(&self) -> Option<&Samples>;

    /// How long threads were in the function itself over this path; zero if that isn't measured.
    fn own_elapsed(&self, path: u32) -> Duration;

    /// The total, if there is a better source than the sum over lines.
    fn total(&self) -> Option<Allocations>;

    /// What happened to memory while a function ran, if that is known.
    fn settled(&self, site: &Site) -> Option<Settled>;
}

/// What happened to memory while a function ran.
pub(crate) struct Settled {
    inclusive_elapsed: Duration,
    own_elapsed: Duration,
    /// In the order of the function's lines.
    lines: Box<[LineExecution]>,
}

impl Settled {
    fn of(profile: &FunctionProfile) -> Self {
        let elapsed = |ticks| Duration::from_nanos(clock::nanoseconds(ticks));
        let lines = profile.lines.iter().map(LineProfile::execution);
        Self {
            inclusive_elapsed: elapsed(profile.inclusive_ticks),
            own_elapsed: elapsed(profile.own_ticks),
            lines: lines.collect(),
        }
    }
}

/// The numbers of the process.
struct OfProcess<'a> {
    reading: Reading,
    samples: Option<&'a Samples>,
}

impl Numbers for OfProcess<'_> {
    fn line(&self, id: u32) -> (Allocations, u64) {
        let reading = &self.reading;
        let made = Allocations::new(reading.of_line(id), reading.bytes_at_peak(id));
        (made, registry::hits(id))
    }

    fn samples(&self) -> Option<&Samples> {
        self.samples
    }

    fn call_count(&self, path: u32) -> u64 {
        registry::calls(path)
    }

    fn are_counted(&self, site: &Site, _: u64) -> bool {
        site.counts_hits()
    }

    fn own_elapsed(&self, _: u32) -> Duration {
        Duration::ZERO
    }

    fn total(&self) -> Option<Allocations> {
        let made = Allocations::new(self.reading.of_process(), 0);
        Some(Allocations {
            bytes_at_peak: peak::bytes(),
            ..made
        })
    }

    fn settled(&self, site: &Site) -> Option<Settled> {
        function_profile::with_kept(site, Settled::of)
    }
}

impl Report {
    fn of_process() -> Self {
        if cfg!(feature = "off") {
            return Self::default();
        }
        if HeapSource::current() == HeapSource::None {
            source::say_not_counted();
        }
        source::say_disowned();
        // Before the paths are read, so that those of all samples are there.
        let (samples, _) = uncounted::during(false, samples::of_process);
        let report = Self::new(call_paths::all, || OfProcess {
            reading: Reading::begin(),
            samples: samples.as_ref(),
        });
        uncounted::during(false, || drop(samples));
        Self {
            resident_bytes: rss::resident_bytes(),
            tag_bytes: source::tag_bytes(report.total.live_count()),
            ..report
        }
    }

    /// Builds a report with the `numbers` of each line of the paths.
    pub(crate) fn new<N: Numbers>(
        paths: impl FnOnce() -> Vec<(u32, Path)>,
        numbers: impl FnOnce() -> N,
    ) -> Self {
        // The report itself must not raise the peak that it reports.
        this_thread::without_peak(|| Self::build(paths, numbers))
    }

    fn build<N: Numbers>(
        paths: impl FnOnce() -> Vec<(u32, Path)>,
        numbers: impl FnOnce() -> N,
    ) -> Self {
        // What the report needs is allocated first, so that its numbers are of one moment as far as
        // this thread is concerned.
        let ((paths, sites), _) = uncounted::during(false, || {
            let paths = paths();
            let sites = sites(&paths);
            (paths, sites)
        });
        let mut report = Self {
            functions: sites
                .iter()
                .map(|site| FunctionReport::empty(site))
                .collect(),
            calls: calls(&paths, &sites),
            accessors_left_out: accessors_left_out(&sites),
            ..Self::default()
        };

        let numbers = numbers();
        for (call, (number, path)) in report.calls.iter_mut().zip(&paths) {
            call.read(*number, path.site, &numbers);
        }
        report.sampling = numbers.samples().map(Samples::sampling);
        (report.untracked, _) = numbers.line(tag::UNTRACKED);
        let total = numbers.total();
        report.peak_error_bytes = peak::error_bytes();
        report.resident_is_exact = rss::is_exact();
        if !source::owners_are_known() {
            report.leave_out_owners();
        }
        let settled = |site: &&Site| numbers.settled(site);
        let (settled, _): (Vec<_>, _) =
            uncounted::during(false, || sites.iter().map(settled).collect());
        drop(numbers);

        report.add_up(&paths);
        if let Some(total) = total {
            report.total = Allocations {
                temporary_count: report.total.temporary_count,
                moved_bytes: report.total.moved_bytes,
                ..total
            };
        }
        for (function, settled) in report.functions.iter_mut().zip(&settled) {
            if let Some(settled) = settled {
                if !settled.inclusive_elapsed.is_zero() {
                    function.inclusive_elapsed = settled.inclusive_elapsed;
                    function.own_elapsed = settled.own_elapsed;
                }
                for (line, while_running) in function.lines.iter_mut().zip(&settled.lines) {
                    line.while_running = Some(*while_running);
                }
            }
            function.lines.sort_unstable_by_key(|line| line.number);
        }
        for call in &mut report.calls {
            call.lines.retain(CallNodeLine::has_numbers);
            call.lines.sort_unstable_by_key(|line| line.number);
        }
        uncounted::during(false, || drop((paths, sites, settled)));
        report
    }

    /// Sets to 0 what isn't known of lines if blocks aren't tagged.
    fn leave_out_owners(&mut self) {
        self.owners_are_unknown = true;
        self.untracked = self.untracked.without_owners();
        for line in self.calls.iter_mut().flat_map(|call| &mut call.lines) {
            line.own = line.own.without_owners();
            line.inclusive = line.own;
        }
    }

    /// Adds up the numbers of calls: inclusive numbers, those of functions, and the total.
    fn add_up(&mut self, paths: &[(u32, Path)]) {
        // A node comes after its caller's.
        for index in (0..self.calls.len()).rev() {
            let (callers, calls) = self.calls.split_at_mut(index);
            let mut inclusive = Allocations::default();
            let mut inclusive_time = SampledTime::default();
            let mut inclusive_elapsed = Duration::ZERO;
            if let Some(call) = calls.first() {
                for line in &call.lines {
                    inclusive += line.inclusive;
                    inclusive_time += line.inclusive_time;
                }
                inclusive_elapsed = call.inclusive_elapsed;
            }
            let caller = paths
                .get(index)
                .map_or(tag::UNTRACKED, |(_, path)| path.caller);
            let call = index_of(paths, caller).and_then(|call| callers.get_mut(call));
            if let Some(call) = call {
                call.inclusive_elapsed += inclusive_elapsed;
                if let Some(line) = call.lines.get_mut(tag::place_of(caller) as usize) {
                    line.inclusive += inclusive;
                    line.inclusive_time += inclusive_time;
                }
            }
        }
        for (call, (_, path)) in self.calls.iter().zip(paths) {
            if path.caller == call_paths::BEYOND {
                self.callers_left_out += 1;
            }
            let Some(function) = self.functions.get_mut(call.function) else {
                continue;
            };
            add_count(&mut function.call_count, call.call_count);
            function.own_elapsed += call.own_elapsed;
            // No function is on a path twice, so nothing is counted twice.
            function.inclusive_elapsed += call.inclusive_elapsed;
            for (sum, line) in function.lines.iter_mut().zip(&call.lines) {
                add_count(&mut sum.hits, line.hits);
                sum.own += line.own;
                sum.inclusive += line.inclusive;
                sum.own_time += line.own_time;
                sum.inclusive_time += line.inclusive_time;
            }
        }
        self.total = self.untracked;
        for line in self.functions.iter().flat_map(|function| &function.lines) {
            self.total += line.own;
        }
    }
}

/// The functions of the paths, each once, in the order of the paths.
fn sites(paths: &[(u32, Path)]) -> Vec<&'static Site> {
    let mut sites: Vec<&'static Site> = Vec::with_capacity(paths.len());
    let mut seen = HashSet::new();
    for (_, path) in paths {
        if seen.insert(ptr::from_ref(path.site)) {
            sites.push(path.site);
        }
    }
    sites
}

/// How many accessors are left out in the items of these functions.
fn accessors_left_out(sites: &[&'static Site]) -> u64 {
    let mut seen = HashSet::new();
    let mut sum = 0_u64;
    for site in sites {
        let left_out = site.left_out();
        if left_out.count > 0 && seen.insert((site.file(), left_out.item)) {
            sum = sum.saturating_add(left_out.count);
        }
    }
    sum
}

/// The index of a line's path among these, if it is there.
fn index_of(paths: &[(u32, Path)], line: u32) -> Option<usize> {
    let path = tag::path_of(line);
    let place = paths.binary_search_by_key(&path, |(number, _)| *number);
    place.ok().filter(|_| line != call_paths::BEYOND)
}

/// The call nodes of the paths, with all numbers 0.
fn calls(paths: &[(u32, Path)], sites: &[&'static Site]) -> Vec<CallNode> {
    let places = sites.iter().map(|site| ptr::from_ref(*site));
    let places: HashMap<_, _> = places.zip(0..).collect();
    let line_number = |path: usize, place: usize| {
        let lines = paths
            .get(path)
            .map_or(&[][..], |(_, path)| path.site.lines());
        lines.get(place).copied().unwrap_or(0)
    };
    let empty = |number: &u32| CallNodeLine {
        number: *number,
        hits: None,
        own: Allocations::default(),
        inclusive: Allocations::default(),
        own_time: SampledTime::default(),
        inclusive_time: SampledTime::default(),
    };
    let calls = paths.iter().map(|(_, path)| CallNode {
        function: places.get(&ptr::from_ref(path.site)).copied().unwrap_or(0),
        caller: index_of(paths, path.caller).map(|call| CallSite {
            call,
            line: line_number(call, tag::place_of(path.caller) as usize),
        }),
        call_count: None,
        own_elapsed: Duration::ZERO,
        inclusive_elapsed: Duration::ZERO,
        lines: path.site.lines().iter().map(empty).collect(),
    });
    calls.collect()
}

impl CallNode {
    /// Reads the numbers of the path, without those of the calls from its lines.
    fn read(&mut self, path: u32, site: &Site, numbers: &impl Numbers) {
        let call_count = numbers.call_count(path);
        let are_counted = numbers.are_counted(site, call_count);
        self.call_count = are_counted.then_some(call_count);
        let samples = numbers.samples();
        // Lines beyond these are untracked, and the ids that follow belong to another path.
        let lines = self.lines.iter_mut().take(tag::MOST_LINES);
        for (line, id) in lines.zip(tag::first_id(path)..) {
            let (own, hits) = numbers.line(id);
            line.own = own;
            line.inclusive = own;
            line.hits = are_counted.then_some(hits);
            line.own_time = samples.map_or_else(SampledTime::default, |it| it.of_line(id));
            line.inclusive_time = line.own_time;
        }
        self.own_elapsed = numbers.own_elapsed(path);
        if self.own_elapsed.is_zero() {
            self.own_elapsed = self.sampled_elapsed();
        }
        self.inclusive_elapsed = self.own_elapsed;
    }
}

impl FunctionReport {
    /// A function without numbers, its lines in the order of their places in a tag.
    fn empty(site: &'static Site) -> Self {
        let lines = site.lines().iter().map(|number| LineReport {
            number: *number,
            source: Cow::Borrowed(site.source(*number)),
            hits: None,
            own: Allocations::default(),
            inclusive: Allocations::default(),
            own_time: SampledTime::default(),
            inclusive_time: SampledTime::default(),
            while_running: None,
        });
        Self {
            path: Cow::Borrowed(site.path()),
            file: Cow::Borrowed(site.file()),
            notes: site
                .note()
                .into_iter()
                .chain(site.has_switched().then_some(stack_switch::NOTE))
                .map(Cow::Borrowed)
                .collect(),
            call_count: None,
            inclusive_elapsed: Duration::ZERO,
            own_elapsed: Duration::ZERO,
            lines: lines.collect(),
        }
    }
}
