//! The registry of threads: what each has done by line, for other threads to read.
//!
//! # Records
//!
//! Each thread has its own [`Counters`] and a [`Record`] with the counters of its lines; only this
//! thread counts in either. When the thread ends, its counters are added to the record, which waits
//! for the next thread: nothing is lost, and there are only as many records as threads ever existed
//! at once. Records form a list that is only ever appended to.
//!
//! # Registration
//!
//! A new thread takes a record in the middle of its first allocation, without a lock: the first one
//! whose `is_in_use` it swaps from false to true, or a new one at the end of the list. The acquire
//! of the swap pairs with the release in [`Record::end`], so the thread continues from all that the
//! previous one left. The thread's counters are published last, with release; a reader loads them
//! with acquire.
//!
//! # Readers and the end of a thread
//!
//! A reader of another thread's counters has to keep that thread from ending, by holding one of two
//! locks that an ending thread takes both of: [`Reading`], a mutex that may be waited for, and
//! [`Glance`], a try-lock that the allocator can use. Holding either is a token ([`NoThreadEnds`])
//! for [`Record::counters`]. A thread that needs both takes `Reading` first.
//!
//! # A reader's snapshot
//!
//! Running threads aren't stopped. Within one thread, [`Counters::read`] gives the settled and the
//! pending numbers at one moment. Over all threads, what was freed is read first and what was
//! allocated second, so no sum shows a block freed that it doesn't show allocated. The last events
//! of a running thread may be missing.
//!
//! # Threads without a record
//!
//! What a thread does after it has left its record, or without memory for one, goes to [`LATE`]
//! (the process's sums) and [`SHARED`] (by line), with atomic additions.
//!
//! # Forks
//!
//! The thread that forks holds both locks. The child [takes](end_others) the threads that it
//! doesn't have out of their records.
//!
//! # What may not happen here
//!
//! Taking a record, [`Glance::at_once`] and [`count_late`] run inside the allocator: they don't
//! allocate from it, lock, wait or panic. `Reading` and [`Glance::wait`] are for reports, resets,
//! forks and the end of a thread.
#![allow(unsafe_code)] // Reading the counters of another thread.

use crate::count::call_stack;
use crate::count::line_counters::{self, LineCounters, SHARED, Slots};
use crate::count::scope_counters;
use crate::count::tag;
use crate::count::thread_counters::{ChangeCounters, Counters};
use crate::model::change::Change;
use crate::sys::fork_lock;
use crate::sys::leak::{Leaked, leak};
use crate::sys::sync::{
    self, AtomicBool, AtomicPtr, AtomicUsize, Mutex, MutexGuard, Ordering, const_fn, shared,
};
use std::ptr;
use std::sync::{PoisonError, TryLockError};

/// What a running thread has, and another one after it.
#[derive(Debug)]
pub(crate) struct Record {
    /// Counters by line, of the thread and of those that had the record before.
    pub(crate) slots: Slots,
    /// Sums of the threads that had the record before.
    ended: ChangeCounters,
    /// The thread's counters, or null if no thread has the record.
    counters: AtomicPtr<Counters>,
    is_in_use: AtomicBool,
    /// The memory of the call stack, once a thread has entered a profiled function.
    call_stack: Leaked<call_stack::Memory>,
    /// The system's id of the thread, and the [address](call_stack::address) of its stack; 0 if no
    /// thread has the record, or the thread has no call stack.
    thread_id: AtomicUsize,
    stack_address: AtomicUsize,
    next: Leaked<Record>,
}

/// A thread that has a call stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningThread {
    /// The system's id.
    pub(crate) id: usize,
    pub(crate) stack_address: usize,
    pub(crate) memory: &'static call_stack::Memory,
    /// The scope that it is in, or 0.
    pub(crate) scope: u32,
}

shared! {
    /// The first record of the list.
    static FIRST: Record = Record::new();
}

shared! {
    /// The number of threads that have a record.
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
}

shared! {
    /// What threads without a record do: those that are ending, and those without memory for one.
    static LATE: ChangeCounters = ChangeCounters::new();
}

shared! {
    /// The lock of [`Reading`].
    static READING: Mutex<()> = Mutex::new(());
}

shared! {
    /// The lock of [`Glance`].
    static GLANCING: AtomicBool = AtomicBool::new(false);
}

