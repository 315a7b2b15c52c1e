//! The counters of each scope, by line: a generational slab of scopes.
//!
//! # Ids: a slot index and a generation
//!
//! The slab ([`SLOTS`]) has up to 4,096 slots ([`Slot`]), in racks that are allocated when they
//! are first needed. A scope id is a slot's index (the low 12 bits) plus a generation that counts
//! how often the slot was given away (the other 20 bits). A block's tag holds the id of the scope
//! it was allocated in, and the slot holds the id of its current owner. So a tag can outlive its
//! scope without matching the slot's next owner. Id 0 is no scope.
//!
//! # The life of a slot
//!
//! - [`begin`] takes, in this order: the slot of a scope that has ended and is vacant, a slot that
//!   no scope has had, or the slot that has waited longest, whose blocks are then no longer
//!   followed. It clears the slot's counters and publishes the new id.
//! - [`end`] marks the scope as ended and queues its slot for reuse. If the scope isn't inside
//!   another one, nothing more is counted in it. If it is, it keeps its id while it has live
//!   blocks, so that the frees of these reach the scopes around it.
//! - A slot keeps its memory for its next scope. There are only as many slots as scopes ever
//!   existed at once.
//!
//! # Who writes what
//!
//! Any number of threads can be in a scope, so they add to its slot atomically, and they count as
//! *visitors* of the slot meanwhile. A slot is cleared only after its id was removed and no visitor
//! was found. Both sides use `SeqCst`: a thread that visits later finds another id there. The scope
//! around a scope changes only while no thread has ever been in the inner one, see [`put_inside`].
//!
//! # What may not happen here
//!
//! The allocator calls [`add`], which doesn't allocate from it, lock, wait or panic. Only beginning
//! and ending a scope lock.

use crate::count::line_counters::{self, PathCounters, SHARED, Slots};
use crate::count::tag::{self, Tag};
use crate::model::change::Change;
use crate::sys::clock;
use crate::sys::fork_lock::Lock;
use crate::sys::leak::{Leaked, leak};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

/// The low bits of an id are the slot's index, the others its generation.
const PLACE_BITS: u32 = 12;
const MOST: usize = 1 << PLACE_BITS;
const GIVEN_AWAY: u32 = 1 << PLACE_BITS;
const MOST_GIVEN_AWAY: u32 = u32::MAX / GIVEN_AWAY;
const RACK: usize = 16;

/// A slot of the slab.
#[derive(Debug)]
struct Slot {
    /// The id of the scope that owns the slot, or 0.
    id: AtomicU32,
    /// The id of the scope around it, or 0.
    outer: AtomicU32,
    /// Whether the scope has ended. Its counters by line aren't read any more then.
    is_ended: AtomicBool,
    /// Live blocks that were allocated in the scope or in scopes inside it.
    live_count: AtomicI64,
    /// How many threads are adding to the slot.
    visitors: AtomicU32,
    slots: Slots,
}

static SLOTS: [Leaked<[Slot; RACK]>; MOST / RACK] = [const { Leaked::empty() }; MOST / RACK];

/// The ids of scopes that have ended, the longest ago first; and the number of slots in use.
static ENDED: Lock<(VecDeque<u32>, u32)> = Lock::new((VecDeque::new(), 0));

/// The slot of an id, whichever scope owns it now.
fn slot(id: u32) -> Option<&'static Slot> {
    let index = id as usize % MOST;
    SLOTS.get(index / RACK)?.get()?.get(index % RACK)
}

impl Slot {
    const fn new() -> Self {
        Self {
            id: AtomicU32::new(0),
            outer: AtomicU32::new(0),
            is_ended: AtomicBool::new(false),
            live_count: AtomicI64::new(0),
            visitors: AtomicU32::new(0),
            slots: Slots::new(),
        }
    }
}

/// Begins a scope inside `outer`, or inside none if that is 0, and returns its id. `None` if there
/// are too many scopes, or no memory.
pub(crate) fn begin(outer: u32) -> Option<u32> {
    let mut ended = ENDED.lock();
    let (ended, count) = &mut *ended;
    let before = next_vacant(ended)
        .or_else(|| new_slot(count))
        .or_else(|| any_ended(ended))?;
    let id = next_generation(before);
    let slot = slot(id)?;
    slot.slots.clear();
    let outside = tag::path_of(tag::UNTRACKED);
    if slot.slots.prepare(outside, tag::OUTSIDE_COUNT).is_none() {
        // There may be memory for it another time.
        ended.push_back(id);
        return None;
    }
    slot.outer.store(outer, Ordering::Relaxed);
    slot.is_ended.store(false, Ordering::Relaxed);
    slot.live_count.store(0, Ordering::Relaxed);
    // Release: a thread that finds the id finds the counters cleared.
    slot.id.store(id, Ordering::Release);
    Some(id)
}

