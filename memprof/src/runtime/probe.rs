//! What generated code inserts into the body of a profiled function: a frame, a probe before each
//! statement, and guards that act as probes when they are dropped.
//!
//! Probes name a line by its place alone, its index in the list of the function's lines, and find
//! the call in thread-locals. They borrow nothing, so that they neither extend a lifetime nor keep
//! a future from being `Send`.
//!
//! Probes are not inlined, and are `extern "C"` functions, which the compiler knows not to unwind.
//! Inlined, each would take a hundred bytes of code, and a program full of them twice as long to
//! compile.

use crate::count::this_thread;
use crate::model::site::Site;
use crate::runtime::entry::{self, Entered};
use crate::runtime::{call, frame};
use std::marker::PhantomData;

/// A call of a function that isn't `async`, or of a closure. It ends when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Frame {
    /// `None` if profiling is off.
    entered: Option<Entered>,
    // Dropped on another thread, it would end a call of that thread.
    _not_send: PhantomData<*const ()>,
}

/// Begins a call of a function. It ends when the returned frame is dropped.
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

/// Begins a closure of a function, on the line at place `line`. It ends when the returned frame is
/// dropped.
pub fn enter_closure(site: &'static Site, line: u32) -> Frame {
    Frame {
        entered: entry::enter_block(site, line),
        _not_send: PhantomData,
    }
}

/// Begins a line of the function that the thread is in, and settles the line before if the
/// function's lines are settled.
pub extern "C" fn at(line: u32) {
    frame::begin_line(line, |id, executions| settle(line, id, executions));
}

// A function of its own, so that lines that aren't settled save no registers.
#[inline(never)]
extern "C" fn settle(line: u32, id: u32, executions: u64) {
    this_thread::begin_line(id);
    call::open(line, executions);
}

/// Begins a line when it is dropped: see [`at_exit`].
#[derive(Debug)]
#[must_use]
pub struct AtExit(u32);

/// Begins `line` when the returned guard is dropped: the line of a closing brace, where the locals
/// declared before it are dropped, or that of a loop's header, which runs again.
///
/// A guard that is dropped by a panic does nothing: everything up to the end of the call is charged
/// to the line that panicked.
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
    // After a panic, the line that panicked stays open.
    if !frame::is_panicking() {
        at(line);
    }
}

/// Resumes a line when it is dropped: see [`back_at_exit`].
#[derive(Debug)]
#[must_use]
pub struct BackAtExit(u32);

/// As [`at_exit`], but resumes `line` without counting an execution: the line of a statement that
/// goes on after a block inside it.
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
