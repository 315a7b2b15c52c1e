//! The CPU time of the calling thread.

use std::time::Duration;

/// How long the calling thread has run on a processor, or `None` if the system doesn't report it.
pub(super) fn thread_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        use nix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?;
        Some(Duration::from(time))
    }
    #[cfg(not(unix))]
    None
}
