//! The heap's peak: the most bytes that the process has had alive.
//!
//! It is found without a counter that all threads write. Each thread has a *ceiling* for its own
//! live bytes: while no thread exceeds its own, all of them together are below the peak, or above
//! it by no more than [`error_bytes`]. A thread that exceeds its ceiling adds up what all threads
//! have alive (a *look*), notes the peak if this is one, and deals out new ceilings. With few
//! threads, the thread that looks gets an exact ceiling: while the others rest, no peak escapes it.
//!
//! # Who writes what
//!
//! This code runs inside the allocator, where nothing waits. A thread that looks holds the
//! [`Glance`], which one thread has at a time. Under it, it writes the peak, the peak's epoch, and
//! each thread's ceiling and bytes at the peak. A thread that finds the glance taken leaves the
//! look to its next allocation; a block that it frees before that is in no peak. A thread writes
//! its own ceiling without a glance in two cases: when it begins, with nothing alive, and around
//! the profiler's own work, by a compare-and-exchange.
//!
//! # A thread that is alone
//!
//! The only thread of a process needn't look at others: its ceiling is the peak, which rises by as
//! much as the thread exceeds it. This holds while [`ALONE`] points to the thread's counters.
//!
//! - A thread that begins, or that counts something without a record, first publishes what it did
//!   and then writes null to `ALONE`.
//! - A thread that looks writes [`LOOKING`], then reads what the others did, and makes a thread
//!   alone only if `LOOKING` is still there.
//!
//! All of these are read-modify-writes with acquire and release. So either the looking thread has
//! read what the other one did, or it finds null and looks again.
//!
//! A thread that has just begun may still find the other one alone. It has allocated nothing by
//! then, or its store isn't visible yet: the result then equals an order in which the lone thread
//! ran first. If both look, the second gets the glance after the first, and sees all that
//! the first wrote.
//!
//! # What may not happen here
//!
//! [`rise`], [`add_thread`] and [`look_again`] are called inside the allocator: they don't
//! allocate, lock, wait or panic. [`reset`] and `live_bytes` wait for the glance.
//!
//! A model checker runs the files of the counting path in `tests/protocols`.

use crate::count::line_counters;
use crate::count::registry::{self, Glance};
use crate::count::tag;
use crate::count::thread_counters::Counters;
use crate::sys::sync::{AtomicI64, AtomicPtr, AtomicUsize, Ordering, shared};
use std::ptr;

/// Between two looks, a thread may allocate this many bytes per existing thread, which spreads the
/// cost of looking at each thread over as many bytes.
const BYTES_PER_LOOK: i64 = 512;

/// With up to this many threads, the one that looks gets an exact ceiling, and may look at each of
/// its allocations.
const FEW_THREADS: usize = 4;

/// The most that a thread may allocate between two looks, in bytes.
const MOST_BYTES_PER_LOOK: i64 = 64 << 10;

shared! {
    /// The peak, in bytes.
    static BYTES: AtomicI64 = AtomicI64::new(0);
}

shared! {
    /// The thread that was alone at the last look, and whose ceiling is the peak. Null as soon as
    /// there is another thread.
    static ALONE: AtomicPtr<Counters> = AtomicPtr::new(ptr::null_mut());
}

/// The value of [`ALONE`] while a thread looks.
const LOOKING: *mut Counters = ptr::without_provenance_mut(1);

shared! {
    /// The largest number of threads at once since the peak was reset.
    static MOST_THREADS: AtomicUsize = AtomicUsize::new(0);
}

/// The peak, in bytes.
pub(crate) fn bytes() -> u64 {
    u64::try_from(BYTES.load(Ordering::Relaxed)).unwrap_or(0)
}

/// What the process has alive on the heap, in bytes. Other threads are read while they run.
#[cfg(feature = "toolbar")]
pub(crate) fn live_bytes() -> i64 {
    let glance = Glance::wait();
    let nets = glance.threads().map(Counters::program_net_bytes);
    nets.fold(registry::ended_net_bytes(), i64::wrapping_add)
}

/// By how many bytes the process can have exceeded the peak that was found.
pub(crate) fn error_bytes() -> u64 {
    match MOST_THREADS.load(Ordering::Relaxed) {
        0 | 1 => 0,
        thread_count => thread_count as u64 * allowance(thread_count).unsigned_abs(),
    }
}

/// How many bytes a thread may allocate between two looks: its share of the error.
fn allowance(thread_count: usize) -> i64 {
    let thread_count = i64::try_from(thread_count).unwrap_or(i64::MAX);
    BYTES_PER_LOOK
        .saturating_mul(thread_count)
        .min(MOST_BYTES_PER_LOOK)
}

