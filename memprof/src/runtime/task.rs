//! One call of an `async fn`, or an `async` block: a future that measures each of its
//! polls.
//!
//! A task is polled piecewise, between other tasks and on several threads, and
//! only its polls are its own. [`Task`] makes its call the thread's current one
//! when a poll begins and takes it away when the poll ends; in between, the call
//! travels in the future. The line that was open at an `.await` is open again
//! when the task goes on.

use crate::count::uncounted;
use crate::model::site::Site;
use crate::record::function_profile::CutShort;
use crate::runtime::entry::{Entered, Stage};
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
        state: State,
        #[pin]
        future: F,
        end: End,
    }
}

/// Begins the end of a task that is dropped.
#[derive(Debug)]
struct State {
    /// [`Stage::Ended`] while the task is being polled.
    stage: Stage,
}

/// Ends the end of a task that is dropped.
#[derive(Debug)]
struct End;

/// Measures `future` as a call of the function described by `site`.
pub fn task<F: Future>(site: &'static Site, future: F) -> Task<F> {
    Task {
        state: State {
            stage: Stage::NotBegun(site),
        },
        future,
        end: End,
    }
}

/// Measures `future` as an `async` block that stands on a line of the function
/// described by `site`.
pub fn block<F: Future>(site: &'static Site, line: u32, future: F) -> Task<F> {
    Task {
        state: State {
            stage: Stage::BlockNotBegun(site, line),
        },
        future,
        end: End,
    }
}

/// A value of the function's type, for a `return` that never runs.
pub fn never<T>() -> T {
    unreachable!("this call stands in a branch that is never taken")
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = Polled::begin(&mut this.state.stage);
        let poll = this.future.poll(context);
        if poll.is_pending() {
            polled.suspend();
        }
        poll
    }
}

/// A poll under way. Dropped, by a panic too, it ends the call.
// Out of line, for a level of futures to take little of the stack.
struct Polled<'a> {
    stage: &'a mut Stage,
    entered: Option<Entered>,
}

impl<'a> Polled<'a> {
    #[inline(never)]
    fn begin(stage: &'a mut Stage) -> Self {
        let entered = std::mem::replace(stage, Stage::Ended).enter();
        Self { stage, entered }
    }

    #[inline(never)]
    fn suspend(mut self) {
        if let Some(entered) = self.entered.take() {
            *self.stage = entered.suspend();
        }
    }
}

impl Drop for Polled<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        if let Some(entered) = self.entered.take() {
            entered.end();
        }
    }
}

/// A task that is being dropped half way.
#[derive(Debug)]
struct HalfWay {
    entered: Entered,
    /// What the thread was dropping when it came to this one.
    outer: Option<Box<HalfWay>>,
    others: usize,
}

thread_local! {
    // Without a destructor, for the reasons of `threads`.
    static HALF_WAY: Cell<ManuallyDrop<Option<Box<HalfWay>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };

    // How many other tasks the thread has begun to drop since then.
    static OTHERS: Cell<usize> = const { Cell::new(0) };
}

impl Drop for State {
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        match stage.enter_to_end(CutShort::DroppedFuture) {
            Some(entered) => begin_end(entered),
            None => OTHERS.set(OTHERS.get() + 1),
        }
    }
}

fn begin_end(entered: Entered) {
    uncounted::during(false, || {
        let outer = ManuallyDrop::into_inner(HALF_WAY.replace(ManuallyDrop::new(None)));
        let half_way = Box::new(HalfWay {
            entered,
            outer,
            others: OTHERS.replace(0),
        });
        HALF_WAY.set(ManuallyDrop::new(Some(half_way)));
    });
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(others) = OTHERS.get().checked_sub(1) {
            OTHERS.set(others);
            return;
        }
        let (entered, _) = uncounted::during(false, || {
            let half_way = HALF_WAY.replace(ManuallyDrop::new(None));
            let half_way = *ManuallyDrop::into_inner(half_way)?;
            HALF_WAY.set(ManuallyDrop::new(half_way.outer));
            OTHERS.set(half_way.others);
            Some(half_way.entered)
        });
        if let Some(entered) = entered {
            entered.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Task, task};
    use crate::model::site::Site;
    use std::future::{Ready, ready};

    static SITE: Site = Site::new(|| "memprof::f", "src/lib.rs", 1, "", &[1]);

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_task_is_two_words_larger_than_its_future() {
        let task: Task<Ready<u64>> = task(&SITE, ready(1));

        assert_eq!(size_of_val(&task), size_of::<Ready<u64>>() + 16);
    }
}
