//! How memory changed from report to report, and since a mark.
//!
//! A report is added each time the page is loaded. The history keeps a few numbers for each line of
//! the program and a few hundred moments.

use super::lines::{Key, Line};
use crate::model::report::Report;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// How many moments are kept, at most.
const MOST_MOMENTS: usize = 300;

/// All reports so far.
#[derive(Debug, Default)]
pub(super) struct History {
    mark: Option<Moment>,
    /// Reports since the mark, excluding the report that set it.
    report_count: u32,
    lines: HashMap<Key, Track>,
    moments: VecDeque<Moment>,
}

/// The memory of the process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) when: Instant,
    pub(super) live_bytes: i64,
    /// `None` where it can't be read.
    pub(super) resident_bytes: Option<i64>,
    /// Blocks that lines of profiled functions have allocated.
    line_allocation_count: u64,
}

/// The history of a line since the mark.
///
/// Its runs are its hits. If those aren't counted, they are the blocks that all lines together have
/// allocated: a line may have run whenever profiled functions did anything, and a line that fills a
/// cache or a list mostly runs without allocating.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    bytes_at_mark: i64,
    live_bytes: i64,
    runs: u64,
    highest_bytes: i64,
    runs_at_highest: u64,
    growth: Growth,
}

/// How a line's live bytes change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    Rising,
    /// Rises from time to time, as a collection does that doubles its capacity when it is full.
    RisingInSteps,
    LevelledOff,
    Unknown,
}

/// How a line's live bytes have risen since the mark.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    pub(super) bytes: i64,
    /// Reports in which the bytes were more than in the report before.
    pub(super) rise_count: u32,
    /// Rises since the last report in which the bytes fell, or didn't rise though the line had run.
    pub(super) in_a_row: u32,
    /// Reports of that kind since the last rise.
    level_count: u32,
    /// New maxima after a report without a rise.
    step_count: u32,
    /// Whether the line has run less often since the maximum than before it. A `Vec`, which doubles
    /// its capacity when it is full, would not have risen again yet.
    may_be_on_a_step: bool,
}

impl Moment {
    pub(super) fn of(report: &Report) -> Self {
        Self {
            when: Instant::now(),
            live_bytes: report.total.live_bytes(),
            resident_bytes: report
                .resident_bytes
                .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            line_allocation_count: report
                .total
                .allocation_count
                .saturating_sub(report.untracked.allocation_count),
        }
    }

    /// How often a line has run, or what stands for that.
    fn runs_of(&self, line: &Line<'_>) -> u64 {
        line.hits.unwrap_or(self.line_allocation_count)
    }

    /// The change of resident memory since `earlier`, in bytes, if both are known.
    pub(super) fn resident_change(&self, earlier: Self) -> Option<i64> {
        Some(self.resident_bytes? - earlier.resident_bytes?)
    }
}

impl History {
    /// Sets the mark, from which growth is counted.
    pub(super) fn mark(&mut self, moment: Moment, lines: &[Line<'_>]) {
        self.mark = Some(moment);
        self.report_count = 0;
        self.lines.clear();
        for line in lines {
            let live_bytes = line.own.live_bytes();
            let runs = moment.runs_of(line);
            let track = Track {
                bytes_at_mark: live_bytes,
                live_bytes,
                runs,
                highest_bytes: live_bytes,
                runs_at_highest: runs,
                growth: Growth::default(),
            };
            self.lines.insert(line.key.clone(), track);
        }
    }

    /// Adds a report. The first one sets the mark.
    pub(super) fn add(&mut self, moment: Moment, lines: &[Line<'_>]) {
        if self.moments.len() == MOST_MOMENTS {
            self.moments.pop_front();
        }
        self.moments.push_back(moment);
        if self.mark.is_none() {
            return self.mark(moment, lines);
        }
        self.report_count += 1;
        for line in lines {
            // A line that is new had no live bytes.
            let track = self.lines.entry(line.key.clone()).or_default();
            track.add(line, moment.runs_of(line));
        }
    }

    pub(super) fn growth(&self, key: &Key) -> Growth {
        let track = self.lines.get(key);
        track.map_or_else(Growth::default, |track| track.growth)
    }

    pub(super) fn marked(&self) -> Option<Moment> {
        self.mark
    }

    pub(super) fn report_count(&self) -> u32 {
        self.report_count
    }

    /// All moments, oldest first.
    pub(super) fn moments(&self) -> impl ExactSizeIterator<Item = Moment> {
        self.moments.iter().copied()
    }
}

impl Track {
    fn add(&mut self, line: &Line<'_>, runs: u64) {
        let live_bytes = line.own.live_bytes();
        let growth = &mut self.growth;
        if live_bytes > self.highest_bytes {
            growth.step_count += u32::from(growth.level_count > 0);
            self.highest_bytes = live_bytes;
            self.runs_at_highest = runs;
        }
        if live_bytes > self.live_bytes {
            growth.rise_count += 1;
            growth.in_a_row += 1;
            growth.level_count = 0;
        } else if live_bytes < self.live_bytes || runs != self.runs {
            // A line that hasn't run tells nothing about whether it will rise.
            growth.in_a_row = 0;
            growth.level_count += 1;
        }
        growth.may_be_on_a_step = runs / 2 < self.runs_at_highest;
        growth.bytes = live_bytes - self.bytes_at_mark;
        self.live_bytes = live_bytes;
        self.runs = runs;
    }
}

impl Trend {
    pub(super) fn is_rising(self) -> bool {
        matches!(self, Self::Rising | Self::RisingInSteps)
    }
}

impl Growth {
    pub(super) fn trend(&self) -> Trend {
        /// Fewer reports tell nothing.
        const ENOUGH: u32 = 3;
        const ENOUGH_STEPS: u32 = 2;
        if self.in_a_row >= ENOUGH {
            Trend::Rising
        } else if self.level_count >= ENOUGH && !self.may_be_on_a_step {
            Trend::LevelledOff
        } else if self.step_count >= ENOUGH_STEPS {
            Trend::RisingInSteps
        } else {
            Trend::Unknown
        }
    }
}
