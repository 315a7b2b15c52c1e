//! A test under a budget: its body is run as often as it says, and each time that counts
//! has to keep to the limits.

use crate::budget::{self, Limit, Terms};
use std::future::Future;

/// What `#[memprof::test]` says of a test.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// What each run keeps to.
    pub limits: &'static [Limit],
    /// The functions that don't count, by how their paths begin.
    pub ignored: &'static [&'static str],
    /// Runs that come first, and may do what they like.
    pub warmup: u32,
    /// Runs that keep to the limits.
    pub runs: u32,
}

/// What a test may return.
pub trait Outcome {
    /// Whether the test has failed.
    fn is_failure(&self) -> bool;
}

impl Outcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

impl Trial {
    fn terms(&self, run: u32) -> Terms<'_> {
        Terms {
            limits: self.limits,
            ignored: self.ignored,
            run: (run, self.runs),
        }
    }

    /// Runs a test; what it returns when it fails, or the last time.
    ///
    /// # Panics
    ///
    /// If a run exceeds a limit, or nobody counts.
    #[track_caller]
    pub fn run<T: Outcome>(&self, body: impl Fn() -> T) -> T {
        for _ in 0..self.warmup {
            let value = body();
            if value.is_failure() {
                return value;
            }
        }
        let mut run = 1;
        loop {
            let value = budget::check_terms(&self.terms(run), &body);
            if run >= self.runs || value.is_failure() {
                return value;
            }
            run += 1;
        }
    }

    /// As [`run`](Self::run), of an `async` test.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_async<T: Outcome, F: Future<Output = T>>(&self, body: impl Fn() -> F) -> T {
        for _ in 0..self.warmup {
            let value = body().await;
            if value.is_failure() {
                return value;
            }
        }
        let mut run = 1;
        loop {
            let spent = budget::within(body()).await;
            let value = spent.check_terms(&self.terms(run));
            if run >= self.runs || value.is_failure() {
                return value;
            }
            run += 1;
        }
    }
}
