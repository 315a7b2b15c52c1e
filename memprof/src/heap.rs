//! Where heap numbers come from: the calling thread's [counters](threads), if the
//! program's allocator is a [`CountingAlloc`](crate::CountingAlloc); else whatever
//! else the program has that counts; else nowhere.

use crate::tally::Tally;
use crate::threads;
use crate::{aside, own_work, owner};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(feature = "stats_alloc")]
pub use process::use_stats_alloc;

/// Who counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeapSource {
    /// [`CountingAlloc`](crate::CountingAlloc): what the calling thread does.
    Thread,
    /// `stats_alloc`: what the whole process does. Knows no peaks.
    #[cfg(feature = "stats_alloc")]
    Process,
    /// Nobody: every number is zero and means nothing.
    Nobody,
}

impl HeapSource {
    /// The one this process has.
    pub(crate) fn current() -> Self {
        #[cfg(feature = "stats_alloc")]
        if process::is_known() {
            return Self::Process;
        }
        if counting_alloc_is_global() {
            Self::Thread
        } else {
            Self::Nobody
        }
    }

    /// Its counters, and a new peak from here on, as [`threads::lap`].
    #[inline(always)]
    pub(crate) fn lap(self) -> Tally {
        match self {
            Self::Thread => threads::lap(),
            #[cfg(feature = "stats_alloc")]
            Self::Process => process::now(),
            Self::Nobody => Tally::default(),
        }
    }

    /// Whether nothing has been allocated or freed since `earlier`, its last lap.
    #[inline(always)]
    pub(crate) fn is_at(self, earlier: &Tally) -> bool {
        self == Self::Thread && threads::are_at(earlier)
    }

    /// Ends the laps since `outer_highest_net_bytes`, as [`threads::resume_peak`].
    pub(crate) fn resume_peak(self, outer_highest_net_bytes: i64) {
        if self == Self::Thread {
            threads::resume_peak(outer_highest_net_bytes);
        }
    }
}

/// Keeps the process's counters still, as far as this thread reads them, while
/// the answer lives; the thread's own are [`threads::pause`]'s.
pub(crate) fn uncounted() -> impl Sized {
    #[cfg(feature = "stats_alloc")]
    return process::Uncounted::begin();
}

/// Whether it is known of each block which line made it, and so what became of a line's
/// blocks.
pub(crate) fn lines_own_blocks() -> bool {
    counting_alloc_is_global() && !owner::are_unknown()
}

/// Whether the program's global allocator is a `CountingAlloc`.
///
/// Found out by allocating a block and looking at the counters: cheaper for
/// everybody than an allocator that says at every event that it is there.
fn counting_alloc_is_global() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Relaxed: the answer is the same on every thread that finds it out.
    match STATE.load(Ordering::Relaxed) {
        YES => true,
        NO => false,
        _ => {
            let _paused = threads::pause();
            let before = threads::now();
            // Seen through a black box, or the compiler may leave it out.
            drop(std::hint::black_box(Box::new(0_u8)));
            let counts = threads::now() != before;
            STATE.store(if counts { YES } else { NO }, Ordering::Relaxed);
            counts
        }
    }
}

/// Whether the program's allocator knows who made its blocks; also if nobody counts them.
pub(crate) fn owners_are_known() -> bool {
    // The allocator says so when the profiler frees a block, as to find out who counts.
    HeapSource::current() != HeapSource::Thread || !owner::are_unknown()
}

/// What it takes to know who made the blocks that are alive, if that is known.
pub(crate) fn tag_bytes(live_count: i64) -> Option<u64> {
    if HeapSource::current() != HeapSource::Thread {
        None
    } else if owner::are_unknown() {
        Some(0)
    } else if aside::is_used() {
        aside::resident_bytes()
    } else {
        u64::try_from(live_count)
            .ok()?
            .checked_mul(size_of::<u64>() as u64)
    }
}

/// Says on the standard error, once in a process, that there was no memory for who made
/// blocks, if that is so.
pub(crate) fn say_disowned() {
    static SAID: Once = Once::new();
    let count = aside::disowned_count();
    if count > 0 {
        SAID.call_once(|| {
            own_work::during(false, || {
                crate::output::say(&format!(
                    "the system had no memory for noting which line made {count} blocks so far: they are untracked"
                ));
            });
        });
    }
}

