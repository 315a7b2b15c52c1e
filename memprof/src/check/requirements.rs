//! What the program's allocator has to know for a check to mean anything.

use crate::count::source::{self, HeapSource};
use crate::model::report::Report;

/// What is said where zeroes would keep to any limit.
pub(crate) const NOBODY_COUNTS: &str = "this needs the counting allocator, and the program has another one. Once in \
                                        it, or in the file of the test, there has to be\n\n\
                                        #[cfg(test)] // or not, if the program itself is to have it, too\n\
                                        #[global_allocator]\n\
                                        static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n";

/// # Panics
///
/// If the program's allocations aren't counted by thread.
#[track_caller]
pub(crate) fn require_counting() {
    assert!(
        HeapSource::current() == HeapSource::Thread,
        "{NOBODY_COUNTS}"
    );
}

/// What is said where it has to be known who made blocks.
pub(crate) const NOBODY_NOTES: &str = "this needs to know which line made each block, and the program's allocator \
                                       counts without noting that: `CountingAlloc::new`, or `system`, in place of \
                                       `counting` does";

/// # Panics
///
/// If it isn't known who made the program's blocks.
#[track_caller]
pub(crate) fn require_owners() {
    require_counting();
    assert!(source::owners_are_known(), "{NOBODY_NOTES}");
}

/// Whether the blocks in a report were counted: here, or by the program that it was read from.
pub(crate) fn are_counted(report: &Report) -> bool {
    HeapSource::current() == HeapSource::Thread || report.total.allocated_bytes > 0
}
