//! What counting costs, beside what it is added to, in one run.
//!
//! `cargo bench -p memprof` prints nanoseconds and ratios. Machines are noisy, so
//! contestants take turns, round by round, and each figure is the median over
//! the rounds; a ratio is the median of the ratios within a round. Time is the
//! CPU time of the measuring thread. Where two threads are to run at once, a round
//! counts only if they did: if the two got at least 1.7 times the CPU that passed
//! on the clock.
//!
//! None of the contestants is this program's allocator: each is called directly,
//! through a call that isn't inlined, as a program calls its global allocator.

use memprof::__private::{self as private, Column, Options, Print, Site};
use memprof::CountingAlloc;
use stats_alloc::StatsAlloc;
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

static SYSTEM: System = System;
static COUNTING: CountingAlloc = CountingAlloc::system();
static STATS: StatsAlloc<System> = StatsAlloc::system();

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        41
    } else {
        3
    };
    println!(
        "Medians of {rounds} rounds, CPU time of the thread; {} CPUs.\n",
        cpus()
    );

    let names = ["System", "CountingAlloc", "stats_alloc"];
    let churn: [&(dyn Fn() -> f64 + Sync); 3] =
        [&|| churn(&SYSTEM), &|| churn(&COUNTING), &|| churn(&STATS)];
    let ring: [&(dyn Fn() -> f64 + Sync); 3] =
        [&|| ring(&SYSTEM), &|| ring(&COUNTING), &|| ring(&STATS)];
    let growth: [&(dyn Fn() -> f64 + Sync); 3] =
        [&|| growth(&SYSTEM), &|| growth(&COUNTING), &|| {
            growth(&STATS)
        }];
    print(
        "alloc and free, 16 to 512 B, ns a pair",
        &names,
        &take_turns(rounds, churn, |run| Some(run())),
    );
    print(
        "the same, on each of two threads at once",
        &names,
        &take_turns(rounds, churn, at_once),
    );
    print(
        "the same, 1,024 blocks alive",
        &names,
        &take_turns(rounds, ring, |run| Some(run())),
    );
    print(
        "realloc, 16 B doubled to 64 KiB, ns a step",
        &names,
        &take_turns(rounds, growth, |run| Some(run())),
    );
    print(
        "a probe without resident memory, ns",
        &["none", "probe", "probe, never shown", "probe, MEMPROF=off"],
        &take_turns(
            rounds,
            [&nothing, &probes, &probes_never_shown, &probes_outside],
            |run| Some(run()),
        ),
    );
    #[cfg(target_os = "linux")]
    print(
        "a reading of resident memory, ns",
        &["pread of statm", "resident_bytes", "memory_stats"],
        &take_turns(rounds, [&pread, &resident_bytes, &memory_stats], |run| {
            Some(run())
        }),
    );
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The nanoseconds that each contestant took, round by round.
fn take_turns<const N: usize>(
    rounds: usize,
    contestants: [&(dyn Fn() -> f64 + Sync); N],
    time: impl Fn(&(dyn Fn() -> f64 + Sync)) -> Option<f64>,
) -> Vec<[f64; N]> {
    let mut taken = Vec::new();
    // Rounds that don't count are tried again, not for ever.
    for _ in 0..rounds * 20 {
        let round = contestants.map(&time);
        if round.iter().all(Option::is_some) {
            taken.push(round.map(Option::unwrap_or_default));
        }
        if taken.len() == rounds {
            break;
        }
    }
    taken
}

fn print<const N: usize>(what: &str, names: &[&str; N], rounds: &[[f64; N]]) {
    println!("{what}");
    if rounds.is_empty() {
        println!("    no round counted: two threads never ran at once here\n");
        return;
    }
    for (index, name) in names.iter().enumerate() {
        let nanoseconds = median(rounds.iter().map(|round| round[index]));
        let ratio = median(rounds.iter().map(|round| round[index] / round[0]));
        println!("    {name:<20} {nanoseconds:>9.2}   {ratio:>6.2} x");
    }
    if rounds.len() < 41 {
        println!("    ({} rounds counted)", rounds.len());
    }
    println!();
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Nanoseconds of this thread's CPU time for one of `count` steps of `work`.
fn time(count: u32, work: impl FnOnce()) -> f64 {
    let start = thread_time();
    work();
    thread_time().saturating_sub(start).as_secs_f64() * 1e9 / f64::from(count)
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

/// The mean over two threads that do the same at once; none if they did not.
fn at_once(run: &(dyn Fn() -> f64 + Sync)) -> Option<f64> {
    let start = Barrier::new(2);
    let one = || {
        start.wait();
        let clock = Instant::now();
        let cpu = thread_time();
        let nanoseconds = run();
        (
            nanoseconds,
            thread_time().saturating_sub(cpu),
            clock.elapsed(),
        )
    };
    let ((a, a_cpu, a_clock), (b, b_cpu, b_clock)) = thread::scope(|scope| {
        let other = scope.spawn(one);
        let mine = one();
        (mine, other.join().expect("the work doesn't panic"))
    });
    let cpu = (a_cpu + b_cpu).as_secs_f64();
    let clock = a_clock.max(b_clock).as_secs_f64();
    (cpu / clock >= 1.7).then_some(f64::midpoint(a, b))
}

#[inline(never)]
fn allocate(allocator: &impl GlobalAlloc, layout: Layout) -> *mut u8 {
    // SAFETY: no layout here is of size zero.
    unsafe { allocator.alloc(layout) }
}

#[inline(never)]
fn free(allocator: &impl GlobalAlloc, block: *mut u8, layout: Layout) {
    // SAFETY: the callers free each block once, with its allocator and layout.
    unsafe { allocator.dealloc(block, layout) }
}

/// Sizes between 16 and 512, without a pattern that a predictor could learn.
fn layouts() -> impl Iterator<Item = Layout> {
    let mut state = 0x2545_F491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        Layout::from_size_align(16 + (state % 497) as usize, 8).expect("small sizes are valid")
    })
}

