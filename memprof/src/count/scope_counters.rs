//! The scopes that are alive, by number: what was done in each, by line.
//!
//! A block knows the number of the scope it was made in. A number that nobody has
//! any more is told from the one in its place by how often the place was given
//! away, so that a block may outlive its scope. A scope that has ended inside of another
//! one keeps its place as long as it has blocks, for the others to know when these are
//! freed. The counters of a place stay for its next scope: there are as many as there
//! ever were at once.
//!
//! Called from inside the allocator: only beginning and ending a scope lock.
//!
//! # Who writes what
//!
//! A place belongs to the scope whose number is in it. Threads that add to it are its
//! visitors, and use atomic additions, since any number of threads can be in a scope. A place
//! is cleared only after its number was taken out and no visitor was found: by `SeqCst`, a
//! thread that comes later finds another number there. Which scope is around it changes only
//! while no thread has ever been in the scope, see [`put_inside`].

use crate::count::line_counters::{self, PathCounters, SHARED, Slots};
use crate::count::tag::{self, Tag};
use crate::model::change::Change;
use crate::sys::clock;
use crate::sys::fork_lock::Lock;
use crate::sys::leak::{Leaked, leak};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

/// The low bits of a number are the place, the others how often it was given away.
const PLACE_BITS: u32 = 12;
const MOST: usize = 1 << PLACE_BITS;
const GIVEN_AWAY: u32 = 1 << PLACE_BITS;
const MOST_GIVEN_AWAY: u32 = u32::MAX / GIVEN_AWAY;
const RACK: usize = 16;

/// A place for a scope.
#[derive(Debug)]
struct Place {
    /// The number of the scope that has it, or 0.
    id: AtomicU32,
    /// The scope around it, or 0.
    outer: AtomicU32,
    /// Whether the scope has ended. Then nobody asks for its counters any more.
    is_ended: AtomicBool,
    /// How many blocks were made in the scope, and in those inside it, that are alive.
    live_count: AtomicI64,
    /// How many threads are adding to it.
    visitors: AtomicU32,
    slots: Slots,
}

static PLACES: [Leaked<[Place; RACK]>; MOST / RACK] = [const { Leaked::empty() }; MOST / RACK];

/// The numbers of scopes that have ended, the longest ago first; and how many places
/// there are.
static ENDED: Lock<(VecDeque<u32>, u32)> = Lock::new((VecDeque::new(), 0));

fn place(id: u32) -> Option<&'static Place> {
    let index = id as usize % MOST;
    PLACES.get(index / RACK)?.get()?.get(index % RACK)
}

impl Place {
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

/// Begins a scope inside `outer`, or inside none if that is 0; its number. Nothing
/// if there are too many, or no memory.
pub(crate) fn begin(outer: u32) -> Option<u32> {
    let mut ended = ENDED.lock();
    let (ended, count) = &mut *ended;
    let left = next_left(ended);
    let id = match left
        .or_else(|| new_place(count))
        .or_else(|| any_ended(ended))
    {
        Some(before) => following(before),
        None => return None,
    };
    let place = place(id)?;
    place.slots.clear();
    let outside = tag::path_of(tag::UNTRACKED);
    place.slots.prepare(outside, tag::OUTSIDE_COUNT)?;
    place.outer.store(outer, Ordering::Relaxed);
    place.is_ended.store(false, Ordering::Relaxed);
    place.live_count.store(0, Ordering::Relaxed);
    // Release: whoever finds the number finds the counters cleared.
    place.id.store(id, Ordering::Release);
    Some(id)
}

/// Puts a scope that has no blocks inside of another one, or of none if that is 0.
pub(crate) fn put_inside(id: u32, outer: u32) {
    if let Some(place) = place(id) {
        place.outer.store(outer, Ordering::Relaxed);
    }
}

/// The number of a scope that has left its place, the longest ago of a few that are looked
/// at.
fn next_left(ended: &mut VecDeque<u32>) -> Option<u32> {
    const MOST_LOOKED_AT: usize = 8;
    for _ in 0..ended.len().min(MOST_LOOKED_AT) {
        let id = ended.pop_front()?;
        if place(id).is_some_and(|place| place.is_left(id)) {
            return Some(id);
        }
        ended.push_back(id);
    }
    None
}

/// The number of a place that no scope has had.
fn new_place(count: &mut u32) -> Option<u32> {
    let rack = PLACES.get(*count as usize / RACK)?;
    if rack.get().is_none() {
        rack.set(leak([const { Place::new() }; RACK])?);
    }
    *count += 1;
    Some(*count - 1)
}

/// The number of the scope that ended longest ago, which is taken from it: when its blocks
/// are freed, the scopes around it won't know.
fn any_ended(ended: &mut VecDeque<u32>) -> Option<u32> {
    let take = |id: &u32| place(*id).is_some_and(Place::take);
    let index = ended.iter().position(take);
    index.and_then(|index| ended.remove(index))
}

impl Place {
    /// Whether the scope of that number, which has ended, has nobody to tell of its blocks
    /// any more, or no blocks.
    fn is_left(&self, id: u32) -> bool {
        // Acquire: who freed the last block is seen to visit, or to have left.
        let has_blocks =
            self.live_count.load(Ordering::Acquire) != 0 && !line_counters::are_unknown();
        let is_known = has_blocks && is_inside_of_one(id);
        !is_known && self.take()
    }

