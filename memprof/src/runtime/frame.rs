//! Pushing and popping entries of the thread's [call stack](crate::count::call_stack) where more is
//! done than to note the call: calls are counted, or the thread may have switched stacks.
//!
//! # Calls that end out of order
//!
//! Functions normally end in the reverse order in which they began. If a thread [switches
//! stacks](stack_switch), as it does to run stackful coroutines, or if a call is never left, the
//! entry to pop may not be the top. [`pop`] detects it. Calls on the thread's own stack always end
//! in order, so when one of them ends, the thread is in the next one below that is on its own stack.
//! Of a call on another stack, the entry may even be gone by then: the address in the stack at which
//! a call began tells.

use crate::count::call_stack::{self, Entry, Handle, State};
use crate::count::line_counters::{LineCounters, PathCounters};
use crate::count::this_thread::{self, Prepared};
use crate::count::{scope_counters, uncounted};
use crate::model::site::{Kind, Site};
use crate::sys::{output, stack_switch};
use std::ptr;
use std::sync::Once;
use std::thread;

/// Pushes a call or a block at whose lines nothing is done but to note them. `None` if a closer
/// look is needed.
#[inline(always)]
pub(crate) fn push_plain(site: &'static Site, place: u32) -> Option<Handle> {
    if site.kind() == Some(Kind::Owning) {
        call_stack::push_plain(site, place, stack_switch::here())
    } else {
        None
    }
}

/// Pushes a call or a block whose lines are counted. `None` if a closer look is needed.
#[inline(always)]
pub(crate) fn push_counting(site: &'static Site, place: u32, is_call: bool) -> Option<Handle> {
    if site.kind() != Some(Kind::Counting) || thread::panicking() {
        return None;
    }
    let entry = call_stack::push_counting(site, place, stack_switch::here())?;
    let counters = count(entry);
    if is_call {
        counters.call();
    }
    Some(Handle::of(entry))
}

/// Has the call stack know whether there are calls on other stacks than the thread's own.
fn note_stacks() {
    let (lowest, size) = stack_switch::plain_range();
    call_stack::set_own_stack(lowest, size);
}

/// Notes the end of a call on another stack than the thread's own.
fn end_elsewhere() {
    stack_switch::end();
    note_stacks();
}

/// Prepares the thread's call stack, so that later calls can be plain. Whether there is one.
pub(crate) fn prepare() -> bool {
    static SAID: Once = Once::new();
    stack_switch::learn();
    note_stacks();
    match this_thread::prepare_call_stack() {
        Prepared::Ready => true,
        Prepared::NotCounted => false,
        Prepared::NoMemory => {
            say_once(&SAID, || {
                "the system had no memory for the calls of a thread: what they allocate is untracked"
                    .to_owned()
            });
            false
        }
    }
}

fn say_once(said: &'static Once, what: impl FnOnce() -> String) {
    said.call_once(|| {
        uncounted::during(false, || output::say(&what()));
    });
}

/// Pushes a call of a function, which is counted. Returns its entry; `None` if there is no room.
pub(crate) fn push_call(site: &'static Site, kind: Kind) -> Option<&'static Entry> {
    let entry = push(site, kind, 0, false)?;
    let scope = this_thread::scope();
    if kind.counts_hits() || scope != 0 {
        let counters = count(entry);
        if kind.counts_hits() {
            counters.call();
        }
        if scope != 0 {
            scope_counters::call(scope, counters.path(), site.lines().len());
        }
    }
    Some(entry)
}

/// Pushes a function again that was left in the middle, at the line that was open; or a closure or
/// an `async` block. It doesn't count as a call.
pub(crate) fn push(
    site: &'static Site,
    kind: Kind,
    place: u32,
    is_block: bool,
) -> Option<&'static Entry> {
    settle_time();
    let here = stack_switch::here();
    let is_elsewhere = !stack_switch::is_plain(here) && begin_elsewhere(site, here);
    let state = State::new(kind, here)
        .in_panic(thread::panicking())
        .elsewhere(is_elsewhere)
        .block(is_block);
    let before = call_stack::top();
    let entry = call_stack::push(site, place, state);
    let Some(entry) = entry else {
        if is_elsewhere {
            end_elsewhere();
        }
        say_too_deep();
        return None;
    };
    if before.state().is_elsewhere() && !is_elsewhere {
        // The calls on other stacks are suspended: this one was called by one on the own stack.
        this_thread::count_entry(entry, before.below_on_own_stack());
    } else if kind.counts_hits() {
        count(entry);
    }
    Some(entry)
}

