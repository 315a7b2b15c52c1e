//! Growth: lines whose live memory keeps growing when the same work is repeated.
//!
//! # Detection
//!
//! 1. Split the runs into up to 64 windows, a power of two of them, and take each line's minimum
//!    live bytes in each window.
//! 2. Take the lower envelope of these minima: the level that the line never falls below again
//!    from that window on.
//! 3. A line is reported if its envelope rises at least twice and the next rise isn't overdue. A
//!    rise is overdue when the wait since the last one exceeds twice the longest wait so far, plus
//!    two windows for rounding: a list that doubles its capacity waits twice as long each time.
//! 4. A rise that comes after it was overdue starts over, as the first rise of a new series: the
//!    line had levelled off. The gap counts as the longest wait when later rises are judged, so a
//!    line that grows in bursts is still reported.
//! 5. A line whose minima fall at times has to rise in each of three ranges as well: from an eighth
//!    of the windows to a quarter, to a half and to three quarters. The envelope of a fluctuating
//!    line nearly always rises somewhere, since the last windows have few minima after them.

use crate::check::requirements;
use crate::count::uncounted;
use crate::model::report::{Allocations, FunctionReport, LineReport, Report};
use crate::model::source_line::SourceLine;
use crate::model::units::{blocks, bytes, grouped};
use crate::scope::pool;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A line whose live bytes keep growing from run to run: see [`growth`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The line. Its function is empty for blocks that no line of a profiled function allocated.
    pub line: SourceLine,

    /// Average growth in bytes per run, over the second half of the runs.
    pub bytes_per_run: f64,

    /// The estimated probability that the line keeps growing, from 0 to 1.
    ///
    /// If the line rose in `s` of the `n` doublings of the number of runs, this is
    /// `(s + 1) / (n + 2)`, by Laplace's rule of succession.
    pub confidence: f64,

    /// Bytes allocated during the runs and still alive after the last one.
    pub live_bytes: i64,

    /// Blocks allocated during the runs and still alive after the last one.
    pub live_count: i64,
}

impl fmt::Display for Growth {
    /// Writes two lines, without a final newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n    grows by {:.1} B per run, {} in {} alive, confidence {:.2}",
            self.line,
            self.bytes_per_run,
            bytes(self.live_bytes.into()),
            blocks(self.live_count.into()),
            self.confidence,
        )
    }
}

/// Runs `work` `runs` times and returns the lines whose live memory keeps growing, the fastest
/// growing first.
///
/// The runs are split into up to 64 windows, and each line's minimum live bytes are taken in each
/// of them. A line is reported if this lower envelope rises at least twice and the next rise isn't
/// overdue: the last one is no longer ago than about twice the longest wait between two rises.
///
/// These are reported:
///
/// - a list that doubles its capacity from time to time;
/// - a leak in every 30th of 100 runs.
///
/// These are not:
///
/// - a cache that gains an entry per run and is full by 9/10 of the runs (by 2/3, of fewer than
///   64 runs);
/// - the table of such a cache, which doubles its capacity, once it hasn't grown for long enough;
/// - a buffer that grows and shrinks, except for 1 in 40 by chance.
///
/// The live memory of a line is that of blocks which `work` allocates on this thread, and on other
/// threads that join its [`Scope`](crate::Scope), until any thread frees them.
///
/// ```
/// use memprof::memprofile;
/// use std::collections::BTreeMap;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile(print = "never")]
/// fn handle(number: u32, cache: &mut BTreeMap<u32, String>, seen: &mut Vec<u32>) {
///     cache.insert(number % 10, number.to_string());
///     seen.push(number);
/// }
///
/// # fn main() {
/// let (mut number, mut cache, mut seen) = (0, BTreeMap::new(), Vec::new());
/// let growing = memprof::leak::growth(100, || {
///     number += 1;
///     handle(number, &mut cache, &mut seen);
/// });
///
/// assert_eq!(growing.len(), 1);
/// assert!(growing[0].line.function.ends_with("handle"));
/// assert_eq!(growing[0].live_bytes, 4 * 128); // the room for a hundred numbers in `seen`
/// # }
/// ```
///
/// # Panics
///
/// - If `runs` is less than 16.
/// - If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), or is one that only
///   [counts](crate::CountingAlloc::counting).
/// - If 4,096 scopes are in use already.
#[track_caller]
pub fn growth(runs: u32, mut work: impl FnMut()) -> Vec<Growth> {
    /// The number of runs doubles four times in these, and the capacity of a list twice.
    const LEAST_RUNS: u32 = 16;
    assert!(
        runs >= LEAST_RUNS,
        "growth shows in {LEAST_RUNS} runs or more, not in {runs}"
    );
    if cfg!(feature = "off") {
        (0..runs).for_each(|_| work());
        return Vec::new();
    }
    requirements::require_owners();
    let scope = pool::scope();
    assert!(
        scope.knows_lines(),
        "too many scopes at once (4,096 at most): the lines of these runs aren't known"
    );
    let mut courses = Courses::new(runs);
    for run in 1..=runs {
        scope.run(&mut work);
        uncounted::during(false, || courses.add(run, &scope.settled_report()));
    }
    let growing = uncounted::during(false, || courses.growing(&scope.settled_report())).0;
    // The caller gets a copy that counts as the program's.
    let answer = growing.clone();
    uncounted::during(false, || drop((growing, courses)));
    answer
}

