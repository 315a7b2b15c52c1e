//! One call of an `async fn`, or an `async` block: a future that measures each of its
//! polls.
//!
//! A task is polled piecewise, between other tasks and on several threads, and
//! only its polls are its own. [`Task`] makes its call the thread's current one
//! when a poll begins and takes it away when the poll ends; in between, the call
//! travels in the future. The line that was open at an `.await` is open again
//! when the task goes on.

use crate::entered::{self, Entered};
use crate::own_work;
use crate::profile::CutShort;
use crate::site::Site;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future of a profiled `async fn`, or of an `async` block in a profiled function.
    ///
    /// `Send`, `Sync` and `Unpin` where `F` is. It has no `Drop` of its own, which
    /// would ask more of the lifetimes in `F` than `F` does: its first field makes
    /// the call current when the task is dropped half way, so that the locals which
    /// `future` then drops are seen, and its last field ends the call.
    #[derive(Debug)]
    pub struct Task<F> {
        suspended: Suspended,
        #[pin]
        future: F,
        end: End,
    }
}

/// The call, while the task is between two polls.
#[derive(Debug)]
struct Suspended {
    call: Option<entered::Suspended>,
}

/// Ends the call of a task that is dropped half way.
#[derive(Debug)]
struct End {
    stage: Stage,
}

/// How far the task has come.
#[derive(Clone, Copy, Debug)]
enum Stage {
    NotBegun(&'static Site),
    /// Not begun, and a block on a line of the function, instead of the whole of it.
    BlockNotBegun(&'static Site, u32),
    /// Polled, and not at its end; a call is suspended.
    Begun,
    /// At its end, or not profiled.
    Ended,
}

/// Measures `future` as a call of the function described by `site`.
pub fn task<F: Future>(site: &'static Site, future: F) -> Task<F> {
    Task {
        suspended: Suspended { call: None },
        future,
        end: End {
            stage: Stage::NotBegun(site),
        },
    }
}

/// Measures `future` as an `async` block that stands on a line of the function
/// described by `site`.
pub fn block<F: Future>(site: &'static Site, line: u32, future: F) -> Task<F> {
    Task {
        suspended: Suspended { call: None },
        future,
        end: End {
            stage: Stage::BlockNotBegun(site, line),
        },
    }
}

/// A value of the function's type, for a `return` that never runs.
pub fn never<T>() -> T {
    unreachable!("this call stands in a branch that is never taken")
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let entered = match this.end.stage {
            Stage::NotBegun(site) => entered::enter(site),
            Stage::BlockNotBegun(site, line) => entered::enter_block(site, line),
            Stage::Begun => this
                .suspended
                .call
                .take()
                .and_then(entered::Suspended::resume),
            Stage::Ended => None,
        };
        this.end.stage = Stage::Ended;
        let Some(entered) = entered else {
            return this.future.poll(context);
        };

        let polled = Polled(Some(entered));
        let poll = this.future.poll(context);
        if poll.is_pending() {
            this.suspended.call = polled.suspend();
            this.end.stage = Stage::Begun;
        }
        poll
    }
}

/// A poll under way. Dropped, by a panic too, it ends the call.
struct Polled(Option<Entered>);

impl Polled {
    fn suspend(mut self) -> Option<entered::Suspended> {
        self.0.take().map(Entered::suspend)
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        if let Some(entered) = self.0.take() {
            entered.end();
        }
    }
}

/// A task that is being dropped half way, and those that were when it began to be.
#[derive(Debug)]
struct Dropping {
    entered: Entered,
    outer: Option<Box<Dropping>>,
}

thread_local! {
    // Without a destructor, for the reasons of `threads`.
    static DROPPING: Cell<ManuallyDrop<Option<Box<Dropping>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

impl Drop for Suspended {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take() {
            call.cut_short(CutShort::DroppedFuture);
            let Some(entered) = call.resume() else {
                return;
            };
            own_work::during(false, || {
                let none = ManuallyDrop::new(None);
                let outer = ManuallyDrop::into_inner(DROPPING.replace(none));
                let dropping = Box::new(Dropping { entered, outer });
                DROPPING.set(ManuallyDrop::new(Some(dropping)));
            });
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Begun) {
            return;
        }
        let (dropping, _) = own_work::during(false, || {
            let none = ManuallyDrop::new(None);
            let dropping = ManuallyDrop::into_inner(DROPPING.replace(none))?;
            DROPPING.set(ManuallyDrop::new(dropping.outer));
            Some(dropping.entered)
        });
        if let Some(entered) = dropping {
            entered.end();
        }
    }
}
