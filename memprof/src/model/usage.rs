//! What happened to the heap over a span of time.

/// Bytes and blocks allocated and freed while something ran.
///
/// Sizes are those requested from the global allocator. A block is counted where it is freed, so a
/// thread that drops what another one allocated frees more than it allocated.
///
/// `stats_alloc` counts in the same way. dhat counts a resized block as another block: its
/// `total_blocks` are allocations and reallocations together, and its `total_bytes` include the
/// whole new size; live bytes and the peak are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes of new blocks, and bytes by which blocks grew.
    pub allocated_bytes: u64,

    /// Bytes of freed blocks, and bytes by which blocks shrank.
    pub freed_bytes: u64,

    /// How far the heap rose above its level at the start, at most, in bytes.
    pub peak_bytes: u64,

    /// New blocks.
    pub allocation_count: u64,

    /// Freed blocks.
    pub deallocation_count: u64,

    /// Blocks that grew or shrank, in place or by moving.
    pub reallocation_count: u64,
}

impl Usage {
    /// No events.
    pub(crate) const ZERO: Self = Self {
        allocated_bytes: 0,
        freed_bytes: 0,
        peak_bytes: 0,
        allocation_count: 0,
        deallocation_count: 0,
        reallocation_count: 0,
    };

    /// Bytes allocated less bytes freed, negative where more was freed.
    ///
    /// ```
    /// # #[global_allocator]
    /// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
    /// # fn main() {
    /// let text = String::from("all of this is given back");
    ///
    /// let ((), usage) = memprof::measure(|| drop(text));
    ///
    /// assert_eq!(usage.net_bytes(), -25);
    /// # }
    /// ```
    #[must_use]
    pub fn net_bytes(&self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .cast_signed()
    }

    /// This span of time and the one right after it, as one.
    #[must_use]
    #[inline(always)]
    pub(crate) fn then(self, next: Self) -> Self {
        let peak_in_next = self.net_bytes().saturating_add_unsigned(next.peak_bytes);
        let peak_in_next = u64::try_from(peak_in_next).unwrap_or(0);
        Self {
            peak_bytes: self.peak_bytes.max(peak_in_next),
            ..self.and(next)
        }
    }

    /// The difference to `earlier`, which is a part of this span, with the peak of the whole.
    pub(crate) fn without(self, earlier: Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.wrapping_sub(earlier.allocated_bytes),
            freed_bytes: self.freed_bytes.wrapping_sub(earlier.freed_bytes),
            peak_bytes: self.peak_bytes,
            allocation_count: self.allocation_count.wrapping_sub(earlier.allocation_count),
            deallocation_count: self
                .deallocation_count
                .wrapping_sub(earlier.deallocation_count),
            reallocation_count: self
                .reallocation_count
                .wrapping_sub(earlier.reallocation_count),
        }
    }

    /// The sum of this span of time and any other, with the higher of their peaks.
    #[must_use]
    #[inline(always)]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            allocated_bytes: self.allocated_bytes.wrapping_add(other.allocated_bytes),
            freed_bytes: self.freed_bytes.wrapping_add(other.freed_bytes),
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
            allocation_count: self.allocation_count.wrapping_add(other.allocation_count),
            deallocation_count: self
                .deallocation_count
                .wrapping_add(other.deallocation_count),
            reallocation_count: self
                .reallocation_count
                .wrapping_add(other.reallocation_count),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Usage;

    pub(crate) fn usage(allocated_bytes: u64, freed_bytes: u64, peak_bytes: u64) -> Usage {
        Usage {
            allocated_bytes,
            freed_bytes,
            peak_bytes,
            ..Usage::default()
        }
    }

    #[test]
    fn a_peak_stands_on_what_was_kept_before() {
        let both = usage(100, 0, 100).then(usage(50, 50, 50));

        assert_eq!(both, usage(150, 50, 150));
    }

    #[test]
    fn a_peak_after_a_fall_may_not_reach_the_one_before() {
        let both = usage(100, 100, 100).then(usage(60, 0, 60));

        assert_eq!(both, usage(160, 100, 100));
    }

    #[test]
    fn below_the_start_there_is_no_peak() {
        let both = usage(0, 100, 0).then(usage(60, 0, 60));

        assert_eq!(both, usage(60, 100, 0));
    }

    #[test]
    fn separate_stretches_keep_the_higher_peak() {
        let both = usage(100, 0, 100).and(usage(50, 50, 50));

        assert_eq!(both, usage(150, 50, 100));
    }
}
