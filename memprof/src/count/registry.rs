//! What each thread has done, by line, for others to read: the list of all
//! threads, those that have ended too.
//!
//! A thread has counters of its own, and a record of what it did by line; it alone
//! counts in either. When it ends, the counters are added to the record, which
//! waits for the next thread: nothing is lost, and there are as many records as
//! there ever were threads at once. A new thread takes a record in the middle of
//! its first allocation, without a lock.
//!
//! Whoever reads the counters of another thread has to keep it from ending, by one
//! of two locks that an ending thread waits for: [`Reading`], which waits, and
//! [`Glance`], which doesn't and so may be had inside the allocator.
#![allow(unsafe_code)] // For one thing: reading the counters of another thread.

use crate::count::line_counters::{self, LineCounters, SHARED, Slots};
use crate::count::scope_counters;
use crate::count::tag;
use crate::count::thread_counters::Counters;
use crate::model::change::Change;
use crate::sys::fork_lock;
use crate::sys::leak::{Leaked, leak};
use crate::sys::sync::{
    self, AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, const_fn,
    shared,
};
use std::ptr;
use std::sync::{PoisonError, TryLockError};

/// What a thread has for as long as it runs, and after it another.
#[derive(Debug)]
pub(crate) struct Record {
    /// By line, of the thread and those before it.
    pub(crate) slots: Slots,
    /// Of the threads before it.
    ended: Ended,
    /// The thread's, or null if no thread has the record.
    counters: AtomicPtr<Counters>,
    is_in_use: AtomicBool,
    next: Leaked<Record>,
}

/// What threads did that have ended.
#[derive(Debug)]
struct Ended {
    allocated_bytes: AtomicU64,
    allocation_count: AtomicU64,
    freed_bytes: AtomicU64,
    deallocation_count: AtomicU64,
}

shared! {
    /// The beginning of the list of all records: that of the first thread.
    static FIRST: Record = Record::new();
}

shared! {
    /// How many threads have a record.
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
}

shared! {
    /// What threads do while they end, when they no longer have a record.
    static LATE: Ended = Ended::new();
}

shared! {
    /// Held by a thread that reads, and by threads that end.
    static READING: Mutex<()> = Mutex::new(());
}

shared! {
    /// Held by a thread that glances, and by threads that end.
    static GLANCING: AtomicBool = AtomicBool::new(false);
}

impl Ended {
    const_fn! {
        fn new() -> Self {
            Self {
                allocated_bytes: AtomicU64::new(0),
                allocation_count: AtomicU64::new(0),
                freed_bytes: AtomicU64::new(0),
                deallocation_count: AtomicU64::new(0),
            }
        }
    }

    fn read(&self) -> Change {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Change {
            allocated_bytes: load(&self.allocated_bytes),
            allocation_count: load(&self.allocation_count),
            freed_bytes: load(&self.freed_bytes),
            deallocation_count: load(&self.deallocation_count),
            ..Change::default()
        }
    }

    fn add(&self, change: &Change) {
        let add = |counter: &AtomicU64, change| counter.fetch_add(change, Ordering::Relaxed);
        add(&self.allocated_bytes, change.allocated_bytes);
        add(&self.allocation_count, change.allocation_count);
        add(&self.freed_bytes, change.freed_bytes);
        add(&self.deallocation_count, change.deallocation_count);
    }
}

impl Record {
    const_fn! {
        fn new() -> Self {
            Self {
                slots: Slots::new(),
                ended: Ended::new(),
                counters: AtomicPtr::new(ptr::null_mut()),
                is_in_use: AtomicBool::new(false),
                next: Leaked::empty(),
            }
        }
    }

    /// A record for a thread: one that another has left, or a new one.
    pub(crate) fn take(counters: &Counters) -> Option<&'static Self> {
        let mut record: &'static Self = &FIRST;
        let mut new = None;
        // Acquire: goes on from what the last thread left.
        while record.is_in_use.swap(true, Ordering::Acquire) {
            record = record.next_or(&mut new)?;
        }
        // Another thread was faster with its own: for the next one, then.
        let mut last = record;
        while new.is_some() {
            last = last.next_or(&mut new)?;
        }
        let outside = tag::path_of(tag::UNTRACKED);
        record.slots.prepare(outside, tag::OUTSIDE_COUNT);
        SHARED.prepare(outside, tag::OUTSIDE_COUNT);
        // Before the thread can be found: who finds it knows that there are several. Relaxed,
        // as all that is done to the number: `peak` orders what has to be ordered.
        RUNNING.fetch_add(1, Ordering::Relaxed);
        let counters = ptr::from_ref(counters).cast_mut();
        record.counters.store(counters, Ordering::Release);
        Some(record)
    }

    /// The next record: the one there is, or else a new one, which is left in `new` if
    /// it wasn't used.
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

    /// Takes the counters of a thread that ends, or has ended, out of the record.
    pub(crate) fn end(&self, _no_reading: &Reading, glance: &Glance) {
        if let Some(counters) = self.counters(glance) {
            self.put_down_pending(counters);
            self.ended.add(&counters.end().into());
            self.counters.store(ptr::null_mut(), Ordering::Release);
            RUNNING.fetch_sub(1, Ordering::Relaxed);
        }
        // Release: whoever takes the record sees what is in it.
        self.is_in_use.store(false, Ordering::Release);
    }

    /// Puts down to the current line of a thread what it has done. Only the thread
    /// may, or nobody else.
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

    /// Before anything is put down: if the heap stands at a new peak since the last
    /// time, what the thread's current line had at it.
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

    /// The counters of the thread that has the record.
    fn counters(&self, _no_thread_ends: &impl NoThreadEnds) -> Option<&Counters> {
        // Acquire: the thread registered them before.
        let counters = self.counters.load(Ordering::Acquire);
        // SAFETY: null, or the counters of a thread that has not ended: they are
        // here only until its `end`, which comes before the thread's locals
        // go away, and which waits for both locks, of which the caller has one. Of
        // the threads that a forked child doesn't have, `threads` has taken them out.
        unsafe { counters.as_ref() }
    }
}

