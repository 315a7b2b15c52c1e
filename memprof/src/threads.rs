//! The threads: what the calling one counts, and what all of them have counted,
//! those that have ended too.
//!
//! A thread has counters of its own, and a record of what it did by line; it alone
//! writes to either. When it ends, the counters are added to the record, which
//! waits for the next thread: nothing is lost, and there are as many records as
//! there ever were threads at once. A new thread takes a record in the middle of
//! its first allocation, without a lock. Who reads holds one, so that no thread
//! ends meanwhile.
#![allow(unsafe_code)] // For one thing: reading the counters of another thread.

use crate::leaked::{Leaked, leak};
use crate::os;
use crate::owner::{self, OWNERSHIP, Slot, Slots};
use crate::tally::{Counters, Tally};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
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

/// What threads do while they end, when they no longer have a record.
static LATE: Ended = Ended::new();

/// Held by whoever reads, and by threads that end.
static NO_THREAD_ENDS: Mutex<()> = Mutex::new(());

thread_local! {
    // Const-initialised and without a destructor: reaching it never allocates,
    // and it can still be reached while the thread is being torn down.
    static COUNTERS: Counters = const { Counters::new() };

    // None also if there was no memory for a record: then nobody sees what the
    // thread does.
    static RECORD: Cell<Option<&'static Record>> = const { Cell::new(None) };

    // Dropped when the thread ends. It is made with the thread's first allocation,
    // and so goes after nearly everything else that the thread has.
    static ENDING: Ending = const { Ending };

    // The lock, while the thread forks.
    static FORKING: Cell<Option<ManuallyDrop<MutexGuard<'static, ()>>>> =
        const { Cell::new(None) };
}

/// Leaves the thread's record when it is dropped.
struct Ending;

impl Ended {
    const fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocation_count: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            deallocation_count: AtomicU64::new(0),
        }
    }

    fn read(&self) -> Slot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Slot {
            allocated_bytes: load(&self.allocated_bytes),
            allocation_count: load(&self.allocation_count),
            freed_bytes: load(&self.freed_bytes),
            deallocation_count: load(&self.deallocation_count),
        }
    }

    fn add(&self, change: &Slot) {
        let add = |counter: &AtomicU64, change| counter.fetch_add(change, Ordering::Relaxed);
        add(&self.allocated_bytes, change.allocated_bytes);
        add(&self.allocation_count, change.allocation_count);
        add(&self.freed_bytes, change.freed_bytes);
        add(&self.deallocation_count, change.deallocation_count);
    }
}

impl Record {
    const fn new() -> Self {
        Self {
            slots: Slots::new(),
            ended: Ended::new(),
            counters: AtomicPtr::new(ptr::null_mut()),
            is_in_use: AtomicBool::new(false),
            next: Leaked::empty(),
        }
    }

    /// The counters of the thread that has the record.
    fn counters(&self, _no_thread_ends: &MutexGuard<'_, ()>) -> Option<&Counters> {
        // Acquire: the thread registered them before.
        let counters = self.counters.load(Ordering::Acquire);
        // SAFETY: null, or the counters of a thread that has not ended: they are
        // here only while its `ENDING` lives, which `std` drops before the thread's
        // locals go away, and whose drop waits for the lock. Of the threads that a
        // forked child doesn't have, `in_forked_child` has taken them out.
        unsafe { counters.as_ref() }
    }

    /// Takes the counters of a thread that ends, or has ended, out of the record.
    fn leave(&self, no_thread_ends: &MutexGuard<'_, ()>) {
        if let Some(counters) = self.counters(no_thread_ends) {
            if let Some((line, change)) = counters.set_line(owner::UNTRACKED) {
                self.slots.add(line, &change);
            }
            self.ended.add(&counters.take().into());
            self.counters.store(ptr::null_mut(), Ordering::Release);
        }
        // Release: whoever takes the record sees what is in it.
        self.is_in_use.store(false, Ordering::Release);
    }
}

/// Registers the calling thread, whose counters are given, unless it is. Whether
/// it is then: not a thread that ends, which has left its record.
///
/// Where nobody asks who owns what, nobody reads another thread's counters.
#[inline]
fn attach(counters: &Counters) -> bool {
    !OWNERSHIP || !counters.are_new() || attach_new(counters)
}

