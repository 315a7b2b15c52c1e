//! Calls of a function that has a [budget](crate::check::guard) in production.
//!
//! A call is the thread's, or the task's, as in [`measure`](crate::scope::measure). One that panics
//! is a call, too, and so is a task that is given up.

use crate::check::guard::{End, Guard};
use crate::model::usage::Usage;
use crate::scope::measure::Measured;
use pin_project_lite::pin_project;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// A call under a budget, for as long as it lives.
#[derive(Debug)]
#[must_use]
pub struct Guarded {
    guard: &'static Guard,
    measured: Option<Measured>,
    /// A destructor that is called in the middle of a panic has calls of its own.
    was_panicking: bool,
    // The thread's counters are another's.
    _not_send: PhantomData<*const ()>,
}

/// Begins a call, which is looked at when the answer is dropped.
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

/// How code ends that is left at this moment, and that a destructor may have called in the
/// middle of a panic.
fn end(was_panicking: bool) -> End {
    if thread::panicking() && !was_panicking {
        End::Panicked
    } else {
        End::Returned
    }
}

pin_project! {
    /// The future of a call under a budget, which is looked at when it gives its value, and
    /// if it is dropped before, then.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct GuardedTask<F> {
        // None when it is dropped.
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

/// A call that is a future's.
#[derive(Debug)]
struct TaskCall {
    guard: &'static Guard,
    usage: Usage,
    /// Whether it has begun and not given its value.
    is_open: bool,
    has_panicked: bool,
}

/// The thread while it polls the future, or drops it.
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

/// Has a future be a call under a budget.
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
    /// If it is polled after its end, as futures may.
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
