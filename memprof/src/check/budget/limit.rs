//! Limits of a budget, and the numbers that are compared with them.

use crate::check::requirements::require_owners;
use crate::count::{source, uncounted};
use crate::model::report::Report;
use crate::model::usage::Usage;
use crate::scope::handle::Scope;

/// The number that a limit applies to: one of a [`Usage`], or the bytes still alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetQuantity {
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
    /// Bytes of blocks that the code allocated and that are still alive.
    KeptBytes,
}

/// The comparison that has to hold between a number and its bound.
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
    pub(crate) quantity: BudgetQuantity,
    pub(crate) comparison: Comparison,
    pub(crate) bound: i128,
}

impl Limit {
    /// Creates a limit on a number that can't be negative.
    #[must_use]
    pub const fn on(quantity: BudgetQuantity, comparison: Comparison, bound: u64) -> Self {
        Self {
            quantity,
            comparison,
            bound: bound as i128,
        }
    }

    /// Creates a limit on the net bytes.
    #[must_use]
    pub const fn on_net(comparison: Comparison, bound: i64) -> Self {
        Self {
            quantity: BudgetQuantity::NetBytes,
            comparison,
            bound: bound as i128,
        }
    }

    /// Returns the measured number, and whether it keeps to the limit.
    pub(crate) fn measured(&self, done: &Done<'_>) -> (i128, bool) {
        let Done { usage, scope, .. } = done;
        let number = match self.quantity {
            BudgetQuantity::AllocatedBytes => usage.allocated_bytes.into(),
            BudgetQuantity::FreedBytes => usage.freed_bytes.into(),
            BudgetQuantity::NetBytes => usage.net_bytes().into(),
            BudgetQuantity::PeakBytes => usage.peak_bytes.into(),
            BudgetQuantity::AllocationCount => usage.allocation_count.into(),
            BudgetQuantity::DeallocationCount => usage.deallocation_count.into(),
            BudgetQuantity::ReallocationCount => usage.reallocation_count.into(),
            BudgetQuantity::KeptBytes => kept_bytes(usage, scope),
        };
        (number, self.comparison.holds(number, self.bound))
    }
}

/// No block may be allocated or grow.
pub const NO_ALLOC: [Limit; 2] = [
    Limit::on(BudgetQuantity::AllocationCount, Comparison::Equal, 0),
    Limit::on(BudgetQuantity::AllocatedBytes, Comparison::Equal, 0),
];

/// No block may be alive at the end.
pub const NO_LEAK: [Limit; 1] = [Limit::on(BudgetQuantity::KeptBytes, Comparison::Equal, 0)];

/// The terms of a budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) limits: &'a [Limit],
    /// Path prefixes of functions whose blocks don't count.
    pub(crate) ignored: &'a [&'a str],
    /// The number of this run of the code, from 1, and the number of runs.
    pub(crate) run: (u32, u32),
    /// Whether the code is the whole body of a test.
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

/// Bytes that the code allocated and that are still alive.
///
/// The net bytes wouldn't do: the code may free blocks of others while it keeps its own. They are
/// the fallback where blocks aren't attributed.
fn kept_bytes(usage: &Usage, scope: &Scope) -> i128 {
    let can_keep = usage.allocation_count > 0 || usage.reallocation_count > 0;
    if !can_keep {
        return 0;
    }
    if !scope.knows_lines() || !source::owners_are_known() {
        return usage.net_bytes().max(0).into();
    }
    // The calling thread has left the scope, so there is nothing to settle.
    let (made, _) = uncounted::during(false, || scope.settled_report().total);
    if made.allocated_bytes < usage.allocated_bytes {
        // The rest was allocated in a scope that isn't inside this one. For that, only the net
        // bytes are known.
        made.live_bytes().max(usage.net_bytes()).into()
    } else {
        made.live_bytes().into()
    }
}

/// The numbers measured under a budget.
#[derive(Debug)]
pub(crate) struct Done<'a> {
    /// What the code itself did and threads that joined its scope.
    pub(crate) usage: Usage,
    /// Whether the peak is only an upper bound, since other threads added theirs.
    pub(crate) is_peak_at_most: bool,
    pub(crate) scope: &'a Scope,
}

impl<'a> Done<'a> {
    pub(crate) fn new(own: Usage, scope: &'a mut Scope, terms: &Terms<'_>) -> Self {
        let others = scope.usage_by_others();
        let mut usage = Usage {
            // An upper bound: the two peaks may have been at different times.
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

/// Takes the blocks of the `ignored` functions out of `usage`. The peak stays, since the peak
/// without these blocks isn't known.
///
/// It isn't recorded which thread or line freed a block, so the freed bytes are derived: what the
/// other functions allocated, less their blocks that are still alive. A block that an ignored
/// function has grown is alive as that function's block. The bytes that other functions had
/// allocated of it before count as allocated by them, and as no longer alive.
fn without_blocks(usage: Usage, report: &Report, ignored: &[&str]) -> Usage {
    let made = report.made_under(ignored);
    let allocated_bytes = usage.allocated_bytes.saturating_sub(made.allocated_bytes);
    let allocation_count = usage.allocation_count.saturating_sub(made.allocation_count);
    let mut live_bytes = report.total.live_bytes() - made.live_bytes();
    if report.total.allocated_bytes < usage.allocated_bytes {
        // The rest was allocated in a scope that isn't inside this one. For that, only the net
        // bytes are known.
        live_bytes = live_bytes.max(usage.net_bytes() - made.live_bytes());
    }
    let live_count = report.total.live_count() - made.live_count();
    let unsigned = |live: i64| u64::try_from(live).unwrap_or(0);
    Usage {
        allocated_bytes,
        // Saturating: of older blocks that have grown, only the growth counts as allocated.
        freed_bytes: allocated_bytes.saturating_sub(unsigned(live_bytes)),
        allocation_count,
        deallocation_count: allocation_count.saturating_sub(unsigned(live_count)),
        ..usage
    }
}
