//! Call paths: which profiled function was called from which line of which.
//!
//! A path is a function and the line that called it, which is of another path in
//! turn; it begins at a function that no profiled one called. What a line did is
//! known by path. A function that is on the path already isn't put on it again:
//! what it does goes to the lines of its first call, so that recursion makes no
//! path longer, and there is no more to a path than there are functions.
//!
//! The function that is called looks its path up by the line that its thread is
//! in, most often in a small table of the thread's own.

use crate::forks::Lock;
use crate::owner::{self, PathCounters, SHARED};
use crate::site::Site;
use crate::{own_work, threads};
use std::cell::Cell;
use std::collections::HashMap;
use std::ptr;
use std::sync::LazyLock;

/// A function by a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) site: &'static Site,
    /// The line that called it, [`owner::UNTRACKED`] at the beginning of a path, and
    /// [`BEYOND`] where the beginning was left out.
    pub(crate) caller: u32,
}

/// The caller of a function whose path isn't known, since there are too many.
pub(crate) const BEYOND: u32 = u32::MAX;

/// There are no more paths than these, and one more for each function.
const MOST: usize = 1 << 16;

/// All paths there are. That of number `n` is the one at `n - 1`.
#[derive(Debug, Default)]
struct Paths {
    all: Vec<Path>,
    /// By the caller and the address of the site.
    numbers: HashMap<(u32, usize), u32>,
}

static PATHS: LazyLock<Lock<Paths>> = LazyLock::new(Lock::default);

/// A path as a thread finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    site: &'static Site,
    caller: u32,
    pub(crate) number: u32,
    /// The calling thread's.
    pub(crate) counters: &'static PathCounters,
}

const REMEMBERED: usize = 128;

thread_local! {
    // What was found last, by caller and site. Without a destructor, as all that
    // the probes need.
    static LATEST: [Cell<Option<Found>>; REMEMBERED] =
        const { [const { Cell::new(None) }; REMEMBERED] };
}

/// The path of `site`, called from the line `caller`.
#[inline]
pub(crate) fn find(site: &'static Site, caller: u32) -> Found {
    // Sites are some words apart, and lines next to each other.
    let hash = (ptr::from_ref(site).addr() >> 4) ^ caller as usize ^ (caller >> 11) as usize;
    LATEST.with(|latest| {
        let Some(place) = latest.get(hash % REMEMBERED) else {
            return look_up(site, caller);
        };
        match place.get() {
            Some(found) if found.caller == caller && ptr::eq(found.site, site) => found,
            _ => {
                let found = look_up(site, caller);
                place.set(Some(found));
                found
            }
        }
    })
}

#[cold]
fn look_up(site: &'static Site, caller: u32) -> Found {
    let line_count = site.lines().len();
    let (number, _) = own_work::during(false, || {
        let mut paths = PATHS.lock();
        let number = paths.find(site, caller);
        if number != 0 {
            SHARED.prepare(number, line_count);
        }
        number
    });
    let counters = if number == 0 {
        &owner::NO_COUNTERS
    } else {
        threads::prepare_path(number, line_count)
    };
    Found {
        site,
        caller,
        number,
        counters,
    }
}

impl Paths {
    /// The number of a path, 0 if it can't have one.
    fn find(&mut self, site: &'static Site, caller: u32) -> u32 {
        // What the profiler does between two lines isn't a line.
        let caller = if owner::path_of(caller) == 0 {
            owner::UNTRACKED
        } else {
            caller
        };
        let mut line = caller;
        while let Some(path) = self.get(owner::path_of(line)) {
            if ptr::eq(path.site, site) {
                return owner::path_of(line);
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
        if number >= owner::MOST_PATHS {
            return 0;
        }
        self.all.push(path);
        let address = ptr::from_ref(path.site).addr();
        self.numbers.insert((path.caller, address), number);
        number
    }
}

/// All paths, by their number less 1, so that a path comes after its caller's.
pub(crate) fn all() -> Vec<Path> {
    PATHS.lock().all.clone()
}
