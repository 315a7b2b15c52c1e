//! What the lines of a function own, for its tables: which of the blocks they allocated are alive,
//! and how many were freed at once.
//!
//! Over all calls of a function, this is what all threads have counted. For one call, it is what
//! was counted between the call's begin and end by the thread that it ran on, or by each thread
//! that polled it; what other threads do in the same function meanwhile is theirs. Lines don't cost
//! more for it: the counters are read only when a thread enters and leaves the call.

use crate::count::call_paths;
use crate::count::line_counters::{self, LineCounters};
use crate::count::registry::{self, Reading};
use crate::count::tag;
use crate::count::{source, this_thread};
use crate::model::change::Change;
use crate::model::report::Allocations;
use crate::model::site::Site;
use crate::model::table::OwnedBlocks;
use std::iter;

/// How many lines of a function are tracked.
fn line_count(site: &Site) -> usize {
    site.lines().len().min(tag::MOST_LINES)
}

fn owned(made: &Allocations) -> OwnedBlocks {
    OwnedBlocks {
        live_bytes: made.live_bytes(),
        live_count: made.live_count(),
        bytes_at_peak: made.bytes_at_peak.cast_signed(),
        allocation_count: made.allocation_count,
        temporary_count: made.temporary_count,
    }
}

/// What the lines of a function own over all its calls, since the process began.
#[derive(Debug)]
pub(crate) struct OfFunction {
    /// Number of calls that have begun.
    pub(crate) call_count: u64,
    /// In the order of the site's lines, without untracked ones.
    pub(crate) lines: Box<[OwnedBlocks]>,
}

impl OfFunction {
    /// `None` where blocks aren't tagged with their lines.
    pub(crate) fn read(site: &Site) -> Option<Self> {
        Self::read_by(site, true)
    }

    /// As [`read`](Self::read); also `None` if another thread keeps something locked.
    pub(crate) fn read_at_exit(site: &Site) -> Option<Self> {
        Self::read_by(site, false)
    }

    fn read_by(site: &Site, is_patient: bool) -> Option<Self> {
        if !source::lines_own_blocks() {
            return None;
        }
        let paths = call_paths::of_site(site);
        let mut call_count = 0_u64;
        let mut lines = vec![Allocations::default(); line_count(site)];
        let reading = if is_patient {
            Reading::begin()
        } else {
            Reading::begin_soon()?
        };
        for path in paths {
            call_count = call_count.wrapping_add(registry::calls(path));
            for (line, id) in lines.iter_mut().zip(tag::first_id(path)..) {
                *line += Allocations::new(reading.of_line(id), reading.bytes_at_peak(id));
            }
        }
        Some(Self {
            call_count,
            lines: lines.iter().map(owned).collect(),
        })
    }
}

/// What the lines of a running call have allocated, and what the call has freed of their blocks.
#[derive(Debug)]
pub(crate) struct OfCall {
    /// The line counters of the thread that entered the call.
    counters: &'static [LineCounters],
    /// The epoch of the last peak of the process that was seen here.
    peak_epoch: Option<u64>,
    lines: Box<[Line]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Changes before the thread last entered the call.
    earlier: Change,
    /// The thread's counters when it last entered the call.
    entered: Change,
    /// What the call had allocated, less what it had freed, at the last peak.
    bytes_at_peak: i64,
}

impl OfCall {
    /// `None` where blocks aren't tagged with their lines.
    pub(crate) fn begin(site: &Site) -> Option<Self> {
        source::lines_own_blocks().then(|| Self {
            counters: &[],
            peak_epoch: None,
            lines: vec![Line::default(); line_count(site)].into(),
        })
    }

    /// Stores the counters of the thread that enters the call, which its frame has in `counters`.
    pub(crate) fn enter(&mut self, counters: &'static [LineCounters]) {
        // What the thread has done so far isn't the call's.
        this_thread::settle();
        self.counters = counters;
        let epoch = line_counters::peak_epoch();
        if self.peak_epoch.is_some_and(|known| known != epoch) {
            // The peak was while no thread was in the call.
            for line in &mut self.lines {
                line.bytes_at_peak = line.earlier.net_bytes();
            }
        }
        self.peak_epoch = Some(epoch);
        for (line, counters) in iter::zip(&mut self.lines, self.counters) {
            line.entered = counters.changes();
        }
    }

    /// Adds what the thread has counted since it entered the call.
    pub(crate) fn leave(&mut self) {
        this_thread::settle();
        let epoch = line_counters::peak_epoch();
        let is_other_peak = self.peak_epoch.replace(epoch) != Some(epoch);
        for (line, counters) in iter::zip(&mut self.lines, self.counters) {
            if is_other_peak {
                let at_peak = counters.bytes_at_peak(epoch);
                let since = at_peak.wrapping_sub(line.entered.net_bytes());
                line.bytes_at_peak = line.earlier.net_bytes().wrapping_add(since);
            }
            let change = counters.changes().without(&line.entered);
            line.earlier = line.earlier.and(&change);
        }
    }

    /// What the call's lines own. `function` is what they own over all calls, which limits what can
    /// be alive of the blocks that the call didn't free itself.
    pub(crate) fn owned(&self, function: &OfFunction) -> Option<Box<[OwnedBlocks]>> {
        // Without memory for the counters, nothing is known of the call.
        let is_known = self.counters.len() >= self.lines.len();
        let owned = iter::zip(&self.lines, &function.lines).map(|(line, all)| {
            let own = owned(&Allocations::new(line.earlier, 0));
            OwnedBlocks {
                live_bytes: own.live_bytes.min(all.live_bytes),
                live_count: own.live_count.min(all.live_count),
                bytes_at_peak: line.bytes_at_peak.min(all.bytes_at_peak),
                ..own
            }
        });
        is_known.then(|| owned.collect())
    }
}