#[cold]
fn attach_new(counters: &Counters) -> bool {
    // First, since what follows may allocate on some systems.
    counters.begin(owner::UNTRACKED);
    if ENDING.try_with(|_| ()).is_err() {
        counters.begin(owner::NO_LINE);
        return false;
    }
    if let Some(record) = take_record() {
        record.slots.prepare(owner::UNTRACKED, owner::FIRST_LINE);
        RECORD.set(Some(record));
        let counters = ptr::from_ref(counters).cast_mut();
        record.counters.store(counters, Ordering::Release);
    }
    true
}

/// A record for a thread: one that another has left, or a new one.
fn take_record() -> Option<&'static Record> {
    static KNOWS_FORKS: AtomicBool = AtomicBool::new(false);
    if !KNOWS_FORKS.swap(true, Ordering::Relaxed) {
        os::around_forks(before_fork, after_fork, in_forked_child);
    }
    let mut last = &FIRST;
    loop {
        // Acquire: goes on from what the last thread left.
        if !last.is_in_use.swap(true, Ordering::Acquire) {
            return Some(last);
        }
        last = match last.next.get() {
            Some(next) => next,
            None => last.next.set(leak(Record::new())?),
        };
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(record) = RECORD.take() {
            let lock = NO_THREAD_ENDS.lock();
            record.leave(&lock.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Holds the lock over a fork, so that the child doesn't get it held for ever.
extern "C" fn before_fork() {
    let lock = NO_THREAD_ENDS
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    FORKING.set(Some(ManuallyDrop::new(lock)));
}

extern "C" fn after_fork() {
    FORKING.take().map(ManuallyDrop::into_inner);
}

/// Takes the threads that a child doesn't have out of the list. Their memory is
/// still there: nothing has run in the child that could use it again.
extern "C" fn in_forked_child() {
    if let Some(lock) = FORKING.take().map(ManuallyDrop::into_inner) {
        for record in Reading::records() {
            let counters = record.counters.load(Ordering::Acquire);
            let is_own = COUNTERS.with(|own| ptr::eq(own, counters));
            if !counters.is_null() && !is_own {
                record.leave(&lock);
            }
        }
    }
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

/// Counts what a thread without a record does to a line's blocks.
#[cold]
fn count_late(line: u32, change: &Slot) {
    LATE.add(change);
    owner::add_shared(owner::checked(line), change);
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
        if !attach(counters) {
            count_late(owner::UNTRACKED, &Slot::allocated(size as u64, 1));
        }
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
        if !attach(counters) {
            return count_late(owner, &Slot::freed(size as u64, 1));
        }
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
        if !attach(counters) {
            count_late(owner, &Slot::freed(old_size as u64, 1));
            count_late(owner, &Slot::allocated(new_size as u64, 1));
            return owner;
        }
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
        if attach(counters) {
            let before = counters.line();
            put_down(counters.set_line(line));
            before
        } else {
            owner::UNTRACKED
        }
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
    COUNTERS.with(attach);
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
    /// Of a thread that is running, the last may be missing. What was freed is read
    /// first, so that nothing is freed that wasn't allocated.
    pub(crate) fn of_line(&self, line: u32) -> Slot {
        let freed = Self::sum(owner::shared(line), |record| self.of_line_in(record, line));
        let allocated = Self::sum(owner::shared(line), |record| self.of_line_in(record, line));
        freed.with_allocated(&allocated)
    }

    /// What all threads allocated and freed, read as [`of_line`](Self::of_line).
    pub(crate) fn of_process(&self) -> Slot {
        let freed = Self::sum(LATE.read(), |record| self.of_thread(record));
        let allocated = Self::sum(LATE.read(), |record| self.of_thread(record));
        freed.with_allocated(&allocated)
    }

    fn sum(others: Slot, of_record: impl Fn(&Record) -> Slot) -> Slot {
        Self::records().fold(others, |sum, record| sum.and(&of_record(record)))
    }

    fn of_line_in(&self, record: &Record, line: u32) -> Slot {
        // First, since what is pending goes over to it.
        let slot = record.slots.get(line);
        match record.counters(&self.no_thread_ends).map(Counters::current) {
            Some((current, pending)) if current == line => slot.and(&pending),
            _ => slot,
        }
    }

    fn of_thread(&self, record: &Record) -> Slot {
        let ended = record.ended.read();
        let Some(counters) = record.counters(&self.no_thread_ends) else {
            return ended;
        };
        let running = Slot::from(counters.now());
        match counters.current() {
            // The profiler's, who will take it back.
            (owner::PROFILER, pending) => ended.and(&running.without(&pending)),
            _ => ended.and(&running),
        }
    }
}