/// Asserts that no line's live memory keeps growing when `work` is repeated: [`growth`] reports
/// nothing.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # fn main() {
/// let mut list = Vec::new();
///
/// memprof::assert_no_growth(100, || {
///     list.clear();
///     list.extend([1, 2, 3]);
/// });
/// # }
/// ```
///
/// # Panics
///
/// If a line grows, with a message that names all such lines. Also in all cases in which
/// [`growth`] panics.
#[track_caller]
pub fn assert_no_growth(runs: u32, work: impl FnMut()) {
    let growing = growth(runs, work);
    if growing.is_empty() {
        return;
    }
    let mut text = format!("memory grows in {} runs:", grouped(runs.into()));
    for line in growing {
        let _ = write!(text, "\n{line}");
    }
    panic!("{text}")
}

/// A line: its function, file and number. The function is empty for untracked blocks.
type Place = (Cow<'static, str>, Cow<'static, str>, u32);

/// The live bytes of each line, from run to run.
struct Courses {
    runs: u32,
    courses: BTreeMap<Place, Course>,
}

/// The live bytes of one line.
#[derive(Default)]
struct Course {
    /// The minimum in each window of runs so far.
    floors: Vec<i64>,
    /// The value after half of the runs.
    at_half: i64,
}

impl Courses {
    fn new(runs: u32) -> Self {
        Self {
            runs,
            courses: BTreeMap::new(),
        }
    }

    /// The number of windows: a power of two, so that doublings of the runs end with a window.
    fn part_count(&self) -> usize {
        const MOST_PARTS: u32 = 64;
        1 << self.runs.min(MOST_PARTS).ilog2()
    }

    /// The window of a run; runs are numbered from 1.
    fn part(&self, run: u32) -> usize {
        (run - 1) as usize * self.part_count() / self.runs as usize
    }

    /// The number of runs in the first half.
    fn half(&self) -> u32 {
        self.runs.div_ceil(2)
    }

    fn add(&mut self, run: u32, report: &Report) {
        let part = self.part(run);
        let begins_part = run == 1 || self.part(run - 1) < part;
        let is_half = run == self.half();
        for (place, made) in made_by_place(report) {
            let alive = made.live_bytes();
            let course = self.courses.entry(place).or_default();
            if is_half {
                course.at_half = alive;
            }
            if course.floors.len() <= part {
                // A line that is new in the report had nothing alive in earlier windows, nor at
                // the start of this one.
                course.floors.resize(part, 0);
                course.floors.push(if begins_part { alive } else { 0 });
            } else if let Some(floor) = course.floors.last_mut() {
                *floor = alive.min(*floor);
            }
        }
    }

    fn growing(&self, report: &Report) -> Vec<Growth> {
        let mut made = made_by_place(report);
        let mut growing: Vec<Growth> = Vec::new();
        for (place, course) in &self.courses {
            let (Some(levels), Some(made)) = (course.rising(), made.remove(place)) else {
                continue;
            };
            let half = course.floors.len() / 2;
            let at_half = levels
                .get(half)
                .map_or(0, |level| course.at_half.min(*level));
            let (function, file, number) = place.clone();
            let line = SourceLine {
                source: source(report, place),
                function,
                file,
                number,
            };
            growing.push(Growth {
                line,
                bytes_per_run: ratio(
                    made.live_bytes() - at_half,
                    (self.runs - self.half()).into(),
                ),
                confidence: confidence(&levels),
                live_bytes: made.live_bytes(),
                live_count: made.live_count(),
            });
        }
        growing.sort_by_key(|line| Reverse(line.bytes_per_run.to_bits()));
        growing
    }
}

impl Course {
    /// The lower envelope, if it rises and isn't overdue to rise again.
    fn rising(&self) -> Option<Vec<i64>> {
        let mut levels = self.floors.clone();
        for part in (1..levels.len()).rev() {
            let level = levels[part].min(levels[part - 1]);
            levels[part - 1] = level;
        }
        let is_rise = |part: &usize| levels[*part] > levels[*part - 1];
        // A list that doubles its capacity waits twice as long each time; both waits are rounded
        // to windows.
        let is_over = |wait: usize, longest: usize| wait > 2 * (longest + 1);
        let (mut last, mut longest_wait): (Option<usize>, Option<usize>) = (None, None);
        // The longest overdue wait: growth in bursts has such waits again and again.
        let mut longest_gap = 0;
        for part in (1..levels.len()).filter(is_rise) {
            let wait = last.map(|last| part - last);
            longest_wait = match (longest_wait, wait) {
                // The line had levelled off: this rise may start a new series, and doesn't
                // continue the one before.
                (Some(longest), Some(wait)) if is_over(wait, longest.max(longest_gap)) => {
                    longest_gap = wait;
                    None
                }
                _ => longest_wait.max(wait),
            };
            last = Some(part);
        }
        let goes_on = !is_over(levels.len() - 1 - last?, longest_wait?);
        (goes_on && self.is_no_chance(&levels)).then_some(levels)
    }

