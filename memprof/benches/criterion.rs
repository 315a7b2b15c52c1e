//! Measures allocated bytes per iteration with criterion:
//! `cargo bench -p memprof-bench --bench criterion`.

use criterion::{Criterion, criterion_group, criterion_main};
use memprof::criterion::HeapMeasurement;
use std::hint::black_box;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_uppercase).collect()
}

fn bench(criterion: &mut Criterion<HeapMeasurement>) {
    criterion.bench_function("words", |bencher| {
        bencher.iter(|| words(black_box("one two three four five")));
    });
}

criterion_group! {
    name = bytes;
    config = Criterion::default().with_measurement(HeapMeasurement::Bytes).without_plots();
    targets = bench
}
criterion_main!(bytes);
