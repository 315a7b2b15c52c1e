//! The profiled function that the calling thread is in, and what a probe does in every function:
//! it makes its line the thread's current one and counts the execution.
//!
//! If the lines of the function are settled as well, [`call`](crate::runtime::call) does the rest.
//!
//! # Entering and leaving
//!
//! [`enter`] makes a function the thread's current one and returns what the thread was in before,
//! as an [`Outer`]. [`Outer::restore`] goes back to that. Functions normally end in the reverse
//! order in which they began, so that restoring is a few stores.
//!
//! # Calls that end out of order
//!
//! If a thread [switches stacks](stack_switch), as it does to run stackful coroutines, or if a call
//! is never left, the function to leave may not be the current one. [`Outer::restore`] detects it:
//! the [`State`] of each call has the address in the stack at which the call began, which tells
//! running calls apart, and whether that was on the thread's own stack. Where it can't be known
//! that the outer function is still running, the thread is in no function afterwards.
//!
//! A line is named by its place: its index in the list of the function's lines.

use crate::count::line_counters::{self, LineCounters, PathCounters};
use crate::count::tag::{self, Tag};
use crate::count::{scope_counters, this_thread};
use crate::model::site::{Kind, Site};
use crate::record::call_paths;
use crate::sys::stack_switch;
use std::cell::Cell;
use std::ptr;
use std::thread;

/// The function that a thread is in.
// Two words, so that it is passed in registers.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The thread's counters for the path by which the function was called.
    counters: &'static PathCounters,
    state: State,
}

/// The state of a call, as bit fields.
#[derive(Clone, Copy, Debug)]
struct State(u32);

/// What is done at the lines: a [`Kind`].
const KIND: u32 = 0b11;
/// The thread was already unwinding when it entered the function, from a `Drop` during a panic:
/// then `thread::panicking` doesn't tell whether this call panics.
const ENTERED_IN_PANIC: u32 = 1 << 2;
/// The call began on another stack than the thread's own.
const IS_ELSEWHERE: u32 = 1 << 3;
/// Bits 4 to 31 of the stack address at which the call began. They tell running calls apart.
const PLACE: u32 = !0b1111;

impl State {
    /// The state of a thread that is in no call.
    const NONE: Self = Self(Kind::Off as u32);

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "calls under way are hardly ever 4 GiB apart to the byte"
    )]
    fn new(kind: Kind, is_panicking: bool, here: usize) -> Self {
        let in_panic = if is_panicking { ENTERED_IN_PANIC } else { 0 };
        Self(kind as u32 | in_panic | here as u32 & PLACE)
    }

    #[inline(always)]
    fn kind(self) -> Kind {
        Kind::from_number(self.0 & KIND)
    }

    fn entered_in_panic(self) -> bool {
        self.0 & ENTERED_IN_PANIC != 0
    }

    fn elsewhere(self) -> Self {
        Self(self.0 | IS_ELSEWHERE)
    }

    fn is_elsewhere(self) -> bool {
        self.0 & IS_ELSEWHERE != 0
    }

    /// Whether this call began less than 16 KiB below `outer`, and so on the same stack: stacks are
    /// farther apart.
    fn is_near(self, outer: Self) -> bool {
        const NEAR_BYTES: u32 = 16 << 10;
        (outer.0 & PLACE).wrapping_sub(self.0 & PLACE) < NEAR_BYTES
    }

    /// Whether this is the state of the call `own`, and both that and `outer` are on the thread's
    /// own stack.
    #[inline(always)]
    fn is_plainly(self, own: Self, outer: Self) -> bool {
        (self.0 ^ own.0) & PLACE == 0 && (own.0 | outer.0) & IS_ELSEWHERE == 0
    }
}

/// The [`Frame`] of the calling thread.
#[derive(Debug)]
struct Current {
    counters: Cell<&'static PathCounters>,
    state: Cell<State>,
}

thread_local! {
    // Without a destructor, since a function may be called while the thread's locals are destroyed.
    static CURRENT: Current = const {
        Current {
            counters: Cell::new(&line_counters::NO_COUNTERS),
            state: Cell::new(State::NONE),
        }
    };
}

