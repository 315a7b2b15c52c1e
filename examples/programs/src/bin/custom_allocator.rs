//! Another allocator inside: here mimalloc. What tags take is in the report.

use memprof::memprofile;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOC: memprof::CountingAlloc<MiMalloc> = memprof::CountingAlloc::new(MiMalloc);

#[memprofile(columns = "allocated, freed, net, peak", rss = "off")]
fn sort(words: &str) -> Vec<String> {
    let mut sorted: Vec<String> = words.split(' ').map(str::to_owned).collect();
    sorted.sort();
    sorted.dedup();
    sorted
}

fn main() {
    let sorted = sort("the quick brown fox jumps over the lazy dog");
    println!("{} words", sorted.len());
}
