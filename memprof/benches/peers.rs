//! What has to run around the rounds of some peers.
//!
//! dhat and hotpath count only while a profiler of theirs is running, which is
//! felt in the whole process.

use crate::harness::Session;
use hotpath::{Format, HotpathGuard, HotpathGuardBuilder};
use std::alloc::{GlobalAlloc, Layout};
use std::time::{Duration, Instant};

/// Starts hotpath's profiler, without the report it prints in the end.
///
/// Once for all rounds, since the threads of a second one never rest. To be called
/// before any other thread is started.
pub(crate) fn start_hotpath() -> HotpathGuard {
    // It serves its numbers over HTTP, and looks at the process's threads every
    // 250 ms: not here, and once an hour.
    //
    // SAFETY: there is no other thread that could read the environment.
    unsafe {
        std::env::set_var("HOTPATH_METRICS_SERVER_OFF", "1");
        std::env::set_var("HOTPATH_THREADS_INTERVAL_MS", "3600000");
    }
    HotpathGuardBuilder::new("main")
        .format(Format::None)
        .build()
}

/// Until hotpath has worked off what calls of measured functions left to it: it
/// does so every 50 ms, on a thread of its own that others would feel.
pub(crate) fn hotpath_calls() -> Session {
    struct Rest;

    impl Drop for Rest {
        fn drop(&mut self) {
            // Awake, as others come to their turns.
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(70) {
                std::hint::spin_loop();
            }
        }
    }

    Box::new(Rest)
}

/// dhat's heap profile, without the file it writes in the end.
pub(crate) fn dhat() -> Session {
    let profiler = dhat::Profiler::builder().testing().build();
    // The first block has the profiler find out which frames to leave out of its
    // backtraces.
    let layout = Layout::new::<u64>();
    // SAFETY: the layout isn't of size zero, and the block is freed as it was made.
    unsafe { dhat::Alloc.dealloc(dhat::Alloc.alloc(layout), layout) };
    Box::new(profiler)
}
