//! Detection of threads that switch stacks, as those that run stackful coroutines do.
//!
//! The functions and lines that a thread is in are kept in thread-locals, which is right as long as
//! calls end in the reverse order in which they began. A coroutine is suspended in the middle of a
//! call, and other code continues on the thread's own stack or on another coroutine's. Nothing
//! notifies the profiler of that. So what this code does may be counted for the lines of a
//! suspended coroutine, and the other way round; tables and reports of the affected functions say
//! so.
//!
//! # Detection
//!
//! A call that begins on a stack other than the thread's own belongs to a coroutine, or to code
//! that switched stacks for another reason. While a thread has such a call, each call that it
//! begins or ends is affected, and so is each call that it was in. This is checked when calls begin
//! and end; checking at each line would cost more than the line.

use crate::sys::os;
use std::cell::Cell;

/// The remark on an affected function.
pub(crate) const NOTE: &str = "Its thread switched stacks while it ran, as coroutines do: these \
                               lines may include what other code on the thread did, and the \
                               other way round.";

/// A thread's knowledge of its stacks.
struct Stacks {
    /// The lowest address of the thread's own stack.
    lowest: Cell<usize>,
    own_size: Cell<usize>,
    is_known: Cell<bool>,
    /// The same size, in bytes; 0 while it isn't known or there are calls on other stacks. Then no
    /// call counts as plain, and each is checked.
    size: Cell<usize>,
    /// Running calls on other stacks.
    calls_elsewhere: Cell<u32>,
    /// Whether one of these has ended out of order, so that the calls that others return to may
    /// have ended, too.
    is_mixed: Cell<bool>,
    /// Whether there was ever a call on another stack.
    have_been_several: Cell<bool>,
    /// How often a switch was noted.
    switch_count: Cell<u32>,
}

thread_local! {
    // Const-initialised and without a destructor, so it works while the thread is being torn down.
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

/// An address in the current stack frame. Two running calls rarely have the same one; if they do,
/// they aren't told apart, and one that ends before the other isn't noticed.
#[inline(always)]
pub(crate) fn here() -> usize {
    os::stack_pointer()
}

/// Whether a call that begins `here` is on the thread's own stack, and all other running calls are,
/// too.
#[inline(always)]
pub(crate) fn is_plain(here: usize) -> bool {
    STACKS.with(|stacks| here.wrapping_sub(stacks.lowest.get()) < stacks.size.get())
}

/// Whether the thread is on its own stack, as far as that is known.
pub(crate) fn is_on_own_stack(here: usize) -> bool {
    STACKS.with(|stacks| here.wrapping_sub(stacks.lowest.get()) < stacks.own_size.get())
}

/// Finds out where the thread's own stack is, if that isn't known.
pub(crate) fn learn() {
    STACKS.with(|stacks| {
        if !stacks.is_known.replace(true) {
            // Where it isn't known, all of memory counts as the stack.
            let (lowest, size) = os::stack().unwrap_or((0, usize::MAX));
            stacks.lowest.set(lowest);
            stacks.own_size.set(size);
            stacks.size.set(size);
        }
    });
}

/// Notes the beginning of a call that isn't [plain](is_plain). Returns whether it is on a stack
/// other than the thread's own.
pub(crate) fn begin(here: usize) -> bool {
    learn();
    STACKS.with(|stacks| {
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

/// The lowest address of the thread's own stack and its size, which is 0 while it isn't known or
/// there are calls on other stacks.
pub(crate) fn plain_range() -> (usize, usize) {
    STACKS.with(|stacks| (stacks.lowest.get(), stacks.size.get()))
}

/// Notes the end of a call on a stack other than the thread's own.
///
/// The call may have begun on another thread, since coroutines can move between threads.
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

/// Whether there are running calls on stacks other than the thread's own.
pub(crate) fn are_several() -> bool {
    STACKS.with(|stacks| stacks.calls_elsewhere.get() > 0)
}

/// Whether there ever was a call on another stack.
pub(crate) fn have_been_several() -> bool {
    STACKS.with(|stacks| stacks.have_been_several.get())
}

/// Notes that the thread has switched stacks, which affects all calls that it is in.
pub(crate) fn note() {
    STACKS.with(|stacks| {
        let count = stacks.switch_count.get();
        stacks.switch_count.set(count.wrapping_add(1));
    });
}

/// How often a switch was noted on this thread.
pub(crate) fn count() -> u32 {
    STACKS.with(|stacks| stacks.switch_count.get())
}

/// Notes that a call has ended out of order.
pub(crate) fn mix() {
    STACKS.with(|stacks| stacks.is_mixed.set(stacks.calls_elsewhere.get() > 0));
}

/// Whether a call has ended out of order since the first running call on another stack began.
pub(crate) fn are_mixed() -> bool {
    STACKS.with(|stacks| stacks.is_mixed.get())
}
