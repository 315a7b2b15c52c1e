//! Where heap numbers come from: the calling thread's [counters](threads), if the
//! program's allocator is a [`CountingAlloc`](crate::CountingAlloc); else whatever
//! else the program has that counts; else nowhere.

#[cfg(feature = "stats_alloc")]
use crate::count::stats_alloc;
use crate::count::thread_counters::Tally;
use crate::count::{aside, line_counters, this_thread, uncounted};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

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
        if stats_alloc::is_known() {
            return Self::Process;
        }
        if counting_alloc_is_global() {
            Self::Thread
        } else {
            Self::Nobody
        }
    }

    /// Its counters, and a new peak from here on, as [`this_thread::lap`].
    #[inline(always)]
    pub(crate) fn lap(self) -> Tally {
        match self {
            Self::Thread => this_thread::lap(),
            #[cfg(feature = "stats_alloc")]
            Self::Process => stats_alloc::now(),
            Self::Nobody => Tally::default(),
        }
    }

    /// Whether nothing has been allocated or freed since `earlier`, its last lap.
    #[inline(always)]
    pub(crate) fn is_at(self, earlier: &Tally) -> bool {
        self == Self::Thread && this_thread::are_at(earlier)
    }

    /// Ends the laps since `outer_highest_net_bytes`, as [`this_thread::resume_peak`].
    pub(crate) fn resume_peak(self, outer_highest_net_bytes: i64) {
        if self == Self::Thread {
            this_thread::resume_peak(outer_highest_net_bytes);
        }
    }
}

/// Whether it is known of each block which line made it, and so what became of a line's
/// blocks.
pub(crate) fn lines_own_blocks() -> bool {
    counting_alloc_is_global() && !line_counters::are_unknown()
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
            let _paused = this_thread::pause();
            let before = this_thread::now();
            // Seen through a black box, or the compiler may leave it out.
            drop(std::hint::black_box(Box::new(0_u8)));
            let counts = this_thread::now() != before;
            STATE.store(if counts { YES } else { NO }, Ordering::Relaxed);
            counts
        }
    }
}

/// Whether the program's allocator knows who made its blocks; also if nobody counts them.
pub(crate) fn owners_are_known() -> bool {
    // The allocator says so when the profiler frees a block, as to find out who counts.
    HeapSource::current() != HeapSource::Thread || !line_counters::are_unknown()
}

/// What it takes to know who made the blocks that are alive, if that is known.
pub(crate) fn tag_bytes(live_count: i64) -> Option<u64> {
    if HeapSource::current() != HeapSource::Thread {
        None
    } else if line_counters::are_unknown() {
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
            uncounted::during(false, || {
                crate::sys::output::say(&format!(
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
        uncounted::during(false, || {
            say_what_is_needed("`max_peak_bytes` and `max_net_bytes` are not looked at: they need");
        });
    });
}

fn say_what_is_needed(what: &str) {
    crate::sys::output::say(&format!(
        "{what} the counting allocator: `#[global_allocator] static ALLOC: memprof::CountingAlloc = \
         memprof::CountingAlloc::system();`"
    ));
}
