//! The calling thread's side of counting: allocator events, the current line, and the thread's life
//! from its first allocation to its end.
//!
//! # Registration
//!
//! A thread's tag is [`Tag::NEW_THREAD`] until its first event, which calls [`attach`]. That sets
//! the tag first, so that an allocation made while registering finds the thread registered. Then it
//! arranges to be called at the thread's end, takes a [`Record`] (without a lock), and tells
//! [`peak`]. The first thread of the process also installs the fork handlers. A thread without a
//! record, for lack of memory, counts for itself only, and what it does to lines goes to the
//! process's shared counters.
//!
//! # Events
//!
//! An event that concerns the line of the thread's tag only changes the thread's [`Counters`]. The
//! line's share is their change since the line became that of the tag. Which line the thread is
//! *in*, the program notes in the [call stack](call_stack), and nothing is done about it until an
//! allocation finds it to be another one ([`follow_line`]). Then the share is added to the line's
//! counters in the thread's record, which is *settling*, and the tag gets the new line. An event on
//! another line's block is added to that line's counters, in the same record, at once. Both happen
//! inside [`Counters::put_down`], so that a reader sees all of an update or nothing. Before any
//! line's counters change, the line of the tag notes what it had at the last peak
//! ([`Record::keep_peak`]).
//!
//! # The profiler's own work
//!
//! Under [`pause`], the line of the tag and of the call stack is [`tag::PROFILER`]. Its share is subtracted from the
//! thread's counters when it is settled, so the allocator needs no check for it.
//!
//! # The end of a thread
//!
//! On Linux, [`end_thread`] runs after the thread's destructors, through a pthread key; elsewhere,
//! the destructor of [`Ending`] does the same. The counters are settled into the record, which is
//! left to the next thread. This takes [`Reading`] and [`Glance`], so that no reader still has a
//! reference to the counters. A destructor that allocates after this registers the thread again. If
//! the system won't announce another end, [`count_late`] counts in the shared counters instead.
//!
//! # Forks
//!
//! The thread that forks holds, in this order, the [fork lock](fork_lock), [`Reading`] and
//! [`Glance`] over the fork. So no lock of the profiler is held by a thread that the child doesn't
//! have, except for an allocator event in progress, which nothing can wait for. The child
//! [takes](registry::end_others) the missing threads out of their records.
//!
//! # What may not happen here
//!
//! What the allocator calls doesn't allocate, lock, wait or panic. Only the end of a thread and a
//! fork wait for locks.

use crate::count::call_stack::{self, Entry};
use crate::count::environment;
use crate::count::line_counters::{self, PathCounters, SHARED, Slots};
use crate::count::registry::{self, Glance, Reading, Record};
use crate::count::tag::{self, Tag};
use crate::count::thread_counters::{Counters, Tally};
use crate::count::{current_line, peak, scope_counters};
use crate::model::change::Change;
#[cfg(memprof_loom)]
use crate::sys::sync::InCell;
use crate::sys::sync::locals;
use crate::sys::{fork_lock, os};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::RwLockWriteGuard;
use std::sync::atomic::{AtomicBool, Ordering};

locals! {
    // Const-initialised and without a destructor, so access never allocates, and works while the
    // thread is being torn down.
    static COUNTERS: Counters = Counters::new();

    // Also `None` if there was no memory for a record: readers then don't see the thread.
    static RECORD: Cell<Option<&'static Record>> = Cell::new(None);

    // How often the thread's end was announced. If it allocates after that, as in a destructor, it
    // starts over.
    static ENDINGS: Cell<u8> = Cell::new(0);

    // Dropped when the thread ends. It is created by the thread's first allocation, so it is
    // dropped after nearly all other thread-locals.
    static ENDING: Ending = Ending;

    // Whether everything the thread does is the profiler's own work.
    static IS_PROFILERS_OWN: Cell<bool> = const { Cell::new(false) };

    // The locks that the thread holds while it forks.
    static FORKING: Cell<Option<ManuallyDrop<Forking>>> = Cell::new(None);
}

/// The locks that a thread holds over a fork, so that none of them stays locked in the child.
struct Forking {
    reading: Reading,
    glance: Glance,
    _locks: Option<RwLockWriteGuard<'static, ()>>,
}

/// Leaves the thread's record when it is dropped. On Linux, the record is left later, by
/// [`end_thread`]; there, the destructor only keeps a library that is being unloaded loaded until
/// its threads end.
struct Ending;

