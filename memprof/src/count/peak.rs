//! The most that the process has had alive on the heap.
//!
//! Found without a counter that threads share. Each thread has a ceiling: as long
//! as none goes above its own, all of them together are below the peak, or above it
//! by no more than [`error_bytes`]. A thread that goes above looks at what all of
//! them have, notes the peak if it is one, and deals out new ceilings. Its own is
//! exact if it is one of few threads: while the others rest, no peak escapes it.
//!
//! # Who writes what
//!
//! This is called from inside the allocator, where nothing waits. A thread that looks has a
//! [`Glance`], which one thread has at a time, and writes under it the peak, its epoch, and
//! the ceilings and the bytes at the peak of all threads. A thread that finds another one
//! looking leaves it to its next allocation; a block that it has freed by then is in no peak.
//! A thread itself writes its own ceiling in two places without a glance: as it begins, when
//! it has nothing alive, and around what the profiler does, by a compare-and-exchange.
//!
//! # A thread that is alone
//!
//! Where a process has one thread, that thread needn't look at the others: the peak rises by
//! as much as it goes above its ceiling, which is the peak. That is so for as long as it is
//! [`ALONE`]. A thread that begins, or that counts something without a record, first makes
//! known what it did and then writes null there; a thread that looks writes [`LOOKING`], then
//! reads what the others did, and makes one alone only if `LOOKING` is still there. All of
//! these are read-modify-writes that acquire and release. So either the one that looks has
//! read what the other did, or it finds null and looks again.
//!
//! A thread that has just begun may still find the other one alone. It has allocated nothing
//! by then, or may have for as long as its store takes to be seen: as if the one that is
//! alone had been earlier. If both look, the second has the glance after the first, and sees
//! all that the first wrote.
//!
//! The files of the counting path are run by a model checker in `tests/protocols`.

use crate::count::line_counters;
use crate::count::registry::{self, Glance};
use crate::count::tag;
use crate::count::thread_counters::Counters;
use crate::sys::sync::{AtomicI64, AtomicPtr, AtomicUsize, Ordering, shared};
use std::ptr;

/// What a thread may allocate between two looks is this times the threads there
/// are, so that a look at each of them is paid for by so many bytes.
const BYTES_PER_LOOK: i64 = 512;

/// With so many threads, the one that looks has an exact ceiling, and may look at each
/// of its allocations.
const FEW_THREADS: usize = 4;

/// And no more than this.
const MOST_BYTES_PER_LOOK: i64 = 64 << 10;

shared! {
    /// The peak.
    static BYTES: AtomicI64 = AtomicI64::new(0);
}

shared! {
    /// The thread that was alone at the last look, and whose ceiling is the peak; null as
    /// soon as there is another.
    static ALONE: AtomicPtr<Counters> = AtomicPtr::new(ptr::null_mut());
}

/// In the place of the thread that is alone while that is looked for.
const LOOKING: *mut Counters = ptr::without_provenance_mut(1);

shared! {
    /// The most threads that there have been at once since the peak was reset.
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

/// Looks at what all threads have alive, and deals out ceilings; `own` is the one that
/// looks, if it is above its own.
fn look(glance: &Glance, own: Option<&Counters>) {
    // Each further look is due to another thread that has begun or ended meanwhile.
    const MOST_LOOKS: usize = 4;
    for _ in 0..MOST_LOOKS {
        // With several threads, as there are while one looks that has found them, none is
        // alone, and it is null already.
        let may_be_alone = registry::thread_count() <= 1;
        let before = if may_be_alone {
            LOOKING
        } else {
            ptr::null_mut()
        };
        if may_be_alone || !ALONE.load(Ordering::Relaxed).is_null() {
            // AcqRel: see the head, here and below.
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

/// Notes the peak if what all threads have alive is one, and deals out ceilings. The only
/// thread, whose ceiling is then the peak, if there is but one.
fn deal<'a>(glance: &'a Glance, own: Option<&Counters>) -> Option<&'a Counters> {
    let is_own = |thread| own.is_some_and(|own| ptr::eq(own, thread));
    // Each is read once: what a running thread does after that is for its own next look.
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
    // Near the peak, who looks has all that is left.
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

/// Has no thread be alone: another one has done something that it doesn't know.
fn end_alone() {
    ALONE.swap(ptr::null_mut(), Ordering::AcqRel);
}

/// A thread has begun.
pub(crate) fn add_thread(counters: &Counters) {
    let thread_count = registry::thread_count();
    // Release: see `reset`.
    MOST_THREADS.fetch_max(thread_count, Ordering::Release);
    counters.set_peak_epoch(line_counters::peak_epoch());
    counters.set_ceiling(if thread_count == 1 {
        // It looks at once.
        -1
    } else {
        allowance(thread_count)
    });
    // Last, so that the thread isn't made alone with a ceiling that it then replaces.
    end_alone();
}

/// Threads have ended. If one is left, its peaks are exact from now on.
pub(crate) fn remove_threads(glance: &Glance) {
    end_alone();
    if registry::thread_count() == 1 {
        look(glance, None);
    }
}

/// Something has changed that no thread's own counters have.
pub(crate) fn look_again() {
    end_alone();
    if let Some(glance) = Glance::at_once() {
        look(&glance, None);
    }
}

/// Makes a peak of what is alive now; `own` is the thread that wants it.
pub(crate) fn reset(own: &Counters) {
    let glance = Glance::wait();
    BYTES.store(i64::MIN, Ordering::Relaxed);
    // Acquire: a thread that has just begun may have counted itself before, which is undone
    // here. Then it is seen, and counted again.
    MOST_THREADS.swap(0, Ordering::AcqRel);
    MOST_THREADS.fetch_max(registry::thread_count(), Ordering::Relaxed);
    look(&glance, Some(own));
}
