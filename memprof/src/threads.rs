//! The threads: what the calling one counts, and what all of them have counted,
//! those that have ended too.
//!
//! A thread has counters of its own, and a record of what it did by line; it alone
//! writes to either. When it ends, the counters are added to the record, which
//! waits for the next thread: nothing is lost, and there are as many records as
//! there ever were threads at once. A new thread takes a record in the middle of
//! its first allocation, without a lock. Who reads holds one, so that no thread
//! ends meanwhile.
#![allow(unsafe_code)]

use crate::leaked::{Leaked, leak};
use crate::os;
use crate::owner::{self, OWNERSHIP, Slot, Slots};
use crate::tally::{Counters, Tally};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a thread has for as long as it runs, and after it another.
#[derive(Debug)]
pub(crate) struct Record {
    /// By line, of the thread and those before it.
    slots: Slots,
    /// Of the threads before it.
    ended: Ended,
    /// The thread's, or null if no thread has the record.
    counters: AtomicPtr<Counters>,
    is_in_use: AtomicBool,
    next: Leaked<Record>,
}

#[derive(Debug)]
struct Ended {
    allocated_bytes: AtomicU64,
    allocation_count: AtomicU64,
    freed_bytes: AtomicU64,
    deallocation_count: AtomicU64,
}

/// The beginning of the list of all records: that of the first thread.
static FIRST: Record = Record::new();

/// Held by whoever reads, and by threads that end.
static NO_THREAD_ENDS: Mutex<()> = Mutex::new(());

thread_local! {
    // Const-initialised and without a destructor: reaching it never allocates,
    // and it can still be reached while the thread is being torn down.
    static COUNTERS: Counters = const { Counters::new() };

    // None also if there was no memory for a record: then nobody sees what the
    // thread does.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };
}

impl Record {
    const fn new() -> Self {
        Self {
            slots: Slots::new(),
            ended: Ended {
                allocated_bytes: AtomicU64::new(0),
                allocation_count: AtomicU64::new(0),
                freed_bytes: AtomicU64::new(0),
                deallocation_count: AtomicU64::new(0),
            },
            counters: AtomicPtr::new(ptr::null_mut()),
            is_in_use: AtomicBool::new(false),
            next: Leaked::empty(),
        }
    }

    /// The counters of the thread that has the record.
    fn counters(&self, _no_thread_ends: &MutexGuard<'_, ()>) -> Option<&Counters> {
        // Acquire: the thread registered them before.
        let counters = self.counters.load(Ordering::Acquire);
        // SAFETY: null, or the counters of a thread that has not ended: while the
        // lock is held, it waits in `detach`.
        unsafe { counters.as_ref() }
    }
}

/// Registers the calling thread, whose counters are given, unless it is. Where
/// nobody asks who owns what, nobody reads another thread's counters.
#[inline]
fn attach(counters: &Counters) {
    if OWNERSHIP && counters.are_new() {
        take_record(counters);
        counters.begin();
    }
}

/// Gives the calling thread a record: one that a thread has left, or a new one.
#[cold]
fn take_record(counters: &Counters) {
    let mut last = &FIRST;
    let record = loop {
        // Acquire: goes on from what the last thread left.
        if !last.is_in_use.swap(true, Ordering::Acquire) {
            break last;
        }
        last = match last.next.get() {
            Some(next) => next,
            None => match leak(Record::new()) {
                Some(new) => last.next.set(new),
                None => return,
            },
        };
    };
    record.slots.prepare(owner::UNTRACKED, owner::FIRST_LINE);
    RECORD.set(Some(record));
    // Not to be read by others if nothing says when they are gone.
    if os::at_thread_exit(detach) {
        let counters = ptr::from_ref(counters).cast_mut();
        record.counters.store(counters, Ordering::Release);
    }
}

/// Leaves the calling thread's record to another thread.
extern "C" fn detach(_: *mut std::ffi::c_void) {
    let Some(record) = RECORD.get() else { return };
    let lock = NO_THREAD_ENDS
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(counters) = record.counters(&lock) {
        put_down(counters.set_line(owner::UNTRACKED));
        let tally = counters.take();
        // Relaxed: each counter stands alone.
        let ended = &record.ended;
        ended
            .allocated_bytes
            .fetch_add(tally.allocated_bytes, Ordering::Relaxed);
        ended
            .allocation_count
            .fetch_add(tally.allocation_count, Ordering::Relaxed);
        ended
            .freed_bytes
            .fetch_add(tally.freed_bytes, Ordering::Relaxed);
        ended
            .deallocation_count
            .fetch_add(tally.deallocation_count, Ordering::Relaxed);
        record.counters.store(ptr::null_mut(), Ordering::Release);
    }
    drop(lock);
    RECORD.set(None);
    // Release: whoever takes the record sees what is in it.
    record.is_in_use.store(false, Ordering::Release);
}

/// Puts a change down to a line, as the calling thread's doing.
fn put_down(change: Option<(u32, Slot)>) {
    if let Some((line, change)) = change {
        match RECORD.get() {
            Some(record) => record.slots.add(line, &change),
            None => owner::add_shared(line, &change),
        }
    }
}

/// Counts a new block of the calling thread; the line that made it.
///
/// A new thread's first block isn't counted: [`add_first_allocation`] has to be
/// called.
#[inline(always)]
pub(crate) fn add_allocation(size: usize) -> Option<u32> {
    COUNTERS.with(|counters| counters.add_allocation(size))
}