/// Registers the calling thread, whose counters these are, if it is new.
///
/// Returns whether it is registered. A thread that has left its record for good isn't.
#[inline]
fn attach(counters: &Counters) -> bool {
    !counters.are_new() || attach_new(counters)
}

/// Hides the calling thread from all numbers; the process's peak is as exact as without it.
///
/// It has to be the first thing that the thread does, and the thread has to be [paused](pause) for
/// as long as it runs.
#[cfg(any(feature = "export", target_os = "linux"))]
pub(crate) fn set_profilers_own() {
    IS_PROFILERS_OWN.set(true);
}

#[cold]
fn attach_new(counters: &Counters) -> bool {
    static KNOWS_FORKS: AtomicBool = AtomicBool::new(false);
    if IS_PROFILERS_OWN.get() {
        counters.store_tag(Tag(tag::PROFILER.into()));
        call_stack::begin_own_work();
        return true;
    }
    // Set first, since what follows allocates on some systems.
    if ENDINGS.get() == 0 {
        counters.store_tag(Tag::UNTRACKED);
    } else {
        counters.begin_anew();
    }
    if !will_be_told_of_the_end() {
        counters.end();
        return false;
    }
    if !KNOWS_FORKS.swap(true, Ordering::Relaxed) {
        os::around_forks(before_fork, after_fork, in_forked_child);
        environment::notice_end();
    }
    if let Some(record) = Record::take(counters) {
        RECORD.set(Some(record));
        peak::add_thread(counters);
    }
    true
}

/// Arranges for the calling thread to [leave](leave_record) its record before its thread-locals go
/// away; whether that works.
///
/// It doesn't if the end was announced too often: the system runs the destructors of
/// thread-specific data in four rounds. In a program with more than thirty such destructors in C,
/// it isn't certain for a thread whose first allocation is in a round after the first.
#[cfg(all(target_os = "linux", not(memprof_loom)))]
fn will_be_told_of_the_end() -> bool {
    /// The first of the four rounds may have passed before the thread's first allocation.
    const MOST_ENDINGS: u8 = 3;
    let _ = ENDING.try_with(|_| ());
    ENDINGS.get() < MOST_ENDINGS && os::at_thread_end(leave_record_at_end)
}

#[cfg(all(target_os = "linux", not(memprof_loom)))]
extern "C" fn leave_record_at_end(_: *mut std::ffi::c_void) {
    end_thread();
}

/// Under the model checker, threads call [`end_thread`] themselves, once.
#[cfg(memprof_loom)]
fn will_be_told_of_the_end() -> bool {
    ENDINGS.get() == 0
}

#[cfg(any(target_os = "linux", memprof_loom))]
pub(crate) fn end_thread() {
    ENDINGS.set(ENDINGS.get().saturating_add(1));
    leave_record();
}

#[cfg(not(any(target_os = "linux", memprof_loom)))]
fn will_be_told_of_the_end() -> bool {
    ENDING.try_with(|_| ()).is_ok()
}

impl Drop for Ending {
    fn drop(&mut self) {
        #[cfg(not(any(target_os = "linux", memprof_loom)))]
        leave_record();
    }
}

/// Leaves the calling thread's record to the next thread.
fn leave_record() {
    if let Some(record) = RECORD.take() {
        let reading = Reading::begin();
        let glance = Glance::wait();
        record.end(&reading, &glance);
        current_line::forget();
        if call_stack::end() {
            record.leave();
        }
        peak::remove_threads(&glance);
    }
}

pub(crate) extern "C" fn before_fork() {
    // The fork lock comes first: a thread that reads a report takes a share of it before `Reading`.
    let locks = fork_lock::begin();
    let forking = Forking {
        reading: Reading::begin(),
        glance: Glance::wait(),
        _locks: locks,
    };
    FORKING.set(Some(ManuallyDrop::new(forking)));
}

pub(crate) extern "C" fn after_fork() {
    FORKING.take().map(ManuallyDrop::into_inner);
}

/// In the child, takes the threads that it doesn't have out of their records. Their counters can
/// still be read: nothing has run in the child that could reuse the memory.
pub(crate) extern "C" fn in_forked_child() {
    if let Some(forking) = FORKING.take().map(ManuallyDrop::into_inner) {
        let Forking {
            reading, glance, ..
        } = &forking;
        COUNTERS.with(|own| {
            registry::end_others(own, RECORD.get(), reading, glance);
            peak::remove_threads(glance);
        });
        // The thread has another id in the child.
        if let Some(record) = RECORD.get().filter(|_| call_stack::has_begun()) {
            record.show_call_stack(os::thread_id());
        }
    }
}

