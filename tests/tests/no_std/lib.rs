//! A `no_std` library that depends on `memprof` under another name.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

/// Allocates two lists, and returns one of them.
#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
pub fn lists(length: usize) -> Vec<u8> {
    let dropped: Vec<u8> = Vec::with_capacity(length);
    Vec::with_capacity(dropped.capacity())
}

/// Allocates a list in an `async` block.
#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
pub async fn list_later(length: usize) -> Vec<u8> {
    let make = async { Vec::with_capacity(length) };
    make.await
}

/// A type with a profiled `impl` block.
#[derive(Debug)]
pub struct Holder(pub Vec<u8>);

#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
impl Holder {
    /// Allocates a list.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }
}
