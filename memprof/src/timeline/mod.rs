//! Resident memory over time: of this process, of another, of what it starts.
//!
//! What was seen is data; who looks, and what a file of it is like, is in the files
//! below.

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

    /// Bytes in RAM, shared pages included.
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

/// What was read at one moment: of a process, and of each of its children where they
/// are wanted apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// The process, with its children where they are summed.
    pub process: Sample,

    /// Its children and theirs, each by its number.
    pub children: Vec<(u32, Sample)>,
}

/// A call of a function, with what was resident at its beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedCall {
    /// The function's path.
    pub function: String,

    /// When it began.
    pub start: Sample,

    /// When it ended.
    pub end: Sample,

    /// How many calls of profiled functions it was made in.
    pub depth: u32,
}

/// Resident memory over time, as [`MemorySampler`] has seen it, or a file tells.
///
/// The file is that of Python's `mprof`, and each reads what the other writes:
///
/// ```text
/// CMDLINE command
/// MEM MiB unix_time
/// CHLD process_number MiB unix_time
/// FUNC function MiB_at_start unix_time_of_start MiB_at_end unix_time_of_end depth
/// ```
///
/// Memory has six decimals there, that of calls four, and so have seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryTimeline {
    /// The command that was run; empty if it isn't known.
    pub command: String,

    /// The process, in the order in which it was looked at.
    pub samples: Vec<Sample>,

    /// Its children, by their numbers, where they were looked at apart.
    pub children: BTreeMap<u32, Vec<Sample>>,

    /// Calls of profiled functions, in the order of the file: that of their ends.
    pub calls: Vec<TimedCall>,
}

impl MemoryTimeline {
    /// The highest sample of the process, the first of them if there are several.
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

    /// The highest sample of the process that was taken during a call of this function.
    ///
    /// The beginning and the end of a call are samples, too. No answer if there is no
    /// call of it.
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

    /// As [`add`](Self::add), but keeps the highest only.
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