/// Lets the current line note what it had at the peak, before any line's counters change.
fn keep_peak(counters: &Counters) {
    if let Some(record) = RECORD.get() {
        record.keep_peak(counters);
    }
}

/// Adds a change to the calling thread's counters of a line, and to those of the tag's scope.
fn put_down(tag: Tag, change: &Change) {
    put_down_to_line(tag, change);
    put_down_to_scope(tag, change);
}

fn put_down_to_line(tag: Tag, change: &Change) {
    match RECORD.get() {
        Some(record) => record.slots.add(tag.line(), change),
        // Without a record, the change goes to the process's shared counters.
        None => registry::count_late(tag.line(), change),
    }
}

fn put_down_to_scope(tag: Tag, change: &Change) {
    if tag.scope() != 0 {
        scope_counters::add(tag.scope(), tag.line(), change);
    }
}

/// Transfers a block of `size` bytes to another line, or to the same line in another scope.
fn hand_over(size: u64, from: Tag, to: Tag) {
    let changes = [(from, Change::given(size)), (to, Change::taken(size))];
    for (tag, change) in &changes {
        // Between two scopes, it stays the line's.
        if from.line() != to.line() {
            put_down_to_line(*tag, change);
        }
        put_down_to_scope(*tag, change);
    }
}

/// Settles the current line, and makes another one current.
#[inline(never)]
fn settle_and_set(counters: &Counters, tag: Tag) {
    counters.put_down(|| {
        keep_peak(counters);
        put_down(counters.tag(), &counters.settle());
        counters.store_tag(tag);
    });
}

/// Counts what an unregistered thread does to a line's blocks.
#[cold]
fn count_late(tag: Tag, change: &Change) {
    let tag = SHARED.checked(tag);
    registry::count_late(tag.line(), change);
    put_down_to_scope(tag, change);
    peak::look_again();
}

/// The counters of the calling thread for its lines, if it has a record.
fn slots() -> Option<&'static Slots> {
    RECORD.get().map(|record| &record.slots)
}

/// Whether the line whose changes are being counted isn't known to be the line that the thread is
/// in. Always true for a new thread, whose tag has a line that no entry has.
#[inline(always)]
fn is_elsewhere(tag: Tag) -> bool {
    tag.line() != call_stack::top_id()
}

/// Settles the line that was counted so far if the thread is in another one by now, which is
/// counted from here on. Returns whether the thread is registered.
fn follow_line(counters: &Counters) -> bool {
    if !attach(counters) {
        return false;
    }
    let before = counters.tag();
    let mut tag = before.with_line(current_line::current_line(slots()));
    if tag == before {
        return true;
    }
    if tag.line() != tag::PROFILER {
        tag = before.with_line(SHARED.checked(tag).line());
    }
    store_and_settle(counters, before, tag);
    true
}

/// Makes `tag` the one that is counted, and settles the one before if it has done anything.
#[inline(always)]
fn store_and_settle(counters: &Counters, before: Tag, tag: Tag) {
    if before == tag {
        return;
    }
    if counters.are_settled() {
        counters.store_tag(tag);
    } else {
        settle_and_set(counters, tag);
    }
}

/// Counts a new block of the calling thread, and returns its tag.
///
/// `None` if counting isn't enough: then [`add_rare_allocation`] has to be called.
#[inline(always)]
pub(crate) fn add_allocation(address: usize, size: usize) -> Option<Tag> {
    COUNTERS.with(|counters| {
        let tag = counters.tag();
        if is_elsewhere(tag) {
            return None;
        }
        let net_bytes = counters.add_allocation(address, size);
        (net_bytes <= counters.ceiling()).then_some(tag)
    })
}

/// Continues with a new block for which [`add_allocation`] returned `None`: one that isn't counted
/// yet, since it is the first block of a thread or of a line, or one that may raise the peak.
#[inline(never)]
pub(crate) fn add_rare_allocation(address: usize, size: usize) -> Tag {
    COUNTERS.with(|counters| {
        if is_elsewhere(counters.tag()) {
            if !follow_line(counters) {
                count_late(Tag::UNTRACKED, &Change::allocated(size as u64, 1));
                return Tag::UNTRACKED;
            }
            counters.add_allocation(address, size);
        }
        if counters.is_above_ceiling() {
            peak::rise(counters);
        }
        counters.tag()
    })
}

