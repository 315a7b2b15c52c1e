//! The allocator of a test that is there twice.

use memprof::CountingAlloc;
use std::alloc::System;

/// The counting allocator over the system's: with the owners of blocks aside if the name of
/// the test's binary, as `CARGO_CRATE_NAME` has it, ends in `_aside`; else behind them.
#[must_use]
pub const fn system(test: &str) -> CountingAlloc {
    over(System, test)
}

/// The same over another allocator.
#[must_use]
pub const fn over<A>(inner: A, test: &str) -> CountingAlloc<A> {
    let ends_in_aside = matches!(test.as_bytes(), [.., b'_', b'a', b's', b'i', b'd', b'e']);
    if ends_in_aside {
        CountingAlloc::new(inner)
    } else {
        CountingAlloc::new(inner).with_tags_behind()
    }
}
