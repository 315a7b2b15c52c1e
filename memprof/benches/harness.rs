//! Runs contestants in turns, and prints a table of their times.
//!
//! Machines are noisy, so in each round every contestant runs once. A figure is the median over
//! the rounds, and a ratio is the median of the ratios within a round. Time is the CPU time of the
//! measuring thread. For work on two threads at once, a run counts only if the threads really ran
//! in parallel: if together they got at least 1.7 times as much CPU time as wall-clock time passed.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A guard that is held while a contestant runs, such as a running profiler.
pub(crate) type Session = Box<dyn Any>;

/// One row of a table: a name, and the work to time.
pub(crate) struct Contestant {
    name: &'static str,
    go: fn() -> f64,
    session: fn() -> Session,
}

impl Contestant {
    /// `go` does the work once, and returns the time per step.
    pub(crate) fn new(name: &'static str, go: fn() -> f64) -> Self {
        Self {
            name,
            go,
            session: || Box::new(()),
        }
    }

    /// Runs the contestant within a session, which doesn't cover the other contestants.
    pub(crate) fn during(self, session: fn() -> Session) -> Self {
        Self { session, ..self }
    }
}

pub(crate) struct Harness {
    rounds: usize,
    second: SecondThread,
}

impl Harness {
    pub(crate) fn from_args() -> Self {
        // `cargo test --benches` only checks that the benchmark runs.
        let is_bench = std::env::args().any(|arg| arg == "--bench");
        Self {
            rounds: if is_bench { 41 } else { 3 },
            second: SecondThread::start(),
        }
    }

    /// Whether this run only checks that the benchmark works.
    pub(crate) fn is_short(&self) -> bool {
        self.rounds < 10
    }

    /// Prints what is compared, how, and on which machine.
    pub(crate) fn heading(&self, what: &str) {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        println!("{what}");
        println!("Medians of {} rounds, CPU time of the thread.", self.rounds);
        println!(
            "{}, {cpus} CPUs; {}; {}\n",
            cpu_model(),
            kernel(),
            env!("RUSTC_VERSION")
        );
    }

    /// Prints a table of work on one thread.
    pub(crate) fn compare(&self, what: &str, contestants: &[Contestant]) {
        self.table(what, contestants, &[], |go| Some(go()));
    }

    /// Like [`compare`](Self::compare), with a text at the end of each row.
    pub(crate) fn compare_beside(&self, what: &str, rows: Vec<(Contestant, String)>) {
        let (contestants, beside): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        self.table(what, &contestants, &beside, |go| Some(go()));
    }

    /// Prints a table of work that two threads do at once.
    pub(crate) fn compare_at_once(&self, what: &str, contestants: &[Contestant]) {
        self.table(what, contestants, &[], |go| {
            // Other processes may keep the threads from running in parallel. Give up eventually.
            (0..200).find_map(|_| self.second.at_once(go))
        });
    }

    fn table(
        &self,
        what: &str,
        contestants: &[Contestant],
        beside: &[String],
        time: impl Fn(fn() -> f64) -> Option<f64>,
    ) {
        let round = || {
            let take_turn = |contestant: &Contestant| {
                let _session = (contestant.session)();
                time(contestant.go)
            };
            contestants.iter().map(take_turn).collect()
        };
        let rounds: Vec<Vec<f64>> = (0..self.rounds).filter_map(|_| round()).collect();

        println!("{what}");
        if rounds.is_empty() {
            println!("    no round counted: two threads never ran at once here\n");
            return;
        }
        for (row, contestant) in contestants.iter().enumerate() {
            let figure = median(rounds.iter().map(|round| round[row]));
            let ratio = median(rounds.iter().map(|round| round[row] / round[0]));
            let beside = beside.get(row).map_or("", String::as_str);
            println!(
                "    {:<20} {figure:>11.2} {ratio:>9.2} x{beside}",
                contestant.name
            );
        }
        if rounds.len() < self.rounds {
            println!("    ({} rounds counted)", rounds.len());
        }
        println!();
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Runs `work`, and returns this thread's CPU time per step, in nanoseconds.
pub(crate) fn time(steps: u32, work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    thread_time().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(steps)
}

#[cfg(unix)]
fn thread_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid `timespec` to write to for the duration of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

#[cfg(not(unix))]
fn thread_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// The measurements of one run on one of two threads.
struct Taken {
    step: f64,
    cpu: Duration,
    from: Instant,
    to: Instant,
}

/// How many times a thread has arrived at a start.
static WAITING: AtomicUsize = AtomicUsize::new(0);

fn start_together(go: fn() -> f64) -> Taken {
    // The threads spin instead of sleeping at a `Barrier`: a thread that wakes another one often
    // gets it scheduled on its own CPU.
    let start = WAITING.fetch_add(1, Ordering::AcqRel) / 2 * 2 + 2;
    while WAITING.load(Ordering::Acquire) < start {
        std::hint::spin_loop();
    }
    let from = Instant::now();
    let cpu = thread_time();
    Taken {
        step: go(),
        cpu: thread_time().saturating_sub(cpu),
        from,
        to: Instant::now(),
    }
}

/// A thread that runs the same work as the main thread.
///
/// One thread serves all runs: hotpath has counters for the first 256 threads that allocate, and
/// later threads share theirs.
struct SecondThread {
    goes: SyncSender<fn() -> f64>,
    taken: Receiver<Taken>,
}

impl SecondThread {
    fn start() -> Self {
        let (goes, to_do) = sync_channel(1);
        let (done, taken) = sync_channel(1);
        thread::spawn(move || {
            for go in to_do {
                if done.send(start_together(go)).is_err() {
                    break;
                }
            }
        });
        Self { goes, taken }
    }

    /// Runs `go` on both threads at once, and returns their mean. `None` if they didn't run in
    /// parallel.
    fn at_once(&self, go: fn() -> f64) -> Option<f64> {
        self.goes.send(go).expect("the second thread doesn't panic");
        let mine = start_together(go);
        let other = self.taken.recv().expect("the second thread doesn't panic");
        let cpu = mine.cpu + other.cpu;
        // From the first start to the last end, so that runs one after the other don't count.
        let clock = mine.to.max(other.to) - mine.from.min(other.from);
        if cpu.as_secs_f64() / clock.as_secs_f64() < 1.7 {
            thread::yield_now();
            return None;
        }
        Some(f64::midpoint(mine.step, other.step))
    }
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model
        .map_or(std::env::consts::ARCH, |(_, model)| model)
        .to_owned()
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The suffix after the version is the distribution's.
    match release.trim().split('-').next() {
        Some(version) if !version.is_empty() => format!("Linux {version}"),
        _ => std::env::consts::OS.to_owned(),
    }
}