fn churn(allocator: &impl GlobalAlloc) -> f64 {
    const PAIRS: u32 = 100_000;
    time(PAIRS, || {
        for layout in layouts().take(PAIRS as usize) {
            let block = black_box(allocate(allocator, layout));
            free(allocator, block, layout);
        }
    })
}

fn ring(allocator: &impl GlobalAlloc) -> f64 {
    const PAIRS: u32 = 100_000;
    let mut alive: Vec<(*mut u8, Layout)> = Vec::new();
    alive.extend(
        layouts()
            .take(1024)
            .map(|layout| (allocate(allocator, layout), layout)),
    );
    let nanoseconds = time(PAIRS, || {
        for (index, layout) in layouts().take(PAIRS as usize).enumerate() {
            let next = (black_box(allocate(allocator, layout)), layout);
            let (block, layout) = std::mem::replace(&mut alive[index % 1024], next);
            free(allocator, block, layout);
        }
    });
    for (block, layout) in alive {
        free(allocator, block, layout);
    }
    nanoseconds
}

fn growth(allocator: &impl GlobalAlloc) -> f64 {
    const TIMES: u32 = 500;
    const STEPS: u32 = 12;
    let of = |size| Layout::from_size_align(size, 8).expect("small sizes are valid");
    time(TIMES * STEPS, || {
        for _ in 0..TIMES {
            let mut layout = of(16);
            let mut block = allocate(allocator, layout);
            for _ in 0..STEPS {
                let larger = 2 * layout.size();
                // SAFETY: the block is this allocator's, of this layout.
                block = black_box(unsafe { allocator.realloc(block, layout, larger) });
                layout = of(larger);
            }
            free(allocator, block, layout);
        }
    })
}

const PROBES: u32 = 100_000;

/// What the loops around the probes cost.
fn nothing() -> f64 {
    time(PROBES, || {
        for line in 0..PROBES {
            black_box(line % 4);
        }
    })
}

fn probe_each() -> f64 {
    time(PROBES, || {
        for line in 0..PROBES {
            private::at(black_box(line % 4));
        }
    })
}

const fn site(print: Print) -> Site {
    let options = Options::new().columns(&[Column::Hits, Column::Allocated]);
    let lines = &[1, 2, 3, 4];
    Site::new(
        private::path_of(&|| ()),
        "",
        1,
        "",
        lines,
        options.print(print),
    )
}

/// What probes cost in a call of the function described by `site`.
///
/// The call is on a thread that ends in the middle of it: no table is printed.
fn probes_in(site: &'static Site) -> f64 {
    let call = move || {
        std::mem::forget(private::enter(site));
        probe_each()
    };
    thread::spawn(call).join().expect("probes don't panic")
}

fn probes() -> f64 {
    static SITE: Site = site(Print::Call);
    probes_in(&SITE)
}

fn probes_never_shown() -> f64 {
    static SITE: Site = site(Print::Never);
    probes_in(&SITE)
}

/// As they are where profiling is off: there is no call to be in.
fn probes_outside() -> f64 {
    probe_each()
}

#[cfg(target_os = "linux")]
fn pread() -> f64 {
    use std::os::unix::fs::FileExt;
    let statm = std::fs::File::open("/proc/self/statm").expect("/proc is mounted");
    let mut buffer = [0; 128];
    time(1000, || {
        for _ in 0..1000 {
            black_box(statm.read_at(&mut buffer, 0)).expect("statm can be read");
        }
    })
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> f64 {
    time(1000, || {
        for _ in 0..1000 {
            black_box(memprof::resident_bytes());
        }
    })
}

#[cfg(target_os = "linux")]
fn memory_stats() -> f64 {
    time(20, || {
        for _ in 0..20 {
            black_box(memory_stats::memory_stats());
        }
    })
}
