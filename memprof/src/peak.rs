//! The most that the process has had alive on the heap.
//!
//! Found without a counter that threads share. Each thread has a ceiling: as long
//! as none goes above its own, all of them together are below the peak, or above it
//! by no more than [`error_bytes`]. A thread that goes above looks at what all of
//! them have, notes the peak if it is one, and deals out new ceilings. Its own is
//! exact if it is one of few threads: while the others rest, no peak escapes it.
//!
//! This is called from inside the allocator: nothing here waits, and whoever finds
//! somebody else looking leaves it to the next allocation.

use crate::owner;
use crate::records::{self, Glance};
use crate::tally::Counters;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicUsize, Ordering};

/// What a thread may allocate between two looks is this times the threads there
/// are, so that a look at each of them is paid for by so many bytes.
const BYTES_PER_LOOK: i64 = 512;

/// With so many threads, the one that looks has an exact ceiling, and may look at each
/// of its allocations.
const FEW_THREADS: usize = 4;

/// And no more than this.
const MOST_BYTES_PER_LOOK: i64 = 64 << 10;

/// The peak.
static BYTES: AtomicI64 = AtomicI64::new(0);

/// The thread that was alone at the last look, and whose ceiling is the peak; null as
/// soon as there is another.
static ALONE: AtomicPtr<Counters> = AtomicPtr::new(ptr::null_mut());

/// The most threads that there have been at once since the peak was reset.
static MOST_THREADS: AtomicUsize = AtomicUsize::new(0);

/// The peak, in bytes.
pub(crate) fn bytes() -> u64 {
    u64::try_from(BYTES.load(Ordering::Relaxed)).unwrap_or(0)
}

/// What the process has alive on the heap, in bytes. Other threads are read while they run.
#[cfg(feature = "toolbar")]
pub(crate) fn live_bytes() -> i64 {
    let glance = Glance::wait();
    let nets = glance.threads().map(Counters::program_net_bytes);
    nets.fold(records::ended_net_bytes(), i64::wrapping_add)
}

/// By how much the process can have been above the peak that was found.
pub(crate) fn error_bytes() -> u64 {
    match MOST_THREADS.load(Ordering::Relaxed) {
        0 | 1 => 0,
        thread_count => thread_count as u64 * allowance(thread_count).unsigned_abs(),
    }
}

/// What a thread may allocate between two looks, for its share of the error.
fn allowance(thread_count: usize) -> i64 {
    let thread_count = i64::try_from(thread_count).unwrap_or(i64::MAX);
    BYTES_PER_LOOK
        .saturating_mul(thread_count)
        .min(MOST_BYTES_PER_LOOK)
}

/// A thread has more alive than its ceiling.
#[cold]
#[inline(never)]
pub(crate) fn rise(counters: &Counters) {
    if counters.tag().line() == owner::PROFILER {
        return;
    }
    if ptr::eq(ALONE.load(Ordering::Relaxed), counters) {
        let net = counters.program_net_bytes();
        let more = net.wrapping_sub(counters.ceiling());
        // Relaxed stores: nobody else writes them while the thread is alone.
        let bytes = BYTES.load(Ordering::Relaxed).wrapping_add(more);
        BYTES.store(bytes, Ordering::Relaxed);
        counters.set_ceiling(net);
        counters.set_net_bytes_at_peak(net);
        owner::begin_peak_epoch();
    } else if let Some(glance) = Glance::at_once() {
        look(&glance, Some(counters));
    }
}

/// Looks at what all threads have alive, and deals out ceilings; `own` is the one that
/// looks, if it is above its own.
fn look(glance: &Glance, own: Option<&Counters>) {
    let is_own = |thread| own.is_some_and(|own| ptr::eq(own, thread));
    let nets = glance.threads().map(Counters::program_net_bytes);
    let live = nets.fold(records::ended_net_bytes(), i64::wrapping_add);
    if live > BYTES.load(Ordering::Relaxed) {
        BYTES.store(live, Ordering::Relaxed);
        for thread in glance.threads() {
            thread.set_net_bytes_at_peak(thread.program_net_bytes());
        }
        owner::begin_peak_epoch();
    }
    let slack = BYTES.load(Ordering::Relaxed).wrapping_sub(live).max(0);
    let thread_count = records::thread_count().max(1);
    let shares = i64::try_from(2 * thread_count).unwrap_or(i64::MAX);
    let share = (slack / shares).max(allowance(thread_count));
    // Near the peak, who looks has all that is left.
    let is_exact = thread_count == 1 || (thread_count <= FEW_THREADS && slack / shares < share);
    for thread in glance.threads() {
        let above = if is_exact && (thread_count == 1 || is_own(thread)) {
            slack
        } else {
            share
        };
        thread.set_ceiling(thread.program_net_bytes().wrapping_add(above));
        if thread_count == 1 {
            let alone = ptr::from_ref(thread).cast_mut();
            ALONE.store(alone, Ordering::SeqCst);
        }
    }
    // Another may have come in between, and have found nobody to be alone.
    if records::thread_count() != 1 {
        ALONE.store(ptr::null_mut(), Ordering::SeqCst);
    }
}

/// A thread has begun.
pub(crate) fn add_thread(counters: &Counters) {
    ALONE.store(ptr::null_mut(), Ordering::SeqCst);
    let thread_count = records::thread_count();
    MOST_THREADS.fetch_max(thread_count, Ordering::Relaxed);
    counters.set_peak_epoch(owner::peak_epoch());
    counters.set_ceiling(if thread_count == 1 {
        // It looks at once.
        -1
    } else {
        allowance(thread_count)
    });
}

/// Threads have ended. If one is left, its peaks are exact from now on.
pub(crate) fn remove_threads(glance: &Glance) {
    ALONE.store(ptr::null_mut(), Ordering::SeqCst);
    if records::thread_count() == 1 {
        look(glance, None);
    }
}

/// Something has changed that no thread's own counters have.
pub(crate) fn look_again() {
    ALONE.store(ptr::null_mut(), Ordering::SeqCst);
    if let Some(glance) = Glance::at_once() {
        look(&glance, None);
    }
}

/// Makes a peak of what is alive now; `own` is the thread that wants it.
pub(crate) fn reset(own: &Counters) {
    let glance = Glance::wait();
    ALONE.store(ptr::null_mut(), Ordering::SeqCst);
    BYTES.store(i64::MIN, Ordering::Relaxed);
    MOST_THREADS.store(records::thread_count(), Ordering::Relaxed);
    look(&glance, Some(own));
}