/// Counts the first block of a new thread; the line that made it.
#[cold]
pub(crate) fn add_first_allocation(size: usize) -> u32 {
    COUNTERS.with(|counters| {
        attach(counters);
        counters.add_allocation(size).unwrap_or(owner::UNTRACKED)
    })
}

/// Counts a block that the calling thread freed, if its current line made it.
///
/// If not, nothing is counted, and [`add_deallocation_of`] has to be called.
#[inline(always)]
pub(crate) fn add_own_deallocation(owner: u32, size: usize) -> bool {
    COUNTERS.with(|counters| counters.add_own_deallocation(owner, size))
}

/// Counts a block of any line that the calling thread freed.
#[cold]
pub(crate) fn add_deallocation_of(owner: u32, size: usize) {
    COUNTERS.with(|counters| {
        attach(counters);
        let change = counters.add_deallocation_of(owner, size as u64, 1);
        put_down(change.map(|change| (owner::checked(owner), change)));
    });
}

/// Counts a block of `owner` whose size the calling thread changed; whose it is
/// now.
///
/// Only the difference counts as allocated or freed: growing a block from 64 to
/// 128 bytes allocates 64. That is what `stats_alloc` does too, and it keeps what
/// a growing `Vec` allocates at what it holds, wherever its blocks are moved. A
/// line that lets another line's block grow takes it over.
#[inline]
pub(crate) fn add_reallocation(owner: u32, old_size: usize, new_size: usize) -> u32 {
    COUNTERS.with(|counters| {
        attach(counters);
        counters.add_reallocation();
        if new_size < old_size {
            let change = counters.add_deallocation_of(owner, (old_size - new_size) as u64, 0);
            put_down(change.map(|change| (owner::checked(owner), change)));
            return owner;
        }
        counters.grow((new_size - old_size) as u64);
        let line = counters.line();
        if OWNERSHIP && line != owner {
            let old_size = old_size as u64;
            put_down(Some((owner::checked(owner), Slot::freed(old_size, 1))));
            put_down(Some((line, Slot::allocated(old_size, 1))));
        }
        line
    })
}

/// Makes `line` the calling thread's current one; the one before.
#[inline(always)]
pub(crate) fn set_line(line: u32) -> u32 {
    COUNTERS.with(|counters| {
        attach(counters);
        let before = counters.line();
        put_down(counters.set_line(line));
        before
    })
}

/// The calling thread's counters as they stand.
#[inline(always)]
pub(crate) fn now() -> Tally {
    COUNTERS.with(Counters::now)
}

/// As [`Counters::lap`], of the calling thread.
#[inline(always)]
pub(crate) fn lap() -> Tally {
    COUNTERS.with(Counters::lap)
}

/// As [`Counters::resume_peak`], of the calling thread.
#[inline(always)]
pub(crate) fn resume_peak(outer_highest_net_bytes: i64) {
    COUNTERS.with(|counters| counters.resume_peak(outer_highest_net_bytes));
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
    line: u32,
    // Dropping it on another thread would put back the wrong count.
    _not_send: PhantomData<*const ()>,
}

/// Keeps the calling thread's count still until the answer is dropped.
pub(crate) fn pause() -> Paused {
    let line = set_line(owner::PROFILER);
    Paused {
        before: now(),
        line,
        _not_send: PhantomData,
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        set_line(self.line);
        COUNTERS.with(|counters| counters.forget_since(self.before));
    }
}

/// Makes room for `count` lines from `first` on, so that counting needs none.
pub(crate) fn prepare_lines(first: u32, count: u32) {
    if let Some(record) = RECORD.get() {
        record.slots.prepare(first, count);
    }
}

/// All threads, to be read. No thread ends while it lives.
pub(crate) struct Reading {
    no_thread_ends: MutexGuard<'static, ()>,
}

impl Reading {
    pub(crate) fn begin() -> Self {
        let lock = NO_THREAD_ENDS.lock();
        Self {
            no_thread_ends: lock.unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn records() -> impl Iterator<Item = &'static Record> {
        std::iter::successors(Some(&FIRST), |record| record.next.get())
    }

    /// What all threads did to the blocks of a line.
    ///
    /// Of a thread that changes lines at this moment, what it did in the last one
    /// may be missing.
    pub(crate) fn of_line(&self, line: u32) -> Slot {
        let mut sum = owner::shared(line);
        for record in Self::records() {
            sum = sum.and(&record.slots.get(line));
            if let Some(counters) = record.counters(&self.no_thread_ends)
                && let (current, pending) = counters.current()
                && current == line
            {
                sum = sum.and(&pending);
            }
        }
        sum
    }

    /// What all threads allocated and freed.
    pub(crate) fn of_process(&self) -> Slot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut sum = Slot::default();
        for record in Self::records() {
            let ended = Slot {
                allocated_bytes: load(&record.ended.allocated_bytes),
                allocation_count: load(&record.ended.allocation_count),
                freed_bytes: load(&record.ended.freed_bytes),
                deallocation_count: load(&record.ended.deallocation_count),
            };
            let counters = record.counters(&self.no_thread_ends);
            let running = counters.map_or_else(Tally::default, Counters::now);
            sum = sum.and(&ended).and(&running.into());
        }
        sum
    }
}
