//! How the calling thread enters and leaves a function, a closure or an `async` block, and begins
//! its lines.
//!
//! A function that a thread enters is pushed on its [call stack](crate::count::call_stack). If
//! nothing is done at the function's lines but to note them, that is all. Otherwise, calls and
//! executions of lines are counted, and if the function's lines are settled, the function also
//! becomes the thread's current [call](crate::runtime::call). Closures and `async` blocks use the
//! lines of the function that they are written in, wherever and whenever they run.

use crate::count::call_stack::{self, Entry, Handle};
#[cfg(target_os = "linux")]
use crate::count::known_sites;
use crate::count::line_counters::LineCounters;
use crate::count::{scope_counters, this_thread};
use crate::model::options::{Print, TableSettings};
use crate::model::site::{Kind, Site};
use crate::record::function_profile::CutShort;
use crate::runtime::call::{self, Call};
use crate::runtime::exit;
use crate::runtime::frame;
use crate::runtime::settings::table_settings;
#[cfg(feature = "timeline")]
use crate::timeline::{marks, stop};
use std::ptr;

/// The state of an `async fn` call or an `async` block between polls.
///
/// [`task`](crate::runtime::task) shows the transitions.
// Two words: a profiled future is no more than that larger than a plain one.
#[derive(Debug)]
pub(crate) enum Stage {
    /// A call that was never polled.
    NotBegun(&'static Site),
    /// A block that was never polled, with the place of the line that it begins on.
    BlockNotBegun(&'static Site, u32),
    /// A suspended call that settles its lines, with the place of the open line.
    Settling(Box<Call>, u32),
    /// A suspended call that doesn't, with the place of the open line.
    Owning(&'static Site, u32),
    /// A suspended block, with the place of the open line.
    Block(&'static Site, u32),
    /// A call or block that has ended or isn't profiled. Also the state during a poll.
    Ended,
}

/// Begins a call.
#[inline(always)]
pub(crate) fn enter(site: &'static Site) -> Handle {
    match frame::push_plain(site, 0) {
        Some(handle) => handle,
        None => enter_closely(site),
    }
}

#[cold]
#[inline(never)]
fn enter_closely(site: &'static Site) -> Handle {
    if let Some(handle) = frame::push_counting(site, 0, true) {
        return handle;
    }
    if site.kind() == Some(Kind::Off) {
        return Handle::off();
    }
    let Some(kind) = prepare(site) else {
        return Handle::NOTHING;
    };
    if kind == Kind::Off {
        return Handle::off();
    }
    // The thread's first call is plain now that there is a call stack.
    if let Some(handle) = frame::push_plain(site, 0) {
        return handle;
    }
    let Some(entry) = frame::push_call(site, kind) else {
        return Handle::NOTHING;
    };
    if kind == Kind::Settling
        && let Some(settings) = table_settings(site.options())
    {
        Call::begin(site, settings).enter(entry);
    }
    Handle::of(entry)
}

/// Prepares the thread for entering a function, and returns what is done at its lines. `None` if
/// the thread is doing the profiler's own work, and has reached profiled code from there: the
/// program's allocator, for example, may be profiled itself.
fn prepare(site: &'static Site) -> Option<Kind> {
    // Checked first: the thread may have come here from `kind_of`.
    if call_stack::is_own_work() {
        return None;
    }
    let kind = kind_of(site);
    if kind == Kind::Off {
        // Handles of calls that aren't profiled are of an entry, too.
        this_thread::prepare_call_stack();
        return Some(kind);
    }
    frame::prepare().then_some(kind)
}

/// What is done at the lines of a function in this process.
#[inline]
pub(crate) fn kind_of(site: &'static Site) -> Kind {
    site.kind().unwrap_or_else(|| kind_of_new(site))
}

/// [`kind_of`] a function that runs for the first time.
#[cold]
fn kind_of_new(site: &'static Site) -> Kind {
    let is_watched = is_watched();
    let kind = match table_settings(site.options()) {
        None => Kind::Off,
        Some(settings) => kind_with(&settings, is_watched),
    };
    site.set_kind(kind);
    if kind != Kind::Off {
        #[cfg(target_os = "linux")]
        known_sites::add(site);
        exit::prepare();
    }
    kind
}

fn kind_with(settings: &TableSettings, is_watched: bool) -> Kind {
    if settings.print != Print::Never || is_watched {
        Kind::Settling
    } else if settings.hits {
        Kind::Counting
    } else {
        Kind::Owning
    }
}

/// Whether calls are marked in a timeline file (`MEMPROF_TIMESTAMPS`), or resident memory has a
/// limit (`MEMPROF_STOP_AT`). Then lines have to be settled, even if no table is printed.
fn is_watched() -> bool {
    #[cfg(feature = "timeline")]
    {
        let [is_marked, is_limited] = [marks::prepare(), stop::prepare()];
        is_marked || is_limited
    }
    #[cfg(not(feature = "timeline"))]
    false
}

/// Begins or resumes a closure or an `async` block of a function, on the line at `place`.
///
/// If the function itself runs it, its lines belong to that call. If it runs on another thread, in
/// a task or after the function has returned, they are counted for the function, but for no call.
#[inline(always)]
pub(crate) fn enter_block(site: &'static Site, place: u32) -> Handle {
    match frame::push_plain(site, place) {
        Some(handle) => handle,
        None => enter_block_closely(site, place),
    }
}

#[cold]
#[inline(never)]
fn enter_block_closely(site: &'static Site, place: u32) -> Handle {
    if let Some(handle) = frame::push_counting(site, place, false) {
        return handle;
    }
    let Some(kind) = prepare(site) else {
        return Handle::NOTHING;
    };
    let caller = call_stack::top();
    let kind = match kind {
        Kind::Off => return Handle::off(),
        Kind::Settling => {
            let is_inside = is_of(caller, site) && caller.state().kind() == Kind::Settling;
            if is_inside {
                Kind::Settling
            } else {
                Kind::Counting
            }
        }
        kind => kind,
    };
    if let Some(handle) = frame::push_plain(site, place) {
        return handle;
    }
    let Some(entry) = frame::push(site, kind, place, true) else {
        return Handle::NOTHING;
    };
    if kind == Kind::Settling && caller.place() != place {
        call::reopen(place);
    }
    Handle::of(entry)
}

fn is_of(entry: &Entry, site: &Site) -> bool {
    entry.site().is_some_and(|other| ptr::eq(other, site))
}

/// Begins the line at `place` of a call where more is done than to note it.
#[inline(never)]
pub(crate) extern "C" fn begin_line(handle: Handle, place: u32) {
    if let Some(entry) = handle.entry()
        && call_stack::is_counting_top(entry)
        && let Some(counters) = entry.counters()
    {
        entry.set_place(place);
        if let Some(line) = counters.lines.get(place as usize) {
            line.hit();
        }
    } else {
        begin_line_closely(handle, place);
    }
}

#[cold]
#[inline(never)]
fn begin_line_closely(handle: Handle, place: u32) {
    let Some(entry) = handle.entry().filter(|entry| frame::is_own(entry)) else {
        return;
    };
    frame::make_top(entry);
    entry.set_place(place);
    let kind = entry.state().kind();
    let mut executions = 0;
    if kind.counts_hits() {
        let line = frame::count(entry).lines.get(place as usize);
        executions = line.map_or(0, LineCounters::hit);
    }
    let scope = this_thread::scope();
    if scope != 0 {
        frame::count(entry);
        scope_counters::hit(scope, entry.line());
    }
    if kind == Kind::Settling {
        call::open(place, executions);
    }
}

/// Makes the line at `place` of such a call the open one again, without counting an execution.
pub(crate) fn resume_line(handle: Handle, place: u32) {
    if let Some(entry) = handle.entry()
        && call_stack::is_counting_top(entry)
    {
        return entry.set_place(place);
    }
    let Some(entry) = handle.entry().filter(|entry| frame::is_own(entry)) else {
        return;
    };
    frame::make_top(entry);
    if entry.place() != place {
        entry.set_place(place);
        if entry.state().kind() == Kind::Settling {
            call::reopen(place);
        }
    }
}

/// Whether a panic is unwinding the call.
pub(crate) fn is_panicking(handle: Handle) -> bool {
    handle.entry().is_some_and(frame::is_panicking)
}

/// Ends a call that did more at its lines than to note them, and prints its table if one is wanted.
#[inline(never)]
pub(crate) extern "C" fn leave(handle: Handle) {
    if let Some(entry) = handle.entry()
        && call_stack::is_counting_top(entry)
    {
        call_stack::set_top(entry.below());
    } else {
        leave_closely(handle);
    }
}

#[cold]
#[inline(never)]
fn leave_closely(handle: Handle) {
    let Some(entry) = handle.entry() else {
        return;
    };
    let is_panicking = frame::is_own(entry) && frame::is_panicking(entry);
    if let (Some(mut call), _) = pop(entry) {
        if is_panicking {
            call.panic();
        }
        call.end();
    }
}

/// Ends a call or suspends it. Returns what it has settled, if it does, and the place of the line
/// that was open.
fn pop(entry: &'static Entry) -> (Option<Box<Call>>, u32) {
    if !frame::is_own(entry) {
        let call = Call::leave_lost(entry);
        frame::end_lost(entry);
        return (call, 0);
    }
    let place = entry.place();
    let is_settling = entry.state().kind() == Kind::Settling;
    let is_block = entry.state().is_block();
    let is_panicking = frame::is_panicking(entry);
    let mut call = None;
    if is_settling && !is_block {
        call = Call::leave(entry);
    }
    frame::pop(entry);
    // The line that panicked stays open.
    let open = call_stack::top().place();
    if is_settling && is_block && open != place && !is_panicking {
        call::reopen(open);
    }
    (call, place)
}

/// Ends the call or block of a task for good.
pub(crate) fn end(handle: Handle) {
    if handle.needs_more() {
        leave(handle);
    } else {
        handle.pop();
    }
}

/// Leaves the call or block of a task so that any thread can resume it.
pub(crate) fn suspend(handle: Handle) -> Stage {
    let Some(entry) = handle.entry() else {
        return Stage::Ended;
    };
    if handle.needs_more() && !frame::is_own(entry) {
        leave(handle);
        return Stage::Ended;
    }
    let (site, is_block) = (entry.site(), entry.state().is_block());
    let (call, place) = if handle.needs_more() {
        pop(entry)
    } else {
        let place = entry.place();
        handle.pop();
        (None, place)
    };
    match (call, site) {
        (Some(call), _) => Stage::Settling(call, place),
        (None, Some(site)) if is_block => Stage::Block(site, place),
        (None, Some(site)) => Stage::Owning(site, place),
        (None, None) => Stage::Ended,
    }
}

impl Stage {
    /// Begins or resumes the call or block. Returns `None` if profiling is off or it has ended.
    pub(crate) fn enter(self) -> Option<Handle> {
        let handle = match self {
            Self::Ended => return None,
            Self::NotBegun(site) | Self::BlockNotBegun(site, _) if kind_is_off(site) => {
                return None;
            }
            Self::NotBegun(site) => enter(site),
            Self::BlockNotBegun(site, place) | Self::Block(site, place) => enter_block(site, place),
            Self::Settling(call, place) => return resume_settling(call, place),
            Self::Owning(site, place) => resume(site, place),
        };
        handle.entry().map(|_| handle)
    }

    /// Resumes a suspended call or block in order to end it in the line that is open. Returns
    /// `None` if it isn't suspended.
    pub(crate) fn enter_to_end(mut self, how: CutShort) -> Option<Handle> {
        match &mut self {
            Self::NotBegun(_) | Self::BlockNotBegun(..) | Self::Ended => return None,
            Self::Settling(call, _) => call.cut_short(how),
            Self::Owning(..) | Self::Block(..) => {}
        }
        self.enter()
    }
}

/// Resumes a suspended call that doesn't settle its lines.
fn resume(site: &'static Site, place: u32) -> Handle {
    if let Some(handle) = frame::push_plain(site, place) {
        return handle;
    }
    let entry = prepare(site).and_then(|kind| frame::push(site, kind, place, false));
    entry.map_or(Handle::NOTHING, Handle::of)
}

/// Resumes a suspended call that settles its lines. If there is no room for it, it ends.
fn resume_settling(call: Box<Call>, place: u32) -> Option<Handle> {
    let site = call.site();
    let entry = prepare(site).and_then(|kind| frame::push(site, kind, place, false));
    match entry {
        Some(entry) => {
            call.enter(entry);
            Some(Handle::of(entry))
        }
        None => {
            call.end();
            None
        }
    }
}

fn kind_is_off(site: &'static Site) -> bool {
    !call_stack::is_own_work() && kind_of(site) == Kind::Off
}