/// Called when a thread has more alive than its ceiling.
#[cold]
#[inline(never)]
pub(crate) fn rise(counters: &Counters) {
    if counters.tag().line() == tag::PROFILER {
        return;
    }
    let Some(glance) = Glance::at_once() else {
        return;
    };
    if !ptr::eq(ALONE.load(Ordering::Relaxed), counters) {
        look(&glance, Some(counters));
    } else if counters.is_above_ceiling() {
        let net = counters.program_net_bytes();
        let more = net.wrapping_sub(counters.ceiling());
        let bytes = BYTES.load(Ordering::Relaxed).wrapping_add(more);
        BYTES.store(bytes, Ordering::Relaxed);
        counters.set_ceiling(net);
        counters.set_net_bytes_at_peak(net);
        line_counters::begin_peak_epoch();
    }
}

/// Looks at what all threads have alive, and deals out ceilings. `own` is the thread that looks, if
/// it has exceeded its ceiling.
fn look(glance: &Glance, own: Option<&Counters>) {
    // Each further look is due to a thread that began or ended meanwhile.
    const MOST_LOOKS: usize = 4;
    for _ in 0..MOST_LOOKS {
        // With several threads, none is alone, and `ALONE` is null already.
        let may_be_alone = registry::thread_count() <= 1;
        let before = if may_be_alone {
            LOOKING
        } else {
            ptr::null_mut()
        };
        if may_be_alone || !ALONE.load(Ordering::Relaxed).is_null() {
            // AcqRel, here and below: see the module's head.
            ALONE.swap(before, Ordering::AcqRel);
        }
        let alone = deal(glance, own).map_or(ptr::null(), ptr::from_ref);
        if !may_be_alone {
            return;
        }
        let alone = alone.cast_mut();
        let changed = ALONE.compare_exchange(LOOKING, alone, Ordering::AcqRel, Ordering::Relaxed);
        if changed.is_ok() {
            return;
        }
    }
}

/// Notes the peak if the threads' live bytes are a new one, and deals out ceilings. Returns the
/// only thread, whose ceiling is then the peak, if there is just one.
fn deal<'a>(glance: &'a Glance, own: Option<&Counters>) -> Option<&'a Counters> {
    let is_own = |thread| own.is_some_and(|own| ptr::eq(own, thread));
    // Each thread is read once: what it does after that is for its own next look.
    let nets = glance.threads().map(Counters::look_at_net_bytes);
    let live = nets.fold(registry::ended_net_bytes(), i64::wrapping_add);
    if live > BYTES.load(Ordering::Relaxed) {
        BYTES.store(live, Ordering::Relaxed);
        for thread in glance.threads() {
            thread.set_net_bytes_at_peak(thread.looked_at_net_bytes());
        }
        line_counters::begin_peak_epoch();
    }
    let slack = BYTES.load(Ordering::Relaxed).wrapping_sub(live).max(0);
    let thread_count = registry::thread_count().max(1);
    let shares = i64::try_from(2 * thread_count).unwrap_or(i64::MAX);
    let share = (slack / shares).max(allowance(thread_count));
    // Near the peak, the thread that looks gets all that is left.
    let is_exact = thread_count == 1 || (thread_count <= FEW_THREADS && slack / shares < share);
    let mut only = None;
    let mut count = 0;
    for thread in glance.threads() {
        let above = if is_exact && (thread_count == 1 || is_own(thread)) {
            slack
        } else {
            share
        };
        thread.set_ceiling(thread.looked_at_net_bytes().wrapping_add(above));
        only = Some(thread);
        count += 1;
    }
    only.filter(|_| count == 1 && thread_count == 1)
}

/// Makes no thread alone: another one has done something that it doesn't know of.
fn end_alone() {
    ALONE.swap(ptr::null_mut(), Ordering::AcqRel);
}

/// Called when a thread has begun, with its record taken.
pub(crate) fn add_thread(counters: &Counters) {
    let thread_count = registry::thread_count();
    // Release: see `reset`.
    MOST_THREADS.fetch_max(thread_count, Ordering::Release);
    counters.set_peak_epoch(line_counters::peak_epoch());
    counters.set_ceiling(if thread_count == 1 {
        // So that its first block makes it look.
        -1
    } else {
        allowance(thread_count)
    });
    // Last, so that a look can't make the thread alone with a ceiling that it then overwrites.
    end_alone();
}

/// Called when threads have ended. If one is left, its peaks are exact from now on.
pub(crate) fn remove_threads(glance: &Glance) {
    end_alone();
    if registry::thread_count() == 1 {
        look(glance, None);
    }
}

/// Called when something was counted outside of all threads' own counters.
pub(crate) fn look_again() {
    end_alone();
    if let Some(glance) = Glance::at_once() {
        look(&glance, None);
    }
}

/// Resets the peak to what is alive now, for the thread `own`.
pub(crate) fn reset(own: &Counters) {
    let glance = Glance::wait();
    BYTES.store(i64::MIN, Ordering::Relaxed);
    // Acquire: a thread that has just begun may have counted itself already, which this undoes. It
    // is visible in the thread count then, and is counted again.
    MOST_THREADS.swap(0, Ordering::AcqRel);
    MOST_THREADS.fetch_max(registry::thread_count(), Ordering::Relaxed);
    look(&glance, Some(own));
}
