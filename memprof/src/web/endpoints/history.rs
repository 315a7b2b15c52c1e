//! How memory went on from report to report, and since a mark.
//!
//! Reports are those that the page shows, so that it has as many as somebody looked at. What
//! is kept is a few numbers for each line of the program, and a few hundred moments.

use super::lines::{Key, Line};
use crate::model::report::Report;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// How many moments are kept.
const MOST_MOMENTS: usize = 300;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct History {
    mark: Option<Moment>,
    /// Reports since the mark, without its own.
    report_count: u32,
    lines: HashMap<Key, Track>,
    moments: VecDeque<Moment>,
}

/// The memory of the process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) when: Instant,
    pub(super) live_bytes: i64,
    /// None where it can't be read.
    pub(super) resident_bytes: Option<i64>,
}

/// What a line has been seen to do since the mark.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    bytes_at_mark: i64,
    live_bytes: i64,
    hits: u64,
    highest_bytes: i64,
    hits_at_highest: u64,
    growth: Growth,
}

/// What a line's growth looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    Rising,
    /// From time to time, as what doubles whenever it is full.
    RisingInSteps,
    LevelledOff,
    Unknown,
}

/// How a line's live bytes have risen since the mark.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    pub(super) bytes: i64,
    /// In how many reports they were more than in the one before.
    pub(super) rise_count: u32,
    /// In how many of the last ones, without one between in which the line had run and they
    /// had not risen.
    pub(super) in_a_row: u32,
    /// In how many of the last ones in which the line had run they had not risen.
    level_count: u32,
    /// How often they were more than ever after a report in which they had not risen.
    step_count: u32,
    /// Whether the line has run less often since they were highest than up to then: what
    /// doubles whenever it is full, as a `Vec` does, would not have risen yet.
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
        }
    }

    /// By how much resident memory has changed since another moment, if both are known.
    pub(super) fn resident_change(&self, earlier: Self) -> Option<i64> {
        Some(self.resident_bytes? - earlier.resident_bytes?)
    }
}

impl History {
    /// Has growth begin here.
    pub(super) fn mark(&mut self, moment: Moment, lines: &[Line<'_>]) {
        self.mark = Some(moment);
        self.report_count = 0;
        self.lines.clear();
        for line in lines {
            let live_bytes = line.own.live_bytes();
            let track = Track {
                bytes_at_mark: live_bytes,
                live_bytes,
                hits: line.hits,
                highest_bytes: live_bytes,
                hits_at_highest: line.hits,
                growth: Growth::default(),
            };
            self.lines.insert(line.key.clone(), track);
        }
    }

    /// Looks at another report. The first is the mark.
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
            // One that has not been there yet had nothing.
            let track = self.lines.entry(line.key.clone()).or_default();
            track.add(line);
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

    /// The oldest first.
    pub(super) fn moments(&self) -> impl ExactSizeIterator<Item = Moment> {
        self.moments.iter().copied()
    }
}

impl Track {
    fn add(&mut self, line: &Line<'_>) {
        let live_bytes = line.own.live_bytes();
        let growth = &mut self.growth;
        if live_bytes > self.highest_bytes {
            growth.step_count += u32::from(growth.level_count > 0);
            self.highest_bytes = live_bytes;
            self.hits_at_highest = line.hits;
        }
        if live_bytes > self.live_bytes {
            growth.rise_count += 1;
            growth.in_a_row += 1;
            growth.level_count = 0;
        } else if live_bytes < self.live_bytes || line.hits != self.hits {
            // A line that has not run says nothing of whether it will rise.
            growth.in_a_row = 0;
            growth.level_count += 1;
        }
        growth.may_be_on_a_step = line.hits / 2 < self.hits_at_highest;
        growth.bytes = live_bytes - self.bytes_at_mark;
        self.live_bytes = live_bytes;
        self.hits = line.hits;
    }
}

impl Trend {
    pub(super) fn is_rising(self) -> bool {
        matches!(self, Self::Rising | Self::RisingInSteps)
    }
}

impl Growth {
    pub(super) fn trend(&self) -> Trend {
        /// Fewer reports say nothing.
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
