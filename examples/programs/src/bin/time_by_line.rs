//! How long each line runs, by looking a thousand times a second where the threads are.

use memprof::{Sampler, memprofile};
use std::thread;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
fn import(rows: usize) -> Vec<String> {
    let rows: Vec<String> = (0..rows).map(|row| format!("{row:09}")).collect();
    let mut sorted: Vec<String> = rows.iter().map(|row| row.chars().rev().collect()).collect();
    sorted.sort();
    write(&sorted);
    sorted
}

#[memprofile(print = "never")]
fn write(rows: &[String]) {
    thread::scope(|scope| {
        let text = scope.spawn(|| joined(rows));
        // This thread waits, and the other one runs.
        let text = text.join().unwrap_or_default();
        assert!(!text.is_empty());
    });
}

#[memprofile(print = "never")]
fn joined(rows: &[String]) -> String {
    rows.join("\n")
}

fn main() -> Result<(), memprof::SamplerError> {
    let sampler = Sampler::start()?;
    import(400_000);
    let report = sampler.stop();
    print!("{}", report.times());
    Ok(())
}
