//! The profiled function that the calling thread is in, and what a probe does in
//! any of them: it makes its line the thread's current one and counts the
//! execution. In a function whose lines are to be shown, that is not all; the rest
//! is [`call`](crate::call)'s.

use crate::owner::{self, PathCounters};
use crate::paths;
use crate::site::{Kind, Site};
use crate::{scopes, threads};
use std::cell::Cell;
use std::ptr;
use std::thread;

/// The function that a thread is in.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: Kind,
    /// None where the thread is in no function.
    site: Option<&'static Site>,
    /// Whether the thread was unwinding already when it came here, as it does in a
    /// `Drop` after a panic: then it can't be told how the call ends.
    entered_in_panic: bool,
    /// The id of the function's first line, by the path it was called.
    first_id: u32,
    counters: &'static PathCounters,
}

thread_local! {
    // Without a destructor, for the reasons of `threads`: a function may well be
    // called while its thread is torn down.
    static FRAME: Cell<Frame> = const {
        Cell::new(Frame {
            kind: Kind::Off,
            site: None,
            entered_in_panic: false,
            first_id: owner::UNTRACKED,
            counters: &owner::NO_COUNTERS,
        })
    };
}

/// What a thread was in before it entered a function, to go back to.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Outer {
    frame: Frame,
    line: u32,
}

/// Enters a function, on its first row; what the thread goes back to.
#[inline]
pub(crate) fn enter(site: &'static Site) -> Outer {
    let outer = go_on(site, 0);
    let frame = FRAME.get();
    frame.counters.call();
    let scope = threads::tag().scope();
    if scope != 0 {
        let path = owner::path_of(frame.first_id);
        scopes::call(scope, path, site.lines().len());
    }
    outer
}

/// Enters a function that has been left in the middle, at the line that was open.
#[inline]
pub(crate) fn go_on(site: &'static Site, place: u32) -> Outer {
    go_on_as(site.kind(), site, place)
}

/// As [`go_on`], but for its lines to own what is made in them and no more.
pub(crate) fn go_on_owning(site: &'static Site, place: u32) -> Outer {
    go_on_as(Kind::Owning, site, place)
}

#[inline]
fn go_on_as(kind: Kind, site: &'static Site, place: u32) -> Outer {
    let tag = threads::tag();
    let path = paths::find(site, tag.line());
    let frame = Frame {
        kind,
        site: Some(site),
        entered_in_panic: thread::panicking(),
        first_id: owner::first_id(path.number),
        counters: path.counters,
    };
    let outer = Outer {
        frame: FRAME.replace(frame),
        line: tag.line(),
    };
    threads::set_tag(tag.with_line(frame.line(place)));
    outer
}

/// Whether the thread is at work for the profiler, and comes to the program's code from
/// there: to an allocator that is profiled itself.
#[inline]
pub(crate) fn is_own_work() -> bool {
    threads::tag().line() == owner::PROFILER
}

/// Enters a function without profiling it.
pub(crate) fn enter_unprofiled() -> Outer {
    let outer = FRAME.get();
    FRAME.set(Frame {
        kind: Kind::Off,
        ..outer
    });
    Outer {
        frame: outer,
        line: threads::tag().line(),
    }
}

/// The line that is open, if the thread is in this function, and not in one that it
/// called.
#[inline]
pub(crate) fn open_line_in(site: &'static Site) -> Option<u32> {
    let is_in = FRAME.get().site.is_some_and(|in_| ptr::eq(in_, site));
    is_in.then(|| owner::place_of(threads::tag().line()))
}

impl Outer {
    /// Leaves the function for this; the place of the line that was open.
    #[inline]
    pub(crate) fn restore(self) -> u32 {
        FRAME.set(self.frame);
        let tag = threads::tag();
        threads::set_tag(tag.with_line(self.line));
        owner::place_of(tag.line())
    }
}

impl Frame {
    /// The id of a line.
    #[inline(always)]
    fn line(&self, place: u32) -> u32 {
        if (place as usize) < self.counters.lines.len() {
            self.first_id.wrapping_add(place)
        } else {
            owner::UNTRACKED
        }
    }
}

/// Begins a line of the function that the thread is in. If it has to be settled,
/// too, how often the thread has begun it.
#[inline(always)]
pub(crate) fn begin_line(place: u32) -> Option<u64> {
    let frame = FRAME.get();
    if frame.kind == Kind::Off {
        return None;
    }
    let mut executions = 0;
    let line = match frame.counters.lines.get(place as usize) {
        Some(counters) => {
            executions = counters.hit();
            frame.first_id.wrapping_add(place)
        }
        None => owner::UNTRACKED,
    };
    threads::begin_line(line);
    (frame.kind == Kind::Settling).then_some(executions)
}

/// Goes on with a line that was open before another one was; whether what the other
/// one did has to be settled.
pub(crate) fn resume_line(place: u32) -> bool {
    let frame = FRAME.get();
    let tag = threads::tag();
    let resumed = tag.with_line(frame.line(place));
    if frame.kind == Kind::Off || tag == resumed {
        return false;
    }
    threads::set_tag(resumed);
    frame.kind == Kind::Settling
}

/// How often the thread has called the function that it is in.
pub(crate) fn calls() -> u64 {
    FRAME.get().counters.calls()
}

/// Whether the function that the thread is in is being unwound.
pub(crate) fn is_panicking() -> bool {
    thread::panicking() && !FRAME.get().entered_in_panic
}
