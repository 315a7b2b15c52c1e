//! Sessions of other profilers.
//!
//! dhat and hotpath count only while their profiler runs, which slows down the whole process.

use crate::harness::Session;
use hotpath::{Format, HotpathGuard, HotpathGuardBuilder};
use std::alloc::{GlobalAlloc, Layout};
use std::time::{Duration, Instant};

/// Starts hotpath's profiler, without the report that it prints at the end.
///
/// It must be called before any other thread is started, and only once for all rounds: the threads
/// of a second profiler never go idle.
pub(crate) fn start_hotpath() -> HotpathGuard {
    // Turn off its HTTP server, and let it inspect the process's threads once an hour instead of
    // every 250 ms.
    //
    // SAFETY: there is no other thread yet that could access the environment.
    unsafe {
        std::env::set_var("HOTPATH_METRICS_SERVER_OFF", "1");
        std::env::set_var("HOTPATH_THREADS_INTERVAL_MS", "3600000");
    }
    HotpathGuardBuilder::new("main")
        .format(Format::None)
        .build()
}

/// A session that ends when hotpath has processed the recorded calls. It does so every 50 ms on a
/// background thread, which would otherwise disturb the next contestant.
pub(crate) fn hotpath_calls() -> Session {
    struct Rest;

    impl Drop for Rest {
        fn drop(&mut self) {
            // Spin instead of sleeping, so that the next contestant starts as the others do.
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(70) {
                std::hint::spin_loop();
            }
        }
    }

    Box::new(Rest)
}

/// Runs dhat's heap profiler, without the file that it writes at the end.
pub(crate) fn dhat() -> Session {
    let profiler = dhat::Profiler::builder().testing().build();
    // On the first block, the profiler determines which frames to leave out of backtraces. Do that
    // before the measurement.
    let layout = Layout::new::<u64>();
    // SAFETY: the layout has a non-zero size, and the block is freed with the same layout.
    unsafe { dhat::Alloc.dealloc(dhat::Alloc.alloc(layout), layout) };
    Box::new(profiler)
}
