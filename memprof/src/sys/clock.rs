//! Time, read as cheaply as the machine allows: from the processor's counter where that is steady,
//! else from the system's monotonic clock.

use quanta::Clock;
use std::sync::OnceLock;

static CLOCK: OnceLock<Clock> = OnceLock::new();

fn clock() -> &'static Clock {
    // Calibrating the counter takes about a millisecond, once.
    CLOCK.get().unwrap_or_else(|| {
        let _no_fork = crate::sys::fork_lock::hold_off();
        CLOCK.get_or_init(Clock::new)
    })
}

/// The time now, in ticks of an unspecified length.
#[inline]
pub(crate) fn ticks() -> u64 {
    clock().raw()
}

/// Converts a number of ticks to nanoseconds.
pub(crate) fn nanoseconds(ticks: u64) -> u64 {
    // Zero in programs that never read the time, and so have no clock. A sum of differences wraps
    // to a negative number if the counters of two processors differ.
    if ticks.cast_signed() <= 0 {
        return 0;
    }
    clock().delta_as_nanos(0, ticks)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_clock_that_went_backwards_makes_no_centuries() {
        assert_eq!(super::nanoseconds(3_u64.wrapping_sub(5)), 0);
        assert!(super::nanoseconds(1 << 40) > 0);
    }
}
