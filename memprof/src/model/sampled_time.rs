//! Time that threads spent in a place, as samples of their call stacks tell it.

use std::ops::AddAssign;
use std::time::Duration;

/// Time that threads spent in a line, a call or elsewhere, as a [`Sampler`](crate::Sampler) found
/// it.
///
/// Each sample stands for the time since the sample before of the same thread. The error is about
/// that of counting `sample_count` events: with 100 samples, the time is right within about 10 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampledTime {
    /// How many samples found a thread there.
    pub sample_count: u64,

    /// Time in which the thread was running, or ready to run.
    pub running: Duration,

    /// Time in which the thread was waiting: for a lock, a timer, a file or another thread. A
    /// thread that got no processor from one sample to the next counts as waiting, too.
    pub waiting: Duration,
}

impl SampledTime {
    /// The time in which the thread was running or waiting.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.running.saturating_add(self.waiting)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.sample_count == 0
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            sample_count: self.sample_count.saturating_sub(earlier.sample_count),
            running: self.running.saturating_sub(earlier.running),
            waiting: self.waiting.saturating_sub(earlier.waiting),
        }
    }
}

impl AddAssign for SampledTime {
    fn add_assign(&mut self, other: Self) {
        // Saturating, since a report may have been read from a file.
        self.sample_count = self.sample_count.saturating_add(other.sample_count);
        self.running = self.running.saturating_add(other.running);
        self.waiting = self.waiting.saturating_add(other.waiting);
    }
}

/// The samples of a report, over all its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sampling {
    /// The sum over all lines and `untracked`.
    pub total: SampledTime,

    /// Time of threads that were in no profiled function. Threads that never were in one aren't
    /// sampled. Zero in the report of a scope.
    pub untracked: SampledTime,

    /// Samples that were dropped, because the thread changed its call stack while it was read.
    pub dropped_count: u64,
}

impl Sampling {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            total: self.total.since(earlier.total),
            untracked: self.untracked.since(earlier.untracked),
            dropped_count: self.dropped_count.saturating_sub(earlier.dropped_count),
        }
    }
}
