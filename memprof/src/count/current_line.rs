//! The line that the calling thread is in, found when it is asked for.
//!
//! An entry of the [call stack](crate::count::call_stack) has no path until an allocation, or
//! something else that counts, asks for its line. Then the paths of all entries below it that have
//! none are looked up first, from the lowest on: each path depends on the line of its caller. A
//! thread remembers the paths that it looked up last.

use crate::count::call_paths::{mixed, number_of};
use crate::count::call_stack::{self, Entry};
use crate::count::line_counters::{PathCounters, Slots};
use crate::model::site::Site;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{Ordering, compiler_fence};

/// A path that was looked up: its function, its caller's line and its number.
#[derive(Debug)]
struct Found {
    function: Cell<usize>,
    caller: Cell<u32>,
    number: Cell<u32>,
    /// The thread's counters for the path.
    counters: Cell<Option<&'static PathCounters>>,
}

impl Found {
    const fn none() -> Self {
        Self {
            function: Cell::new(0),
            caller: Cell::new(0),
            number: Cell::new(0),
            counters: Cell::new(None),
        }
    }
}

impl Found {
    /// A signal handler that comes in between finds no path here.
    fn set(
        &self,
        function: usize,
        caller: u32,
        (number, counters): (u32, Option<&'static PathCounters>),
    ) {
        self.function.set(0);
        compiler_fence(Ordering::SeqCst);
        self.caller.set(caller);
        self.number.set(number);
        self.counters.set(counters);
        compiler_fence(Ordering::SeqCst);
        self.function.set(function);
    }
}

const PLACE_BITS: u32 = 8;

thread_local! {
    // The paths found last, two in each place. Without a destructor, like everything that the
    // allocator needs.
    static LATEST: [[Found; 2]; 1 << PLACE_BITS] =
        const { [const { [const { Found::none() }; 2] }; 1 << PLACE_BITS] };
}

/// The number of the path of `site`, called from the line `caller`, or 0. When it is first looked
/// up, the counters for its lines are allocated in `slots`.
fn find(
    site: &'static Site,
    caller: u32,
    slots: Option<&'static Slots>,
) -> (u32, Option<&'static PathCounters>) {
    let function = ptr::from_ref(site).addr();
    let bucket = (mixed(function, caller) >> (u64::BITS - PLACE_BITS)) as usize;
    LATEST.with(|latest| {
        let Some([last, before]) = latest.get(bucket) else {
            return (0, None);
        };
        for found in [last, before] {
            if found.caller.get() == caller && found.function.get() == function {
                return (found.number.get(), found.counters.get());
            }
        }
        let number = number_of(site, caller);
        if number == 0 {
            return (0, None);
        }
        let counters = slots.and_then(|slots| slots.prepare(number, site.lines().len()));
        let of_last = (last.number.get(), last.counters.get());
        before.set(last.function.get(), last.caller.get(), of_last);
        last.set(function, caller, (number, counters));
        (number, counters)
    })
}

/// Forgets the paths that were looked up, since the thread leaves its counters.
pub(crate) fn forget() {
    LATEST.with(|latest| {
        for found in latest.iter().flatten() {
            found.set(0, 0, (0, None));
        }
    });
}

/// The id of the line that the calling thread is in. `slots` are the thread's counters.
#[inline]
pub(crate) fn current_line(slots: Option<&'static Slots>) -> u32 {
    let top = call_stack::top();
    if top.is_unresolved() {
        resolve(top, slots);
    }
    top.line()
}

/// Finds the paths of an entry and of those below it that have none yet.
pub(crate) fn resolve(entry: &'static Entry, slots: Option<&'static Slots>) {
    let mut next = entry;
    while next.is_unresolved() && next.below().is_unresolved() {
        next = next.below();
    }
    while next.is_unresolved() {
        resolve_from(next, next.below(), slots);
        if ptr::eq(next, entry) {
            return;
        }
        next = next.above();
    }
}

/// Finds the path of an entry that was called from the current line of `caller`.
pub(crate) fn resolve_from(
    entry: &'static Entry,
    caller: &'static Entry,
    slots: Option<&'static Slots>,
) {
    let found = entry.site().map(|site| find(site, caller.line(), slots));
    let (number, counters) = found.unwrap_or((0, None));
    entry.set_path(number);
    if let Some(counters) = counters {
        entry.set_counters(counters);
    }
}
