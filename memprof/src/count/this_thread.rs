//! What the calling thread counts: the events of the allocator, the line that it is
//! in, and its way from the first block to the last.

use crate::count::environment;
use crate::count::line_counters::{self, PathCounters, SHARED};
use crate::count::registry::{self, Glance, Reading, Record};
use crate::count::tag::{self, Tag};
use crate::count::thread_counters::{Counters, Tally};
use crate::count::{peak, scope_counters};
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
    // Const-initialised and without a destructor: reaching it never allocates,
    // and it can still be reached while the thread is being torn down.
    static COUNTERS: Counters = Counters::new();

    // None also if there was no memory for a record: then nobody sees what the
    // thread does.
    static RECORD: Cell<Option<&'static Record>> = Cell::new(None);

    // How often the thread has been told of its end. Whoever allocates after that, as
    // a destructor may, has it begin anew.
    static ENDINGS: Cell<u8> = Cell::new(0);

    // Dropped when the thread ends. It is made with the thread's first allocation,
    // and so goes after nearly everything else that the thread has.
    static ENDING: Ending = Ending;

    // Whether all that the thread does is the profiler's own work.
    static IS_PROFILERS_OWN: Cell<bool> = const { Cell::new(false) };

    // The locks, while the thread forks.
    static FORKING: Cell<Option<ManuallyDrop<Forking>>> = Cell::new(None);
}

/// What a thread holds over a fork, so that the child doesn't get it held for ever.
struct Forking {
    reading: Reading,
    glance: Glance,
    _locks: Option<RwLockWriteGuard<'static, ()>>,
}

/// Leaves the thread's record when it is dropped; but not on Linux, where that is
/// done later. There it keeps a library that is being unloaded until its threads end.
struct Ending;

/// Registers the calling thread, whose counters are given, unless it is. Whether
/// it is then: not a thread that ends, which has left its record.
#[inline]
fn attach(counters: &Counters) -> bool {
    !counters.are_new() || attach_new(counters)
}

/// Has nothing that the calling thread does be seen in any number, nor that there is such a
/// thread: the highest heap is exact as if there were none. It has to be the first that the
/// thread does, and the thread has to [`pause`] for as long as it runs.
#[cfg(feature = "export")]
pub(crate) fn set_profilers_own() {
    IS_PROFILERS_OWN.set(true);
}

#[cold]
fn attach_new(counters: &Counters) -> bool {
    static KNOWS_FORKS: AtomicBool = AtomicBool::new(false);
    if IS_PROFILERS_OWN.get() {
        counters.store_tag(Tag(tag::PROFILER.into()));
        return true;
    }
    // First, since what follows may allocate on some systems.
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

/// Whether the calling thread will [leave](leave_record) its record before its
/// locals go away.
///
/// Not if it has had its say: the system goes round four times. In a program with more
/// than thirty destructors of C's for threads, it can't be known of one whose first
/// allocation is in a round after the first.
#[cfg(all(target_os = "linux", not(memprof_loom)))]
fn will_be_told_of_the_end() -> bool {
    /// The first of four rounds may have been before the thread's first allocation.
    const MOST_ENDINGS: u8 = 3;
    let _ = ENDING.try_with(|_| ());
    ENDINGS.get() < MOST_ENDINGS && os::at_thread_end(leave_record_at_end)
}

#[cfg(all(target_os = "linux", not(memprof_loom)))]
extern "C" fn leave_record_at_end(_: *mut std::ffi::c_void) {
    end_thread();
}

/// A model's threads call [`end_thread`] themselves, once.
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
        peak::remove_threads(&glance);
    }
}