impl Record {
    const_fn! {
        fn new() -> Self {
            Self {
                slots: Slots::new(),
                ended: ChangeCounters::new(),
                counters: AtomicPtr::new(ptr::null_mut()),
                is_in_use: AtomicBool::new(false),
                call_stack: Leaked::empty(),
                thread_id: AtomicUsize::new(0),
                stack_address: AtomicUsize::new(0),
                next: Leaked::empty(),
            }
        }
    }

    /// Takes a record for a thread: one that another thread has left, or a new one. `None` if there
    /// is no memory.
    pub(crate) fn take(counters: &Counters) -> Option<&'static Self> {
        let mut record: &'static Self = &FIRST;
        let mut new = None;
        // Acquire: continues from what the previous thread left.
        while record.is_in_use.swap(true, Ordering::Acquire) {
            record = record.next_or(&mut new)?;
        }
        // Another thread appended its own record first: append ours after it, for a later thread.
        let mut last = record;
        while new.is_some() {
            last = last.next_or(&mut new)?;
        }
        let outside = tag::path_of(tag::UNTRACKED);
        record.slots.prepare(outside, tag::OUTSIDE_COUNT);
        SHARED.prepare(outside, tag::OUTSIDE_COUNT);
        // Counted before the thread can be found, so that a thread that finds it knows that there
        // are several. Relaxed, as all accesses to the number: `peak` provides the ordering where
        // it matters.
        RUNNING.fetch_add(1, Ordering::Relaxed);
        let counters = ptr::from_ref(counters).cast_mut();
        record.counters.store(counters, Ordering::Release);
        Some(record)
    }

    /// The next record, appended if there is none. A record that was allocated but not used, since
    /// another thread was faster, is left in `new`.
    fn next_or(&self, new: &mut Option<&'static Self>) -> Option<&'static Self> {
        if let Some(next) = self.next.get() {
            return Some(next);
        }
        let mine = match new.take() {
            Some(mine) => mine,
            None => leak(Self::new())?,
        };
        let next = self.next.set(mine);
        *new = (!ptr::eq(next, mine)).then_some(mine);
        Some(next)
    }

    /// Takes the counters of a thread that ends, or that a forked child doesn't have, out of the
    /// record.
    pub(crate) fn end(&self, _no_reading: &Reading, glance: &Glance) {
        if let Some(counters) = self.counters(glance) {
            self.put_down_pending(counters);
            self.ended.add_shared(&counters.end().into());
            self.counters.store(ptr::null_mut(), Ordering::Release);
            self.stack_address.store(0, Ordering::Relaxed);
            RUNNING.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Leaves the record to the next thread.
    pub(crate) fn leave(&self) {
        // Release: the thread that takes the record next sees what is in it.
        self.is_in_use.store(false, Ordering::Release);
    }

    /// The memory of the call stack of the thread that has the record. `None` if there is none.
    pub(crate) fn call_stack(&'static self) -> Option<&'static call_stack::Memory> {
        match self.call_stack.get() {
            Some(there) => Some(there),
            None => Some(self.call_stack.set(call_stack::Memory::new()?)),
        }
    }

    /// Lets other threads know of the calling thread's call stack.
    pub(crate) fn show_call_stack(&self, thread_id: usize) {
        self.thread_id.store(thread_id, Ordering::Relaxed);
        // Release: a thread that finds the stack finds the id, too.
        self.stack_address
            .store(call_stack::address(), Ordering::Release);
    }

    /// Settles a thread's current line. Only that thread may call this, or one that knows that the
    /// thread no longer runs.
    fn put_down_pending(&self, counters: &Counters) {
        counters.put_down(|| {
            self.keep_peak(counters);
            let tag = counters.tag();
            let change = counters.settle();
            self.slots.add(tag.line(), &change);
            if tag.scope() != 0 {
                scope_counters::add(tag.scope(), tag.line(), &change);
            }
        });
    }

    /// If there is a new peak since the last time, notes what the thread's current line had at it.
    /// Called before any of the thread's line counters change.
    #[inline]
    pub(crate) fn keep_peak(&self, counters: &Counters) {
        let epoch = line_counters::peak_epoch();
        if let Some(since) = counters.since_peak(epoch) {
            counters.set_peak_epoch(epoch);
            let line = self.slots.line(counters.tag().line());
            if let Some(line) = line {
                let now = line.changes().and(&counters.pending()).net_bytes();
                line.set_bytes_at_peak(epoch, now.wrapping_sub(since));
            }
        }
    }

    /// The counters of the thread that has the record, if any.
    fn counters(&self, _no_thread_ends: &impl NoThreadEnds) -> Option<&Counters> {
        // Acquire: pairs with the release in `take`.
        let counters = self.counters.load(Ordering::Acquire);
        // SAFETY: the pointer is null, or that of a thread's counters, which are valid until its
        // thread-locals go away. Before that, the thread calls `end`, which sets it to null and
        // needs both locks; our caller holds one of them, and uses the answer only while it does.
        // Threads that a forked child doesn't have are taken out by `end_others`, before anything
        // in the child can reuse their memory.
        unsafe { counters.as_ref() }
    }
}

/// A token: no thread ends while it lives.
trait NoThreadEnds {}

/// All records, in the order in which they were appended.
pub(crate) fn records() -> impl Iterator<Item = &'static Record> {
    let first: &'static Record = &FIRST;
    std::iter::successors(Some(first), |record| record.next.get())
}

/// Takes all threads but the calling one out of their records, in a forked child, which has no
/// other. `own` are the calling thread's counters, and `record` is its record, if it has one.
///
/// Another thread may have been about to take a record as the process forked, or in the middle of
/// counting an event. Such an event may be in the sums by line and not in those of the process, or
/// the other way round: a fork can't wait for a thread inside the allocator.
pub(crate) fn end_others(
    own: &Counters,
    record: Option<&'static Record>,
    reading: &Reading,
    glance: &Glance,
) {
    // The thread itself may be about to take a record, if it forks in a signal handler.
    let is_own = |other: &Record| match record {
        Some(record) => ptr::eq(record, other),
        None => !own.are_new() && other.counters(glance).is_none(),
    };
    for other in records().filter(|record| !is_own(record)) {
        other.end(reading, glance);
        other.leave();
    }
    RUNNING.swap(record.is_some().into(), Ordering::Relaxed);
}

/// The number of threads that have a record.
pub(crate) fn thread_count() -> usize {
    RUNNING.load(Ordering::Relaxed)
}

/// Live bytes of threads that have ended: what they allocated less what they freed.
pub(crate) fn ended_net_bytes() -> i64 {
    let ended = records().map(|record| record.ended.read().net_bytes());
    ended.fold(LATE.read().net_bytes(), i64::wrapping_add)
}

/// How often a line began to run, on all threads.
pub(crate) fn hits(line: u32) -> u64 {
    let slots = records().filter_map(|record| record.slots.line(line));
    slots.fold(0, |sum, counters| sum.wrapping_add(counters.hits()))
}

/// How often a path was called, on all threads.
pub(crate) fn calls(path: u32) -> u64 {
    let slots = records().filter_map(|record| record.slots.path(path));
    slots.fold(0, |sum, counters| sum.wrapping_add(counters.calls()))
}

/// Counts what a thread without a record does to a line's blocks.
pub(crate) fn count_late(line: u32, change: &Change) {
    LATE.add_shared(change);
    SHARED.add_shared(line, change);
}

/// A short look at all threads, by one thread at a time. No thread ends while it lives.
///
/// The allocator can use it, since it never waits: a thread that doesn't get it does without.
#[derive(Debug)]
pub(crate) struct Glance(());

impl NoThreadEnds for Glance {}

impl Glance {
    /// Takes the lock if it is free, without waiting.
    pub(crate) fn at_once() -> Option<Self> {
        // Acquire: what was written under the previous glance is seen.
        let taken = GLANCING.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Made only if the lock was taken: dropping a `Glance` releases it.
        taken.ok().map(|_| Self(()))
    }

    /// Waits for the lock. Not for use inside the allocator.
    pub(crate) fn wait() -> Self {
        loop {
            if let Some(glance) = Self::at_once() {
                return glance;
            }
            sync::yield_now();
        }
    }

    /// The counters of each running thread.
    pub(crate) fn threads(&self) -> impl Iterator<Item = &Counters> {
        records().filter_map(|record| record.counters(self))
    }
}

impl Drop for Glance {
    fn drop(&mut self) {
        GLANCING.store(false, Ordering::Release);
    }
}

/// A reader of all threads. No thread ends while it lives.
#[derive(Debug)]
pub(crate) struct Reading {
    _lock: MutexGuard<'static, ()>,
}

impl NoThreadEnds for Reading {}

impl Reading {
    pub(crate) fn begin() -> Self {
        Self {
            _lock: READING.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// As [`begin`](Self::begin), but gives up after a moment: at the end of the process, the
    /// thread that has the lock may have been stopped for good.
    pub(crate) fn begin_soon() -> Option<Self> {
        let lock = fork_lock::soon(|| match READING.try_lock() {
            Ok(lock) => Some(lock),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        Some(Self { _lock: lock? })
    }

    /// The call stacks of all threads that have one, with the places of their records in the list.
    pub(crate) fn call_stacks(&self) -> impl Iterator<Item = (usize, RunningThread)> {
        let thread = |record: &'static Record| {
            // Acquire: pairs with the release in `show_call_stack`.
            let stack_address = record.stack_address.load(Ordering::Acquire);
            let counters = record.counters(self).filter(|_| stack_address != 0)?;
            Some(RunningThread {
                id: record.thread_id.load(Ordering::Relaxed),
                stack_address,
                memory: record.call_stack.get()?,
                scope: counters.tag().scope(),
            })
        };
        let places = records().enumerate();
        places.filter_map(move |(place, record)| Some((place, thread(record)?)))
    }

    /// What all threads did to the blocks of a line.
    ///
    /// The last events of a running thread may be missing. What was freed is read first, so that
    /// nothing is freed that wasn't allocated.
    pub(crate) fn of_line(&self, line: u32) -> Change {
        let shared = || {
            let counters = SHARED.line(line);
            counters.map_or_else(Change::default, LineCounters::changes)
        };
        let freed = Self::sum(shared(), |record| self.of_line_in(record, line));
        let allocated = Self::sum(shared(), |record| self.of_line_in(record, line));
        freed.with_allocated(&allocated)
    }

    /// How many bytes of a line's blocks were alive at the peak.
    pub(crate) fn bytes_at_peak(&self, line: u32) -> i64 {
        let epoch = line_counters::peak_epoch();
        let shared = SHARED.line(line);
        let shared = shared.map_or(0, |counters| counters.bytes_at_peak(epoch));
        records().fold(shared, |sum, record| {
            let of_thread = self.of_thread_and_line(record, line, |put_down, counters| {
                let put_down = put_down.map_or(0, |put_down| put_down.bytes_at_peak(epoch));
                let since = counters.and_then(|counters| counters.since_peak(epoch));
                let pending = counters.map_or(0, |counters| counters.pending().net_bytes());
                put_down.wrapping_add(since.map_or(0, |since| pending.wrapping_sub(since)))
            });
            sum.wrapping_add(of_thread)
        })
    }

    /// What all threads allocated and freed, read in the same order as [`of_line`](Self::of_line).
    pub(crate) fn of_process(&self) -> Change {
        let freed = Self::sum(LATE.read(), |record| self.of_thread(record));
        let allocated = Self::sum(LATE.read(), |record| self.of_thread(record));
        freed.with_allocated(&allocated)
    }

    fn sum(others: Change, of_record: impl Fn(&Record) -> Change) -> Change {
        records().fold(others, |sum, record| sum.and(&of_record(record)))
    }

    fn of_line_in(&self, record: &Record, line: u32) -> Change {
        self.of_thread_and_line(record, line, |put_down, counters| {
            let put_down = put_down.map_or_else(Change::default, LineCounters::changes);
            match counters {
                Some(counters) => put_down.and(&counters.pending()),
                None => put_down,
            }
        })
    }

    /// Reads a thread's settled counters of a line, and the thread's counters if it is in that
    /// line, at one moment.
    fn of_thread_and_line<T>(
        &self,
        record: &Record,
        line: u32,
        read: impl Fn(Option<&LineCounters>, Option<&Counters>) -> T,
    ) -> T {
        let put_down = record.slots.line(line);
        match record.counters(self) {
            None => read(put_down, None),
            Some(counters) => counters.read(|| {
                let is_in_line = counters.tag().line() == line;
                read(put_down, is_in_line.then_some(counters))
            }),
        }
    }

    fn of_thread(&self, record: &Record) -> Change {
        let ended = record.ended.read();
        let Some(counters) = record.counters(self) else {
            return ended;
        };
        counters.read(|| {
            let running = Change::from(counters.now());
            if counters.tag().line() == tag::PROFILER {
                // The profiler's own share is going to be subtracted.
                ended.and(&running.without(&counters.pending()))
            } else {
                ended.and(&running)
            }
        })
    }
}
