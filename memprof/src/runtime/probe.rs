//! What generated code inserts into the body of a profiled function: a frame, a probe before each
//! statement, and guards that act as probes when they are dropped.
//!
//! Probes name a line by its place alone, its index in the list of the function's lines. They
//! borrow nothing of the program.
//!
//! # Where probes are inlined
//!
//! In optimised programs, the probe of a function that isn't `async` is the store of a number into
//! the function's entry of the [call stack](crate::count::call_stack), after a look at the frame,
//! which tells whether more has to be done. In unoptimised programs, probes aren't inlined: the
//! compiler would generate a hundred bytes of code for each.
//!
//! The body of a future can't keep a frame across an `.await`, so its probes ([`task_at`] and those
//! that follow) find the entry in a thread-local, and are never inlined. What probes call is
//! `extern "C"`, which the compiler knows not to unwind.

use crate::count::call_stack::{self, Handle};
use crate::model::site::{Kind, Site};
use crate::runtime::entry;

/// A call of a function that isn't `async`, or of a closure. It ends when this is dropped.
// Not `Send`: dropped on another thread, it would end a call of that thread.
#[derive(Debug)]
#[must_use]
pub struct Frame(Handle);

/// Begins a call of a function. It ends when the returned frame is dropped.
pub fn enter(site: &'static Site) -> Frame {
    Frame(entry::enter(site))
}

/// Begins a closure of a function, on the line at place `line`. It ends when the returned frame is
/// dropped.
pub fn enter_closure(site: &'static Site, line: u32) -> Frame {
    Frame(entry::enter_block(site, line))
}

impl Frame {
    /// Begins a line of the call.
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn at(&self, line: u32) {
        if self.0.needs_more() {
            entry::begin_line(self.0, line);
        } else {
            self.0.set_place(line);
        }
    }

    /// Begins `line` when the returned guard is dropped: the line of a closing brace, where the
    /// locals declared before it are dropped, or that of a loop's header, which runs again.
    ///
    /// If lines are settled, a guard that is dropped by a panic does nothing: everything up to the
    /// end of the call is charged to the line that panicked. If they are only noted, it doesn't
    /// look for a panic, which would cost more than all the rest.
    #[inline(always)]
    pub fn at_exit(&self, line: u32) -> AtExit {
        AtExit(self.0, line)
    }

    /// As [`at_exit`](Self::at_exit), but resumes `line` without counting an execution: the line of
    /// a statement that goes on after a block inside it.
    #[inline(always)]
    pub fn back_at_exit(&self, line: u32) -> BackAtExit {
        BackAtExit(self.0, line)
    }
}

impl Drop for Frame {
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drop(&mut self) {
        if self.0.needs_more() {
            entry::leave(self.0);
        } else {
            self.0.pop();
        }
    }
}

/// Begins a line when it is dropped: see [`Frame::at_exit`].
#[derive(Debug)]
#[must_use]
pub struct AtExit(Handle, u32);

impl Drop for AtExit {
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drop(&mut self) {
        if self.0.needs_more() {
            begin_line_at_exit(self.0, self.1);
        } else {
            self.0.set_place(self.1);
        }
    }
}

#[cold]
#[inline(never)]
extern "C" fn begin_line_at_exit(handle: Handle, line: u32) {
    // After a panic, the line that panicked stays open.
    if !entry::is_panicking(handle) {
        entry::begin_line(handle, line);
    }
}

/// Resumes a line when it is dropped: see [`Frame::back_at_exit`].
#[derive(Debug)]
#[must_use]
pub struct BackAtExit(Handle, u32);

impl Drop for BackAtExit {
    #[cfg_attr(debug_assertions, inline(never))]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn drop(&mut self) {
        if self.0.needs_more() {
            resume_line_at_exit(self.0, self.1);
        } else {
            self.0.set_place(self.1);
        }
    }
}

#[cold]
#[inline(never)]
extern "C" fn resume_line_at_exit(handle: Handle, line: u32) {
    if !entry::is_panicking(handle) {
        entry::resume_line(handle, line);
    }
}

/// The call whose future the thread is polling, if more has to be done at its lines than to note
/// them. Otherwise notes the line, unless the thread is in no profiled call.
#[inline(always)]
fn note_in_task(line: u32) -> Option<Handle> {
    let top = call_stack::top();
    if top.is_plain() {
        top.set_place(line);
        return None;
    }
    (top.state().kind() != Kind::Off).then(|| Handle::of(top))
}

/// Begins a line of the call or block that the thread is polling.
pub extern "C" fn task_at(line: u32) {
    if let Some(handle) = note_in_task(line) {
        entry::begin_line(handle, line);
    }
}

/// [`Frame::at_exit`] in the body of a future.
#[derive(Debug)]
#[must_use]
pub struct TaskAtExit(u32);

/// [`Frame::at_exit`] in the body of a future.
#[inline]
pub fn task_at_exit(line: u32) -> TaskAtExit {
    TaskAtExit(line)
}

impl Drop for TaskAtExit {
    #[inline]
    fn drop(&mut self) {
        leave_to(self.0);
    }
}

extern "C" fn leave_to(line: u32) {
    if !is_panicking_in_task() {
        task_at(line);
    }
}

/// Whether a panic is unwinding the call that the thread is polling, if more is done at its lines
/// than to note them.
fn is_panicking_in_task() -> bool {
    let top = call_stack::top();
    !top.is_plain() && entry::is_panicking(Handle::of(top))
}

/// [`Frame::back_at_exit`] in the body of a future.
#[derive(Debug)]
#[must_use]
pub struct TaskBackAtExit(u32);

/// [`Frame::back_at_exit`] in the body of a future.
#[inline]
pub fn task_back_at_exit(line: u32) -> TaskBackAtExit {
    TaskBackAtExit(line)
}

impl Drop for TaskBackAtExit {
    #[inline]
    fn drop(&mut self) {
        go_back_to(self.0);
    }
}

extern "C" fn go_back_to(line: u32) {
    if !is_panicking_in_task()
        && let Some(handle) = note_in_task(line)
    {
        entry::resume_line(handle, line);
    }
}
