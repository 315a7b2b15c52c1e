//! Compares the cost of memprof with that of similar tools.
//!
//! `cargo bench -p memprof-bench` prints a table for each workload: the tool, its time, and the
//! ratio to the first row. [`harness`] describes how time is measured, [`allocators`] and
//! [`probes`] the workloads.

mod allocators;
mod harness;
mod peers;
mod probes;

use crate::harness::Harness;

/// Counts for the profiled functions of [`probes`]. The allocators in [`allocators`] are called
/// directly and don't go through this one.
#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn main() {
    if allocators::size_classes::is_child() {
        return;
    }
    let _hotpath = peers::start_hotpath();
    let harness = Harness::from_args();
    harness.heading("What memprof costs, beside dhat, divan, hotpath and stats_alloc.");
    allocators::compare(&harness);
    probes::compare(&harness);
}
