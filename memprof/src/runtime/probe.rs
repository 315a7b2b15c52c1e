//! What stands in the body of a profiled function: its frame, a probe before each
//! statement, and guards that are probes when they are dropped.
//!
//! They name a line by its place alone and find the call on the thread. So they
//! borrow nothing: no lifetime is drawn out by them, and a future stays `Send`.
//!
//! All of them are calls out of line, and of C's convention, which says that they don't
//! unwind: in place they would be a hundred bytes each, and twice as much to compile in
//! a program that has them everywhere.

use crate::count::this_thread;
use crate::model::site::Site;
use crate::runtime::entry::{self, Entered};
use crate::runtime::{call, frame};
use std::marker::PhantomData;

/// A call of a function that isn't `async`, or of a closure, for as long as it lives.
#[derive(Debug)]
#[must_use]
pub struct Frame {
    /// None where profiling is off.
    entered: Option<Entered>,
    // Dropping it on another thread would end another call.
    _not_send: PhantomData<*const ()>,
}

/// Begins a call of a function, which ends when the answer is dropped.
pub fn enter(site: &'static Site) -> Frame {
    Frame {
        entered: entry::enter(site),
        _not_send: PhantomData,
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if let Some(entered) = self.entered.take() {
            entered.end();
        }
    }
}

/// Begins a closure of a function, which ends when the answer is dropped; `line` is
/// the one that it stands on.
pub fn enter_closure(site: &'static Site, line: u32) -> Frame {
    Frame {
        entered: entry::enter_block(site, line),
        _not_send: PhantomData,
    }
}

/// Begins a line of the function that the thread is in, and settles the one before
/// if the function's lines are to be shown.
pub extern "C" fn at(line: u32) {
    frame::begin_line(line, |id, executions| settle(line, id, executions));
}

// By itself, for the other lines to save no registers.
#[inline(never)]
extern "C" fn settle(line: u32, id: u32, executions: u64) {
    this_thread::begin_line(id);
    call::open(line, executions);
}

/// Begins a line when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct AtExit(u32);

/// Begins `line` when the answer is dropped: that of a closing brace, on which
/// the locals declared before it die, or of a loop's header, which runs once
/// more.
///
/// Not if it is dropped by a panic: then everything up to the end of the call is
/// the panicking line's.
#[inline]
pub fn at_exit(line: u32) -> AtExit {
    AtExit(line)
}

impl Drop for AtExit {
    #[inline]
    fn drop(&mut self) {
        leave_to(self.0);
    }
}

extern "C" fn leave_to(line: u32) {
    // Or else it is left with the line that panicked.
    if !frame::is_panicking() {
        at(line);
    }
}

/// Goes on with a line when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct BackAtExit(u32);

/// As [`at_exit`], but goes on with `line`: that of a statement of which a block
/// was only a part.
#[inline]
pub fn back_at_exit(line: u32) -> BackAtExit {
    BackAtExit(line)
}

impl Drop for BackAtExit {
    #[inline]
    fn drop(&mut self) {
        go_back_to(self.0);
    }
}

extern "C" fn go_back_to(line: u32) {
    if !frame::is_panicking() {
        entry::resume_line(line);
    }
}
