//! A test under a budget: its body is run as often as it says, and each time that counts
//! has to keep to the limits.

use crate::check::budget;
use crate::check::budget::limit::{Limit, Terms};
use crate::check::budget::message::Exceeded;
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
            is_test: true,
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
    /// If nobody counts.
    pub async fn run_async<T: Outcome, F: Future<Output = T>>(
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

/// How an `async` test has ended.
#[derive(Debug)]
#[must_use]
pub struct Tried<T>(Result<T, Exceeded>);

impl<T> Tried<T> {
    /// What the test returns. Called in the test, so that a panic is at the user's line.
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
