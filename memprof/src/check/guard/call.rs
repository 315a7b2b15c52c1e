//! Calls of functions with a [budget](crate::check::guard) in production.
//!
//! A call covers one thread or one task, as in [`measure`](crate::scope::measure). It also counts
//! if it panics, or if its future is dropped before completion.

use crate::check::guard::{End, Guard};
use crate::model::usage::Usage;
use crate::scope::measure::Measured;
use pin_project_lite::pin_project;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// A guard for a call under a budget, from the start of the call to its end.
#[derive(Debug)]
#[must_use]
pub struct Guarded {
    guard: &'static Guard,
    measured: Option<Measured>,
    /// Whether the thread was panicking at the start: destructors make calls during a panic, too.
    was_panicking: bool,
    // The start was read from this thread's counters.
    _not_send: PhantomData<*const ()>,
}

/// Begins a call, which is checked when the returned guard is dropped.
pub fn guard(guard: &'static Guard) -> Guarded {
    Guarded {
        guard,
        measured: guard.is_on().then(Measured::begin),
        was_panicking: thread::panicking(),
        _not_send: PhantomData,
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(usage) = self.measured.take().map(Measured::end) {
            self.guard.check(usage, end(self.was_panicking));
        }
    }
}

/// Returns how a call ends that returns or unwinds right now. A call that a destructor makes during
/// a panic doesn't count as panicked.
fn end(was_panicking: bool) -> End {
    if thread::panicking() && !was_panicking {
        End::Panicked
    } else {
        End::Returned
    }
}

pin_project! {
    /// The future of a call under a budget. The call is checked when the future completes or is
    /// dropped.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct GuardedTask<F> {
        // None once it is dropped.
        #[pin]
        future: Option<F>,
        call: TaskCall,
    }

    impl<F> PinnedDrop for GuardedTask<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if !this.call.is_open {
                return;
            }
            let stretch = this.call.begin();
            this.future.set(None);
            drop(stretch);
            let end = if this.call.has_panicked { End::Panicked } else { End::GivenUp };
            this.call.guard.check(this.call.usage, end);
        }
    }
}

/// A call of an async function.
#[derive(Debug)]
struct TaskCall {
    guard: &'static Guard,
    usage: Usage,
    /// Whether the future has been polled and hasn't completed.
    is_open: bool,
    has_panicked: bool,
}

/// One poll of the future, or its drop, on the calling thread.
struct Stretch<'a> {
    call: &'a mut TaskCall,
    measured: Option<Measured>,
    was_panicking: bool,
}

impl TaskCall {
    fn begin(&mut self) -> Stretch<'_> {
        Stretch {
            measured: self.guard.is_on().then(Measured::begin),
            was_panicking: thread::panicking(),
            call: self,
        }
    }
}

impl Drop for Stretch<'_> {
    fn drop(&mut self) {
        if let Some(measured) = self.measured.take() {
            self.call.usage = self.call.usage.then(measured.end());
        }
        self.call.has_panicked |= end(self.was_panicking) == End::Panicked;
    }
}

/// Wraps a future as a call under a budget.
pub fn guard_task<F: Future>(guard: &'static Guard, future: F) -> GuardedTask<F> {
    GuardedTask {
        future: Some(future),
        call: TaskCall {
            guard,
            usage: Usage::ZERO,
            is_open: false,
            has_panicked: false,
        },
    }
}

impl<F: Future> Future for GuardedTask<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// If the inner future panics when it is polled after completion.
    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.call.is_open = true;
        let future = this.future.as_pin_mut();
        let stretch = this.call.begin();
        let poll = future
            .expect("a future is there until it is dropped")
            .poll(context);
        drop(stretch);
        if poll.is_ready() {
            this.call.is_open = false;
            this.call.guard.check(this.call.usage, End::Returned);
        }
        poll
    }
}
