//! Budgets: limits on what code does to the heap, with a panic if it exceeds them.
//!
//! A budget that is kept costs as much as a [measurement](crate::scope::measure) and a
//! [pooled scope](crate::scope::pool). Lines are looked up only when a limit is exceeded.

pub(crate) mod limit;
pub(crate) mod message;
pub(crate) mod test;

use crate::check::budget::limit::{Done, Limit, Terms};
use crate::check::budget::message::Exceeded;
use crate::check::requirements::require_counting;
use crate::model::usage::Usage;
use crate::scope::handle::Scope;
use crate::scope::measure::Measured;
use crate::scope::pool;
use crate::scope::stack::{self, Level};
use pin_project_lite::pin_project;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The calling thread while it runs code under a budget.
struct Run {
    // The fields are dropped in this order: the measurement ends inside the scope.
    measured: Measured,
    entered: InScope,
}

/// The calling thread inside the scope of that code, by the number of its level.
struct InScope(u64);

impl Run {
    fn begin(level: Box<Level>) -> Self {
        let entered = InScope(level.enter());
        Self {
            measured: Measured::begin(),
            entered,
        }
    }

    /// Returns what the thread did, and the level that it was on.
    fn end(self) -> (Usage, Option<Box<Level>>) {
        let usage = self.measured.end();
        (usage, ManuallyDrop::new(self.entered).leave())
    }

    /// Returns what the thread did and frees the level.
    fn end_and_free(self) -> Usage {
        let (usage, level) = self.end();
        if let Some(level) = level {
            level.free();
        }
        usage
    }
}

impl InScope {
    fn leave(&self) -> Option<Box<Level>> {
        stack::leave(self.0)
    }
}

impl Drop for InScope {
    /// Leaves the scope after a panic, since the thread goes on elsewhere.
    fn drop(&mut self) {
        if let Some(level) = self.leave() {
            level.free();
        }
    }
}

/// Runs `work` and checks it against the limits.
///
/// # Panics
///
/// If `work` exceeds a limit, or allocations aren't counted.
#[track_caller]
pub fn check<T>(limits: &[Limit], work: impl FnOnce() -> T) -> T {
    check_terms(&Terms::of(limits), work)
}

#[track_caller]
pub(crate) fn check_terms<T>(terms: &Terms<'_>, work: impl FnOnce() -> T) -> T {
    if cfg!(feature = "off") {
        return work();
    }
    require_counting();
    let run = Run::begin(pool::take());
    let value = work();
    let (own, level) = run.end();
    let Some(mut level) = level else {
        panic!("the code under a memory budget returned on another thread, where it isn't measured")
    };
    let done = Done::new(own, level.scope_mut(), terms);
    if done.keeps_to(terms.limits) {
        pool::leave(level);
    } else {
        let exceeded = Exceeded::new(&done, terms);
        level.free();
        exceeded.panic();
    }
    value
}

/// Creates a future and measures its creation, its polls and its drop. The limits are
/// [checked](Spent::check) when the future has completed.
///
/// # Panics
///
/// If allocations aren't counted.
#[track_caller]
pub fn within<F: Future>(make: impl FnOnce() -> F) -> Budgeted<F> {
    if !cfg!(feature = "off") {
        require_counting();
    }
    let scope = pool::scope();
    let run = Run::begin(Level::new(scope.clone(), true));
    let future = make();
    Budgeted {
        usage: run.end_and_free(),
        future: Some(future),
        scope,
    }
}

pin_project! {
    /// The future of [`within`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Budgeted<F> {
        // None once the future has completed.
        #[pin]
        future: Option<F>,
        scope: Scope,
        usage: Usage,
    }

    impl<F> PinnedDrop for Budgeted<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _guard = this.scope.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Budgeted<F> {
    type Output = Spent<F::Output>;

    /// # Panics
    ///
    /// If it is polled after completion.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let run = Run::begin(Level::new(this.scope.clone(), true));
        let future = this.future.as_mut().as_pin_mut();
        let poll = future
            .expect("a future is polled until its end")
            .poll(context);
        if poll.is_ready() {
            // Drops the future inside the budget, where it was created.
            this.future.set(None);
        }
        *this.usage = this.usage.then(run.end_and_free());
        poll.map(|value| Spent {
            value,
            scope: this.scope.clone(),
            usage: *this.usage,
        })
    }
}

/// The value of a future, and what the future did to the heap.
#[derive(Debug)]
pub struct Spent<T> {
    value: T,
    scope: Scope,
    usage: Usage,
}

impl<T> Spent<T> {
    /// Checks the limits and returns the value.
    ///
    /// # Panics
    ///
    /// If the future has exceeded a limit.
    #[track_caller]
    pub fn check(self, limits: &[Limit]) -> T {
        self.check_terms(&Terms::of(limits))
    }

    #[track_caller]
    fn check_terms(self, terms: &Terms<'_>) -> T {
        match self.held_to(terms) {
            Ok(value) => value,
            Err(exceeded) => exceeded.panic(),
        }
    }

    pub(crate) fn held_to(mut self, terms: &Terms<'_>) -> Result<T, Exceeded> {
        if !cfg!(feature = "off") {
            let done = Done::new(self.usage, &mut self.scope, terms);
            if !done.keeps_to(terms.limits) {
                return Err(Exceeded::new(&done, terms));
            }
        }
        Ok(self.value)
    }
}
