//! Lines whose memory grows with how often something is done.

use crate::check::requirements;
use crate::count::uncounted;
use crate::model::report::{Allocations, FunctionReport, LineReport, Report};
use crate::model::units::{bytes, grouped};
use crate::scope::pool;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A line whose bytes rise with each run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Growth {
    /// The path of its function; empty for what no line of a profiled function made.
    pub function: Cow<'static, str>,

    /// The file it is in.
    pub file: Cow<'static, str>,

    /// Its number there.
    pub line: u32,

    /// Its text.
    pub source: Cow<'static, str>,

    /// By how many bytes it rose with each run, from half of them to the last.
    pub bytes_per_run: f64,

    /// How likely it is to go on, from 0 to 1: of the `n` times that the number of runs
    /// doubled, it rose in `s`, which by Laplace's rule of succession is
    /// `(s + 1) / (n + 2)`.
    pub confidence: f64,

    /// Bytes of the runs' blocks that are alive after the last one.
    pub live_bytes: i64,

    /// Blocks that are.
    pub live_count: i64,
}

impl fmt::Display for Growth {
    /// Two lines, without an end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.function.is_empty() {
            writeln!(f, "no profiled function")?;
        } else {
            writeln!(f, "{}:{}: {}", self.function, self.line, self.source.trim())?;
        }
        write!(
            f,
            "    {:.1} B more each time, {} in {} blocks alive, goes on with a probability of {:.2}",
            self.bytes_per_run,
            bytes(self.live_bytes.into()),
            grouped(self.live_count.into()),
            self.confidence,
        )
    }
}

/// Runs `work` so many times, and tells which lines have more alive the more often it ran,
/// those that grow fastest first.
///
/// What is looked at is what a line never has less than again, over 64 equal parts of the
/// runs, or fewer. A line grows if that has risen twice or more, and the last time not longer
/// ago than twice the longest wait between two rises. So a cache that fills with each run and
/// is full by nine tenths of them (by two thirds, of fewer than 64) is silent, and so is, but
/// for one in forty by chance, a buffer that is now larger and now smaller; a list that doubles
/// its room from time to time is not, nor a leak in every 30th of 100 runs. The table of a
/// cache doubles its room, too: it is silent when it hasn't for long enough.
///
/// The blocks are those that `work` makes on this thread, and on others that join its
/// [`Scope`](crate::Scope); freed anywhere.
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
/// assert!(growing[0].function.ends_with("handle"));
/// assert_eq!(growing[0].live_bytes, 4 * 128); // the room for a hundred numbers in `seen`
/// # }
/// ```
///
/// # Panics
///
/// If there are fewer than 16 runs, which tell nothing; if the global allocator isn't a
/// [`CountingAlloc`](crate::CountingAlloc), or one that is only
/// [`counting`](crate::CountingAlloc::counting); and if there are more than 4,096 scopes at once.
#[track_caller]
pub fn growth(runs: u32, mut work: impl FnMut()) -> Vec<Growth> {
    /// So that the number of runs doubles four times, and a list its room twice.
    const LEAST_RUNS: u32 = 16;
    assert!(
        runs >= LEAST_RUNS,
        "what grows shows in {LEAST_RUNS} runs or more, and these are {runs}"
    );
    if cfg!(feature = "off") {
        (0..runs).for_each(|_| work());
        return Vec::new();
    }
    requirements::require_owners();
    let scope = pool::scope();
    assert!(
        scope.knows_lines(),
        "there are too many scopes at once to know of these runs which lines they were"
    );
    let mut courses = Courses::new(runs);
    for run in 1..=runs {
        scope.run(&mut work);
        uncounted::during(false, || courses.add(run, &scope.settled_report()));
    }
    let growing = uncounted::during(false, || courses.growing(&scope.settled_report())).0;
    // The caller's copy is the program's.
    let answer = growing.clone();
    uncounted::during(false, || drop((growing, courses)));
    answer
}

