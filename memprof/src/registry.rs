//! All threads, those that have ended too, and what each did by line.
//!
//! A thread that counts has a record, in which it alone writes. When the thread
//! ends, its counters are added to the record, which waits for the next thread:
//! nothing is lost, and there are as many records as there ever were threads at
//! once. A new thread takes a record in the middle of its first allocation, without
//! a lock. Who reads holds one, so that no thread ends meanwhile.
#![allow(unsafe_code)]

use crate::leaked::{Leaked, leak};
use crate::os;
use crate::owner::{self, Slot, Slots};
use crate::tally::{Counters, Tally};
use std::cell::Cell;
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
    // None also if there was no memory for a record: then nobody sees what the
    // thread does. Without a destructor for the reasons of `tally`.
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

/// Gives the calling thread, whose `counters` are given, a record: one that a
/// thread has left, or a new one.
pub(crate) fn attach(counters: &Counters) {
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

/// Adds to what the calling thread did to the blocks of a line.
pub(crate) fn add(line: u32, change: &Slot) {
    match RECORD.get() {
        Some(record) => record.slots.add(line, change),
        None => owner::add_shared(line, change),
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
            let running = counters.map_or_else(Tally::default, Counters::tally);
            sum = sum.and(&ended).and(&running.into());
        }
        sum
    }
}
