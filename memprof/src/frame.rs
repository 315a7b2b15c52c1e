//! The profiled function that the calling thread is in, and what a probe does in
//! any of them: it makes its line the thread's current one and counts the
//! execution. In a function whose lines are to be shown, that is not all; the rest
//! is [`call`](crate::call)'s.

use crate::owner::{self, PathCounters, Tag};
use crate::paths;
use crate::site::{Kind, Site};
use crate::{scopes, threads};
use std::cell::Cell;
use std::ptr;
use std::thread;

/// The function that a thread is in.
// Two words, which stay in registers on their way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The thread's, for the path that the function was called by.
    counters: &'static PathCounters,
    state: State,
}

/// What is done at the lines, and whether the thread was unwinding already when it came
/// to the function, as it does in a `Drop` after a panic: then it can't be told how the
/// call ends.
#[derive(Clone, Copy, Debug)]
struct State(u32);

const ENTERED_IN_PANIC: u32 = 1 << 31;

impl State {
    const fn new(kind: Kind, is_panicking: bool) -> Self {
        Self(kind as u32 | if is_panicking { ENTERED_IN_PANIC } else { 0 })
    }

    #[inline(always)]
    fn kind(self) -> Kind {
        Kind::from_number(self.0 & !ENTERED_IN_PANIC)
    }

    fn entered_in_panic(self) -> bool {
        self.0 & ENTERED_IN_PANIC != 0
    }
}

/// The calling thread's.
#[derive(Debug)]
struct Current {
    counters: Cell<&'static PathCounters>,
    state: Cell<State>,
}

thread_local! {
    // Without a destructor, for the reasons of `threads`: a function may well be
    // called while its thread is torn down.
    static CURRENT: Current = const {
        Current {
            counters: Cell::new(&owner::NO_COUNTERS),
            state: Cell::new(State::new(Kind::Off, false)),
        }
    };
}

/// The function that the calling thread is in; where it is in none, one without lines.
#[inline(always)]
fn current() -> Frame {
    CURRENT.with(|current| Frame {
        counters: current.counters.get(),
        state: current.state.get(),
    })
}

/// Has the calling thread be in another function; the one that it was in.
#[inline(always)]
fn replace(frame: Frame) -> Frame {
    CURRENT.with(|current| Frame {
        counters: current.counters.replace(frame.counters),
        state: current.state.replace(frame.state),
    })
}

/// What a thread was in before it entered a function, to go back to.
// Two words, for the same reason.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Outer {
    counters: &'static PathCounters,
    /// The state, and the line below it.
    state_and_line: u64,
}

impl Outer {
    #[inline(always)]
    fn new(frame: Frame, line: u32) -> Self {
        Self {
            counters: frame.counters,
            state_and_line: u64::from(frame.state.0) << u32::BITS | u64::from(line),
        }
    }

    #[inline(always)]
    fn frame(self) -> Frame {
        let state = State((self.state_and_line >> u32::BITS) as u32);
        Frame {
            counters: self.counters,
            state,
        }
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "that half is what is asked for"
    )]
    fn line(self) -> u32 {
        self.state_and_line as u32
    }

    /// Leaves the function for this; the place of the line that was open.
    #[inline(always)]
    pub(crate) fn restore(self) -> u32 {
        replace(self.frame());
        let tag = threads::tag();
        if tag.scope() != 0 {
            scopes::settle_time(tag);
        }
        threads::set_tag(tag.with_line(self.line()));
        owner::place_of(tag.line())
    }
}

/// Enters a function, on its first row; what the thread goes back to.
#[inline(always)]
pub(crate) fn enter(site: &'static Site, kind: Kind) -> Outer {
    let tag = threads::tag();
    let counters = paths::find(site, tag.line());
    counters.call();
    if tag.scope() != 0 {
        scopes::settle_time(tag);
        scopes::call(tag.scope(), counters.path(), site.lines().len());
    }
    begin(kind, counters, tag, 0)
}

/// Enters a function that has been left in the middle, at the line that was open; or a
/// part of one that runs by itself.
pub(crate) fn go_on(site: &'static Site, kind: Kind, place: u32) -> Outer {
    let tag = threads::tag();
    if tag.scope() != 0 {
        scopes::settle_time(tag);
    }
    let counters = paths::find(site, tag.line());
    begin(kind, counters, tag, place)
}

/// Has the thread, which is at `tag`, be in a function on the line at `place`.
#[inline(always)]
fn begin(kind: Kind, counters: &'static PathCounters, tag: Tag, place: u32) -> Outer {
    let state = State::new(kind, thread::panicking());
    let frame = replace(Frame { counters, state });
    threads::set_tag(tag.with_line(counters.line(place)));
    Outer::new(frame, tag.line())
}

/// Whether the thread is at work for the profiler, and comes to the program's code from
/// there: to an allocator that is profiled itself.
#[inline]
pub(crate) fn is_own_work() -> bool {
    threads::tag().line() == owner::PROFILER
}

/// Enters a function without profiling it.
pub(crate) fn enter_unprofiled() -> Outer {
    let frame = current();
    let state = State::new(Kind::Off, frame.state.entered_in_panic());
    replace(Frame { state, ..frame });
    Outer::new(frame, threads::tag().line())
}

/// The line that is open, if the thread is in this function, and not in one that it
/// called.
#[inline]
pub(crate) fn open_line_in(site: &'static Site) -> Option<u32> {
    let is_in = current().counters.are_of(ptr::from_ref(site).addr());
    is_in.then(|| owner::place_of(threads::tag().line()))
}

/// Begins a line of the function that the thread is in. One that has to be settled, too,
/// is left to `settle`, which is told the line's id and how often the thread has begun
/// it.
#[inline(always)]
pub(crate) fn begin_line(place: u32, settle: impl FnOnce(u32, u64)) {
    let Frame { counters, state } = current();
    let kind = state.kind();
    if kind == Kind::Off {
        return;
    }
    let (line, executions) = match counters.lines.get(place as usize) {
        Some(line) => (counters.line(place), line.hit()),
        None => (owner::UNTRACKED, 0),
    };
    match kind {
        Kind::Off => {}
        Kind::Owning => threads::begin_line(line),
        Kind::Settling => settle(line, executions),
    }
}

/// Goes on with a line that was open before another one was; whether what the other
/// one did has to be settled.
pub(crate) fn resume_line(place: u32) -> bool {
    let frame = current();
    let tag = threads::tag();
    let resumed = tag.with_line(frame.counters.line(place));
    let kind = frame.state.kind();
    if kind == Kind::Off || tag == resumed {
        return false;
    }
    threads::set_tag(resumed);
    kind == Kind::Settling
}

/// How often the thread has called the function that it is in.
pub(crate) fn calls() -> u64 {
    current().counters.calls()
}

/// Whether the function that the thread is in is being unwound.
pub(crate) fn is_panicking() -> bool {
    thread::panicking() && !current().state.entered_in_panic()
}