    /// Whether a line that fluctuates without growing would hardly have this envelope. The fewer
    /// windows are left, the higher is their minimum, so the envelope of any fluctuating line rises
    /// towards the end.
    fn is_no_chance(&self, levels: &[i64]) -> bool {
        let never_fell = self.floors.is_sorted();
        let eighth = levels.len() / 8;
        let places = [eighth, 2 * eighth, 4 * eighth, 6 * eighth];
        never_fell || places.windows(2).all(|two| levels[two[0]] < levels[two[1]])
    }
}

/// The allocations of each line, summed over the instances of a generic function, which the report
/// lists separately.
fn made_by_place(report: &Report) -> BTreeMap<Place, Allocations> {
    let mut sums = BTreeMap::new();
    sums.insert((Cow::Borrowed(""), Cow::Borrowed(""), 0), report.untracked);
    for (function, line) in report.lines() {
        let place = (function.path.clone(), function.file.clone(), line.number);
        *sums.entry(place).or_default() += line.own;
    }
    sums
}

/// The source text of a line.
fn source(report: &Report, (path, file, number): &Place) -> Cow<'static, str> {
    let is_it = |(function, line): &(&FunctionReport, &LineReport)| {
        function.path == *path && function.file == *file && line.number == *number
    };
    let found = report.lines().find(is_it);
    found.map_or(Cow::Borrowed(""), |(_, line)| line.source.clone())
}

/// The probability that a line keeps growing, from how often it rose while the runs doubled.
fn confidence(levels: &[i64]) -> f64 {
    let doublings: Vec<i64> = (0..=levels.len().ilog2())
        .map(|power| levels[(1 << power) - 1])
        .collect();
    let rises = doublings.windows(2).filter(|two| two[1] > two[0]).count();
    laplace(rises, doublings.len() - 1)
}

/// The probability that the next trial succeeds, by Laplace's rule of succession.
fn laplace(successes: usize, trials: usize) -> f64 {
    let number = |number| i64::try_from(number).unwrap_or(i64::MAX - 2);
    ratio(number(successes) + 1, number(trials) + 2)
}

#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
fn ratio(number: i64, of: i64) -> f64 {
    number as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::{Courses, laplace};
    use crate::model::report::{Allocations, Report};

    /// Whether a line with `alive(run)` live bytes after each run is reported.
    fn grows(runs: u32, alive: impl Fn(u32) -> i64) -> bool {
        let mut courses = Courses::new(runs);
        for run in 1..=runs {
            let allocated_bytes = alive(run).cast_unsigned();
            let untracked = Allocations {
                allocated_bytes,
                ..Allocations::default()
            };
            let report = Report {
                untracked,
                ..Report::default()
            };
            courses.add(run, &report);
        }
        courses
            .courses
            .values()
            .all(|course| course.rising().is_some())
    }

    #[test]
    fn what_rises_is_found_after_any_number_of_runs() {
        for runs in 16..300 {
            assert!(grows(runs, |run| 64 * i64::from(run)), "{runs}");
            let room = |run: u32| i64::from(run.next_power_of_two().max(4));
            assert!(grows(runs, room), "{runs} of a list");
            let begins_late = |run: u32| i64::from(run.saturating_sub(runs / 2 + 2));
            assert!(grows(runs, begins_late), "{runs}, of which half are flat");
            let seldom = |run: u32| i64::from(run / (runs * 3 / 10).max(1));
            assert!(grows(runs, seldom), "{runs}, of which three rise");
        }
        for (runs, round, burst) in [(1000, 200, 50), (1000, 250, 20), (100, 25, 2)] {
            let kept = |run: u32| (1..=run).filter(|run| run % round < burst).count();
            let bursts = |run| i64::try_from(kept(run)).unwrap();
            assert!(grows(runs, bursts), "{burst} of each {round} of {runs}");
        }
    }

    #[test]
    fn what_levels_off_is_silent_after_any_number_of_runs() {
        for runs in 16..300 {
            assert!(!grows(runs, |_| 1000), "{runs}");
            let cache = |run: u32| i64::from(run.min(runs * 3 / 5));
            assert!(!grows(runs, cache), "{runs}");
            let fuller = |run: u32| i64::from(run.min(runs * 9 / 10));
            assert!(
                runs < 64 || !grows(runs, fuller),
                "{runs} of a cache nine tenths of which fill"
            );
            let full_and_one_more = |run: u32| i64::from(run.min(runs / 4) + run / runs);
            assert!(!grows(runs, full_and_one_more), "{runs}");
            let buffer = |run: u32| i64::from(run * 7919 % 1009);
            assert!(!grows(runs, buffer), "{runs}");
        }
    }

    #[test]
    fn nothing_is_certain_and_nothing_impossible() {
        assert!((laplace(0, 0) - 0.5).abs() < 1e-9);
        assert!((laplace(8, 8) - 0.9).abs() < 1e-9);
        assert!((laplace(0, 8) - 0.1).abs() < 1e-9);
    }
}
