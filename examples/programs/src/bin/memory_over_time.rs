//! Resident memory over time: of this process, while a closure runs.

use memprof::timeline::MemorySampler;
use std::time::Duration;

fn main() -> Result<(), memprof::timeline::TimelineError> {
    let (memory, sum) = MemorySampler::new()
        .interval(Duration::from_millis(5))
        .of(|| vec![1_u64; 10 << 20].iter().sum::<u64>())?;

    let resident_bytes = |sample: memprof::timeline::Sample| sample.resident_bytes;
    let first = memory
        .samples
        .first()
        .map_or(0, |sample| sample.resident_bytes);
    let peak = memory.peak().map_or(0, resident_bytes);
    println!(
        "{sum} numbers took {:.1} MiB",
        mebibytes(peak.saturating_sub(first))
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
