//! What the one number of a row is about, in a format that has but one.

use crate::model::report::{Allocations, Report};

/// What the one number of a row is about, in a format that has but one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// Bytes that were allocated.
    #[default]
    AllocatedBytes,
    /// Blocks that were allocated.
    AllocationCount,
    /// Bytes that are alive.
    LiveBytes,
    /// Blocks that are alive.
    LiveCount,
    /// Bytes that were alive when the heap stood highest.
    BytesAtPeak,
    /// Blocks that were freed at once.
    TemporaryCount,
}

impl Quantity {
    /// Whether a report knows it of lines.
    pub(crate) fn is_known_in(self, report: &Report) -> bool {
        let is_of_allocation = matches!(self, Self::AllocatedBytes | Self::AllocationCount);
        is_of_allocation || !report.owners_are_unknown
    }

    pub(crate) fn of(self, made: &Allocations) -> u64 {
        match self {
            Self::AllocatedBytes => made.allocated_bytes,
            Self::AllocationCount => made.allocation_count,
            // Of a difference they may be negative, and no stack is.
            Self::LiveBytes => u64::try_from(made.live_bytes()).unwrap_or(0),
            Self::LiveCount => u64::try_from(made.live_count()).unwrap_or(0),
            Self::BytesAtPeak => made.bytes_at_peak,
            Self::TemporaryCount => made.temporary_count,
        }
    }
}
