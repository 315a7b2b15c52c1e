//! Call paths: by which chain of profiled functions and lines a function was called.
//!
//! A path is a function and the line that called it, which belongs to another path in turn. It
//! begins at a function that no profiled function called. Lines are counted by path. A function
//! that is on the path already isn't added again: what it does counts for the lines of its first
//! call, so recursion doesn't make paths longer, and a path has at most as many entries as there
//! are functions.
//!
//! # Looking a path up
//!
//! A called function looks its path up by its thread's current line: in a small cache of the
//! thread's own; else in the [index] of the process, without a lock; else, the first time, under
//! the lock, which adds it to both.

use crate::count::line_counters::{self, PathCounters, SHARED};
use crate::count::tag;
use crate::count::{this_thread, uncounted};
use crate::model::site::Site;
use crate::sys::fork_lock::Lock;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ptr;
use std::sync::LazyLock;

/// One path: a function and its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) site: &'static Site,
    /// The id of the line that called it; [`tag::UNTRACKED`] at the start of a path, and [`BEYOND`]
    /// where the start was left out.
    pub(crate) caller: u32,
}

/// The caller of a function whose path isn't known, because there are too many paths.
pub(crate) const BEYOND: u32 = u32::MAX;

/// The most paths, not counting one more for each function.
const MOST: usize = 1 << 16;

/// All paths. Path number `n` is at index `n - 1`.
#[derive(Debug, Default)]
struct Paths {
    all: Vec<Path>,
    /// Path numbers by caller and the site's address.
    numbers: HashMap<(u32, usize), u32>,
}

static PATHS: LazyLock<Lock<Paths>> = LazyLock::new(Lock::default);

/// A cached path: its caller, and the thread's counters for it, which know the function.
#[derive(Debug)]
struct Found {
    caller: Cell<u32>,
    counters: Cell<&'static PathCounters>,
}

impl Found {
    const fn none() -> Self {
        Self {
            caller: Cell::new(0),
            counters: Cell::new(&line_counters::NO_COUNTERS),
        }
    }
}

const PLACE_BITS: u32 = 8;

thread_local! {
    // The paths found last, two in each place. Without a destructor, like everything that the
    // probes need.
    static LATEST: [[Found; 2]; 1 << PLACE_BITS] =
        const { [const { [const { Found::none() }; 2] }; 1 << PLACE_BITS] };
}

