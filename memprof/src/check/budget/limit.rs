//! Limits, and what is held against them.

use crate::check::requirements::require_owners;
use crate::count::{source, uncounted};
use crate::model::report::Report;
use crate::model::usage::Usage;
use crate::scope::handle::Scope;

/// What a limit is on: one of the numbers of a [`Usage`], or what is still alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// [`Usage::allocated_bytes`].
    AllocatedBytes,
    /// [`Usage::freed_bytes`].
    FreedBytes,
    /// [`Usage::net_bytes`].
    NetBytes,
    /// [`Usage::peak_bytes`].
    PeakBytes,
    /// [`Usage::allocation_count`].
    AllocationCount,
    /// [`Usage::deallocation_count`].
    DeallocationCount,
    /// [`Usage::reallocation_count`].
    ReallocationCount,
    /// Bytes of blocks that the code made and that are still there.
    KeptBytes,
}

/// How a number stands to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

impl Comparison {
    fn holds(self, number: i128, bound: i128) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::AtMost => number <= bound,
            Self::Below => number < bound,
            Self::AtLeast => number >= bound,
            Self::Above => number > bound,
        }
    }
}

/// A limit on what a piece of code does to the heap.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub(crate) quantity: Quantity,
    pub(crate) comparison: Comparison,
    pub(crate) bound: i128,
}

impl Limit {
    /// On a number that can't be negative.
    #[must_use]
    pub const fn on(quantity: Quantity, comparison: Comparison, bound: u64) -> Self {
        Self {
            quantity,
            comparison,
            bound: bound as i128,
        }
    }

    /// On the net bytes.
    #[must_use]
    pub const fn on_net(comparison: Comparison, bound: i64) -> Self {
        Self {
            quantity: Quantity::NetBytes,
            comparison,
            bound: bound as i128,
        }
    }

    /// What was measured, and whether that keeps to the limit.
    pub(crate) fn measured(&self, done: &Done<'_>) -> (i128, bool) {
        let Done { usage, scope, .. } = done;
        let number = match self.quantity {
            Quantity::AllocatedBytes => usage.allocated_bytes.into(),
            Quantity::FreedBytes => usage.freed_bytes.into(),
            Quantity::NetBytes => usage.net_bytes().into(),
            Quantity::PeakBytes => usage.peak_bytes.into(),
            Quantity::AllocationCount => usage.allocation_count.into(),
            Quantity::DeallocationCount => usage.deallocation_count.into(),
            Quantity::ReallocationCount => usage.reallocation_count.into(),
            Quantity::KeptBytes => kept_bytes(usage, scope),
        };
        (number, self.comparison.holds(number, self.bound))
    }
}

/// No block may be made, or grow.
pub const NO_ALLOC: [Limit; 2] = [
    Limit::on(Quantity::AllocationCount, Comparison::Equal, 0),
    Limit::on(Quantity::AllocatedBytes, Comparison::Equal, 0),
];

/// No block may be kept.
pub const NO_LEAK: [Limit; 1] = [Limit::on(Quantity::KeptBytes, Comparison::Equal, 0)];

/// What code under a budget has to keep to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) limits: &'a [Limit],
    /// The functions that don't count, by how their paths begin.
    pub(crate) ignored: &'a [&'a str],
    /// Which run of the code it is, of how many.
    pub(crate) run: (u32, u32),
    /// Whether it is the whole body of a test.
    pub(crate) is_test: bool,
}

impl<'a> Terms<'a> {
    pub(crate) fn of(limits: &'a [Limit]) -> Self {
        Self {
            limits,
            ignored: &[],
            run: (1, 1),
            is_test: false,
        }
    }
}

/// Who made the blocks is asked, since freeing what others made doesn't make up for
/// keeping one's own.
fn kept_bytes(usage: &Usage, scope: &Scope) -> i128 {
    let can_keep = usage.allocation_count > 0 || usage.reallocation_count > 0;
    if !can_keep {
        return 0;
    }
    if !scope.knows_lines() || !source::owners_are_known() {
        return usage.net_bytes().max(0).into();
    }
    // Whoever asks has left the scope.
    let (made, _) = uncounted::during(false, || scope.settled_report().total);
    if made.allocated_bytes < usage.allocated_bytes {
        // In a scope that isn't inside this one: of that, the difference alone is known.
        made.live_bytes().max(usage.net_bytes()).into()
    } else {
        made.live_bytes().into()
    }
}

/// What was done under a budget.
#[derive(Debug)]
pub(crate) struct Done<'a> {
    /// By the code itself and by those who joined its scope.
    pub(crate) usage: Usage,
    /// Whether the peak may be too high, since others had one.
    pub(crate) is_peak_at_most: bool,
    pub(crate) scope: &'a Scope,
}

impl<'a> Done<'a> {
    pub(crate) fn new(own: Usage, scope: &'a mut Scope, terms: &Terms<'_>) -> Self {
        let others = scope.usage_by_others();
        let mut usage = Usage {
            // Nobody knows which moments were the same.
            peak_bytes: own.peak_bytes.saturating_add(others.peak_bytes),
            ..own.and(others)
        };
        if !terms.ignored.is_empty() {
            require_owners();
            let without = || without_blocks(usage, &scope.settled_report(), terms.ignored);
            usage = uncounted::during(false, without).0;
        }
        Self {
            usage,
            is_peak_at_most: others.peak_bytes > 0,
            scope,
        }
    }

    pub(crate) fn keeps_to(&self, limits: &[Limit]) -> bool {
        limits.iter().all(|limit| limit.measured(self).1)
    }
}

/// What was done but for making the blocks of some functions, and freeing them. The peak
/// stays: nobody knows what it would have been.
///
/// Who freed a block isn't known, and needn't have been measured. So what is left are the
/// blocks of the other functions that are alive, whoever has freed the rest. A block that an
/// ignored function has let grow is alive as the function's; what others allocated of it
/// before is theirs, and isn't alive any more.
fn without_blocks(usage: Usage, report: &Report, ignored: &[&str]) -> Usage {
    let made = report.made_under(ignored);
    let allocated_bytes = usage.allocated_bytes.saturating_sub(made.allocated_bytes);
    let allocation_count = usage.allocation_count.saturating_sub(made.allocation_count);
    let mut live_bytes = report.total.live_bytes() - made.live_bytes();
    if report.total.allocated_bytes < usage.allocated_bytes {
        // In a scope that isn't inside this one: of that, the difference alone is known.
        live_bytes = live_bytes.max(usage.net_bytes() - made.live_bytes());
    }
    let live_count = report.total.live_count() - made.live_count();
    let unsigned = |live: i64| u64::try_from(live).unwrap_or(0);
    Usage {
        allocated_bytes,
        // Of blocks that were there before and have grown, the growth alone was allocated.
        freed_bytes: allocated_bytes.saturating_sub(unsigned(live_bytes)),
        allocation_count,
        deallocation_count: allocation_count.saturating_sub(unsigned(live_count)),
        ..usage
    }
}
