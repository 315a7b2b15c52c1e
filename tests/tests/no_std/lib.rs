//! A library without `std`, which calls `memprof` by another name.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

/// Two lists, of which one is kept.
#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
pub fn lists(length: usize) -> Vec<u8> {
    let dropped: Vec<u8> = Vec::with_capacity(length);
    Vec::with_capacity(dropped.capacity())
}

/// A list, later.
#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
pub async fn list_later(length: usize) -> Vec<u8> {
    let make = async { Vec::with_capacity(length) };
    make.await
}

/// What has a list.
#[derive(Debug)]
pub struct Holder(pub Vec<u8>);

#[profiler::memprofile(
    crate = profiler,
    columns = "hits, allocated, freed, net, peak, count"
)]
impl Holder {
    /// Takes a list.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self(Vec::with_capacity(length))
    }
}
