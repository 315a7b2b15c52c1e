//! The budget of a function in production, and what is done about a call that exceeds it: it
//! is said, panicked about, or handed to the program.
//!
//! Nothing here may panic while the thread does, or while a future is dropped: what is
//! dropped beside it would be left behind, or the process aborted.

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

/// Between two lines about the same function.
const PAUSE_NANOSECONDS: u64 = 1_000_000_000;

/// A call of a function that took more memory than its attribute allows: see
/// [`on_exceed`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BudgetViolation {
    /// The function's path.
    pub function: &'static str,

    /// The file it is in, as the compiler named it.
    pub file: &'static str,

    /// The line it begins on.
    pub line: u32,

    /// What the call did to the heap.
    pub usage: Usage,

    /// How far the heap may stand above where the call began, if there is a limit.
    pub max_peak_bytes: Option<u64>,

    /// What the call may leave, if there is a limit.
    pub max_net_bytes: Option<u64>,

    /// Whether the call ended in a panic, whose message and backtrace are in `usage`.
    pub has_panicked: bool,
}

impl fmt::Display for BudgetViolation {
    /// One line, without an end.
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
            f.write_str(" (it panicked, and what that took is in it)")?;
        }
        Ok(())
    }
}

/// What is done about an offence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// A line on the standard error.
    Warn,
    /// A panic.
    Panic,
    /// What the program has [set](on_exceed).
    Callback,
}

/// A function's budget, written by the attribute.
#[derive(Debug)]
pub struct Guard {
    site: &'static Site,
    max_peak_bytes: Option<u64>,
    max_net_bytes: Option<u64>,
    on_exceed: OnExceed,
    /// When the next line may be said, in nanoseconds of the clock.
    next_line: AtomicU64,
    /// Offences about which none was.
    unsaid: AtomicU64,
}

impl Guard {
    /// The budget of the function that `site` describes.
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
            source::say_nobody_guards();
        }
        is_on && is_counted
    }

    /// Looks at a call that has ended.
    pub(crate) fn check(&self, usage: Usage, end: End) {
        let is_over = |number: u64, most: Option<u64>| most.is_some_and(|most| number > most);
        let net_bytes = u64::try_from(usage.net_bytes()).unwrap_or(0);
        // A panic leaves its message, as it has to.
        let max_net_bytes = self.max_net_bytes.filter(|_| end != End::Panicked);
        if is_over(usage.peak_bytes, self.max_peak_bytes) || is_over(net_bytes, max_net_bytes) {
            self.exceed(usage, end);
        }
    }

    #[cold]
    fn exceed(&self, usage: Usage, end: End) {
        let offence = BudgetViolation {
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
                panic!("memory budget exceeded: {offence}")
            }
            OnExceed::Warn | OnExceed::Panic => self.warn(&offence),
            OnExceed::Callback => match callback() {
                Some(callback) if end == End::Returned && !thread::panicking() => {
                    call_back(&callback, &offence);
                }
                Some(callback) => {
                    let call = AssertUnwindSafe(|| call_back(&callback, &offence));
                    // What it panics with has been said.
                    drop(panic::catch_unwind(call));
                }
                None => self.warn(&offence),
            },
        }
    }

    /// Says one line; but not if one was said less than a second ago.
    fn warn(&self, offence: &BudgetViolation) {
        let now = clock::nanoseconds(clock::ticks()).max(1);
        let next = self.next_line.load(Ordering::Relaxed);
        let later = now.saturating_add(PAUSE_NANOSECONDS);
        // Relaxed: who gets to say it is all that is decided.
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
            0 => say(&offence.to_string()),
            unsaid => say(&format!(
                "{offence} ({unsaid} more calls since the last line)"
            )),
        });
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
    /// Its future was dropped half way.
    GivenUp,
}

type Callback = Arc<dyn Fn(&BudgetViolation) + Send + Sync>;

static CALLBACK: Lock<Option<Callback>> = Lock::new(None);

thread_local! {
    static IS_CALLING_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Has `act` be called with each call of a function under
/// `#[memprofile(on_exceed = "callback")]` that exceeds its budget, in the place of what was
/// set before.
///
/// It is called by the thread that ran the function, at its end, and what it does to the heap
/// is the program's. Offences that it commits itself are passed over, and so is a panic of
/// its own, where the call has panicked or its future is dropped half way. As long as none
/// is set, offences are said on the standard error.
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
/// memprof::budget::on_exceed(|offence| {
///     WORST.fetch_max(offence.usage.peak_bytes, Ordering::Relaxed);
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
    // Not under the lock: it is the program's, and may do anything.
    drop(before);
}

fn callback() -> Option<Callback> {
    CALLBACK.lock().clone()
}

fn call_back(act: &Callback, offence: &BudgetViolation) {
    /// Says that it is over, after a panic, too.
    struct Calling;

    impl Drop for Calling {
        fn drop(&mut self) {
            IS_CALLING_BACK.set(false);
        }
    }

    if !IS_CALLING_BACK.replace(true) {
        let _calling = Calling;
        act(offence);
    }
}
