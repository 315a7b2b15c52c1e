//! A call of an `async fn`, or an `async` block: a future that measures each of its polls.
//!
//! A task is polled in pieces, in between other tasks and on several threads, and only its polls
//! are charged to it. [`Task`] makes its call the thread's current one when a poll begins and
//! takes it away when the poll ends; between polls, the call is stored in the future. The line
//! that was open at an `.await` is open again in the next poll.
//!
//! # States
//!
//! The state is the [`Stage`] in `Task::state`. While a poll runs, the stage is taken out and
//! `Ended` stands in its place.
//!
//! ```text
//!                task(..)                     block(..)
//!                   |                            |
//!                   v                            v
//!             +----------+               +---------------+
//!             | NotBegun |               | BlockNotBegun |
//!             +----------+               +---------------+
//!                   |          poll:             |
//!                   +------ begin the call ------+
//!                                 |
//!                                 v
//!                          +-------------+   ready: end the call    +-------+
//!             +----------> |   polling   | -----------------------> | Ended |
//!             |            +-------------+   panic: end it as       +-------+
//!             |                   |          cut short                  ^
//!             | poll:             | pending:                            |
//!             | enter again       | leave the call                      | drop: enter again,
//!             |                   v                                     | drop the locals,
//!             |     +--------------------------+                        | end as cut short
//!             +-----| Settling, Owning, Block  |------------------------+
//!                   +--------------------------+
//! ```
//!
//! - **Not begun.** The first poll begins the call. If profiling is off, the stage becomes `Ended`
//!   instead. A drop ends nothing, since there is no call.
//! - **Polling.** If `future.poll` panics, dropping [`Polled`] ends the call, and the stage stays
//!   `Ended`. A task can't be dropped during its own poll.
//! - **Settling, Owning, Block.** The task is suspended. A poll enters the call again, on the line
//!   that was open. A drop does so, too, so that the locals of the future are dropped on that
//!   line, and then ends the call. If one of these destructors panics, the fields of `Task` after
//!   it are still dropped, so the call is ended all the same.
//! - **Ended.** Polls go straight to the future, and a drop ends nothing.
//!
//! # Dropping a suspended task
//!
//! The fields of [`Task`] are dropped in order: [`State`] enters the call, `future` drops its
//! locals, and [`End`] ends the call. `End` has no size and finds the call on a thread-local stack,
//! [`HALF_WAY`]. The futures that a task drops can be tasks themselves, so the drops of tasks
//! nest. [`OTHERS`] counts those that have no call on the stack, so that each `End` can tell
//! whether the top of the stack is its own.

use crate::count::call_stack::Handle;
use crate::count::uncounted;
use crate::model::site::Site;
use crate::record::function_profile::CutShort;
use crate::runtime::entry::{self, Stage};
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The future of a profiled `async fn`, or of an `async` block in a profiled function.
    ///
    /// It is `Send`, `Sync` and `Unpin` where `F` is. It doesn't implement `Drop`, which would
    /// require lifetimes in `F` to outlive the task. Instead, when a suspended task is dropped,
    /// its first field makes the call current, so that the locals which `future` then drops are
    /// counted, and its last field ends the call.
    #[derive(Debug)]
    pub struct Task<F> {
        state: State,
        #[pin]
        future: F,
        end: End,
    }
}

/// The state of a task. Its `Drop` enters the call of a suspended task.
#[derive(Debug)]
struct State {
    /// [`Stage::Ended`] during a poll.
    stage: Stage,
}

/// Its `Drop` ends the call that the drop of [`State`] has entered.
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

/// Measures `future` as an `async` block of the function described by `site`; `line` is the place
/// of the line that the block begins on.
pub fn block<F: Future>(site: &'static Site, line: u32, future: F) -> Task<F> {
    Task {
        state: State {
            stage: Stage::BlockNotBegun(site, line),
        },
        future,
        end: End,
    }
}

/// Stands for a value of the function's return type, in a `return` that never runs.
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

/// A poll in progress. Dropping it, also by a panic, ends the call.
// Its functions are not inlined, so that nested futures take little stack.
struct Polled<'a> {
    stage: &'a mut Stage,
    entered: Option<Handle>,
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
            *self.stage = entry::suspend(entered);
        }
    }
}

impl Drop for Polled<'_> {
    #[inline(never)]
    fn drop(&mut self) {
        if let Some(entered) = self.entered.take() {
            entry::end(entered);
        }
    }
}

/// A suspended task that is being dropped: an entry of the stack [`HALF_WAY`].
#[derive(Debug)]
struct HalfWay {
    entered: Handle,
    /// The task that the thread was already dropping.
    outer: Option<Box<HalfWay>>,
    /// The value of [`OTHERS`] for `outer`.
    others: usize,
}

thread_local! {
    // Suspended tasks that the thread is dropping. Without a destructor, so that it can still be
    // reached while the thread's locals are destroyed.
    static HALF_WAY: Cell<ManuallyDrop<Option<Box<HalfWay>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };

    // How many tasks without a call the thread has begun to drop, and not finished, since the top
    // of the stack was pushed.
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

fn begin_end(entered: Handle) {
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
            entry::end(entered);
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