/// Says on the standard error, once in a process, that heap numbers are missing.
pub(crate) fn say_nobody_counts() {
    static SAID: Once = Once::new();
    if cfg!(feature = "off") {
        // As was wanted.
        return;
    }
    SAID.call_once(|| say_what_is_needed("heap columns need"));
}

/// Says on the standard error, once in a process, that nothing holds functions to their
/// budgets.
pub(crate) fn say_nobody_guards() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        own_work::during(false, || {
            say_what_is_needed("`max_peak` and `max_net` are not looked at: they need");
        });
    });
}

fn say_what_is_needed(what: &str) {
    crate::output::say(&format!(
        "{what} the counting allocator: `#[global_allocator] static ALLOC: memprof::CountingAlloc = \
         memprof::CountingAlloc::system();`"
    ));
}

#[cfg(feature = "stats_alloc")]
mod process {
    use crate::tally::Tally;
    use stats_alloc::{Stats, StatsAlloc};
    use std::alloc::GlobalAlloc;
    use std::cell::Cell;
    use std::sync::OnceLock;

    trait Source: Sync {
        fn stats(&self) -> Stats;
    }

    impl<A: GlobalAlloc + Sync> Source for StatsAlloc<A> {
        fn stats(&self) -> Stats {
            StatsAlloc::stats(self)
        }
    }

    static SOURCE: OnceLock<&'static dyn Source> = OnceLock::new();

    thread_local! {
        /// What the profiler has allocated and freed on this thread.
        static OWN: Cell<Tally> = const { Cell::new(Tally::ZERO) };
    }

    /// Takes heap numbers from `stats`, the program's global allocator.
    ///
    /// For programs that have a `StatsAlloc` already and can't have a
    /// [`CountingAlloc`](crate::CountingAlloc) around it. Its numbers are those of
    /// the *whole process*: what other threads do while a line runs is in them,
    /// and there are no peaks. Call it before the first profiled function runs;
    /// the first call decides.
    ///
    /// ```
    /// use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
    /// use std::alloc::System;
    ///
    /// #[global_allocator]
    /// static ALLOC: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
    ///
    /// fn main() {
    ///     memprof::use_stats_alloc(&INSTRUMENTED_SYSTEM);
    ///     // …and on with the program.
    /// }
    /// ```
    pub fn use_stats_alloc<A: GlobalAlloc + Sync>(stats: &'static StatsAlloc<A>) {
        // Not the first call: its source stays.
        let _ = SOURCE.set(stats);
    }

    pub(super) fn is_known() -> bool {
        SOURCE.get().is_some()
    }

    /// The program's counters: the source's, without the profiler's own.
    pub(super) fn now() -> Tally {
        subtract(counters(), OWN.get())
    }

    /// Takes what is counted while it lives as the profiler's own.
    pub(super) struct Uncounted {
        before: Tally,
    }

    impl Uncounted {
        pub(super) fn begin() -> Self {
            Self { before: counters() }
        }
    }

    impl Drop for Uncounted {
        fn drop(&mut self) {
            // The program's own counters stay where they were.
            let program = subtract(self.before, OWN.get());
            OWN.set(subtract(counters(), program));
        }
    }

    fn counters() -> Tally {
        let stats = SOURCE
            .get()
            .map_or_else(Stats::default, |source| source.stats());
        let mut tally = Tally {
            allocated_bytes: stats.bytes_allocated as u64,
            freed_bytes: stats.bytes_deallocated as u64,
            allocation_count: stats.allocations as u64,
            deallocation_count: stats.deallocations as u64,
            reallocation_count: stats.reallocations as u64,
            highest_net_bytes: 0,
        };
        tally.highest_net_bytes = tally.net_bytes();
        tally
    }

    fn subtract(tally: Tally, other: Tally) -> Tally {
        let mut rest = Tally {
            allocated_bytes: tally.allocated_bytes.wrapping_sub(other.allocated_bytes),
            freed_bytes: tally.freed_bytes.wrapping_sub(other.freed_bytes),
            allocation_count: tally.allocation_count.wrapping_sub(other.allocation_count),
            deallocation_count: tally
                .deallocation_count
                .wrapping_sub(other.deallocation_count),
            reallocation_count: tally
                .reallocation_count
                .wrapping_sub(other.reallocation_count),
            highest_net_bytes: 0,
        };
        rest.highest_net_bytes = rest.net_bytes();
        rest
    }
}