    /// Has nobody find the scope any more; whether nobody is adding to it.
    fn take(&self) -> bool {
        self.id.store(0, Ordering::SeqCst);
        // One that a thread is still adding to will do another time.
        self.visitors.load(Ordering::SeqCst) == 0
    }
}

/// Whether a scope is inside of one that hasn't ended.
fn is_inside_of_one(mut id: u32) -> bool {
    while let Some(place) = alive(id) {
        if !place.is_ended.load(Ordering::Acquire) {
            return true;
        }
        id = place.outer.load(Ordering::Relaxed);
    }
    false
}

/// The next number with the same place.
fn following(id: u32) -> u32 {
    let next = id.wrapping_add(GIVEN_AWAY);
    // Never 0, and never all ones: those upper bits would be a new thread's.
    match next / GIVEN_AWAY {
        0 | MOST_GIVEN_AWAY => (next % GIVEN_AWAY) + GIVEN_AWAY,
        _ => next,
    }
}

/// Ends a scope: nothing is done in it from now on. One without a number has no
/// place to leave.
pub(crate) fn end(id: u32) {
    if let Some(place) = place(id).filter(|_| id != 0) {
        let mut ended = ENDED.lock();
        place.is_ended.store(true, Ordering::Release);
        // Of its blocks nobody has to know, if it isn't inside of another.
        if place.outer.load(Ordering::Relaxed) == 0 {
            place.id.store(0, Ordering::SeqCst);
        }
        ended.0.push_back(id);
    }
}

/// Does something to the counters of a scope, and of each around it, that has its place.
fn visit(mut id: u32, act: impl Fn(&Place)) {
    while let Some(place) = place(id).filter(|_| id != 0) {
        // SeqCst: either the place is seen to have another scope, or whoever gives it
        // to one sees the visitor.
        place.visitors.fetch_add(1, Ordering::SeqCst);
        let outer = (place.id.load(Ordering::SeqCst) == id).then(|| {
            act(place);
            place.outer.load(Ordering::Relaxed)
        });
        place.visitors.fetch_sub(1, Ordering::SeqCst);
        id = outer.unwrap_or(0);
    }
}

/// Adds a change to a line.
#[inline(never)]
pub(crate) fn add(id: u32, line: u32, change: &Change) {
    let blocks = change.net_count();
    visit(id, |place| {
        // Of one that has ended, nobody asks what its lines did.
        if !place.is_ended.load(Ordering::Relaxed) {
            make_room(&place.slots, line);
            place.slots.add_shared(line, change);
        }
        if blocks != 0 {
            // Release: see `is_left`.
            place.live_count.fetch_add(blocks, Ordering::Release);
        }
    });
}

/// Counts an execution of a line.
#[inline(never)]
pub(crate) fn hit(id: u32, line: u32) {
    visit(id, |place| {
        make_room(&place.slots, line);
        place.slots.hit_shared(line);
    });
}

thread_local! {
    /// The time up to which the thread has put down its time.
    static SETTLED: Cell<u64> = const { Cell::new(0) };
}

/// Begins the thread's time in a scope that it has entered, in the function of `tag`.
pub(crate) fn begin_time(tag: Tag) {
    // Outside of functions, the next one begins it.
    if is_in_function(tag) {
        SETTLED.set(clock::ticks());
    }
}

/// Ends the thread's time in a scope that it is to leave, if it is in one by `tag`.
pub(crate) fn end_time(tag: Tag) {
    if tag.scope() != 0 && is_in_function(tag) {
        settle_time(tag);
    }
}

fn is_in_function(tag: Tag) -> bool {
    tag::path_of(tag.line()) != tag::path_of(tag::UNTRACKED)
}

/// Puts down the thread's time, up to now, to the function that it is in by `tag`.
#[inline(never)]
pub(crate) fn settle_time(tag: Tag) {
    let now = clock::ticks();
    let ticks = now.wrapping_sub(SETTLED.replace(now));
    if !is_in_function(tag) {
        return;
    }
    visit(tag.scope(), |place| {
        make_room(&place.slots, tag.line());
        if let Some(counters) = place.slots.path(tag::path_of(tag.line())) {
            counters.add_time_shared(ticks);
        }
    });
}

/// Makes room for a line, unless there is: its function may have been called before
/// the thread came into the scope.
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

/// Counts a call of a path, and makes room for its lines.
#[inline(never)]
pub(crate) fn call(id: u32, path: u32, line_count: usize) {
    visit(id, |place| {
        if let Some(counters) = place.slots.prepare(path, line_count) {
            counters.set_used();
            counters.call_shared();
        }
    });
}

/// The numbers of the paths that did something in a scope that is alive.
pub(crate) fn used_paths(id: u32) -> impl Iterator<Item = u32> {
    let used = alive(id).into_iter().flat_map(|place| place.slots.used());
    let used = used.filter(|counters| counters.has_numbers());
    used.map(PathCounters::path)
}

/// The counters of a path in a scope that is alive, if there are any.
pub(crate) fn path(id: u32, path: u32) -> Option<&'static PathCounters> {
    alive(id)?.slots.path(path)
}

/// The place of a scope that is alive. Without a number it has none, though an empty place
/// has none, either.
fn alive(id: u32) -> Option<&'static Place> {
    place(id).filter(|place| id != 0 && place.id.load(Ordering::Acquire) == id)
}
