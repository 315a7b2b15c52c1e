//! A criterion measurement: what an iteration of a benchmark allocates.

use crate::check::requirements;
use crate::count::this_thread;
use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// A criterion measurement of what an iteration allocates, in place of time.
///
/// Counts what the calling thread allocates, callees included, exact to the byte. A block that
/// grows counts by its growth. Other threads and criterion itself aren't counted. The number is
/// usually the same for every iteration, so what criterion reports is the change since the last
/// run. Turn plots off, as in the example: criterion panics when it plots numbers without spread.
/// Where criterion says `time`, read bytes.
///
/// ```
/// use criterion::Criterion;
/// use memprof::criterion::HeapMeasurement;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// fn words(criterion: &mut Criterion<HeapMeasurement>) {
///     criterion.bench_function("words", |bencher| {
///         bencher.iter(|| "a b c".split(' ').map(String::from).collect::<Vec<_>>());
///     });
/// }
///
/// criterion::criterion_group! {
///     name = benches;
///     config = Criterion::default().with_measurement(HeapMeasurement::Bytes).without_plots();
///     targets = words
/// }
/// criterion::criterion_main!(benches);
/// ```
///
/// Criterion can't handle code that allocates nothing: it reports that the benchmark took no time.
/// Use [`assert_no_alloc!`](crate::assert_no_alloc) for that. A throughput is shown as bytes or
/// blocks per byte or element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapMeasurement {
    /// Bytes allocated: those of new blocks, and those by which blocks grew.
    Bytes,
    /// Blocks allocated.
    Blocks,
}

impl HeapMeasurement {
    fn now(self) -> u64 {
        let tally = this_thread::now();
        match self {
            Self::Bytes => tally.heap.allocated_bytes,
            Self::Blocks => tally.heap.allocation_count,
        }
    }
}

impl Measurement for HeapMeasurement {
    type Intermediate = u64;
    type Value = u64;

    /// # Panics
    ///
    /// If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc).
    fn start(&self) -> u64 {
        if !cfg!(feature = "off") {
            requirements::require_counting();
        }
        self.now()
    }

    fn end(&self, start: u64) -> u64 {
        self.now().wrapping_sub(start)
    }

    fn add(&self, one: &u64, other: &u64) -> u64 {
        one + other
    }

    fn zero(&self) -> u64 {
        0
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 bytes")]
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for HeapMeasurement {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let units: &[_] = match self {
            Self::Bytes => &[
                (f64::from(1 << 30), "GiB"),
                (f64::from(1 << 20), "MiB"),
                (f64::from(1 << 10), "KiB"),
            ],
            Self::Blocks => &[],
        };
        let large = units.iter().find(|(size, _)| typical >= *size);
        let (size, name) = large.copied().unwrap_or((1.0, self.unit()));
        for value in values {
            *value /= size;
        }
        name
    }

    fn scale_throughputs(
        &self,
        _: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let (count, names) = match throughput {
            Throughput::Bytes(count) | Throughput::BytesDecimal(count) => {
                (*count, ["B/B", "blocks/B"])
            }
            Throughput::Bits(count) => (*count, ["B/bit", "blocks/bit"]),
            Throughput::Elements(count)
            | Throughput::ElementsAndBytes {
                elements: count, ..
            } => (*count, ["B/elem", "blocks/elem"]),
        };
        let count = self.to_f64(&count);
        for value in values {
            *value /= count;
        }
        let [bytes, blocks] = names;
        match self {
            Self::Bytes => bytes,
            Self::Blocks => blocks,
        }
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        self.unit()
    }
}

impl HeapMeasurement {
    fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "B",
            Self::Blocks => "blocks",
        }
    }
}
