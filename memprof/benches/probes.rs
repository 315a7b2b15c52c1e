//! The cost in a profiled function: of a probe before each line, of reading resident memory, and of
//! a call.

use crate::harness::{Contestant, Harness, Session, time};
use crate::peers;
use memprof::__private::{self as private, Column, Options, Print, Site};
use memprof::memprofile;
use std::cell::Cell;
use std::hint::black_box;
use std::thread;

pub(crate) fn compare(harness: &Harness) {
    harness.compare(
        "a probe, ns",
        &[
            Contestant::new("set a thread-local", probe::thread_local),
            Contestant::new("probe, MEMPROF=off", probe::off),
            Contestant::new("probe, hits counted", probe::never_shown),
            Contestant::new("probe, heap columns", probe::heap_columns),
        ],
    );
    harness.compare(
        "a loop of simple statements, ns a line",
        &[
            Contestant::new("not profiled", line::not_profiled),
            Contestant::new("print = \"never\"", line::never_shown),
            Contestant::new("heap columns", line::heap_columns).during(muted),
            Contestant::new("heap columns and time", line::heap_and_time).during(muted),
            Contestant::new("default columns", line::default_columns).during(muted),
            Contestant::new("default, rss = \"exact\"", line::exact).during(muted),
        ],
    );
    harness.compare_at_once(
        "the loop on each of two threads at once, in one function, ns a line",
        &[
            Contestant::new("not profiled", line::not_profiled),
            Contestant::new("print = \"never\"", line::never_shown),
        ],
    );
    harness.compare(
        "a function that makes one Vec, ns a call",
        &[
            Contestant::new("not profiled", call::not_profiled),
            Contestant::new("print = \"never\"", call::never_shown),
            Contestant::new("hotpath::measure", call::hotpath).during(peers::hotpath_calls),
        ],
    );
    harness.compare(
        "an empty piece of code, ns",
        &[
            Contestant::new("memprof::measure", empty::measure),
            Contestant::new("stats_alloc::Region", empty::region),
            Contestant::new("assert_no_alloc!", empty::assert_no_alloc),
            Contestant::new("assert_alloc!, 3 limits", empty::assert_alloc),
            Contestant::new("Scope::run", empty::scope),
            Contestant::new("assert_no_alloc! in it", empty::assert_no_alloc_in_scope),
        ],
    );
    harness.compare(
        "a piece of code that makes a block, ns",
        &[
            Contestant::new("on its own", one_block::alone),
            Contestant::new("memprof::measure", one_block::measure),
            Contestant::new("assert_alloc!", one_block::assert_alloc),
            Contestant::new("assert_no_leak!", one_block::assert_no_leak),
            Contestant::new("Scope::run", one_block::scope),
        ],
    );
    #[cfg(target_os = "linux")]
    harness.compare(
        "a reading of resident memory, ns",
        &[
            Contestant::new("pread of statm", resident::pread),
            Contestant::new("memprof", resident::memprof),
            Contestant::new("memory_stats", resident::memory_stats),
        ],
    );
}

/// Probes alone, as the attribute generates them before each line.
mod probe {
    use super::{Cell, Column, Options, Print, Site, black_box, private, thread, time};

    const PROBES: u32 = 1_000_000;

    fn each(probe: impl Fn(u32)) -> f64 {
        time(PROBES, || {
            for line in 0..PROBES {
                probe(black_box(line % 4));
            }
        })
    }

    thread_local! {
        static LINE: Cell<u32> = const { Cell::new(0) };
    }

    // Not inlined, like a probe.
    #[inline(never)]
    fn set(line: u32) {
        LINE.set(line);
    }

    /// A lower bound for a probe.
    pub(super) fn thread_local() -> f64 {
        each(set)
    }

    /// Probes with profiling off: there is no current call.
    pub(super) fn off() -> f64 {
        each(|line| private::task_at(line))
    }

    const fn site(print: Print) -> Site {
        let options = Options::new().columns(&[Column::Hits, Column::Allocated]);
        let lines = &[1, 2, 3, 4];
        Site::new(|| "probes", "", 1, "", lines).with(options.print(print))
    }

    /// Probes within a call of the function described by `site`.
    ///
    /// The call never returns, since its thread ends first, so no table is printed.
    fn within(site: &'static Site) -> f64 {
        let call = move || {
            let frame = std::mem::ManuallyDrop::new(private::enter(site));
            each(|line| frame.at(line))
        };
        thread::spawn(call).join().expect("probes don't panic")
    }

    pub(super) fn never_shown() -> f64 {
        static SITE: Site = site(Print::Never);
        within(&SITE)
    }

    pub(super) fn heap_columns() -> f64 {
        static SITE: Site = site(Print::Call);
        within(&SITE)
    }
}

/// A loop in a function with the attribute.
mod line {
    use super::{black_box, memprofile, time};

    /// Iterations of the loop. Each executes five lines: the loop header, three statements, and the
    /// closing brace, where locals are dropped.
    const NUMBERS: u32 = 20_000;

    fn each(function: fn(u32) -> u32) -> f64 {
        time(5 * NUMBERS, || {
            black_box(function(NUMBERS));
        })
    }

