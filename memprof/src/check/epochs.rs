//! How old blocks are, in epochs: pieces of the program's work, each in a scope of its own.
//!
//! A block has no room for the time when it was made, but it knows its scope, which is its
//! epoch's. So ages are exact, whoever frees what, and in whatever order.

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

/// How many epochs there are at least before those without blocks are looked for.
const LEAST_KEPT: usize = 64;

/// Work cut into epochs, to be asked which lines have blocks alive from how long ago.
///
/// An epoch is what you take for one: a request, a hundred of them, a level of a game. What
/// is made in its [`Scope`] is of that epoch, by any thread and in any task, and wherever it
/// is freed. A block that grows is as old as its growth.
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
/// assert!(leaks[0].function.ends_with("handle"));
/// let ages: Vec<_> = leaks[0].ages.iter().map(|age| (age.epochs, age.bytes)).collect();
/// assert_eq!(ages, [(3, 3), (2, 5)]);
/// # }
/// ```
///
/// Each with blocks alive takes a place of the 4,096 that there are for scopes; those without
/// are let go of.
#[derive(Default)]
pub struct Epochs {
    begun: u64,
    /// With their numbers, which begin at 1.
    kept: Vec<(u64, Scope)>,
    /// How many there are when those without blocks are let go of.
    clean_at: usize,
}

impl Epochs {
    /// Before the first one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next epoch; its scope, which is inside the calling thread's current one.
    ///
    /// What is done in the scope of an earlier one still is of that one.
    ///
    /// # Panics
    ///
    /// If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), or one that is
    /// only [`counting`](crate::CountingAlloc::counting); and if there are 4,096 scopes already: then more work has to go into an epoch.
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
                "there are too many scopes at once to know the blocks of another epoch"
            );
        }
        self.begun += 1;
        uncounted::during(false, || self.kept.push((self.begun, scope.clone())));
        scope
    }

    /// Lets go of those that have no blocks, and can't get any.
    fn clean(&mut self) {
        self.kept.retain_mut(|(_, scope)| {
            !scope.is_alone() || scope.settled_report().total.live_count() != 0
        });
        self.clean_at = LEAST_KEPT.max(2 * self.kept.len());
    }

    /// The lines with blocks alive that are so many epochs old, or older; those with most
    /// bytes first.
    ///
    /// Blocks of the current epoch are 0 epochs old. A cache that is full, each entry of
    /// which is replaced within ten epochs, is silent from 10 on. What no line of a profiled
    /// function made is there with an empty function.
    ///
    /// Of other threads that are in a scope of these at this moment, the last may be missing.
    #[must_use]
    pub fn leaks(&self, least_epochs: u64) -> Vec<Leak> {
        // What the calling thread has done in one of them, if it is in one.
        stack::settle();
        let own = uncounted::during(false, || self.find_leaks(least_epochs)).0;
        // The caller's copy is the program's.
        let leaks = own.clone();
        uncounted::during(false, || drop(own));
        leaks
    }

    fn find_leaks(&self, least_epochs: u64) -> Vec<Leak> {
        let mut leaks: Vec<Leak> = Vec::new();
        let mut places = HashMap::new();
        // The oldest come first, in the list and so in each line's ages.
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
                // As it is without blocks.
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
        // Freed as they were made.
        uncounted::during(false, || drop(mem::take(&mut self.kept)));
    }
}
