//! Where heap numbers come from: the calling thread's [counters](this_thread) if the program's
//! allocator is a [`CountingAlloc`](crate::CountingAlloc); else `stats_alloc`, if the program uses
//! it; else nowhere.

#[cfg(feature = "stats_alloc")]
use crate::count::stats_alloc;
use crate::count::thread_counters::Tally;
use crate::count::{aside, line_counters, this_thread, uncounted};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

/// What counts allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeapSource {
    /// [`CountingAlloc`](crate::CountingAlloc), which counts the calling thread's events.
    Thread,
    /// `stats_alloc`, which counts the whole process and knows no peaks.
    #[cfg(feature = "stats_alloc")]
    Process,
    /// Nothing: every number is zero and meaningless.
    None,
}

impl HeapSource {
    /// The source of this process.
    pub(crate) fn current() -> Self {
        #[cfg(feature = "stats_alloc")]
        if stats_alloc::is_known() {
            return Self::Process;
        }
        if counting_alloc_is_global() {
            Self::Thread
        } else {
            Self::None
        }
    }

    /// The counters at this moment, and a new peak from here on: see [`this_thread::lap`].
    #[inline(always)]
    pub(crate) fn lap(self) -> Tally {
        match self {
            Self::Thread => this_thread::lap(),
            #[cfg(feature = "stats_alloc")]
            Self::Process => stats_alloc::now(),
            Self::None => Tally::default(),
        }
    }

    /// Whether nothing has been allocated or freed since `earlier`, the last lap. False unless the
    /// source is the thread.
    #[inline(always)]
    pub(crate) fn is_at(self, earlier: &Tally) -> bool {
        self == Self::Thread && this_thread::are_at(earlier)
    }

    /// Ends the laps that began when the peak was `outer_highest_net_bytes`: see
    /// [`this_thread::resume_peak`].
    pub(crate) fn resume_peak(self, outer_highest_net_bytes: i64) {
        if self == Self::Thread {
            this_thread::resume_peak(outer_highest_net_bytes);
        }
    }
}

/// Whether blocks are tagged with their lines, so that it is known what became of a line's blocks.
pub(crate) fn lines_own_blocks() -> bool {
    counting_alloc_is_global() && !line_counters::are_unknown()
}

/// Found out by allocating a block and reading the counters, which costs less than an allocator
/// that reports itself at every event.
fn counting_alloc_is_global() -> bool {
    const UNKNOWN: u8 = 0;
    const YES: u8 = 1;
    const NO: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
    // Relaxed: every thread finds the same answer.
    match STATE.load(Ordering::Relaxed) {
        YES => true,
        NO => false,
        _ => {
            let _paused = this_thread::pause();
            let before = this_thread::now();
            // In a black box, or the compiler may remove the allocation.
            drop(std::hint::black_box(Box::new(0_u8)));
            let counts = this_thread::now() != before;
            STATE.store(if counts { YES } else { NO }, Ordering::Relaxed);
            counts
        }
    }
}

/// Whether blocks are tagged with their lines; also true if nothing counts them.
pub(crate) fn owners_are_known() -> bool {
    // The allocator reports missing tags when the profiler frees a block, as `current` has it do.
    HeapSource::current() != HeapSource::Thread || !line_counters::are_unknown()
}

/// The bytes that tags of live blocks take, if that is known.
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

/// Reports on stderr, once per process, that there was no memory for the tags of some blocks, if
/// so.
pub(crate) fn say_disowned() {
    static SAID: Once = Once::new();
    let count = aside::disowned_count();
    if count > 0 {
        SAID.call_once(|| {
            uncounted::during(false, || {
                crate::sys::output::say(&format!(
                    "the system had no memory to note which line allocated {count} blocks so far: they are untracked"
                ));
            });
        });
    }
}

/// Reports on stderr, once per process, that heap numbers are missing.
pub(crate) fn say_not_counted() {
    static SAID: Once = Once::new();
    if cfg!(feature = "off") {
        // With the feature `off`, that is intended.
        return;
    }
    SAID.call_once(|| say_what_is_needed("heap columns need"));
}

/// Reports on stderr, once per process, that budgets of functions aren't checked.
pub(crate) fn say_budgets_not_checked() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        uncounted::during(false, || {
            say_what_is_needed("`max_peak_bytes` and `max_net_bytes` are not checked: they need");
        });
    });
}

fn say_what_is_needed(what: &str) {
    crate::sys::output::say(&format!(
        "{what} the counting allocator: `#[global_allocator] static ALLOC: memprof::CountingAlloc = \
         memprof::CountingAlloc::system();`"
    ));
}