/// Counts a block that the calling thread freed, if its current line owns it.
///
/// Otherwise counts nothing and returns false; [`add_deallocation_of`] has to be called then.
#[inline(always)]
pub(crate) fn add_own_deallocation(owner: Tag, address: usize, size: usize) -> bool {
    COUNTERS.with(|counters| counters.add_own_deallocation(owner, address, size))
}

/// Counts a freed block that the current line may not own.
pub(crate) fn add_deallocation_of(owner: Tag, address: usize, size: usize) {
    COUNTERS.with(|counters| {
        let mut change = Change::freed(size as u64, 1);
        if !attach(counters) {
            return count_late(owner, &change);
        }
        let owner = SHARED.checked(owner);
        // Checked again: the thread may have been new, or the tag overwritten.
        if counters.add_own_deallocation(owner, address, size) {
            return;
        }
        change.temporary_count = counters.forget(address).into();
        counters.put_down(|| {
            keep_peak(counters);
            put_down(owner, &change);
            counters.add_deallocation_of_another(&change);
        });
    });
}

/// Counts a freed block that has no tag.
#[inline]
pub(crate) fn add_deallocation_of_unknown(size: usize) {
    COUNTERS.with(|counters| {
        // A new thread isn't counting yet, and the profiler's own events are subtracted again.
        if counters.tag().line() != tag::PROFILER && !counters.are_new() {
            counters.add_deallocation_of_another(&Change::freed(size as u64, 1));
        } else {
            add_rare_deallocation_of_unknown(counters, size);
        }
    });
}

#[cold]
#[inline(never)]
fn add_rare_deallocation_of_unknown(counters: &Counters, size: usize) {
    let change = Change::freed(size as u64, 1);
    if !attach(counters) {
        count_late(Tag::UNTRACKED, &change);
    } else if counters.tag().line() == tag::PROFILER {
        line_counters::set_unknown();
        counters.add_own_deallocation(counters.tag(), 0, size);
    } else {
        counters.add_deallocation_of_another(&change);
    }
}

/// Counts a resized block that has no tag: the bytes by which it grew are the current line's.
pub(crate) fn add_reallocation_of_unknown(block: Resized) {
    COUNTERS.with(|counters| {
        let [old_size, new_size] = [block.old_size, block.new_size].map(|size| size as u64);
        if !follow_line(counters) {
            count_late(Tag::UNTRACKED, &Change::freed(old_size, 1));
            count_late(Tag::UNTRACKED, &Change::allocated(new_size, 1));
            return;
        }
        counters.add_moved(block.moved_bytes());
        if new_size < old_size && counters.tag().line() != tag::PROFILER {
            counters.add_shrinking_of_another(old_size - new_size);
        } else {
            counters.add_reallocation(block.old_size, block.new_size);
        }
        if counters.is_above_ceiling() {
            peak::rise(counters);
        }
    });
}

/// Makes the block that the calling thread has just counted for its line untracked.
#[cold]
#[inline(never)]
pub(crate) fn disown_new(size: usize) {
    COUNTERS.with(|counters| {
        let change = Change::allocated(size as u64, 1);
        counters.put_down(|| {
            keep_peak(counters);
            put_down(Tag::UNTRACKED, &change);
            counters.settle_allocation_of_another(&change);
        });
    });
}

/// Makes a line's block untracked from now on.
#[cold]
#[inline(never)]
pub(crate) fn disown(owner: Tag, size: usize) {
    COUNTERS.with(|counters| {
        counters.put_down(|| {
            keep_peak(counters);
            hand_over(size as u64, owner, Tag::UNTRACKED);
        });
    });
}

/// A block that was resized: addresses, and sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resized {
    pub(crate) old_address: usize,
    pub(crate) new_address: usize,
    pub(crate) old_size: usize,
    pub(crate) new_size: usize,
}

impl Resized {
    fn moved_bytes(&self) -> u64 {
        // A block that kept its size isn't counted as moved. It would not be seen, either, since a
        // line that has allocated and freed nothing isn't settled.
        if self.old_size == self.new_size || self.old_address == self.new_address {
            0
        } else {
            self.old_size.min(self.new_size) as u64
        }
    }
}

