//! Heap numbers of the whole process, from a `stats_alloc::StatsAlloc`.

use crate::count::thread_counters::Tally;
use crate::model::usage::Usage;
use stats_alloc::{Stats, StatsAlloc};
use std::alloc::GlobalAlloc;
use std::cell::Cell;
use std::sync::OnceLock;

trait Source: Sync {
    fn stats(&self) -> Stats;
}

impl<A: GlobalAlloc + Sync> Source for StatsAlloc<A> {
    fn stats(&self) -> Stats {
        StatsAlloc::stats(self)
    }
}

static SOURCE: OnceLock<&'static dyn Source> = OnceLock::new();

thread_local! {
    /// What the profiler has allocated and freed on this thread.
    static OWN: Cell<Tally> = const { Cell::new(Tally::ZERO) };
}

/// Uses `stats`, the program's global allocator, as the source of heap numbers.
///
/// For programs that have a `StatsAlloc` already and can't put a
/// [`CountingAlloc`](crate::CountingAlloc) around it. Its numbers are those of the *whole process*:
/// they include what other threads do while a line runs, and there are no peaks. Call it before the
/// first profiled function runs; only the first call has an effect.
///
/// ```
/// use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
/// use std::alloc::System;
///
/// #[global_allocator]
/// static ALLOC: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;
///
/// fn main() {
///     memprof::use_stats_alloc(&INSTRUMENTED_SYSTEM);
///     // …and on with the program.
/// }
/// ```
pub fn use_stats_alloc<A: GlobalAlloc + Sync>(stats: &'static StatsAlloc<A>) {
    // After the first call, its source stays.
    let _ = SOURCE.set(stats);
}

pub(crate) fn is_known() -> bool {
    SOURCE.get().is_some()
}

/// The program's counters: the source's less the profiler's own.
pub(crate) fn now() -> Tally {
    subtract(counters(), OWN.get())
}

/// Counts as the profiler's own what is allocated and freed while it lives.
pub(crate) struct Uncounted {
    before: Tally,
}

impl Uncounted {
    pub(crate) fn begin() -> Self {
        Self { before: counters() }
    }
}

impl Drop for Uncounted {
    fn drop(&mut self) {
        // The program's counters stay where they were.
        let program = subtract(self.before, OWN.get());
        OWN.set(subtract(counters(), program));
    }
}

fn counters() -> Tally {
    let stats = SOURCE
        .get()
        .map_or_else(Stats::default, |source| source.stats());
    at_the_peak(Usage {
        allocated_bytes: stats.bytes_allocated as u64,
        freed_bytes: stats.bytes_deallocated as u64,
        peak_bytes: 0,
        allocation_count: stats.allocations as u64,
        deallocation_count: stats.deallocations as u64,
        reallocation_count: stats.reallocations as u64,
    })
}

fn subtract(tally: Tally, other: Tally) -> Tally {
    at_the_peak(tally.heap.without(other.heap))
}

/// There are no peaks: what is alive counts as one.
fn at_the_peak(heap: Usage) -> Tally {
    Tally {
        heap,
        highest_net_bytes: heap.net_bytes(),
    }
}
