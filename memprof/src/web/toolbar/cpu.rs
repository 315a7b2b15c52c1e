//! How long the calling thread has been running on a processor.

use std::time::Duration;

/// Without the time in which others had the processor. None where the system doesn't tell.
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
