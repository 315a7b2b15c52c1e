//! Contestants that take turns, and a table of what each took.
//!
//! Machines are noisy, so contestants take turns, round by round, and each figure
//! is the median over the rounds; a ratio is the median of the ratios within a
//! round. Time is the CPU time of the measuring thread. Where two threads are to
//! run at once, a go counts only if they did: if the two got at least 1.7 times the
//! CPU time that passed on the clock.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What has to run around the goes of a contestant, until it is dropped.
pub(crate) type Session = Box<dyn Any>;

/// One row of a table.
pub(crate) struct Contestant {
    name: &'static str,
    go: fn() -> f64,
    session: fn() -> Session,
}

impl Contestant {
    /// `go` does a contestant's work once, and says how long a step of it took.
    pub(crate) fn new(name: &'static str, go: fn() -> f64) -> Self {
        Self {
            name,
            go,
            session: || Box::new(()),
        }
    }

    /// The same in a session, which no other contestant's goes are in.
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
        // `cargo test --benches` only wants to know that it runs.
        let is_bench = std::env::args().any(|arg| arg == "--bench");
        Self {
            rounds: if is_bench { 41 } else { 3 },
            second: SecondThread::start(),
        }
    }

    /// Whether it only wants to know that the benchmark runs.
    pub(crate) fn is_short(&self) -> bool {
        self.rounds < 10
    }

    /// Says what is compared, how, and on what.
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

    /// A table of work on one thread.
    pub(crate) fn compare(&self, what: &str, contestants: &[Contestant]) {
        self.table(what, contestants, &[], |go| Some(go()));
    }

    /// The same, with something `beside` each row.
    pub(crate) fn compare_beside(&self, what: &str, rows: Vec<(Contestant, String)>) {
        let (contestants, beside): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        self.table(what, &contestants, &beside, |go| Some(go()));
    }

    /// A table of work that two threads do at once.
    pub(crate) fn compare_at_once(&self, what: &str, contestants: &[Contestant]) {
        self.table(what, contestants, &[], |go| {
            // Machines have other things to do; not for ever, though.
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

/// Nanoseconds of this thread's CPU time for one of the `steps` of `work`.
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
    // SAFETY: the clock writes to a `timespec` that is borrowed for the call.
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

/// What a go took on one of two threads, and from when to when.
struct Taken {
    step: f64,
    cpu: Duration,
    from: Instant,
    to: Instant,
}

/// How many threads have come to a start.
static WAITING: AtomicUsize = AtomicUsize::new(0);

fn start_together(go: fn() -> f64) -> Taken {
    // Awake, unlike at a `Barrier`: one thread that wakes the other is as likely as
    // not to have it on its own CPU.
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

/// A thread that does the same as the main one.
///
/// The same thread every time: hotpath has room for 256 that ever allocated, and
/// those that come later share their counters.
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

    /// The mean over two threads that do the same at once; none if they did not.
    fn at_once(&self, go: fn() -> f64) -> Option<f64> {
        self.goes.send(go).expect("the second thread doesn't panic");
        let mine = start_together(go);
        let other = self.taken.recv().expect("the second thread doesn't panic");
        let cpu = mine.cpu + other.cpu;
        // From the first start to the last end, or two that went one after the other
        // would count.
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
    // What comes after the version is a builder's.
    match release.trim().split('-').next() {
        Some(version) if !version.is_empty() => format!("Linux {version}"),
        _ => std::env::consts::OS.to_owned(),
    }
}
