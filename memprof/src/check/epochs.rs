//! The age of live blocks in epochs: pieces of the program's work, each in a scope of its own.
//!
//! A block's tag has no room for a time, but it names the scope and so the epoch. Ages are
//! therefore exact, whichever thread frees blocks, in whatever order.

use crate::check::leaks::Leak;
use crate::check::requirements;
use crate::count::uncounted;
use crate::scope::handle::Scope;
use crate::scope::stack;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::mem;

/// Below this many kept epochs, those without live blocks are not searched for.
const LEAST_KEPT: usize = 64;

/// Splits a program's work into epochs and finds lines with old blocks that are still alive.
///
/// You choose what an epoch is: a request, a hundred requests, a level of a game. Blocks that any
/// thread or task allocates in its [`Scope`] belong to the epoch until they are freed anywhere. A
/// block that grows belongs to the epoch in which it last grew.
///
/// ```
/// use memprof::leak::Epochs;
/// use memprof::memprofile;
/// use std::collections::VecDeque;
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile(print = "never")]
/// fn handle(name: &str, recent: &mut VecDeque<String>, seen: &mut Vec<String>) {
///     recent.truncate(1);
///     recent.push_front(name.to_uppercase());
///     seen.push(name.to_owned());
/// }
///
/// # fn main() {
/// let (mut recent, mut seen) = (VecDeque::with_capacity(2), Vec::with_capacity(4));
/// let mut epochs = Epochs::new();
/// for name in ["ada", "grace", "linus", "donald"] {
///     epochs.begin().run(|| handle(name, &mut recent, &mut seen));
/// }
///
/// // The names in `recent` are of the last two epochs.
/// let leaks = epochs.leaks(2);
/// assert_eq!(leaks.len(), 1);
/// assert!(leaks[0].line.function.ends_with("handle"));
/// let ages: Vec<_> = leaks[0].ages.iter().map(|age| (age.epochs, age.live_bytes)).collect();
/// assert_eq!(ages, [(3, 3), (2, 5)]);
/// # }
/// ```
///
/// Each epoch with live blocks occupies one of the 4,096 scopes; epochs without are dropped.
#[derive(Default)]
pub struct Epochs {
    begun: u64,
    /// Epoch numbers, from 1 on, with their scopes, the oldest first.
    kept: Vec<(u64, Scope)>,
    /// The length of `kept` at which epochs without blocks are dropped.
    clean_at: usize,
}

impl Epochs {
    /// Creates a list without any epoch: [`begin`](Self::begin) starts the first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next epoch and returns its scope, which is inside the calling thread's current
    /// one.
    ///
    /// Work in the scope of an earlier epoch still belongs to that epoch.
    ///
    /// # Panics
    ///
    /// - If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), or is one that
    ///   only [counts](crate::CountingAlloc::counting).
    /// - If 4,096 scopes are in use already. Put more work into each epoch then.
    #[track_caller]
    pub fn begin(&mut self) -> Scope {
        let new = || Scope::new("epoch");
        let (scope, _) = uncounted::during(false, || {
            if self.kept.len() >= self.clean_at {
                self.clean();
            }
            let scope = new();
            if scope.knows_lines() {
                return scope;
            }
            self.clean();
            new()
        });
        if !cfg!(feature = "off") {
            requirements::require_owners();
            assert!(
                scope.knows_lines(),
                "too many scopes at once (4,096 at most) to begin another epoch"
            );
        }
        self.begun += 1;
        uncounted::during(false, || self.kept.push((self.begun, scope.clone())));
        scope
    }

    /// Drops the epochs that have no live blocks and can't get any: their scope has no other
    /// handle.
    fn clean(&mut self) {
        self.kept.retain_mut(|(_, scope)| {
            !scope.is_alone() || scope.settled_report().total.live_count() != 0
        });
        self.clean_at = LEAST_KEPT.max(2 * self.kept.len());
    }

    /// Returns the lines with live blocks that are at least `least_epochs` epochs old, those with
    /// most bytes first.
    ///
    /// Blocks of the current epoch are 0 epochs old. A full cache that replaces each entry within
    /// ten epochs isn't reported with `least_epochs` of 10 or more. Blocks that no line of a
    /// profiled function allocated are reported with an empty function.
    ///
    /// The latest allocations of other threads that are in one of the scopes right now may be
    /// missing.
    #[must_use]
    pub fn leaks(&self, least_epochs: u64) -> Vec<Leak> {
        // Adds what the calling thread has done so far in its current scope.
        stack::settle();
        let own = uncounted::during(false, || self.find_leaks(least_epochs)).0;
        // The caller gets a copy that counts as the program's.
        let leaks = own.clone();
        uncounted::during(false, || drop(own));
        leaks
    }

    fn find_leaks(&self, least_epochs: u64) -> Vec<Leak> {
        let mut leaks: Vec<Leak> = Vec::new();
        let mut places = HashMap::new();
        // The oldest epoch comes first in the list, and so in each line's ages.
        for (number, scope) in &self.kept {
            let age = self.begun - number;
            if age < least_epochs {
                break;
            }
            let report = scope.settled_report();
            let of_lines = report
                .lines()
                .map(|(function, line)| (Leak::of(function, line), line.own));
            let all = iter::once((Leak::of_no_line(), report.untracked)).chain(of_lines);
            for (leak, made) in all.filter(|(_, made)| made.live_count() > 0) {
                // The key is the line without any blocks.
                let place = *places.entry(leak.clone()).or_insert(leaks.len());
                if place == leaks.len() {
                    leaks.push(leak);
                }
                if let Some(leak) = leaks.get_mut(place) {
                    leak.add(age, &made);
                }
            }
        }
        leaks.sort_by_key(|leak| Reverse(leak.live_bytes));
        leaks
    }
}

impl fmt::Debug for Epochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epochs")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl Drop for Epochs {
    fn drop(&mut self) {
        // Freed uncounted, as it was allocated.
        uncounted::during(false, || drop(mem::take(&mut self.kept)));
    }
}
