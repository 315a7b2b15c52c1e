//! Sessions of other profilers.
//!
//! dhat, hotpath and jemalloc's profiler count only while they run, which slows down the whole
//! process.

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

/// What jemalloc is configured with when the process starts: its profiler is there, and inactive.
#[allow(unsafe_code, reason = "jemalloc finds its configuration by this name")]
// SAFETY: no other symbol has the name, which only jemalloc reads: a pointer to a C string.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
pub(crate) static JEMALLOC_CONFIG: Option<&'static std::ffi::c_char> = {
    // SAFETY: the pointer is that of a literal, which lives for ever.
    Some(unsafe { &*c"prof:true,prof_active:false".as_ptr() })
};

/// Runs jemalloc's own profiler, with its default interval.
pub(crate) fn jemalloc_profiler() -> Session {
    struct Active;

    impl Drop for Active {
        fn drop(&mut self) {
            set(false);
        }
    }

    fn set(mut is_active: bool) {
        // SAFETY: the name is a C string, and the value is a `bool`, as jemalloc documents for this
        // name; nothing is read back.
        let error = unsafe {
            tikv_jemalloc_sys::mallctl(
                c"prof.active".as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                (&raw mut is_active).cast(),
                size_of::<bool>(),
            )
        };
        assert_eq!(error, 0, "jemalloc is built with its profiler");
    }

    set(true);
    Box::new(Active)
}