pub(crate) extern "C" fn before_fork() {
    // First, since a report is read by who has some.
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

/// Takes the threads that a child doesn't have out of the list. Their memory is
/// still there: nothing has run in the child that could use it again.
pub(crate) extern "C" fn in_forked_child() {
    if let Some(forking) = FORKING.take().map(ManuallyDrop::into_inner) {
        let Forking {
            reading, glance, ..
        } = &forking;
        COUNTERS.with(|own| {
            registry::end_others(own, RECORD.get(), reading, glance);
            peak::remove_threads(glance);
        });
    }
}

/// Has the current line know what it had at the peak, before anything is put down.
fn keep_peak(counters: &Counters) {
    if let Some(record) = RECORD.get() {
        record.keep_peak(counters);
    }
}

/// Puts a change down to a line in a scope, as the calling thread's doing.
fn put_down(tag: Tag, change: &Change) {
    put_down_to_line(tag, change);
    put_down_to_scope(tag, change);
}

fn put_down_to_line(tag: Tag, change: &Change) {
    match RECORD.get() {
        Some(record) => record.slots.add(tag.line(), change),
        // No memory for a record: the process's sums have it from here.
        None => registry::count_late(tag.line(), change),
    }
}

fn put_down_to_scope(tag: Tag, change: &Change) {
    if tag.scope() != 0 {
        scope_counters::add(tag.scope(), tag.line(), change);
    }
}

/// Has a block go over to another line, or to the same one in another scope.
fn hand_over(size: u64, from: Tag, to: Tag) {
    let changes = [(from, Change::given(size)), (to, Change::taken(size))];
    for (tag, change) in &changes {
        // In another scope, it is still the line's.
        if from.line() != to.line() {
            put_down_to_line(*tag, change);
        }
        put_down_to_scope(*tag, change);
    }
}

/// Puts down what the current line has done, and makes another one current.
#[inline(never)]
fn settle_and_set(counters: &Counters, tag: Tag) {
    counters.put_down(|| {
        keep_peak(counters);
        put_down(counters.tag(), &counters.settle());
        counters.store_tag(tag);
    });
}

/// Counts what a thread without a record does to a line's blocks.
#[cold]
fn count_late(tag: Tag, change: &Change) {
    let tag = SHARED.checked(tag);
    registry::count_late(tag.line(), change);
    put_down_to_scope(tag, change);
    peak::look_again();
}

/// Counts a new block of the calling thread; the line that made it.
///
/// None if more is to be done than counting: then [`add_rare_allocation`] has to
/// be called.
#[inline(always)]
pub(crate) fn add_allocation(address: usize, size: usize) -> Option<Tag> {
    COUNTERS.with(|counters| {
        let (tag, net_bytes) = counters.add_allocation(address, size)?;
        (net_bytes <= counters.ceiling()).then_some(tag)
    })
}

/// Goes on with a new block for which [`add_allocation`] had no answer: the first
/// of a thread, which isn't counted yet, or one that may make a peak.
#[cold]
pub(crate) fn add_rare_allocation(address: usize, size: usize) -> Tag {
    COUNTERS.with(|counters| {
        if counters.are_new() {
            if !attach(counters) {
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

/// Counts a block that the calling thread freed, if its current line made it.
///
/// If not, nothing is counted, and [`add_deallocation_of`] has to be called.
#[inline(always)]
pub(crate) fn add_own_deallocation(owner: Tag, address: usize, size: usize) -> bool {
    COUNTERS.with(|counters| counters.add_own_deallocation(owner, address, size))
}

/// Counts a block of another line that the calling thread freed.
pub(crate) fn add_deallocation_of(owner: Tag, address: usize, size: usize) {
    COUNTERS.with(|counters| {
        let mut change = Change::freed(size as u64, 1);
        if !attach(counters) {
            return count_late(owner, &change);
        }
        let owner = SHARED.checked(owner);
        // One more look, since the thread may have been new, and a tag overwritten.
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

/// Counts a block that the calling thread freed, of which nobody knows who made it.
#[inline]
pub(crate) fn add_deallocation_of_unknown(size: usize) {
    COUNTERS.with(|counters| {
        // Neither of a new thread nor of the profiler, which takes back what it does.
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

/// Counts a block whose size the calling thread changed, of which nobody knows who made
/// it: what it grew by is the current line's.
pub(crate) fn add_reallocation_of_unknown(block: Resized) {
    COUNTERS.with(|counters| {
        let [old_size, new_size] = [block.old_size, block.new_size].map(|size| size as u64);
        if !attach(counters) {
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

/// Has the block that the calling thread has just made be nobody's, and not its line's.
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

/// Has a block of a line be nobody's from now on.
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

/// A block whose size was changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resized {
    pub(crate) old_address: usize,
    pub(crate) new_address: usize,
    pub(crate) old_size: usize,
    pub(crate) new_size: usize,
}

impl Resized {
    fn moved_bytes(&self) -> u64 {
        // It neither grew nor shrank. Nor would it be seen, since a line that has
        // allocated and freed nothing isn't settled.
        if self.old_size == self.new_size || self.old_address == self.new_address {
            0
        } else {
            self.old_size.min(self.new_size) as u64
        }
    }
}

/// Counts a block of `owner` whose size the calling thread changed; whose it is
/// now.
///
/// Only the difference counts as allocated or freed: growing a block from 64 to
/// 128 bytes allocates 64. That is what `stats_alloc` does too, and it keeps what
/// a growing `Vec` allocates at what it holds, wherever its blocks are moved. A
/// line that lets another line's block grow [takes it over](crate::count::line_counters).
#[inline]
pub(crate) fn add_reallocation(owner: Tag, block: Resized) -> Tag {
    COUNTERS.with(|counters| {
        if owner != counters.tag() || owner == Tag::NEW_THREAD {
            return add_reallocation_of(owner, block, counters);
        }
        counters.follow(block.old_address, block.new_address);
        counters.add_moved(block.moved_bytes());
        counters.add_reallocation(block.old_size, block.new_size);
        if counters.is_above_ceiling() {
            peak::rise(counters);
        }
        owner
    })
}

/// Counts a block of another line than the current one whose size was changed.
#[inline(never)]
fn add_reallocation_of(owner: Tag, block: Resized, counters: &Counters) -> Tag {
    let [old_size, new_size] = [block.old_size, block.new_size].map(|size| size as u64);
    let moved_bytes = block.moved_bytes();
    if !attach(counters) {
        // The thread is in no line that could take it over.
        let change = Change {
            allocated_bytes: new_size.saturating_sub(old_size),
            freed_bytes: old_size.saturating_sub(new_size),
            ..Change::moved(moved_bytes)
        };
        count_late(owner, &change);
        return owner;
    }
    counters.follow(block.old_address, block.new_address);
    let owner = SHARED.checked(owner);
    let line = counters.tag();
    if new_size < old_size {
        counters.put_down(|| {
            keep_peak(counters);
            put_down(owner, &Change::freed(old_size - new_size, 0));
            counters.add_shrinking_of_another(old_size - new_size);
            // Who lets it shrink has moved it, but doesn't own it.
            put_down(line, &Change::moved(moved_bytes));
        });
        return owner;
    }
    if line.line() == tag::PROFILER {
        // What the profiler does is taken back, and with it a block that it took over
        // would be lost.
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

/// The line that the calling thread is in.
#[inline(always)]
pub(crate) fn tag() -> Tag {
    COUNTERS.with(|counters| {
        if attach(counters) {
            counters.tag()
        } else {
            Tag::UNTRACKED
        }
    })
}

/// Makes another line, or another scope, the calling thread's current one; what it was
/// in before.
#[inline(always)]
pub(crate) fn set_tag(tag: Tag) -> Tag {
    COUNTERS.with(|counters| {
        if !attach(counters) {
            return Tag::UNTRACKED;
        }
        let before = counters.tag();
        if counters.are_settled() {
            counters.store_tag(tag);
        } else {
            settle_and_set(counters, tag);
        }
        before
    })
}

/// Makes a line of the same scope current, and counts its execution there.
#[inline(always)]
pub(crate) fn begin_line(line: u32) {
    let is_begun = COUNTERS.with(|counters| {
        // Of a new thread, too, the scope is not 0.
        let is_all = counters.tag().scope() == 0 && counters.are_settled();
        if is_all {
            counters.store_tag(Tag(line.into()));
        }
        is_all
    });
    if !is_begun {
        begin_line_slowly(line);
    }
}

#[inline(never)]
fn begin_line_slowly(line: u32) {
    COUNTERS.with(|counters| {
        if !attach(counters) {
            return;
        }
        let tag = counters.tag().with_line(line);
        settle_and_set(counters, tag);
        if tag.scope() != 0 {
            scope_counters::hit(tag.scope(), line);
        }
    });
}

/// The calling thread's counters as they stand.
#[inline(always)]
pub(crate) fn now() -> Tally {
    COUNTERS.with(Counters::now)
}

/// Whether the calling thread has allocated and freed nothing since `earlier`.
#[inline(always)]
pub(crate) fn are_at(earlier: &Tally) -> bool {
    COUNTERS.with(|counters| counters.are_at(earlier))
}

/// All bytes that the calling thread has allocated and freed.
#[inline]
pub(crate) fn traffic_bytes() -> u64 {
    COUNTERS.with(Counters::traffic_bytes)
}

/// As [`Counters::lap`], of the calling thread.
#[inline(always)]
pub(crate) fn lap() -> Tally {
    COUNTERS.with(Counters::lap)
}

/// As [`Counters::begin_stretch`], of the calling thread.
pub(crate) fn begin_stretch() -> Tally {
    COUNTERS.with(Counters::begin_stretch)
}

/// As [`Counters::end_stretch`], of the calling thread.
pub(crate) fn end_stretch() -> Tally {
    COUNTERS.with(Counters::end_stretch)
}

/// As [`Counters::resume_peak`], of the calling thread.
#[inline(always)]
pub(crate) fn resume_peak(outer_highest_net_bytes: i64) {
    COUNTERS.with(|counters| counters.resume_peak(outer_highest_net_bytes));
}

/// Does `work`, whose blocks make no peak as long as it takes.
pub(crate) fn without_peak<T>(work: impl FnOnce() -> T) -> T {
    let ceiling = COUNTERS.with(Counters::lift_ceiling);
    let answer = work();
    COUNTERS.with(|counters| counters.put_ceiling_back(ceiling));
    answer
}

/// Has the process's peak be what is alive now.
pub(crate) fn reset_peak() {
    COUNTERS.with(peak::reset);
}

/// Keeps the calling thread's count still while it lives.
///
/// The profiler allocates too, and what it allocates isn't the program's. The
/// allocator isn't told, so a pause costs it nothing: its blocks are those of a
/// line whose doings are taken back when another line becomes current, by a panic
/// too. A block allocated under a pause has to be freed under one, or memory would
/// seem to vanish.
#[must_use = "counting comes back as soon as the guard is dropped"]
pub(crate) struct Paused {
    before: Tally,
    latest: [usize; 2],
    tag: Tag,
    // Dropping it on another thread would put back the wrong count.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread's count still until the answer is dropped.
pub(crate) fn pause() -> Paused {
    let tag = set_tag(Tag(tag::PROFILER.into()));
    Paused {
        before: now(),
        latest: COUNTERS.with(Counters::latest),
        tag,
        _not_send: PhantomData,
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        set_tag(self.tag);
        COUNTERS.with(|counters| counters.forget_since(self.before, self.latest));
    }
}

/// Makes room for the lines of a path, so that counting needs none; the calling
/// thread's counters for it.
pub(crate) fn prepare_path(path: u32, line_count: usize) -> &'static PathCounters {
    COUNTERS.with(attach);
    let record = RECORD.get();
    let counters = record.and_then(|record| record.slots.prepare(path, line_count));
    counters.unwrap_or(&line_counters::NO_COUNTERS)
}
