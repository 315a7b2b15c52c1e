//! Call paths: by which chain of profiled functions and lines a function was called.
//!
//! A path is a function and the line that called it, which belongs to another path in turn. It
//! begins at a function that no profiled function called. Lines are counted by path. A function
//! that is on the path already isn't added again: what it does counts for the lines of its first
//! call, so recursion doesn't make paths longer, and a path has at most as many entries as there
//! are functions.
//!
//! A called function looks its path up by its thread's current line, mostly in a small cache of the
//! thread's own.

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

/// The place of a path in the cache.
#[inline(always)]
fn bucket_of(function: usize, caller: u32) -> usize {
    /// Odd, and without a pattern: 2^64 divided by the golden ratio.
    const MIXER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (function as u64 ^ u64::from(caller) << 32).wrapping_mul(MIXER);
    (mixed >> (u64::BITS - PLACE_BITS)) as usize
}

#[cold]
fn look_up(site: &'static Site, caller: u32) -> &'static PathCounters {
    let line_count = site.lines().len();
    let (number, _) = uncounted::during(false, || {
        let mut paths = PATHS.lock();
        let number = paths.find(site, caller);
        if number != 0 {
            SHARED.prepare(number, line_count);
        }
        number
    });
    if number == 0 {
        return &line_counters::NO_COUNTERS;
    }
    let counters = this_thread::prepare_path(number, line_count);
    counters.set_function(ptr::from_ref(site).addr());
    counters
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