/// Counts a block of `owner` that the calling thread resized, and returns its new tag.
///
/// Only the difference counts as allocated or freed: growing a block from 64 to 128 bytes allocates
/// 64. `stats_alloc` does the same, and the bytes that a growing `Vec` allocates stay equal to what
/// it holds, however often its block moves. A line that grows another line's block [takes it
/// over](crate::count::line_counters).
#[inline]
pub(crate) fn add_reallocation(owner: Tag, block: Resized) -> Tag {
    COUNTERS.with(|counters| {
        if owner != counters.tag() || is_elsewhere(owner) {
            return add_reallocation_of(owner, block, counters);
        }
        add_own_reallocation(block, counters);
        owner
    })
}

/// Counts a resized block of the current line.
#[inline]
fn add_own_reallocation(block: Resized, counters: &Counters) {
    counters.follow(block.old_address, block.new_address);
    counters.add_moved(block.moved_bytes());
    counters.add_reallocation(block.old_size, block.new_size);
    if counters.is_above_ceiling() {
        peak::rise(counters);
    }
}

/// Counts a resized block that the current line may not own.
#[inline(never)]
fn add_reallocation_of(owner: Tag, block: Resized, counters: &Counters) -> Tag {
    let [old_size, new_size] = [block.old_size, block.new_size].map(|size| size as u64);
    let moved_bytes = block.moved_bytes();
    if !follow_line(counters) {
        // The thread is in no line that could take the block over.
        let change = Change {
            allocated_bytes: new_size.saturating_sub(old_size),
            freed_bytes: old_size.saturating_sub(new_size),
            ..Change::moved(moved_bytes)
        };
        count_late(owner, &change);
        return owner;
    }
    let line = counters.tag();
    if owner == line {
        add_own_reallocation(block, counters);
        return owner;
    }
    counters.follow(block.old_address, block.new_address);
    let owner = SHARED.checked(owner);
    if new_size < old_size {
        counters.put_down(|| {
            keep_peak(counters);
            put_down(owner, &Change::freed(old_size - new_size, 0));
            counters.add_shrinking_of_another(old_size - new_size);
            // The line that shrinks the block has moved it, but doesn't take it over.
            put_down(line, &Change::moved(moved_bytes));
        });
        return owner;
    }
    if line.line() == tag::PROFILER {
        // The profiler's share is subtracted again, so a block that it took over would be lost.
        counters.put_down(|| {
            keep_peak(counters);
            let change = Change {
                allocated_bytes: new_size - old_size,
                ..Change::moved(moved_bytes)
            };
            put_down(owner, &change);
            counters.add_growth_of_another(new_size - old_size);
        });
        return owner;
    }
    counters.put_down(|| {
        keep_peak(counters);
        hand_over(old_size, owner, line);
    });
    counters.add_moved(moved_bytes);
    counters.add_reallocation(block.old_size, block.new_size);
    if counters.is_above_ceiling() {
        peak::rise(counters);
    }
    line
}

/// The calling thread's current line and scope.
pub(crate) fn tag() -> Tag {
    COUNTERS.with(|counters| {
        if follow_line(counters) {
            counters.tag()
        } else {
            Tag::UNTRACKED
        }
    })
}

/// The scope that the calling thread is in, or 0.
#[inline]
pub(crate) fn scope() -> u32 {
    COUNTERS.with(|counters| match counters.tag() {
        Tag::NEW_THREAD => 0,
        tag => tag.scope(),
    })
}

/// Settles what the calling thread has counted for its line so far.
pub(crate) fn settle() {
    COUNTERS.with(|counters| {
        if attach(counters) && !counters.are_settled() {
            settle_and_set(counters, counters.tag());
        }
    });
}

/// Makes another scope the calling thread's current one, or none if `id` is 0.
pub(crate) fn set_scope(id: u32) {
    COUNTERS.with(|counters| {
        if attach(counters) {
            let before = counters.tag();
            store_and_settle(counters, before, before.with_scope(id));
            // In a scope, calls and lines are counted.
            call_stack::watch_closely(id != 0);
        }
    });
}

/// Counts for `tag` from here on. Returns the tag before.
fn set_tag(tag: Tag) -> Tag {
    COUNTERS.with(|counters| {
        if !attach(counters) {
            return Tag::UNTRACKED;
        }
        let before = counters.tag();
        store_and_settle(counters, before, tag);
        before
    })
}

/// Whether a thread has a call stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    Ready,
    NoMemory,
    /// The thread has no record: it is ending, or there was no memory for one.
    NotCounted,
}

