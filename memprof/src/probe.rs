//! What stands in the body of a profiled function: its frame, a probe before each
//! statement, and guards that are probes when they are dropped.
//!
//! They name a line by its place alone and find the call on the thread. So they
//! borrow nothing: no lifetime is drawn out by them, and a future stays `Send`.

use crate::entered::{self, Entered};
use crate::site::Site;
use crate::{call, frame};
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
        entered: entered::enter(site),
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
// Out of line, since most closures are short.
pub fn enter_closure(site: &'static Site, line: u32) -> Frame {
    Frame {
        entered: entered::enter_block(site, line),
        _not_send: PhantomData,
    }
}

/// Begins a line of the function that the thread is in, and settles the one before
/// if the function's lines are to be shown.
// Of an optimised build, a line is a few instructions in place; of any other, a
// call of this library's code, which may be optimised where the program isn't.
#[cfg_attr(not(debug_assertions), inline)]
pub fn at(line: u32) {
    if let Some(executions) = frame::begin_line(line) {
        call::open(line, executions);
    }
}

/// Opens a line when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct AtExit {
    line: u32,
    begins: bool,
}

/// Begins `line` when the answer is dropped: that of a closing brace, on which
/// the locals declared before it die, or of a loop's header, which runs once
/// more.
///
/// Not if it is dropped by a panic: then everything up to the end of the call is
/// the panicking line's.
pub fn at_exit(line: u32) -> AtExit {
    AtExit { line, begins: true }
}

/// As [`at_exit`], but goes on with `line`: that of a statement of which a block
/// was only a part.
pub fn back_at_exit(line: u32) -> AtExit {
    AtExit {
        line,
        begins: false,
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        if frame::is_panicking() {
            // Left with the line that panicked.
        } else if self.begins {
            at(self.line);
        } else {
            entered::resume_line(self.line);
        }
    }
}
