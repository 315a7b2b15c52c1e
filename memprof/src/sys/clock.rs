//! The time, as cheap as the machine has it: a counter of the processor where that
//! is steady, else the system's monotonic clock.

use quanta::Clock;
use std::sync::OnceLock;

static CLOCK: OnceLock<Clock> = OnceLock::new();

fn clock() -> &'static Clock {
    // Finding out how fast the counter goes takes about a millisecond, once.
    CLOCK.get().unwrap_or_else(|| {
        let _no_fork = crate::sys::fork_lock::hold_off();
        CLOCK.get_or_init(Clock::new)
    })
}

/// The time now, in ticks, whatever they are.
#[inline]
pub(crate) fn ticks() -> u64 {
    clock().raw()
}

/// How long so many ticks take.
pub(crate) fn nanoseconds(ticks: u64) -> u64 {
    // None of programs that never ask for the time, and so have no clock. Less than none
    // where the counters of two processors differ: a sum of such wraps.
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