/// That no thread ends while it lives.
trait NoThreadEnds {}

/// All records, in the order in which they were first taken.
pub(crate) fn records() -> impl Iterator<Item = &'static Record> {
    let first: &'static Record = &FIRST;
    std::iter::successors(Some(first), |record| record.next.get())
}

/// Takes all threads but the calling one out of their records: that of a forked child, which
/// has no other. `own` are its counters, and `record` is its record, if it has one.
///
/// One may have been about to take a record as the process forked, or in the middle of
/// counting: of the latter, an event may be in the sum of all lines and not in that of the
/// process, or the other way round. It can't be waited for inside an allocator.
pub(crate) fn end_others(
    own: &Counters,
    record: Option<&'static Record>,
    reading: &Reading,
    glance: &Glance,
) {
    // The thread itself may be about to take one, if it forks in a signal handler.
    let is_own = |other: &Record| match record {
        Some(record) => ptr::eq(record, other),
        None => !own.are_new() && other.counters(glance).is_none(),
    };
    for other in records().filter(|record| !is_own(record)) {
        other.end(reading, glance);
    }
    RUNNING.swap(record.is_some().into(), Ordering::Relaxed);
}

/// How many threads have a record.
pub(crate) fn thread_count() -> usize {
    RUNNING.load(Ordering::Relaxed)
}

/// What is alive of threads that have ended.
pub(crate) fn ended_net_bytes() -> i64 {
    let ended = records().map(|record| record.ended.read().net_bytes());
    ended.fold(LATE.read().net_bytes(), i64::wrapping_add)
}

/// How often a line was begun.
pub(crate) fn hits(line: u32) -> u64 {
    let slots = records().filter_map(|record| record.slots.line(line));
    slots.fold(0, |sum, counters| sum.wrapping_add(counters.hits()))
}

/// How often a path was called.
pub(crate) fn calls(path: u32) -> u64 {
    let slots = records().filter_map(|record| record.slots.path(path));
    slots.fold(0, |sum, counters| sum.wrapping_add(counters.calls()))
}

/// Counts what a thread without a record does to a line's blocks.
pub(crate) fn count_late(line: u32, change: &Change) {
    LATE.add(change);
    SHARED.add_shared(line, change);
}

/// A glance at all threads, short enough for others to do without it.
#[derive(Debug)]
pub(crate) struct Glance(());

impl NoThreadEnds for Glance {}

impl Glance {
    /// Never waits; nothing if somebody else has one.
    pub(crate) fn at_once() -> Option<Self> {
        // Acquire: what was written under the last one is seen.
        let taken = GLANCING.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        // Not made if it isn't: to drop one is to let go of another thread's.
        taken.ok().map(|_| Self(()))
    }

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

/// All threads, to be read. No thread ends while it lives.
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

    /// As [`begin`](Self::begin), but waits for a moment only: at the end of the process,
    /// the thread that reads may have been stopped in the middle.
    pub(crate) fn begin_soon() -> Option<Self> {
        let lock = fork_lock::soon(|| match READING.try_lock() {
            Ok(lock) => Some(lock),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        Some(Self { _lock: lock? })
    }

    /// What all threads did to the blocks of a line.
    ///
    /// Of a thread that is running, the last may be missing. What was freed is read
    /// first, so that nothing is freed that wasn't allocated.
    pub(crate) fn of_line(&self, line: u32) -> Change {
        let shared = || {
            let counters = SHARED.line(line);
            counters.map_or_else(Change::default, LineCounters::changes)
        };
        let freed = Self::sum(shared(), |record| self.of_line_in(record, line));
        let allocated = Self::sum(shared(), |record| self.of_line_in(record, line));
        freed.with_allocated(&allocated)
    }

    /// What of a line's was alive at the peak.
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

    /// What all threads allocated and freed, read as [`of_line`](Self::of_line).
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

    /// Reads what a thread put down to a line, and the thread's counters if it is in
    /// that line.
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
                // It will take it back.
                ended.and(&running.without(&counters.pending()))
            } else {
                ended.and(&running)
            }
        })
    }
}
