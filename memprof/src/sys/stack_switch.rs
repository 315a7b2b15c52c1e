//! Threads that switch stacks, as those do that run stackful coroutines.
//!
//! What a thread is in, functions and lines, is in thread-locals, and is right as long as
//! calls end in the reverse order in which they began. A coroutine is left in the middle
//! of a call, and other code goes on on the thread's own stack, or on that of another
//! coroutine. Nothing tells the profiler of it. So what is done there may be put down to
//! the lines of a coroutine that rests, and the other way round: tables and reports of the
//! functions concerned say so.
//!
//! # How it is seen
//!
//! A call that begins away from the stack that the system gave to the thread is one of a
//! coroutine, or of code that has taken another stack for other reasons. As long as there
//! is such a call on a thread, each call that the thread begins or ends is concerned, and
//! so is each that it was in. That is found out when calls begin and end: at a line, it
//! would cost more than the line.

use crate::sys::os;
use std::cell::Cell;

/// What is said of a function that is concerned.
pub(crate) const NOTE: &str = "Its thread switched stacks while it ran, as coroutines do: what \
                               others did on the thread may be on these lines, and what these \
                               did on others'.";

/// What a thread knows of its stacks.
struct Stacks {
    /// Its own one, from the lowest address on.
    lowest: Cell<usize>,
    own_size: Cell<usize>,
    is_known: Cell<bool>,
    /// That size; 0 as long as it isn't known, or there are calls on other stacks: then a
    /// call is looked at more closely.
    size: Cell<usize>,
    /// Calls under way on other stacks.
    calls_elsewhere: Cell<u32>,
    /// Whether one of those has ended out of turn: what others of them go back to may have
    /// ended, too.
    is_mixed: Cell<bool>,
    /// Whether there was ever such a call.
    have_been_several: Cell<bool>,
    /// How often a switch was seen.
    switch_count: Cell<u32>,
}

thread_local! {
    // Without a destructor, for the reasons of `threads`.
    static STACKS: Stacks = const {
        Stacks {
            lowest: Cell::new(0),
            own_size: Cell::new(0),
            is_known: Cell::new(false),
            size: Cell::new(0),
            calls_elsewhere: Cell::new(0),
            is_mixed: Cell::new(false),
            have_been_several: Cell::new(false),
            switch_count: Cell::new(0),
        }
    };
}

/// An address in the stack that the thread is on. Two calls under way hardly ever have the
/// same; if they have, they aren't told apart, and it isn't seen that one ends before the
/// other.
#[inline(always)]
pub(crate) fn here() -> usize {
    let place = 0_u8;
    std::ptr::from_ref(&place).addr()
}

/// Whether a call that begins `here` is on the thread's own stack, and so are all others.
#[inline(always)]
pub(crate) fn is_plain(here: usize) -> bool {
    STACKS.with(|stacks| here.wrapping_sub(stacks.lowest.get()) < stacks.size.get())
}

/// Notes a call that isn't [plain](is_plain); whether it is on another stack than the
/// thread's own.
pub(crate) fn begin(here: usize) -> bool {
    STACKS.with(|stacks| {
        if !stacks.is_known.replace(true) {
            // Where it can't be known, all of memory is the stack.
            let (lowest, size) = os::stack().unwrap_or((0, usize::MAX));
            stacks.lowest.set(lowest);
            stacks.own_size.set(size);
            stacks.size.set(size);
        }
        let is_elsewhere = here.wrapping_sub(stacks.lowest.get()) >= stacks.own_size.get();
        if is_elsewhere {
            let calls = stacks.calls_elsewhere.get().saturating_add(1);
            stacks.calls_elsewhere.set(calls);
            stacks.have_been_several.set(true);
            stacks.size.set(0);
        }
        is_elsewhere
    })
}

/// Notes the end of a call on another stack than the thread's own.
///
/// It may have begun on another thread: a coroutine goes where its owner takes it.
pub(crate) fn end() {
    STACKS.with(|stacks| {
        let calls = stacks.calls_elsewhere.get().saturating_sub(1);
        stacks.calls_elsewhere.set(calls);
        if calls == 0 && stacks.is_known.get() {
            stacks.size.set(stacks.own_size.get());
            stacks.is_mixed.set(false);
        }
    });
}

/// Whether there are calls under way on other stacks than the thread's own.
pub(crate) fn are_several() -> bool {
    STACKS.with(|stacks| stacks.calls_elsewhere.get() > 0)
}

/// Whether there ever were.
pub(crate) fn have_been_several() -> bool {
    STACKS.with(|stacks| stacks.have_been_several.get())
}

/// Notes that the thread has switched stacks, which concerns all calls that it is in.
pub(crate) fn note() {
    STACKS.with(|stacks| {
        let count = stacks.switch_count.get();
        stacks.switch_count.set(count.wrapping_add(1));
    });
}

/// How often that was noted, on this thread.
pub(crate) fn count() -> u32 {
    STACKS.with(|stacks| stacks.switch_count.get())
}

/// Notes that a call has ended out of turn.
pub(crate) fn mix() {
    STACKS.with(|stacks| stacks.is_mixed.set(stacks.calls_elsewhere.get() > 0));
}

/// Whether one has since the first call that is under way on another stack.
pub(crate) fn are_mixed() -> bool {
    STACKS.with(|stacks| stacks.is_mixed.get())
}