/// Puts a scope inside another one, or inside none if `outer` is 0. Only while no thread has been
/// in the scope, so that it has no blocks.
pub(crate) fn put_inside(id: u32, outer: u32) {
    if let Some(slot) = slot(id) {
        slot.outer.store(outer, Ordering::Relaxed);
    }
}

/// Takes a vacant slot out of the queue and returns its last id. Only the few that have waited
/// longest are examined.
fn next_vacant(ended: &mut VecDeque<u32>) -> Option<u32> {
    const MOST_LOOKED_AT: usize = 8;
    for _ in 0..ended.len().min(MOST_LOOKED_AT) {
        let id = ended.pop_front()?;
        if slot(id).is_some_and(|slot| slot.vacate(id)) {
            return Some(id);
        }
        ended.push_back(id);
    }
    None
}

/// A slot that no scope has had, as an id of generation 0.
fn new_slot(count: &mut u32) -> Option<u32> {
    let rack = SLOTS.get(*count as usize / RACK)?;
    if rack.get().is_none() {
        rack.set(leak([const { Slot::new() }; RACK])?);
    }
    *count += 1;
    Some(*count - 1)
}

/// Takes the slot that has waited longest, although its scope may have live blocks: when these are
/// freed, the scopes around it don't learn of it. Returns its last id.
fn any_ended(ended: &mut VecDeque<u32>) -> Option<u32> {
    let take = |id: &u32| slot(*id).is_some_and(Slot::take);
    let index = ended.iter().position(take);
    index.and_then(|index| ended.remove(index))
}

impl Slot {
    /// Takes the slot if its scope `id`, which has ended, has no live blocks, or is inside no scope
    /// that still runs; whether it did.
    fn vacate(&self, id: u32) -> bool {
        // Acquire: the thread that freed the last block is seen as a visitor, or has left.
        let has_blocks =
            self.live_count.load(Ordering::Acquire) != 0 && !line_counters::are_unknown();
        let is_known = has_blocks && is_inside_of_one(id);
        !is_known && self.take()
    }

    /// Removes the slot's id, so that no thread finds the scope any more. Returns whether no thread
    /// is adding to the slot.
    fn take(&self) -> bool {
        self.id.store(0, Ordering::SeqCst);
        // If a thread is still adding to it, the slot can be taken another time.
        self.visitors.load(Ordering::SeqCst) == 0
    }
}

/// Whether a scope, or one around it, hasn't ended.
fn is_inside_of_one(mut id: u32) -> bool {
    while let Some(slot) = alive(id) {
        if !slot.is_ended.load(Ordering::Acquire) {
            return true;
        }
        id = slot.outer.load(Ordering::Relaxed);
    }
    false
}

/// The id of the same slot's next generation.
fn next_generation(id: u32) -> u32 {
    let next = id.wrapping_add(GIVEN_AWAY);
    // Never generation 0, which would make id 0 possible, and never all ones: those upper bits are
    // the tag of a new thread.
    match next / GIVEN_AWAY {
        0 | MOST_GIVEN_AWAY => (next % GIVEN_AWAY) + GIVEN_AWAY,
        _ => next,
    }
}

/// Ends a scope: nothing is done in it from now on. Does nothing for id 0, which has no slot.
pub(crate) fn end(id: u32) {
    if let Some(slot) = slot(id).filter(|_| id != 0) {
        let mut ended = ENDED.lock();
        slot.is_ended.store(true, Ordering::Release);
        // If it isn't inside another scope, its blocks needn't be followed.
        if slot.outer.load(Ordering::Relaxed) == 0 {
            slot.id.store(0, Ordering::SeqCst);
        }
        ended.0.push_back(id);
    }
}

/// A scope and those around it, the innermost first.
#[cfg(target_os = "linux")]
pub(crate) fn with_outer(id: u32) -> impl Iterator<Item = u32> {
    let outer = |id: &u32| Some(alive(*id)?.outer.load(Ordering::Relaxed));
    std::iter::successors(Some(id), outer).take_while(|id| *id != 0)
}