/// The calling thread's counters for the path of `site`, called from the line `caller`.
#[inline(always)]
pub(crate) fn find(site: &'static Site, caller: u32) -> &'static PathCounters {
    let function = ptr::from_ref(site).addr();
    LATEST.with(|latest| {
        let Some([last, before]) = latest.get(bucket_of(function, caller)) else {
            return look_up(site, caller);
        };
        for found in [last, before] {
            let counters = found.counters.get();
            if found.caller.get() == caller && counters.are_of(function) {
                return counters;
            }
        }
        let counters = look_up(site, caller);
        before.caller.set(last.caller.replace(caller));
        before.counters.set(last.counters.replace(counters));
        counters
    })
}

/// The place of a path in the thread's cache.
#[inline(always)]
fn bucket_of(function: usize, caller: u32) -> usize {
    (mixed(function, caller) >> (u64::BITS - PLACE_BITS)) as usize
}

/// A hash of a function and its caller, whose upper bits are to be used.
#[inline(always)]
fn mixed(function: usize, caller: u32) -> u64 {
    /// Odd, and without a pattern: 2^64 divided by the golden ratio.
    const MIXER: u64 = 0x9E37_79B9_7F4A_7C15;
    (function as u64 ^ u64::from(caller) << 32).wrapping_mul(MIXER)
}

#[cold]
#[inline(never)]
fn look_up(site: &'static Site, caller: u32) -> &'static PathCounters {
    let function = ptr::from_ref(site).addr();
    let line_count = site.lines().len();
    let number = index::get(function, caller).unwrap_or_else(|| {
        let (number, _) = uncounted::during(false, || {
            let mut paths = PATHS.lock();
            let number = paths.find(site, caller);
            if number != 0 {
                SHARED.prepare(number, line_count);
                index::add(function, caller, number);
            }
            number
        });
        number
    });
    if number == 0 {
        return &line_counters::NO_COUNTERS;
    }
    let counters = this_thread::prepare_path(number, line_count);
    counters.set_function(function);
    counters
}

/// Path numbers by function and caller, to be read without a lock.
///
/// # Protocol
///
/// There are three hash tables of fixed sizes, of which the last is in use. An entry is written
/// once, under the lock of [`PATHS`], and its function last, with release: a reader that finds the
/// function, with acquire, finds the rest. When a table is three quarters full, its entries are
/// copied to the next one, which is then put to use. A reader that still sees the one before finds
/// less, and takes the lock.
mod index {
    use super::mixed;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    struct Entry {
        /// The address of its site, 0 as long as the entry is free.
        function: AtomicUsize,
        /// The caller's line in the upper half, the path in the lower half.
        caller_and_number: AtomicU64,
    }

    impl Entry {
        const fn free() -> Self {
            Self {
                function: AtomicUsize::new(0),
                caller_and_number: AtomicU64::new(0),
            }
        }
    }

    // A page, so that a small program takes no more; 64 KiB, and 1 MiB, which is in memory only
    // where it was written to.
    static SMALL: [Entry; 1 << 8] = [const { Entry::free() }; 1 << 8];
    static MEDIUM: [Entry; 1 << 12] = [const { Entry::free() }; 1 << 12];
    static LARGE: [Entry; 1 << 16] = [const { Entry::free() }; 1 << 16];

    /// The table in use: 0, 1 or 2.
    static LEVEL: AtomicUsize = AtomicUsize::new(0);

    /// The entries in it. Written under the lock.
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    fn table(level: usize) -> &'static [Entry] {
        match level {
            0 => &SMALL,
            1 => &MEDIUM,
            _ => &LARGE,
        }
    }

    /// Where an entry may be: from its hash on, once around.
    #[allow(clippy::cast_possible_truncation, reason = "at most 16 bits are left")]
    fn places(
        table: &'static [Entry],
        function: usize,
        caller: u32,
    ) -> impl Iterator<Item = &'static Entry> {
        let bits = table.len().trailing_zeros();
        let start = (mixed(function, caller) >> (u64::BITS - bits)) as usize;
        let (before, after) = table.split_at(start.min(table.len()));
        after.iter().chain(before)
    }

    pub(super) fn get(function: usize, caller: u32) -> Option<u32> {
        let table = table(LEVEL.load(Ordering::Acquire));
        for entry in places(table, function, caller) {
            match entry.function.load(Ordering::Acquire) {
                0 => return None,
                found if found == function => {
                    let packed = entry.caller_and_number.load(Ordering::Relaxed);
                    if packed >> u32::BITS == u64::from(caller) {
                        return u32::try_from(packed & u64::from(u32::MAX)).ok();
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Adds a path, under the lock. When the last table is full, no more are added.
    pub(super) fn add(function: usize, caller: u32, number: u32) {
        let level = LEVEL.load(Ordering::Relaxed);
        let count = COUNT.load(Ordering::Relaxed);
        let mut table = self::table(level);
        if count >= table.len() / 4 * 3 {
            if level == 2 {
                return;
            }
            let next = self::table(level + 1);
            for entry in table {
                let packed = entry.caller_and_number.load(Ordering::Relaxed);
                let function = entry.function.load(Ordering::Relaxed);
                if function != 0 {
                    write(next, function, packed);
                }
            }
            LEVEL.store(level + 1, Ordering::Release);
            table = next;
        }
        let packed = u64::from(caller) << u32::BITS | u64::from(number);
        if write(table, function, packed) {
            COUNT.store(count + 1, Ordering::Relaxed);
        }
    }

    /// Writes an entry, unless another thread has added it between this one's look and its lock;
    /// whether it did.
    fn write(table: &'static [Entry], function: usize, packed: u64) -> bool {
        let caller = (packed >> u32::BITS) as u32;
        for entry in places(table, function, caller) {
            match entry.function.load(Ordering::Relaxed) {
                0 => {
                    entry.caller_and_number.store(packed, Ordering::Relaxed);
                    entry.function.store(function, Ordering::Release);
                    return true;
                }
                found
                    if found == function
                        && entry.caller_and_number.load(Ordering::Relaxed) == packed =>
                {
                    return false;
                }
                _ => {}
            }
        }
        false
    }

    #[cfg(test)]
    mod tests {
        use super::{add, get};

        #[test]
        fn paths_are_found_by_function_and_caller_while_the_tables_grow() {
            let functions = [0x1000_usize, 0x1010, 0x2000];
            let number = |function: usize, caller: u32| {
                caller * 100 + u32::try_from(function >> 4).unwrap() % 100
            };
            for caller in 0..2000 {
                for function in functions {
                    assert_eq!(get(function, caller), None);
                    add(function, caller, number(function, caller));
                }
            }
            for caller in 0..2000 {
                for function in functions {
                    assert_eq!(get(function, caller), Some(number(function, caller)));
                }
            }
            assert_eq!(get(0x3000, 1), None);
        }
    }
}

impl Paths {
    /// The number of a path, which is added if it is new. 0 if it can't have one.
    fn find(&mut self, site: &'static Site, caller: u32) -> u32 {
        // The profiler's own work between two lines isn't a line.
        let caller = if tag::path_of(caller) == 0 {
            tag::UNTRACKED
        } else {
            caller
        };
        let mut line = caller;
        while let Some(path) = self.get(tag::path_of(line)) {
            if ptr::eq(path.site, site) {
                return tag::path_of(line);
            }
            line = path.caller;
        }
        let address = ptr::from_ref(site).addr();
        if let Some(number) = self.numbers.get(&(caller, address)) {
            return *number;
        }
        if self.all.len() < MOST {
            return self.add(Path { site, caller });
        }
        match self.numbers.get(&(BEYOND, address)) {
            Some(number) => *number,
            None => self.add(Path {
                site,
                caller: BEYOND,
            }),
        }
    }

    fn get(&self, number: u32) -> Option<&Path> {
        self.all.get((number as usize).checked_sub(1)?)
    }

    fn add(&mut self, path: Path) -> u32 {
        let number = u32::try_from(self.all.len() + 1).unwrap_or(u32::MAX);
        if number >= tag::MOST_PATHS {
            return 0;
        }
        self.all.push(path);
        let address = ptr::from_ref(path.site).addr();
        self.numbers.insert((path.caller, address), number);
        number
    }
}

/// The function of a path, if there is such a path.
pub(crate) fn site_of(number: u32) -> Option<&'static Site> {
    PATHS.lock().get(number).map(|path| path.site)
}

/// All paths by their numbers, so that a path comes after its caller's.
pub(crate) fn all() -> Vec<(u32, Path)> {
    let paths = PATHS.lock();
    (1..).zip(paths.all.iter().copied()).collect()
}

/// The numbers of the paths of a function. `None` if `is_patient` is false and another thread keeps
/// the list locked.
pub(crate) fn of_site(site: &Site, is_patient: bool) -> Option<Vec<u32>> {
    let paths = if is_patient {
        PATHS.lock()
    } else {
        PATHS.lock_soon()?
    };
    let numbered = (1..).zip(&paths.all);
    let of_site = numbered.filter(|(_, path)| ptr::eq(path.site, site));
    Some(of_site.map(|(number, _)| number).collect())
}

/// The paths with these numbers and the paths of their callers, sorted by number.
pub(crate) fn with_callers(numbers: impl Iterator<Item = u32>) -> Vec<(u32, Path)> {
    let paths = PATHS.lock();
    let of_number = |number: u32| paths.all.get((number as usize).checked_sub(1)?);
    let mut found = BTreeMap::new();
    for mut number in numbers {
        while let Some(path) = of_number(number)
            && found.insert(number, *path).is_none()
            && path.caller != BEYOND
        {
            number = tag::path_of(path.caller);
        }
    }
    found.into_iter().collect()
}
