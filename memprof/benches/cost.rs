//! What memprof costs, beside its peers, in one run.
//!
//! `cargo bench -p memprof-bench` prints a table for each kind of work: who did
//! it, in what time, and how many times that of the table's first row.
//! [`harness`] says how time is taken, [`allocators`] and [`probes`] what the
//! work is.

mod allocators;
mod harness;
mod peers;
mod probes;

use crate::harness::Harness;

/// For what is measured in the profiled functions of [`probes`]. The allocators
/// that are compared are none of them this one: they are called directly.
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
