//! Uses memprof with divan: `cargo bench -p memprof-bench --bench divan`.
//!
//! Divan's allocator wraps `CountingAlloc` and shows what an iteration allocates beside its time.
//! The counters, which are set from memprof's numbers, show bytes and blocks per second.

use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher, black_box};
use memprof::CountingAlloc;

#[global_allocator]
static ALLOC: AllocProfiler<CountingAlloc> = AllocProfiler::new(CountingAlloc::system());

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_uppercase).collect()
}

#[divan::bench]
fn bench(bencher: Bencher<'_, '_>) {
    let work = || words(black_box("one two three four five"));
    let (_, usage) = memprof::measure(work);
    bencher
        .counter(BytesCount::new(usage.allocated_bytes))
        .counter(ItemsCount::new(usage.allocation_count))
        .bench(work);
}

fn main() {
    divan::main();
}