/// Gives the calling thread a call stack, unless it has one.
pub(crate) fn prepare_call_stack() -> Prepared {
    if call_stack::has_begun() {
        return Prepared::Ready;
    }
    COUNTERS.with(attach);
    let Some(record) = RECORD.get() else {
        return Prepared::NotCounted;
    };
    match record.call_stack() {
        Some(memory) => {
            call_stack::begin(memory, scope() != 0);
            record.show_call_stack(os::thread_id());
            Prepared::Ready
        }
        None => Prepared::NoMemory,
    }
}

/// Finds the path of an entry of the calling thread's call stack, called from the current line of
/// `caller`, and returns the thread's counters for it.
pub(crate) fn count_entry(entry: &'static Entry, caller: &'static Entry) -> &'static PathCounters {
    if let Some(counters) = entry.counters() {
        return counters;
    }
    COUNTERS.with(attach);
    if caller.is_unresolved() {
        current_line::resolve(caller, slots());
    }
    if entry.is_unresolved() {
        current_line::resolve_from(entry, caller, slots());
        if let Some(counters) = entry.counters() {
            return counters;
        }
    }
    let path = tag::path_of(entry.first_line());
    let counters = slots().and_then(|slots| {
        let line_count = entry.site()?.lines().len();
        slots.path(path).or_else(|| slots.prepare(path, line_count))
    });
    let counters = counters
        .filter(|_| path != 0)
        .unwrap_or(&line_counters::NO_COUNTERS);
    entry.set_counters(counters);
    counters
}

/// The calling thread's counters at this moment.
#[inline(always)]
pub(crate) fn now() -> Tally {
    COUNTERS.with(Counters::now)
}

/// Whether the calling thread has allocated and freed nothing since `earlier`.
#[inline(always)]
pub(crate) fn are_at(earlier: &Tally) -> bool {
    COUNTERS.with(|counters| counters.are_at(earlier))
}

/// Bytes that the calling thread has allocated plus those it has freed.
#[inline]
pub(crate) fn traffic_bytes() -> u64 {
    COUNTERS.with(Counters::traffic_bytes)
}

/// [`Counters::lap`] of the calling thread.
#[inline(always)]
pub(crate) fn lap() -> Tally {
    COUNTERS.with(Counters::lap)
}

/// [`Counters::begin_stretch`] of the calling thread.
pub(crate) fn begin_stretch() -> Tally {
    COUNTERS.with(Counters::begin_stretch)
}

/// [`Counters::end_stretch`] of the calling thread.
pub(crate) fn end_stretch() -> Tally {
    COUNTERS.with(Counters::end_stretch)
}

/// [`Counters::resume_peak`] of the calling thread.
#[inline(always)]
pub(crate) fn resume_peak(outer_highest_net_bytes: i64) {
    COUNTERS.with(|counters| counters.resume_peak(outer_highest_net_bytes));
}

/// Runs `work`, during which the calling thread's blocks don't raise the process's peak.
pub(crate) fn without_peak<T>(work: impl FnOnce() -> T) -> T {
    let ceiling = COUNTERS.with(Counters::lift_ceiling);
    let answer = work();
    COUNTERS.with(|counters| counters.put_ceiling_back(ceiling));
    answer
}

/// Resets the process's peak to what is alive now.
pub(crate) fn reset_peak() {
    COUNTERS.with(peak::reset);
}

/// Keeps the calling thread's counters unchanged while it lives.
///
/// The profiler allocates too, and what it allocates isn't the program's. The allocator doesn't
/// check for a pause, so a pause costs it nothing: the blocks belong to a line of the profiler,
/// whose share is subtracted when another line becomes current, also by a panic. A block allocated
/// under a pause has to be freed under one, or memory would seem to vanish.
#[must_use = "counting comes back as soon as the guard is dropped"]
pub(crate) struct Paused {
    before: Tally,
    latest: [usize; 2],
    tag: Tag,
    calls: call_stack::Before,
    // Dropping it on another thread would restore the wrong counters.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread's counters unchanged until the guard is dropped.
pub(crate) fn pause() -> Paused {
    let tag = set_tag(Tag(tag::PROFILER.into()));
    Paused {
        before: now(),
        latest: COUNTERS.with(Counters::latest),
        tag,
        calls: call_stack::begin_own_work(),
        _not_send: PhantomData,
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        set_tag(self.tag);
        call_stack::end_own_work(self.calls);
        COUNTERS.with(|counters| counters.forget_since(self.before, self.latest));
    }
}