/// Asserts that no line has more alive the more often `work` is done, as [`growth`] tells
/// it.
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
/// If one has, with each of them; and as [`growth`].
#[track_caller]
pub fn assert_no_growth(runs: u32, work: impl FnMut()) {
    let growing = growth(runs, work);
    if growing.is_empty() {
        return;
    }
    let mut text = format!("memory grows, in {} runs:", grouped(runs.into()));
    for line in growing {
        let _ = write!(text, "\n{line}");
    }
    panic!("{text}")
}

/// A line: its function, file and number. What no line made has an empty function.
type Place = (Cow<'static, str>, Cow<'static, str>, u32);

/// What each line had alive, from run to run.
struct Courses {
    runs: u32,
    courses: BTreeMap<Place, Course>,
}

/// What a line had alive: the least of it in each of the equal parts that the runs are cut
/// into.
#[derive(Default)]
struct Course {
    floors: Vec<i64>,
    /// After half of the runs.
    at_half: i64,
}

impl Courses {
    fn new(runs: u32) -> Self {
        Self {
            runs,
            courses: BTreeMap::new(),
        }
    }

    /// How many parts there are: a power of two, for the runs to double in.
    fn part_count(&self) -> usize {
        const MOST_PARTS: u32 = 64;
        1 << self.runs.min(MOST_PARTS).ilog2()
    }

    /// The part that a run is in.
    fn part(&self, run: u32) -> usize {
        (run - 1) as usize * self.part_count() / self.runs as usize
    }

    /// The runs whose end is that of their half.
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
                // It may not have been there before, nor when this part began.
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
            growing.push(Growth {
                source: source(report, place),
                function,
                file,
                line: number,
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
    /// What the line never had less than from each part on, if it rises and goes on to.
    fn rising(&self) -> Option<Vec<i64>> {
        let mut levels = self.floors.clone();
        for part in (1..levels.len()).rev() {
            let level = levels[part].min(levels[part - 1]);
            levels[part - 1] = level;
        }
        let is_rise = |part: &usize| levels[*part] > levels[*part - 1];
        // A list that doubles its room waits twice as long each time; both are rounded.
        let is_over = |wait: usize, longest: usize| wait > 2 * (longest + 1);
        let (mut last, mut longest_wait): (Option<usize>, Option<usize>) = (None, None);
        // Bursts have long waits between them, again and again.
        let mut longest_gap = 0;
        for part in (1..levels.len()).filter(is_rise) {
            let wait = last.map(|last| part - last);
            longest_wait = match (longest_wait, wait) {
                // It had levelled off: this may be a beginning, and is none of the rises before.
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

    /// Whether a line that has now more and now less would hardly rise like that: of a
    /// number that changes, the least of what is left is always a little higher at the end.
    fn is_no_chance(&self, levels: &[i64]) -> bool {
        let never_fell = self.floors.is_sorted();
        let eighth = levels.len() / 8;
        let places = [eighth, 2 * eighth, 4 * eighth, 6 * eighth];
        never_fell || places.windows(2).all(|two| levels[two[0]] < levels[two[1]])
    }
}

/// What each line made. A generic function is there once for each of its types.
fn made_by_place(report: &Report) -> BTreeMap<Place, Allocations> {
    let mut sums = BTreeMap::new();
    sums.insert((Cow::Borrowed(""), Cow::Borrowed(""), 0), report.untracked);
    for (function, line) in report.lines() {
        let place = (function.path.clone(), function.file.clone(), line.number);
        *sums.entry(place).or_default() += line.own;
    }
    sums
}

/// The text of a line.
fn source(report: &Report, (path, file, number): &Place) -> Cow<'static, str> {
    let is_it = |(function, line): &(&FunctionReport, &LineReport)| {
        function.path == *path && function.file == *file && line.number == *number
    };
    let found = report.lines().find(is_it);
    found.map_or(Cow::Borrowed(""), |(_, line)| line.source.clone())
}

/// How likely a line is to go on, by how often it rose when the runs doubled.
fn confidence(levels: &[i64]) -> f64 {
    let doublings: Vec<i64> = (0..=levels.len().ilog2())
        .map(|power| levels[(1 << power) - 1])
        .collect();
    let rises = doublings.windows(2).filter(|two| two[1] > two[0]).count();
    laplace(rises, doublings.len() - 1)
}

/// How likely the next trial is to succeed.
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

    /// Whether a line grows that had this alive after each run.
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