    /// Defines the same function with each attribute. The body is an argument of the macro: a body
    /// written inside the macro would have all its statements on one line.
    macro_rules! under_each {
        ($($name:ident: $(#[$attribute:meta])?,)* |$numbers:ident| $body:tt) => {
            $(pub(super) fn $name() -> f64 {
                $(#[$attribute])?
                fn function($numbers: u32) -> u32 $body
                each(function)
            })*
        };
    }

    under_each! {
        not_profiled: ,
        never_shown: #[memprofile(print = "never")],
        heap_columns: #[memprofile(columns = "hits, allocated")],
        heap_and_time: #[memprofile(columns = "hits, allocated, time")],
        default_columns: #[memprofile],
        exact: #[memprofile(rss = "exact")],
        |numbers| {
            let mut sum = 0_u32;
            for number in 0..numbers {
                let doubled = black_box(2 * number);
                let odd = black_box(doubled + 1);
                sum = black_box(sum.wrapping_add(odd));
            }
            sum
        }
    }
}

/// A whole call of a small function.
mod call {
    use super::{black_box, memprofile, time};

    const CALLS: u32 = 20_000;

    fn each(function: fn(usize)) -> f64 {
        time(CALLS, || {
            for _ in 0..CALLS {
                function(black_box(64));
            }
        })
    }

    pub(super) fn not_profiled() -> f64 {
        #[inline(never)]
        fn function(size: usize) {
            black_box(Vec::<u8>::with_capacity(size));
        }
        each(function)
    }

    pub(super) fn never_shown() -> f64 {
        #[memprofile(print = "never")]
        #[inline(never)]
        fn function(size: usize) {
            black_box(Vec::<u8>::with_capacity(size));
        }
        each(function)
    }

    pub(super) fn hotpath() -> f64 {
        #[hotpath::measure]
        #[inline(never)]
        fn function(size: usize) {
            black_box(Vec::<u8>::with_capacity(size));
        }
        each(function)
    }
}

/// The cost of measuring code that does nothing.
mod empty {
    use super::{black_box, time};
    use memprof::{Scope, assert_alloc, assert_no_alloc};

    const TIMES: u32 = 20_000;

    fn each(mut watch: impl FnMut()) -> f64 {
        time(TIMES, || (0..TIMES).for_each(|_| watch()))
    }

    pub(super) fn measure() -> f64 {
        each(|| {
            black_box(memprof::measure(|| black_box(1)));
        })
    }

    pub(super) fn region() -> f64 {
        each(|| {
            let region = stats_alloc::Region::new(&stats_alloc::INSTRUMENTED_SYSTEM);
            black_box(1);
            black_box(region.change());
        })
    }

    pub(super) fn assert_no_alloc() -> f64 {
        each(|| {
            assert_no_alloc!(black_box(1));
        })
    }

    pub(super) fn assert_alloc() -> f64 {
        each(|| {
            assert_alloc!(
                net_bytes == 0,
                peak_bytes <= 1 << 20,
                allocation_count <= 3,
                { black_box(1) }
            );
        })
    }

    pub(super) fn assert_no_alloc_in_scope() -> f64 {
        Scope::new("around").run(assert_no_alloc)
    }

    pub(super) fn scope() -> f64 {
        let scope = Scope::new("empty");
        each(|| {
            scope.run(|| black_box(1));
        })
    }
}

/// The cost of measuring code that allocates a block: the scope of an assertion then holds
/// counters, and the next assertion needs another scope.
mod one_block {
    use super::{black_box, time};
    use memprof::{Scope, assert_alloc, assert_no_leak};

    const PIECES: u32 = 10_000;

    fn each(piece: impl Fn()) -> f64 {
        time(PIECES, || (0..PIECES).for_each(|_| piece()))
    }

    fn make() {
        black_box(Box::new(1_u64));
    }

    pub(super) fn alone() -> f64 {
        each(make)
    }

    pub(super) fn measure() -> f64 {
        each(|| {
            black_box(memprof::measure(make));
        })
    }

    pub(super) fn assert_alloc() -> f64 {
        each(|| assert_alloc!(net_bytes == 0, { make() }))
    }

    pub(super) fn assert_no_leak() -> f64 {
        each(|| assert_no_leak!(make()))
    }

    pub(super) fn scope() -> f64 {
        let scope = Scope::new("one");
        each(|| scope.run(make))
    }
}

/// Redirects stdout to `/dev/null` until the session ends: printing a table for each call is part
/// of the measured work, displaying it isn't.
#[cfg(unix)]
fn muted() -> Session {
    use std::fs::File;
    use std::io::{Write, stdout};
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};

    struct Muted(OwnedFd);

    impl Drop for Muted {
        fn drop(&mut self) {
            lead_stdout_to(&self.0);
        }
    }

    fn lead_stdout_to(file: &impl AsRawFd) {
        stdout().flush().expect("standard output can be written to");
        // SAFETY: both descriptors are open, and no Rust object owns the descriptor of stdout.
        let number = unsafe { libc::dup2(file.as_raw_fd(), libc::STDOUT_FILENO) };
        assert_eq!(number, libc::STDOUT_FILENO, "an open file has no other");
    }

    let before = stdout().as_fd().try_clone_to_owned();
    let before = before.expect("standard output is open");
    let nowhere = File::create("/dev/null").expect("Unix has it");
    lead_stdout_to(&nowhere);
    Box::new(Muted(before))
}

#[cfg(not(unix))]
fn muted() -> Session {
    Box::new(())
}

#[cfg(target_os = "linux")]
mod resident {
    use super::{black_box, time};
    use std::os::unix::fs::FileExt;

    /// The system call alone, as a lower bound.
    pub(super) fn pread() -> f64 {
        let statm = std::fs::File::open("/proc/self/statm").expect("/proc is mounted");
        let mut buffer = [0; 128];
        time(1000, || {
            for _ in 0..1000 {
                black_box(statm.read_at(&mut buffer, 0)).expect("statm can be read");
            }
        })
    }

    pub(super) fn memprof() -> f64 {
        time(1000, || {
            for _ in 0..1000 {
                black_box(memprof::resident_bytes());
            }
        })
    }

    pub(super) fn memory_stats() -> f64 {
        time(20, || {
            for _ in 0..20 {
                black_box(memory_stats::memory_stats());
            }
        })
    }
}
