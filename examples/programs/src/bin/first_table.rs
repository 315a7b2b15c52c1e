//! One attribute and one `#[global_allocator]`: the table of a function.

use memprof::memprofile;
use std::hint::black_box;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(precision = 4, columns = "default, allocated, freed")]
fn squares(count: u64) -> u64 {
    let squares: Vec<u64> = (0..count).map(|n| n * n).collect();
    // Otherwise an optimised build leaves the memory untouched.
    black_box(&squares).iter().sum()
}

fn main() {
    squares(1_000_000);
}
