//! The quantity to show where there is only room for one.

use crate::model::report::{Allocations, Report};

/// A number of each line, for formats and comparisons that show one number at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// Bytes allocated.
    #[default]
    AllocatedBytes,
    /// Blocks allocated.
    AllocationCount,
    /// Live bytes.
    LiveBytes,
    /// Live blocks.
    LiveCount,
    /// Bytes that were alive when the heap was at its peak.
    BytesAtPeak,
    /// Temporary blocks: freed by the thread that allocated them before it had allocated more than
    /// one other block.
    TemporaryCount,
}

impl Quantity {
    /// Whether a report has this quantity for lines.
    pub(crate) fn is_known_in(self, report: &Report) -> bool {
        let is_of_allocation = matches!(self, Self::AllocatedBytes | Self::AllocationCount);
        is_of_allocation || !report.owners_are_unknown
    }

    pub(crate) fn of(self, made: &Allocations) -> u64 {
        match self {
            Self::AllocatedBytes => made.allocated_bytes,
            Self::AllocationCount => made.allocation_count,
            // Negative in a difference of reports where more was freed, but a stack can't be
            // negative.
            Self::LiveBytes => u64::try_from(made.live_bytes()).unwrap_or(0),
            Self::LiveCount => u64::try_from(made.live_count()).unwrap_or(0),
            Self::BytesAtPeak => made.bytes_at_peak,
            Self::TemporaryCount => made.temporary_count,
        }
    }
}
