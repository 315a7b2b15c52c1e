//! Tests under a budget: `#[memprof::test]` runs the body several times, and each run after the
//! warm-up has to keep to the limits.

use crate::check::budget;
use crate::check::budget::limit::{Limit, Terms};
use crate::check::budget::message::Exceeded;
use std::future::Future;

/// The arguments of `#[memprof::test]`.
#[derive(Clone, Copy, Debug)]
pub struct BudgetTest {
    /// The limits for each run.
    pub limits: &'static [Limit],
    /// Path prefixes of functions whose blocks don't count.
    pub ignored: &'static [&'static str],
    /// The number of runs before those that are checked.
    pub warmup: u32,
    /// The number of runs that are checked.
    pub runs: u32,
}

/// A value that a test may return.
pub trait TestOutcome {
    /// Whether the test has failed.
    fn is_failure(&self) -> bool;
}

impl TestOutcome for () {
    fn is_failure(&self) -> bool {
        false
    }
}

impl<T, E> TestOutcome for Result<T, E> {
    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

impl BudgetTest {
    fn terms(&self, run: u32) -> Terms<'_> {
        Terms {
            limits: self.limits,
            ignored: self.ignored,
            run: (run, self.runs),
            is_test: true,
        }
    }

    /// Runs a test and returns the value of the first run that fails, or else of the last run.
    ///
    /// # Panics
    ///
    /// If a run exceeds a limit, or allocations aren't counted.
    #[track_caller]
    pub fn run<T: TestOutcome>(&self, body: impl Fn() -> T) -> T {
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

    /// Like [`run`](Self::run), for an `async` test.
    ///
    /// # Panics
    ///
    /// If allocations aren't counted.
    pub async fn run_async<T: TestOutcome, F: Future<Output = T>>(
        &self,
        body: impl Fn() -> F,
    ) -> Tried<T> {
        for _ in 0..self.warmup {
            let value = body().await;
            if value.is_failure() {
                return Tried(Ok(value));
            }
        }
        let mut run = 1;
        loop {
            let spent = budget::within(&body).await;
            let tried = spent.held_to(&self.terms(run));
            match tried {
                Ok(value) if run < self.runs && !value.is_failure() => run += 1,
                _ => return Tried(tried),
            }
        }
    }
}

/// The outcome of an `async` test.
#[derive(Debug)]
#[must_use]
pub struct Tried<T>(Result<T, Exceeded>);

impl<T> Tried<T> {
    /// Returns the test's value. The test itself calls this, so that a panic has the user's line.
    ///
    /// # Panics
    ///
    /// If a run has exceeded a limit.
    #[track_caller]
    pub fn value(self) -> T {
        match self.0 {
            Ok(value) => value,
            Err(exceeded) => exceeded.panic(),
        }
    }
}
