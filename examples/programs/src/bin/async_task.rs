//! An `async fn`: each task has its own numbers, on whichever thread it is polled.

use memprof::memprofile;
use tokio::sync::Barrier;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(columns = "hits, allocated, freed", print = "exit")]
async fn fetch(size: usize, barrier: &Barrier) -> usize {
    let body = vec![1_u8; size];
    // The other task runs here, between two polls of this one.
    barrier.wait().await;
    let text = "x".repeat(size / 10);
    body.len() + text.len()
}

#[tokio::main]
async fn main() {
    let barrier = Barrier::new(2);
    let sizes = tokio::join!(fetch(1_000, &barrier), fetch(50_000, &barrier));
    assert_eq!(sizes, (1_100, 55_000));
}
