//! Budgets: code that is to keep to some limits on the heap, and panics if it doesn't.
//!
//! While the limits are kept, a budget costs what [`measure`](crate::measure) does and a
//! scope that was there before. What its lines did is only looked at when it is exceeded.

use crate::exceeded::Exceeded;
use crate::heap::{self, HeapSource};
use crate::levels::{self, Level};
use crate::measure::Measured;
use crate::own_work;
use crate::recorded::Report;
use crate::scope::Scope;
use crate::spare;
use crate::usage::Usage;
use pin_project_lite::pin_project;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

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
    fn of(limits: &'a [Limit]) -> Self {
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
    if !scope.knows_lines() || !heap::owners_are_known() {
        return usage.net_bytes().max(0).into();
    }
    // Whoever asks has left the scope.
    let (made, _) = own_work::during(false, || scope.settled_report().total);
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
    fn new(own: Usage, scope: &'a mut Scope, terms: &Terms<'_>) -> Self {
        let others = scope.usage_by_others();
        let mut usage = Usage {
            // Nobody knows which moments were the same.
            peak_bytes: own.peak_bytes.saturating_add(others.peak_bytes),
            ..own.and(others)
        };
        if !terms.ignored.is_empty() {
            require_owners();
            let without = || without_blocks(usage, &scope.settled_report(), terms.ignored);
            usage = own_work::during(false, without).0;
        }
        Self {
            usage,
            is_peak_at_most: others.peak_bytes > 0,
            scope,
        }
    }

    fn keeps_to(&self, limits: &[Limit]) -> bool {
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

/// The calling thread while it runs code under a budget.
struct Run {
    // Dropped in this order.
    measured: Measured,
    entered: Entered,
}

/// The calling thread in the scope of that code.
struct Entered(u64);

impl Run {
    fn begin(level: Box<Level>) -> Self {
        let entered = Entered(level.enter());
        Self {
            measured: Measured::begin(),
            entered,
        }
    }

    /// What the thread did, and the level that it was on.
    fn end(self) -> (Usage, Option<Box<Level>>) {
        let usage = self.measured.end();
        (usage, ManuallyDrop::new(self.entered).leave())
    }

    /// What the thread did.
    fn end_and_free(self) -> Usage {
        let (usage, level) = self.end();
        if let Some(level) = level {
            level.free();
        }
        usage
    }
}

impl Entered {
    fn leave(&self) -> Option<Box<Level>> {
        levels::leave(self.0)
    }
}

impl Drop for Entered {
    /// After a panic: who was in the scope has gone on to somewhere else.
    fn drop(&mut self) {
        if let Some(level) = self.leave() {
            level.free();
        }
    }
}

/// Runs `work`, which is to keep to the limits.
///
/// # Panics
///
/// If it doesn't, or nobody counts.
#[track_caller]
pub fn check<T>(limits: &[Limit], work: impl FnOnce() -> T) -> T {
    check_terms(&Terms::of(limits), work)
}

#[track_caller]
pub(crate) fn check_terms<T>(terms: &Terms<'_>, work: impl FnOnce() -> T) -> T {
    if cfg!(feature = "off") {
        return work();
    }
    require_counting();
    let run = Run::begin(spare::take());
    let value = work();
    let (own, level) = run.end();
    let Some(mut level) = level else {
        panic!(
            "the code under a memory budget has come back on another thread, where it is not measured"
        )
    };
    let done = Done::new(own, level.scope_mut(), terms);
    if done.keeps_to(terms.limits) {
        spare::leave(level);
    } else {
        let exceeded = Exceeded::new(&done, terms);
        level.free();
        exceeded.panic();
    }
    value
}

/// Makes a future and measures that and it, for its limits to be [looked at](Spent::check)
/// when it has given its value.
///
/// # Panics
///
/// If nobody counts.
#[track_caller]
pub fn within<F: Future>(make: impl FnOnce() -> F) -> Budgeted<F> {
    if !cfg!(feature = "off") {
        require_counting();
    }
    let scope = spare::scope();
    let run = Run::begin(Level::new(scope.clone(), true));
    let future = make();
    Budgeted {
        usage: run.end_and_free(),
        future: Some(future),
        scope,
    }
}

pin_project! {
    /// The future of [`within`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Budgeted<F> {
        // None when it is at its end.
        #[pin]
        future: Option<F>,
        scope: Scope,
        usage: Usage,
    }

    impl<F> PinnedDrop for Budgeted<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _guard = this.scope.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Budgeted<F> {
    type Output = Spent<F::Output>;

    /// # Panics
    ///
    /// If it is polled after its end, as futures may.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let run = Run::begin(Level::new(this.scope.clone(), true));
        let future = this.future.as_mut().as_pin_mut();
        let poll = future
            .expect("a future is polled until its end")
            .poll(context);
        if poll.is_ready() {
            // What it has been made of is freed as it was made.
            this.future.set(None);
        }
        *this.usage = this.usage.then(run.end_and_free());
        poll.map(|value| Spent {
            value,
            scope: this.scope.clone(),
            usage: *this.usage,
        })
    }
}

/// What a future gave, and what it did for that.
#[derive(Debug)]
pub struct Spent<T> {
    value: T,
    scope: Scope,
    usage: Usage,
}

impl<T> Spent<T> {
    /// The value.
    ///
    /// # Panics
    ///
    /// If the future hasn't kept to the limits.
    #[track_caller]
    pub fn check(self, limits: &[Limit]) -> T {
        self.check_terms(&Terms::of(limits))
    }

    #[track_caller]
    fn check_terms(self, terms: &Terms<'_>) -> T {
        match self.held_to(terms) {
            Ok(value) => value,
            Err(exceeded) => exceeded.panic(),
        }
    }

    pub(crate) fn held_to(mut self, terms: &Terms<'_>) -> Result<T, Exceeded> {
        if !cfg!(feature = "off") {
            let done = Done::new(self.usage, &mut self.scope, terms);
            if !done.keeps_to(terms.limits) {
                return Err(Exceeded::new(&done, terms));
            }
        }
        Ok(self.value)
    }
}

/// What is said where zeroes would keep to any limit.
pub(crate) const NOBODY_COUNTS: &str = "this needs the counting allocator, and the program has another one. Once in \
                                        it, or in the file of the test, there has to be\n\n\
                                        #[cfg(test)] // or not, if the program itself is to have it, too\n\
                                        #[global_allocator]\n\
                                        static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n";

/// # Panics
///
/// If the program's allocations aren't counted by thread.
#[track_caller]
pub(crate) fn require_counting() {
    assert!(
        HeapSource::current() == HeapSource::Thread,
        "{NOBODY_COUNTS}"
    );
}

/// What is said where it has to be known who made blocks.
pub(crate) const NOBODY_NOTES: &str = "this needs to know which line made each block, and the program's allocator \
                                       counts without noting that: `CountingAlloc::new`, or `system`, in place of \
                                       `counting` does";

/// # Panics
///
/// If it isn't known who made the program's blocks.
#[track_caller]
pub(crate) fn require_owners() {
    require_counting();
    assert!(heap::owners_are_known(), "{NOBODY_NOTES}");
}

/// Whether the blocks in a report were counted: here, or by the program that it was read from.
pub(crate) fn are_counted(report: &Report) -> bool {
    HeapSource::current() == HeapSource::Thread || report.total.allocated_bytes > 0
}