/// The function that the calling thread is in, or a frame without lines if it is in none.
#[inline(always)]
fn current() -> Frame {
    CURRENT.with(|current| Frame {
        counters: current.counters.get(),
        state: current.state.get(),
    })
}

/// Makes `frame` the calling thread's current function and returns the previous one.
#[inline(always)]
fn replace(frame: Frame) -> Frame {
    CURRENT.with(|current| Frame {
        counters: current.counters.replace(frame.counters),
        state: current.state.replace(frame.state),
    })
}

/// What a thread was in before it entered a function, so that it can go back.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Outer {
    counters: &'static PathCounters,
    /// The state in the upper half, and the id of the line in the lower half.
    state_and_line: u64,
    /// The state of the call that was entered.
    own: State,
}

impl Outer {
    #[inline(always)]
    fn new(frame: Frame, line: u32, own: State) -> Self {
        Self {
            counters: frame.counters,
            state_and_line: u64::from(frame.state.0) << u32::BITS | u64::from(line),
            own,
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

    /// Leaves the function that `site` describes and goes back to what this holds. Returns the
    /// place of the line that was open.
    #[inline(always)]
    pub(crate) fn restore(self, site: &'static Site) -> u32 {
        let outer = self.frame();
        let left = replace(outer);
        let tag = this_thread::tag();
        if tag.scope() != 0 {
            scope_counters::settle_time(tag);
        }
        if !left.state.is_plainly(self.own, outer.state) {
            return self.restore_closely(site, left, tag);
        }
        this_thread::set_tag(tag.with_line(self.line()));
        tag::place_of(tag.line())
    }

    /// The slow path of [`restore`](Self::restore), for calls that may not end in order: the thread
    /// [switches stacks](stack_switch), or inner calls were never left, for example by code that
    /// doesn't return.
    #[cold]
    #[inline(never)]
    fn restore_closely(self, site: &'static Site, left: Frame, tag: Tag) -> u32 {
        let outer = self.frame();
        replace(left);
        let is_in_turn = (left.state.0 ^ self.own.0) & PLACE == 0;
        if !is_in_turn && stack_switch::have_been_several() {
            stack_switch::mix();
            site.note_switch();
            note_switch(left);
            stack_switch::note();
        }
        let is_mixed = stack_switch::are_mixed();
        if self.own.is_elsewhere() {
            stack_switch::end();
        }
        let may_go_back = match (self.own.is_elsewhere(), outer.state.is_elsewhere()) {
            // Calls on the thread's own stack end in order.
            (false, false) => true,
            // The outer call may have ended already.
            (false, true) => false,
            (true, false) => is_in_turn,
            (true, true) => is_in_turn && (!is_mixed || self.own.is_near(outer.state)),
        };
        if may_go_back {
            replace(outer);
            this_thread::set_tag(tag.with_line(self.line()));
        } else if is_in_turn || left.state.is_elsewhere() {
            replace(Frame {
                counters: &line_counters::NO_COUNTERS,
                state: State::NONE,
            });
            this_thread::set_tag(tag.with_line(tag::UNTRACKED));
        }
        // Otherwise the thread is in another function on its own stack, and stays there.
        if is_in_turn {
            tag::place_of(tag.line())
        } else {
            0
        }
    }
}

/// Records that the thread has switched stacks while it was in the function of `frame`.
fn note_switch(frame: Frame) {
    if frame.state.kind() != Kind::Off
        && !frame.counters.note_switch()
        && let Some(site) = call_paths::site_of(frame.counters.path())
    {
        site.note_switch();
    }
}

/// Enters a function on its first row. Returns what the thread was in before.
#[inline(always)]
pub(crate) fn enter(site: &'static Site, kind: Kind) -> Outer {
    let tag = this_thread::tag();
    let counters = call_paths::find(site, tag.line());
    counters.call();
    if tag.scope() != 0 {
        scope_counters::settle_time(tag);
        scope_counters::call(tag.scope(), counters.path(), site.lines().len());
    }
    begin(site, kind, counters, tag, 0)
}

/// Enters a function again that was left in the middle, at the line that was open; or enters a
/// closure or `async` block that runs outside of its function. It doesn't count as a call.
pub(crate) fn go_on(site: &'static Site, kind: Kind, place: u32) -> Outer {
    let tag = this_thread::tag();
    if tag.scope() != 0 {
        scope_counters::settle_time(tag);
    }
    let counters = call_paths::find(site, tag.line());
    begin(site, kind, counters, tag, place)
}

/// Makes a function current, on the line at `place`. `tag` is the thread's tag so far.
#[inline(always)]
fn begin(
    site: &'static Site,
    kind: Kind,
    counters: &'static PathCounters,
    tag: Tag,
    place: u32,
) -> Outer {
    let here = stack_switch::here();
    let mut state = State::new(kind, thread::panicking(), here);
    if !stack_switch::is_plain(here) {
        state = begin_closely(site, state, here);
    }
    let frame = replace(Frame { counters, state });
    this_thread::set_tag(tag.with_line(counters.line(place)));
    Outer::new(frame, tag.line(), state)
}

/// The slow path of [`begin`], for a thread's first call and while calls on other stacks than its
/// own are running. Records a [stack switch](stack_switch) in the functions concerned.
#[cold]
#[inline(never)]
fn begin_closely(site: &'static Site, state: State, here: usize) -> State {
    let is_elsewhere = stack_switch::begin(here);
    if stack_switch::are_several() {
        site.note_switch();
        note_switch(current());
        stack_switch::note();
    }
    if is_elsewhere {
        state.elsewhere()
    } else {
        state
    }
}

/// Whether the thread is doing the profiler's own work, and has reached profiled code from there:
/// the program's allocator, for example, may be profiled itself.
#[inline]
pub(crate) fn is_own_work() -> bool {
    this_thread::tag().line() == tag::PROFILER
}

/// Enters a function without profiling it.
pub(crate) fn enter_unprofiled() -> Outer {
    let frame = current();
    let in_panic = frame.state.entered_in_panic();
    let here = stack_switch::here();
    let state = State::new(Kind::Off, in_panic, here);
    let state = if stack_switch::is_plain(here) || !stack_switch::begin(here) {
        state
    } else {
        state.elsewhere()
    };
    replace(Frame { state, ..frame });
    Outer::new(frame, this_thread::tag().line(), state)
}

/// The place of the open line, if the thread's current function is this one, and not one that it
/// called.
#[inline]
pub(crate) fn open_line_in(site: &'static Site) -> Option<u32> {
    let is_in = current().counters.are_of(ptr::from_ref(site).addr());
    is_in.then(|| tag::place_of(this_thread::tag().line()))
}

/// Begins the line at `place` of the function that the thread is in.
///
/// If the function's lines are settled, this is left to `settle`, which gets the line's id and how
/// often the thread has begun the line, this time included.
#[inline(always)]
pub(crate) fn begin_line(place: u32, settle: impl FnOnce(u32, u64)) {
    let Frame { counters, state } = current();
    let kind = state.kind();
    if kind == Kind::Off {
        return;
    }
    let (line, executions) = match counters.lines.get(place as usize) {
        Some(line) => (counters.line(place), line.hit()),
        None => (tag::UNTRACKED, 0),
    };
    match kind {
        Kind::Off => {}
        Kind::Owning | Kind::Counting => this_thread::begin_line(line),
        Kind::Settling => settle(line, executions),
    }
}

/// Makes the line at `place` the current one again, without counting an execution. Returns whether
/// the line that was open has to be settled.
pub(crate) fn resume_line(place: u32) -> bool {
    let frame = current();
    let tag = this_thread::tag();
    let resumed = tag.with_line(frame.counters.line(place));
    let kind = frame.state.kind();
    if kind == Kind::Off || tag == resumed {
        return false;
    }
    this_thread::set_tag(resumed);
    kind == Kind::Settling
}

/// The calling thread's counters for the lines of the function that it is in, on the current call
/// path. Empty if there was no memory for them.
pub(crate) fn lines() -> &'static [LineCounters] {
    current().counters.lines
}

/// How often the thread has called the function that it is in, on the current call path.
pub(crate) fn calls() -> u64 {
    current().counters.calls()
}

/// Whether a panic is unwinding the function that the thread is in.
pub(crate) fn is_panicking() -> bool {
    thread::panicking() && !current().state.entered_in_panic()
}
