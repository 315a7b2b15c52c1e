//! A program with memprof's allocator and attribute, built with the feature `off`.

use memprof::memprofile;
use std::hint::black_box;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(precision = 4, print = "exit")]
fn squares(count: u64) -> u64 {
    let squares: Vec<u64> = (0..count).map(|n| n * n).collect();
    black_box(&squares).iter().sum()
}

fn main() {
    println!("{}", squares(1000));
}
