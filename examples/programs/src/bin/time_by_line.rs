//! How long each line runs, by looking a thousand times a second where the threads are.

use memprof::{Sampler, memprofile};
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
fn import(rows: usize) -> Vec<String> {
    let rows: Vec<String> = (0..rows).map(|row| format!("{row:09}")).collect();
    let mut sorted: Vec<String> = rows.iter().map(|row| row.chars().rev().collect()).collect();
    sorted.sort();
    send(&sorted);
    sorted
}

#[memprofile(print = "never")]
fn send(rows: &[String]) {
    for _ in rows.chunks(100_000) {
        // In place of a slow connection.
        thread::sleep(Duration::from_millis(20));
    }
}

fn main() -> Result<(), memprof::SamplerError> {
    let sampler = Sampler::start()?;
    import(400_000);
    let report = sampler.stop();
    print!("{}", report.times());
    Ok(())
}
