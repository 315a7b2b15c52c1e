//! The profiled function that the calling thread is in, and what a probe does in
//! any of them: it makes its line the thread's current one and counts the
//! execution. In a function whose lines are to be shown, that is not all; the rest
//! is [`call`](crate::runtime::call)'s.

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
// Two words, which stay in registers on their way.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The thread's, for the path that the function was called by.
    counters: &'static PathCounters,
    state: State,
}

/// What is done at the lines; whether the thread was unwinding already when it came to
/// the function, as it does in a `Drop` after a panic: then it can't be told how the call
/// ends; and where on which stack the call began, by which calls under way are told apart.
#[derive(Clone, Copy, Debug)]
struct State(u32);

const KIND: u32 = 0b11;
const ENTERED_IN_PANIC: u32 = 1 << 2;
/// Away from the thread's own stack.
const IS_ELSEWHERE: u32 = 1 << 3;
/// The rest is of the address.
const PLACE: u32 = !0b1111;

impl State {
    /// Of no call.
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

    /// Whether it is of a call that an outer one has made, on the same stack: stacks are
    /// farther apart.
    fn is_near(self, outer: Self) -> bool {
        const NEAR_BYTES: u32 = 16 << 10;
        (outer.0 & PLACE).wrapping_sub(self.0 & PLACE) < NEAR_BYTES
    }

    /// Whether it is of the same call, and neither that nor the one around it is away from
    /// the thread's own stack.
    #[inline(always)]
    fn is_plainly(self, own: Self, outer: Self) -> bool {
        (self.0 ^ own.0) & PLACE == 0 && (own.0 | outer.0) & IS_ELSEWHERE == 0
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
            counters: Cell::new(&line_counters::NO_COUNTERS),
            state: Cell::new(State::NONE),
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
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Outer {
    counters: &'static PathCounters,
    /// The state, and the line below it.
    state_and_line: u64,
    /// Of the call that has been entered.
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

    /// Leaves the function, which `site` describes, for this; the place of the line that
    /// was open.
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

    /// As [`restore`](Self::restore), where it isn't plain what there is to go back to:
    /// the thread [switches stacks](switches), or there are calls that nobody has ended,
    /// as code that never comes back leaves them.
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
            // What is on the thread's own stack ends in turn.
            (false, false) => true,
            // That may have ended meanwhile.
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
        // Or else the thread is in another function on its own stack, and stays there.
        if is_in_turn {
            tag::place_of(tag.line())
        } else {
            0
        }
    }
}

/// Notes that the thread has switched stacks while it was in a function.
fn note_switch(frame: Frame) {
    if frame.state.kind() != Kind::Off
        && !frame.counters.note_switch()
        && let Some(site) = call_paths::site_of(frame.counters.path())
    {
        site.note_switch();
    }
}

/// Enters a function, on its first row; what the thread goes back to.
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

/// Enters a function that has been left in the middle, at the line that was open; or a
/// part of one that runs by itself.
pub(crate) fn go_on(site: &'static Site, kind: Kind, place: u32) -> Outer {
    let tag = this_thread::tag();
    if tag.scope() != 0 {
        scope_counters::settle_time(tag);
    }
    let counters = call_paths::find(site, tag.line());
    begin(site, kind, counters, tag, place)
}

/// Has the thread, which is at `tag`, be in a function on the line at `place`.
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

/// Notes that the thread enters a function, if it [switches stacks](switches).
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

/// Whether the thread is at work for the profiler, and comes to the program's code from
/// there: to an allocator that is profiled itself.
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

/// The line that is open, if the thread is in this function, and not in one that it
/// called.
#[inline]
pub(crate) fn open_line_in(site: &'static Site) -> Option<u32> {
    let is_in = current().counters.are_of(ptr::from_ref(site).addr());
    is_in.then(|| tag::place_of(this_thread::tag().line()))
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
        None => (tag::UNTRACKED, 0),
    };
    match kind {
        Kind::Off => {}
        Kind::Owning => this_thread::begin_line(line),
        Kind::Settling => settle(line, executions),
    }
}

/// Goes on with a line that was open before another one was; whether what the other
/// one did has to be settled.
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

/// The calling thread's counters for the lines of the function that it is in, by the path
/// that it was called by; none if there was no memory for them.
pub(crate) fn lines() -> &'static [LineCounters] {
    current().counters.lines
}

/// How often the thread has called the function that it is in.
pub(crate) fn calls() -> u64 {
    current().counters.calls()
}

/// Whether the function that the thread is in is being unwound.
pub(crate) fn is_panicking() -> bool {
    thread::panicking() && !current().state.entered_in_panic()
}
