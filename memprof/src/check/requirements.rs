//! Requirements that the global allocator has to meet for a check to mean anything.

use crate::count::source::{self, HeapSource};
use crate::model::report::Report;

/// The message if nothing is counted: zeroes would keep to any limit.
pub(crate) const NOT_COUNTED: &str = "this needs memprof's counting allocator, but the program uses another one. Add \
                                        this once to the program, or to the file of the test:\n\n\
                                        #[cfg(test)] // without this line, the program itself uses it, too\n\
                                        #[global_allocator]\n\
                                        static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n";

/// # Panics
///
/// If the program's allocations aren't counted per thread.
#[track_caller]
pub(crate) fn require_counting() {
    assert!(HeapSource::current() == HeapSource::Thread, "{NOT_COUNTED}");
}

/// The message if blocks aren't attributed to lines.
pub(crate) const OWNERS_NOT_RECORDED: &str = "this needs to know which line allocated each block, which the program's \
                                       allocator doesn't record: use `CountingAlloc::new` or `system` in place of \
                                       `counting`";

/// # Panics
///
/// If the program's blocks aren't attributed to lines.
#[track_caller]
pub(crate) fn require_owners() {
    require_counting();
    assert!(source::owners_are_known(), "{OWNERS_NOT_RECORDED}");
}

/// Whether the blocks in a report were counted, by this process or by the one that wrote it.
pub(crate) fn are_counted(report: &Report) -> bool {
    HeapSource::current() == HeapSource::Thread || report.total.allocated_bytes > 0
}
