//! `MEMPROF_STOP_AT`: reports the line and the backtrace when resident memory reaches a limit.
//!
//! The comparison happens where resident memory is read for a line anyway, so the line that has
//! just run is known. Memory that unprofiled functions take shows up at the end of the profiled
//! line that called them.

use crate::count::environment;
use crate::count::running_calls;
use crate::count::uncounted;
use crate::model::amount;
use crate::model::site::Site;
use crate::sys::os;
use crate::sys::output::say;
use std::backtrace::Backtrace;
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The limit in bytes; `u64::MAX` stands for no limit.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

static ON_STOP: OnceLock<Option<OnStop>> = OnceLock::new();

/// What happens after the limit was reached and reported.
#[derive(Clone, Copy, Debug)]
enum OnStop {
    Abort,
    Trap,
    Continue,
}

/// Reads `MEMPROF_STOP_AT` and `MEMPROF_ON_STOP`. Returns whether there is a limit.
pub(crate) fn prepare() -> bool {
    let on_stop = ON_STOP.get_or_init(|| {
        let _paused = crate::count::this_thread::pause();
        let limit = amount::bytes(&environment::read("MEMPROF_STOP_AT")?)?;
        let on_stop = match environment::read("MEMPROF_ON_STOP").as_deref() {
            Some("trap") => OnStop::Trap,
            Some("continue") => OnStop::Continue,
            _ => OnStop::Abort,
        };
        // Relaxed: a thread that sees the limit late compares again at its next line.
        LIMIT.store(limit, Ordering::Relaxed);
        Some(on_stop)
    });
    on_stop.is_some()
}

/// Compares resident memory, as read after a line of a function, with the limit.
#[inline]
pub(crate) fn check(resident_bytes: u64, site: &Site, place: u32) {
    // Relaxed: see `prepare`.
    if resident_bytes >= LIMIT.load(Ordering::Relaxed) {
        stop(resident_bytes, site, place);
    }
}

#[cold]
fn stop(resident_bytes: u64, site: &Site, place: u32) {
    // Only the thread that swaps the limit out reports it, once per process.
    let limit = LIMIT.swap(u64::MAX, Ordering::Relaxed);
    if limit == u64::MAX {
        return;
    }
    uncounted::during(false, || {
        let line = site.lines().get(place as usize).copied().unwrap_or(0);
        say(&format!(
            "resident memory is {resident_bytes} B, beyond the {limit} B of MEMPROF_STOP_AT, after line {line} \
             of {}, in {}: {}\n{}{}",
            site.path(),
            site.file(),
            site.source(line).trim(),
            running_calls::described(),
            Backtrace::force_capture()
        ));
    });
    match ON_STOP.get() {
        Some(Some(OnStop::Abort)) => process::abort(),
        Some(Some(OnStop::Trap)) => os::trap(),
        _ => {}
    }
}
