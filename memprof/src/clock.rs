//! The time, as cheap as the machine has it: a counter of the processor where that
//! is steady, else the system's monotonic clock.

use quanta::Clock;
use std::sync::OnceLock;

static CLOCK: OnceLock<Clock> = OnceLock::new();

fn clock() -> &'static Clock {
    // Finding out how fast the counter goes takes about a millisecond, once.
    CLOCK.get().unwrap_or_else(|| {
        let _no_fork = crate::forks::hold_off();
        CLOCK.get_or_init(|| {
            let _paused = crate::threads::pause();
            Clock::new()
        })
    })
}

/// The time now, in ticks, whatever they are.
#[inline]
pub(crate) fn ticks() -> u64 {
    clock().raw()
}

/// How long so many ticks take.
pub(crate) fn nanoseconds(ticks: u64) -> u64 {
    if ticks == 0 {
        // Of programs that never ask for the time, and so have no clock.
        return 0;
    }
    clock().delta_as_nanos(0, ticks)
}
