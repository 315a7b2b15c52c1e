//! Where the program was when its resident memory passed a limit.
//!
//! Resident memory is compared where it is read for a line anyway, so the line is known
//! that has just run. Of what functions do that aren't profiled, it is seen at the end of
//! the profiled line that called them.

use crate::count::environment;
use crate::count::uncounted;
use crate::model::amount;
use crate::model::site::Site;
use crate::sys::os;
use crate::sys::output::say;
use std::backtrace::Backtrace;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes; none is never reached.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

static ON_STOP: OnceLock<Option<OnStop>> = OnceLock::new();

/// What is done when the limit is passed and that has been said.
#[derive(Clone, Copy, Debug)]
enum OnStop {
    Abort,
    Trap,
    Continue,
}

/// Reads `MEMPROF_STOP_AT` and `MEMPROF_ON_STOP`; whether there is a limit.
pub(crate) fn prepare() -> bool {
    let on_stop = ON_STOP.get_or_init(|| {
        let _paused = crate::count::this_thread::pause();
        let limit = amount::bytes(&environment::read("MEMPROF_STOP_AT")?)?;
        let on_stop = match environment::read("MEMPROF_ON_STOP").as_deref() {
            Some("trap") => OnStop::Trap,
            Some("continue") => OnStop::Continue,
            _ => OnStop::Abort,
        };
        // Relaxed: whoever sees it late reads again at its next line.
        LIMIT.store(limit, Ordering::Relaxed);
        Some(on_stop)
    });
    on_stop.is_some()
}

/// Compares what has been read after a line of a function with the limit.
#[inline]
pub(crate) fn check(resident_bytes: u64, site: &Site, place: u32) {
    // Relaxed: see `prepare`.
    if resident_bytes >= LIMIT.load(Ordering::Relaxed) {
        stop(resident_bytes, site, place);
    }
}

#[cold]
fn stop(resident_bytes: u64, site: &Site, place: u32) {
    // One of all threads says it, once.
    let limit = LIMIT.swap(u64::MAX, Ordering::Relaxed);
    if limit == u64::MAX {
        return;
    }
    uncounted::during(false, || {
        let line = site.lines().get(place as usize).copied().unwrap_or(0);
        say(&format!(
            "resident memory is {resident_bytes} B, beyond the {limit} B of MEMPROF_STOP_AT, after line {line} \
             of {}, in {}: {}\n{}",
            site.path(),
            site.file(),
            site.source(line).trim(),
            Backtrace::force_capture()
        ));
    });
    match ON_STOP.get() {
        Some(Some(OnStop::Abort)) => process::abort(),
        Some(Some(OnStop::Trap)) => os::trap(),
        _ => {}
    }
}
