//! Where the program was when its resident memory passed a limit.
//!
//! Resident memory is compared where it is read for a line anyway, so the line is known
//! that has just run. Of what functions do that aren't profiled, it is seen at the end of
//! the profiled line that called them.

use crate::site::Site;
use crate::{os, output, own_work};
use std::backtrace::Backtrace;
use std::env;
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
        let _paused = crate::threads::pause();
        let said = env::var_os("MEMPROF_STOP_AT").filter(|limit| !limit.is_empty())?;
        let said = said.to_string_lossy();
        let Some(limit) = bytes(&said) else {
            output::say(&format!(
                "MEMPROF_STOP_AT is {said:?}, which is not a number of bytes, as `100MiB`; it is ignored"
            ));
            return None;
        };
        let word = env::var("MEMPROF_ON_STOP").unwrap_or_default();
        let on_stop = match word.trim() {
            "" | "abort" => OnStop::Abort,
            "trap" => OnStop::Trap,
            "continue" => OnStop::Continue,
            _ => {
                output::say(&format!(
                    "MEMPROF_ON_STOP is {word:?}, which is not `abort`, `trap` or `continue`; it is ignored"
                ));
                OnStop::Abort
            }
        };
        // Relaxed: whoever sees it late reads again at its next line.
        LIMIT.store(limit, Ordering::Relaxed);
        Some(on_stop)
    });
    on_stop.is_some()
}

/// `100MiB`, `1.5 GiB`, `4096`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit: u32 = match text.get(digits.len()..)? {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.trim().parse::<f64>().ok()? * f64::from(unit);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is in the range"
    )]
    (1.0..=1e18).contains(&bytes).then_some(bytes as u64)
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
    own_work::during(false, || {
        let line = site.lines().get(place as usize).copied().unwrap_or(0);
        output::say(&format!(
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

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn a_limit_has_a_unit() {
        assert_eq!(bytes("100MiB"), Some(100 << 20));
        assert_eq!(bytes(" 1.5 GiB "), Some(3 << 29));
        assert_eq!(bytes("4096"), Some(4096));
        for other in [
            "",
            "MiB",
            "100MB",
            "-1",
            "0",
            "1e300",
            "NaN",
            "100 MiB more",
        ] {
            assert_eq!(bytes(other), None, "{other}");
        }
    }
}
