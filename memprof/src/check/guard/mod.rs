//! Budgets of functions in production. A call that exceeds its budget leads to a warning, a panic
//! or a callback.
//!
//! Nothing here may panic while the thread is panicking, which would abort the process, or while a
//! future is dropped, which would leak what is dropped next to it.

pub(crate) mod call;

use crate::count::source::{self, HeapSource};
use crate::count::uncounted;
use crate::model::site::{Kind, Site};
use crate::model::units::bytes;
use crate::model::usage::Usage;
use crate::runtime::entry;
use crate::sys::clock;
use crate::sys::fork_lock::Lock;
use crate::sys::output::say;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The minimum time between two warnings about the same function.
const PAUSE_NANOSECONDS: u64 = 1_000_000_000;

/// A call that exceeded the budget in its function's attribute: see [`on_exceed`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BudgetViolation {
    /// The function's path.
    pub function: &'static str,

    /// The source file, as the compiler named it.
    pub file: &'static str,

    /// The first line of the function.
    pub line: u32,

    /// What the call did to the heap.
    pub usage: Usage,

    /// The limit on how far the heap may rise above its level at the start of the call, if there
    /// is one.
    pub max_peak_bytes: Option<u64>,

    /// The limit on the net bytes of the call, if there is one.
    pub max_net_bytes: Option<u64>,

    /// Whether the call ended in a panic. The panic's message and backtrace are included in
    /// `usage`.
    pub has_panicked: bool,
}

impl fmt::Display for BudgetViolation {
    /// Writes one line, without a final newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.function, self.file, self.line)?;
        let peak = i128::from(self.usage.peak_bytes);
        let net = i128::from(self.usage.net_bytes());
        let limits = [
            (
                " had a peak of",
                peak,
                "max_peak_bytes",
                self.max_peak_bytes,
            ),
            (" left", net, "max_net_bytes", self.max_net_bytes),
        ];
        let mut separator = "";
        for (did, number, name, most) in limits {
            if let Some(most) = most.map(i128::from).filter(|most| number > *most) {
                let (number, most) = (bytes(number), bytes(most));
                write!(f, "{separator}{did} {number}, and {name} is {most}")?;
                separator = ";";
            }
        }
        if self.has_panicked {
            f.write_str(" (it panicked, and the memory for that is included)")?;
        }
        Ok(())
    }
}

/// The reaction to a call that exceeds its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// Writes a line to standard error.
    Warn,
    /// Panics.
    Panic,
    /// Calls the function that the program has [set](on_exceed).
    Callback,
}

/// A function's budget, a static that the attribute generates.
#[derive(Debug)]
pub struct Guard {
    site: &'static Site,
    max_peak_bytes: Option<u64>,
    max_net_bytes: Option<u64>,
    on_exceed: OnExceed,
    /// The earliest time of the next warning, in nanoseconds of the clock.
    next_line: AtomicU64,
    /// The number of violations without a warning since the last warning.
    unsaid: AtomicU64,
}

