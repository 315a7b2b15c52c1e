//! Criterion's estimates of what an iteration allocates.

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BatchSize, Criterion, Throughput};
use memprof::criterion::HeapMeasurement;
use memprof_tests::{Program, block};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn criterion(folder: &Path, what: HeapMeasurement) -> Criterion<HeapMeasurement> {
    Criterion::default()
        .output_directory(folder)
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(5))
        .with_measurement(what)
}

/// Criterion's estimate for an iteration: the mean and its standard error.
fn estimate(folder: &Path, name: &str) -> (f64, f64) {
    let path = folder.join(name).join("new/estimates.json");
    let text = fs::read_to_string(path).unwrap();
    let mean = &serde_json::from_str::<Value>(&text).unwrap()["mean"];
    let number = |name: &str| mean[name].as_f64().unwrap();
    (number("point_estimate"), number("standard_error"))
}

fn assert_is(estimate: (f64, f64), number: f64) {
    assert_eq!(estimate, (number, 0.0));
}

#[test]
fn an_iteration_is_measured_to_the_byte_and_to_the_block() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let work = || (block(1000), block(24));

    criterion(folder, HeapMeasurement::Bytes).bench_function("bytes", |bencher| bencher.iter(work));
    assert_is(estimate(folder, "bytes"), 1024.0);
    criterion(folder, HeapMeasurement::Blocks)
        .bench_function("blocks", |bencher| bencher.iter(work));
    assert_is(estimate(folder, "blocks"), 2.0);
}

#[test]
fn what_prepares_an_iteration_and_what_drops_its_value_is_not_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    criterion(folder, HeapMeasurement::Bytes).bench_function("batched", |bencher| {
        let grow = |mut list: Vec<u8>| {
            list.reserve_exact(300);
            list
        };
        bencher.iter_batched(|| block(100), grow, BatchSize::SmallInput);
    });
    // The list grows from 100 to 300 bytes; allocating the 100 bytes isn't part of the iteration.
    assert_is(estimate(folder, "batched"), 200.0);
}

#[test]
fn numbers_have_their_units() {
    let bytes = HeapMeasurement::Bytes;
    assert_eq!(bytes.format_value(211.0).trim(), "211.00 B");
    assert_eq!(bytes.format_value(1536.0).trim(), "1.5000 KiB");
    assert_eq!(bytes.format_value(3.0 * 1_048_576.0).trim(), "3.0000 MiB");
    assert_eq!(
        HeapMeasurement::Blocks.format_value(5000.0).trim(),
        "5000.0 blocks"
    );
    let each = bytes.format_throughput(&Throughput::Elements(4), 10.0);
    assert_eq!(each.trim(), "2.5000 B/elem");
    assert_eq!(bytes.add(&3, &4), 7);
}

#[test]
fn code_that_allocates_nothing_is_no_failure() {
    let mut program = Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        criterion(folder.path(), HeapMeasurement::Bytes)
            .bench_function("nothing", |bencher| bencher.iter(|| 1 + 1));
    });
    program.stdout();
}