/// Calls `act` on the slot of a scope and of each scope around it, as long as they own their slots.
fn visit(mut id: u32, act: impl Fn(&Slot)) {
    while let Some(slot) = slot(id).filter(|_| id != 0) {
        // SeqCst: either this thread sees that the slot's id was removed, or the thread that
        // removes it sees the visitor.
        slot.visitors.fetch_add(1, Ordering::SeqCst);
        let outer = (slot.id.load(Ordering::SeqCst) == id).then(|| {
            act(slot);
            slot.outer.load(Ordering::Relaxed)
        });
        slot.visitors.fetch_sub(1, Ordering::SeqCst);
        id = outer.unwrap_or(0);
    }
}

/// Adds a change to a line's counters in a scope and in those around it.
#[inline(never)]
pub(crate) fn add(id: u32, line: u32, change: &Change) {
    let blocks = change.net_count();
    visit(id, |slot| {
        // The lines of a scope that has ended aren't read any more.
        if !slot.is_ended.load(Ordering::Relaxed) {
            make_room(&slot.slots, line);
            slot.slots.add_shared(line, change);
        }
        if blocks != 0 {
            // Release: see `vacate`.
            slot.live_count.fetch_add(blocks, Ordering::Release);
        }
    });
}

/// Counts an execution of a line in a scope and in those around it.
#[inline(never)]
pub(crate) fn hit(id: u32, line: u32) {
    visit(id, |slot| {
        make_room(&slot.slots, line);
        slot.slots.hit_shared(line);
    });
}

thread_local! {
    /// The tick up to which the thread's time has been added to functions.
    static SETTLED: Cell<u64> = const { Cell::new(0) };
}

/// Begins to measure the thread's time in a scope that it has entered in the function of `tag`.
pub(crate) fn begin_time(tag: Tag) {
    // Outside of profiled functions, the next call begins it.
    if is_in_function(tag) {
        SETTLED.set(clock::ticks());
    }
}

/// Adds the thread's time before it leaves a scope, if it is in one according to `tag`.
pub(crate) fn end_time(tag: Tag) {
    if tag.scope() != 0 && is_in_function(tag) {
        settle_time(tag);
    }
}

fn is_in_function(tag: Tag) -> bool {
    tag::path_of(tag.line()) != tag::path_of(tag::UNTRACKED)
}

/// Adds the thread's time up to now to the function that it is in according to `tag`.
#[inline(never)]
pub(crate) fn settle_time(tag: Tag) {
    let now = clock::ticks();
    let ticks = now.wrapping_sub(SETTLED.replace(now));
    if !is_in_function(tag) {
        return;
    }
    visit(tag.scope(), |slot| {
        make_room(&slot.slots, tag.line());
        if let Some(counters) = slot.slots.path(tag::path_of(tag.line())) {
            counters.add_time_shared(ticks);
        }
    });
}

/// Allocates the counters of a line's path unless they exist: its function may have been called
/// before the thread entered the scope.
fn make_room(slots: &Slots, line: u32) {
    let path = tag::path_of(line);
    let prepared = slots.path(path).or_else(|| {
        let shared = SHARED.path(path)?;
        slots.prepare(path, shared.lines.len())
    });
    if let Some(counters) = prepared {
        counters.set_used();
    }
}

/// Counts a call of a path, and allocates the counters of its lines.
#[inline(never)]
pub(crate) fn call(id: u32, path: u32, line_count: usize) {
    visit(id, |slot| {
        if let Some(counters) = slot.slots.prepare(path, line_count) {
            counters.set_used();
            counters.call_shared();
        }
    });
}

/// The numbers of the paths that did something in a scope, while its id is valid.
pub(crate) fn used_paths(id: u32) -> impl Iterator<Item = u32> {
    let used = alive(id).into_iter().flat_map(|slot| slot.slots.used());
    let used = used.filter(|counters| counters.has_numbers());
    used.map(PathCounters::path)
}

/// The counters of a path in a scope, while its id is valid, if there are any.
pub(crate) fn path(id: u32, path: u32) -> Option<&'static PathCounters> {
    alive(id)?.slots.path(path)
}

/// The slot of a scope, if the scope still owns it. None for id 0, which a vacant slot holds, too.
fn alive(id: u32) -> Option<&'static Slot> {
    slot(id).filter(|slot| id != 0 && slot.id.load(Ordering::Acquire) == id)
}