impl Guard {
    /// Creates the budget of the function that `site` describes.
    #[must_use]
    pub const fn new(
        site: &'static Site,
        max_peak_bytes: Option<u64>,
        max_net_bytes: Option<u64>,
        on_exceed: OnExceed,
    ) -> Self {
        Self {
            site,
            max_peak_bytes,
            max_net_bytes,
            on_exceed,
            next_line: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        let is_on = entry::kind_of(self.site) != Kind::Off;
        let is_counted = HeapSource::current() == HeapSource::Thread;
        if is_on && !is_counted {
            source::say_budgets_not_checked();
        }
        is_on && is_counted
    }

    /// Checks a call that has ended.
    pub(crate) fn check(&self, usage: Usage, end: End) {
        let is_over = |number: u64, most: Option<u64>| most.is_some_and(|most| number > most);
        let net_bytes = u64::try_from(usage.net_bytes()).unwrap_or(0);
        // A panicking call leaves at least the panic's message behind.
        let max_net_bytes = self.max_net_bytes.filter(|_| end != End::Panicked);
        if is_over(usage.peak_bytes, self.max_peak_bytes) || is_over(net_bytes, max_net_bytes) {
            self.exceed(usage, end);
        }
    }

    #[cold]
    fn exceed(&self, usage: Usage, end: End) {
        let violation = BudgetViolation {
            function: self.site.path(),
            file: self.site.file(),
            line: self.site.lines().first().copied().unwrap_or(0),
            usage,
            max_peak_bytes: self.max_peak_bytes,
            max_net_bytes: self.max_net_bytes.filter(|_| end != End::Panicked),
            has_panicked: end == End::Panicked,
        };
        match self.on_exceed {
            OnExceed::Panic if end == End::Returned && !thread::panicking() => {
                panic!("memory budget exceeded: {violation}")
            }
            OnExceed::Warn | OnExceed::Panic => self.warn(&violation),
            OnExceed::Callback => match callback() {
                Some(callback) if end == End::Returned && !thread::panicking() => {
                    call_back(&callback, &violation);
                }
                Some(callback) => {
                    let call = AssertUnwindSafe(|| call_back(&callback, &violation));
                    // The panic hook has already reported a panic of the callback.
                    drop(panic::catch_unwind(call));
                }
                None => self.warn(&violation),
            },
        }
    }

    /// Writes a warning, unless the last one was less than a second ago.
    fn warn(&self, violation: &BudgetViolation) {
        let now = clock::nanoseconds(clock::ticks()).max(1);
        let next = self.next_line.load(Ordering::Relaxed);
        let later = now.saturating_add(PAUSE_NANOSECONDS);
        // Relaxed: this only decides which thread writes the warning.
        let is_due = now >= next
            && self
                .next_line
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_due {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return;
        }
        uncounted::during(false, || match self.unsaid.swap(0, Ordering::Relaxed) {
            0 => say(&violation.to_string()),
            unsaid => say(&format!(
                "{violation} ({unsaid} more calls since the last line)"
            )),
        });
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
    /// Its future was dropped before completion.
    GivenUp,
}

type Callback = Arc<dyn Fn(&BudgetViolation) + Send + Sync>;

static CALLBACK: Lock<Option<Callback>> = Lock::new(None);

thread_local! {
    static IS_CALLING_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Sets the callback for functions with `#[memprofile(on_exceed = "callback")]`, replacing the
/// previous one.
///
/// The thread that ran the function calls `act` at the end of each call that exceeds its budget.
/// Allocations of `act` count as the program's. Violations inside `act` are ignored, and so is a
/// panic of `act` if the call has panicked or its future was dropped before completion. Without a
/// callback, violations are written to standard error.
///
/// ```
/// use memprof::memprofile;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// static WORST: AtomicU64 = AtomicU64::new(0);
///
/// #[memprofile(print = "never", max_peak_bytes = "1 KiB", on_exceed = "callback")]
/// fn load(size: usize) -> usize {
///     vec![1_u8; size].len()
/// }
///
/// # fn main() {
/// memprof::budget::on_exceed(|violation| {
///     WORST.fetch_max(violation.usage.peak_bytes, Ordering::Relaxed);
/// });
/// load(1000);
/// load(5000);
///
/// assert_eq!(WORST.load(Ordering::Relaxed), 5000);
/// # }
/// ```
pub fn on_exceed(act: impl Fn(&BudgetViolation) + Send + Sync + 'static) {
    let act: Callback = Arc::new(act);
    let before = CALLBACK.lock().replace(act);
    // Dropped outside of the lock, since a destructor of the program may do anything.
    drop(before);
}

fn callback() -> Option<Callback> {
    CALLBACK.lock().clone()
}

fn call_back(act: &Callback, violation: &BudgetViolation) {
    /// Resets the flag at the end, also after a panic.
    struct Calling;

    impl Drop for Calling {
        fn drop(&mut self) {
            IS_CALLING_BACK.set(false);
        }
    }

    if !IS_CALLING_BACK.replace(true) {
        let _calling = Calling;
        act(violation);
    }
}
