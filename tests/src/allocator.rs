//! The allocator of tests that are built twice: with tags behind the blocks, and with tags aside
//! (in side tables).

use memprof::CountingAlloc;
use std::alloc::System;

/// A counting allocator over the system's. `test` is the binary's `CARGO_CRATE_NAME`: if it ends
/// in `_aside`, the tags of blocks are in side tables, otherwise behind the blocks.
#[must_use]
pub const fn system(test: &str) -> CountingAlloc {
    over(System, test)
}

/// Like [`system`], over the allocator `inner`.
#[must_use]
pub const fn over<A>(inner: A, test: &str) -> CountingAlloc<A> {
    let ends_in_aside = matches!(test.as_bytes(), [.., b'_', b'a', b's', b'i', b'd', b'e']);
    if ends_in_aside {
        CountingAlloc::new(inner)
    } else {
        CountingAlloc::new(inner).with_tags_behind()
    }
}
