//! Lines whose memory grows with how often something is done.

use crate::budget;
use crate::leaks::lines;
use crate::own_work;
use crate::recorded::Report;
use crate::report::units::{bytes, grouped};
use crate::scope::Scope;
use crate::spare;
use std::borrow::Cow;
use std::cmp::Reverse;
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

    /// By how many bytes it rose with each run, over the last half of them.
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
/// What is looked at is the least that a line has alive, from the 1st run to the 2nd, the
/// 3rd to the 4th, the 5th to the 8th and so on, for 8 runs. A line grows if that has risen
/// in the last two of these steps. So a cache that is full by a quarter of the runs is
/// silent, and so is a buffer that is now larger and now smaller; a list that doubles its
/// room from time to time is not.
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
/// let growing = memprof::growth(100, || {
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
/// [`CountingAlloc`](crate::CountingAlloc); and if there are more than 4,096 scopes at once.
#[track_caller]
pub fn growth(runs: u32, mut work: impl FnMut()) -> Vec<Growth> {
    /// So that a line can rise four times, and twice in the second half of these.
    const LEAST_RUNS: u32 = 16;
    assert!(
        runs >= LEAST_RUNS,
        "what grows shows in {LEAST_RUNS} runs or more, and these are {runs}"
    );
    if cfg!(feature = "off") {
        (0..runs).for_each(|_| work());
        return Vec::new();
    }
    budget::require_counting();
    let scope = spare::scope();
    assert!(
        scope.knows_lines(),
        "there are too many scopes at once to know of these runs which lines they were"
    );
    let mut floors = Floors::default();
    for run in 1..=runs {
        scope.run(&mut work);
        own_work::during(false, || floors.add(run, runs, &scope));
    }
    let growing = own_work::during(false, || floors.growing(&scope.settled_report(), runs)).0;
    // The caller's copy is the program's.
    let answer = growing.clone();
    own_work::during(false, || drop((growing, floors)));
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

/// The least that each line had alive in each step; first what no line made, then the lines
/// as they are in a report, where there are only ever more.
#[derive(Default)]
struct Floors {
    steps: Vec<Vec<i64>>,
    /// The run that the last step ends with.
    end: u32,
}

impl Floors {
    fn add(&mut self, run: u32, runs: u32, scope: &Scope) {
        let alive = alive(&scope.settled_report());
        if run > self.end {
            self.end = end_of_step(run, runs);
            self.steps.push(alive);
        } else if let Some(floors) = self.steps.last_mut() {
            for (place, alive) in alive.into_iter().enumerate() {
                match floors.get_mut(place) {
                    Some(floor) => *floor = alive.min(*floor),
                    // It wasn't there at the beginning of the step.
                    None => floors.push(alive.min(0)),
                }
            }
        }
    }

    fn growing(&self, report: &Report, runs: u32) -> Vec<Growth> {
        let untracked = Growth {
            function: Cow::Borrowed(""),
            file: Cow::Borrowed(""),
            line: 0,
            source: Cow::Borrowed(""),
            bytes_per_run: 0.0,
            confidence: 0.0,
            live_bytes: report.untracked.live_bytes(),
            live_count: report.untracked.live_count(),
        };
        let lines = lines(report).map(|(function, line)| Growth {
            function: function.path.clone(),
            file: function.file.clone(),
            line: line.number,
            source: line.source.clone(),
            bytes_per_run: 0.0,
            confidence: 0.0,
            live_bytes: line.made.live_bytes(),
            live_count: line.made.live_count(),
        });
        let mut growing: Vec<Growth> = Vec::new();
        for (place, mut line) in [untracked].into_iter().chain(lines).enumerate() {
            let floor = |step: &Vec<i64>| step.get(place).copied().unwrap_or(0);
            let floors: Vec<i64> = self.steps.iter().map(floor).collect();
            let rises: Vec<i64> = floors.windows(2).map(|two| two[1] - two[0]).collect();
            let (Some(last), true) = (
                rises.last(),
                rises.iter().rev().take(2).all(|rise| *rise > 0),
            ) else {
                continue;
            };
            // From the beginning of the step before the last, to that of the last.
            let between = runs / 2 - runs / 4;
            let successes = rises.iter().filter(|rise| **rise > 0).count();
            line.bytes_per_run = ratio(*last, between.into());
            line.confidence = laplace(successes, rises.len());
            growing.push(line);
        }
        growing.sort_by_key(|line| Reverse(line.bytes_per_run.to_bits()));
        growing
    }
}

/// The last run of the step that `run` is in: a half, a quarter or so on of all.
fn end_of_step(run: u32, runs: u32) -> u32 {
    let mut end = runs;
    while end / 2 >= run {
        end /= 2;
    }
    end
}

fn alive(report: &Report) -> Vec<i64> {
    let lines = lines(report).map(|(_, line)| line.made.live_bytes());
    [report.untracked.live_bytes()]
        .into_iter()
        .chain(lines)
        .collect()
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
    use super::{end_of_step, laplace};

    #[test]
    fn steps_end_at_all_half_a_quarter_and_so_on() {
        let mut ends: Vec<u32> = (1..=100).map(|run| end_of_step(run, 100)).collect();
        ends.dedup();

        assert_eq!(ends, [1, 3, 6, 12, 25, 50, 100]);
    }

    #[test]
    fn nothing_is_certain_and_nothing_impossible() {
        assert!((laplace(0, 0) - 0.5).abs() < 1e-9);
        assert!((laplace(8, 8) - 0.9).abs() < 1e-9);
        assert!((laplace(0, 8) - 0.1).abs() < 1e-9);
    }
}