/// The thread's counters for the path of a call.
pub(crate) fn count(entry: &'static Entry) -> &'static PathCounters {
    this_thread::count_entry(entry, entry.below())
}

/// Adds the thread's time so far to the function that it is in, if it is in a scope.
fn settle_time() {
    if this_thread::scope() != 0 {
        scope_counters::settle_time(this_thread::tag());
    }
}

fn say_too_deep() {
    static SAID: Once = Once::new();
    if call_stack::has_begun() {
        say_once(&SAID, || {
            format!(
                "a thread is in more than {} calls of profiled functions: what deeper ones allocate is \
                 counted for the line that has called the first of them",
                call_stack::MOST_CALLS
            )
        });
    }
}

/// Notes a call that isn't on the thread's own stack, or that begins while others aren't. Records a
/// [stack switch](stack_switch) in the functions concerned. Whether the call is on another stack.
#[cold]
#[inline(never)]
fn begin_elsewhere(site: &'static Site, here: usize) -> bool {
    let is_elsewhere = stack_switch::begin(here);
    note_stacks();
    if stack_switch::are_several() {
        site.note_switch();
        note_switch(call_stack::top());
        stack_switch::note();
    }
    is_elsewhere
}

/// Records that the thread has switched stacks while it was in the call.
fn note_switch(entry: &Entry) {
    if let Some(site) = entry.site() {
        site.note_switch();
    }
}

/// Whether the entry is still that of the call that the thread is running. A call on another stack
/// may have been suspended, and resumed by another thread, or after its entry was popped and used
/// again.
pub(crate) fn is_own(entry: &'static Entry) -> bool {
    if !stack_switch::have_been_several() && call_stack::is_of_this_thread(entry) {
        return true;
    }
    let here = stack_switch::here();
    call_stack::is_of_this_thread(entry)
        && if entry.state().is_elsewhere() {
            entry.state().is_near(State::new(Kind::Off, here))
        } else {
            // The entry of a running call on the thread's own stack is never used again.
            stack_switch::is_on_own_stack(here)
        }
}

/// Makes the call the current one, which it isn't if inner calls were never left, for example by
/// code that doesn't return. Does nothing if the thread switches stacks: they may still be running.
pub(crate) fn make_top(entry: &'static Entry) {
    if call_stack::is_top(entry) {
        return;
    }
    if stack_switch::have_been_several() {
        note_switch(entry);
        note_switch(call_stack::top());
        stack_switch::note();
    } else {
        call_stack::set_top(entry);
    }
}

/// Pops a call, and adds the thread's time in its function if the thread is in a scope.
pub(crate) fn pop(entry: &'static Entry) {
    settle_time();
    let is_elsewhere = entry.state().is_elsewhere();
    let is_plain =
        call_stack::is_top(entry) && !is_elsewhere && !entry.below().state().is_elsewhere();
    if is_plain {
        call_stack::set_top(entry.below());
    } else {
        pop_out_of_order(entry, is_elsewhere);
    }
}

#[cold]
#[inline(never)]
fn pop_out_of_order(entry: &'static Entry, is_elsewhere: bool) {
    let top = call_stack::top();
    let is_in_turn = ptr::eq(top, entry);
    if !is_in_turn && stack_switch::have_been_several() {
        stack_switch::mix();
        note_switch(entry);
        note_switch(top);
        stack_switch::note();
    }
    let is_mixed = stack_switch::are_mixed();
    if is_elsewhere {
        end_elsewhere();
    }
    let below = entry.below();
    if !is_elsewhere {
        call_stack::set_top(entry.below_on_own_stack());
    } else if is_in_turn {
        let is_outer =
            !below.state().is_elsewhere() || !is_mixed || entry.state().is_near(below.state());
        call_stack::set_top(if is_outer {
            below
        } else {
            entry.below_on_own_stack()
        });
    } else if top.state().is_elsewhere() {
        call_stack::set_top(top.below_on_own_stack());
    }
}

/// The end of a call on another stack whose entry is [gone](is_own).
pub(crate) fn end_lost(entry: &'static Entry) {
    stack_switch::mix();
    note_switch(call_stack::top());
    stack_switch::note();
    if call_stack::is_of_this_thread(entry) {
        end_elsewhere();
    }
}

/// The calling thread's counters for the lines of the function that it is in, on the current call
/// path. Empty if there was no memory for them.
pub(crate) fn lines() -> &'static [LineCounters] {
    call_stack::top()
        .counters()
        .map_or(&[], |counters| counters.lines)
}

/// How often the thread has called the function that it is in, on the current call path.
pub(crate) fn calls() -> u64 {
    call_stack::top().counters().map_or(0, PathCounters::calls)
}

/// Whether a panic is unwinding the call.
pub(crate) fn is_panicking(entry: &Entry) -> bool {
    thread::panicking() && !entry.state().entered_in_panic()
}
