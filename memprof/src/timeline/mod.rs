//! Resident memory over time: of this process, of another process, and of child processes.
//!
//! [`MemorySampler`] takes the samples, and [`MemoryTimeline`] holds them and reads and writes
//! files of them.

mod dat;
mod error;
pub(crate) mod marks;
mod process;
mod sampling;
pub(crate) mod stop;
mod watched;

pub use error::TimelineError;
pub use sampling::MemorySampler;

use std::collections::BTreeMap;
use std::time::SystemTime;

/// Resident memory at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// When it was read.
    pub at: SystemTime,

    /// Resident memory in bytes, shared pages included.
    pub resident_bytes: u64,
}

impl Sample {
    pub(crate) fn now(resident_bytes: u64) -> Self {
        Self {
            at: SystemTime::now(),
            resident_bytes,
        }
    }
}

/// The samples of one moment: of a process and, if requested, of each of its child processes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The process, including its descendants after
    /// [`sum_children`](MemorySampler::sum_children).
    pub process: Sample,

    /// Its descendants by process id, after
    /// [`children_apart`](MemorySampler::children_apart).
    pub children: Vec<(u32, Sample)>,
}

/// A call of a profiled function, with resident memory at its start and end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedCall {
    /// The function's path.
    pub function: String,

    /// The start of the call.
    pub start: Sample,

    /// The end of the call.
    pub end: Sample,

    /// The number of calls of profiled functions that this call is nested in.
    pub depth: u32,
}

/// Resident memory over time, sampled by [`MemorySampler`] or read from a file.
///
/// The file format is that of Python's `mprof`, and each tool reads the other's files:
///
/// ```text
/// CMDLINE command
/// MEM MiB unix_time
/// CHLD process_number MiB unix_time
/// FUNC function MiB_at_start unix_time_of_start MiB_at_end unix_time_of_end depth
/// ```
///
/// Memory has six decimals in `MEM` and `CHLD`, and four in `FUNC`. Seconds have four.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryTimeline {
    /// The command that was run; empty if it isn't known.
    pub command: String,

    /// The samples of the process, in the order in which they were taken.
    pub samples: Vec<Sample>,

    /// The samples of its descendants by process id, if they were sampled separately.
    pub children: BTreeMap<u32, Vec<Sample>>,

    /// Calls of profiled functions, in the order of the file, which is the order in which they
    /// ended.
    pub calls: Vec<TimedCall>,
}

impl MemoryTimeline {
    /// Returns the highest sample of the process, and the first such sample if there are several.
    ///
    /// ```
    /// let (memory, _) = memprof::timeline::MemorySampler::new().of(|| vec![1_u8; 1 << 20])?;
    /// let peak = memory.peak().unwrap();
    /// assert!(memory.samples.iter().all(|sample| sample.resident_bytes <= peak.resident_bytes));
    /// # Ok::<(), memprof::timeline::TimelineError>(())
    /// ```
    #[must_use]
    pub fn peak(&self) -> Option<Sample> {
        highest(&self.samples)
    }

    /// Returns the highest sample of the process during any call of `function`, or `None` if there
    /// is no such call.
    ///
    /// The start and the end of each call count as samples.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("memory.dat");
    /// # std::fs::write(&path, "FUNC app::load 1.0 10.0 3.0 12.0 0\nMEM 9.0 11.0\n")?;
    /// let memory = memprof::timeline::MemoryTimeline::read(&path)?;
    /// assert_eq!(memory.peak_of("app::load").unwrap().resident_bytes, 9 << 20);
    /// assert_eq!(memory.peak_of("app::save"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn peak_of(&self, function: &str) -> Option<Sample> {
        let calls = self.calls.iter().filter(|call| call.function == function);
        let mut seen = Vec::new();
        for call in calls {
            let range = call.start.at..=call.end.at;
            let during = self
                .samples
                .iter()
                .filter(|sample| range.contains(&sample.at));
            seen.extend(during.chain([&call.start, &call.end]).copied());
        }
        highest(&seen)
    }

    pub(crate) fn add(&mut self, reading: &Reading) {
        self.samples.push(reading.process);
        for (number, sample) in &reading.children {
            self.children.entry(*number).or_default().push(*sample);
        }
    }

    /// Like [`add`](Self::add), but keeps only the highest sample of each process.
    pub(crate) fn add_highest(&mut self, reading: &Reading) {
        let keep = |kept: &mut Vec<Sample>, sample: Sample| match kept.first_mut() {
            Some(highest) if highest.resident_bytes >= sample.resident_bytes => {}
            Some(highest) => *highest = sample,
            None => kept.push(sample),
        };
        keep(&mut self.samples, reading.process);
        for (number, sample) in &reading.children {
            keep(self.children.entry(*number).or_default(), *sample);
        }
    }
}

fn highest(samples: &[Sample]) -> Option<Sample> {
    let later_if_higher = |highest: Sample, sample: Sample| {
        if sample.resident_bytes > highest.resident_bytes {
            sample
        } else {
            highest
        }
    };
    samples.iter().copied().reduce(later_if_higher)
}
