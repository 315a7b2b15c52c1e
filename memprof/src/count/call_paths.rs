//! Call paths: by which chain of profiled functions and lines a function was called.
//!
//! A path is a function and the line that called it, which belongs to another path in turn. It
//! begins at a function that no profiled function called. Lines are counted by path. A function
//! that is on the path already isn't added again: what it does counts for the lines of its first
//! call, so recursion doesn't make paths longer, and a path has at most as many entries as there
//! are functions.
//!
//! # Tables
//!
//! Paths have numbers, in the order in which they were found, and are stored by number in chunks.
//! Three hash tables of fixed sizes have the numbers by function and caller. A path may be in a few
//! places of the first table; if these are taken by other paths, in a few places of the second; and
//! otherwise in the third. Places never become free again, so all threads look for a path in the
//! same order, and find it in the same place.
//!
//! # Adding a path
//!
//! The thread that needs a new path takes a number, writes the path, allocates the counters that
//! all threads share for its lines, and then puts the number into a free place of a table, with a
//! compare-and-exchange that releases all that. If another thread was faster with the same path,
//! that one's number counts, and the own number is of no path.
//!
//! # What may not happen here
//!
//! The allocator asks for the path of the current call. Nothing here allocates from it, locks,
//! waits or panics.

use crate::count::line_counters::SHARED;
use crate::count::tag;
use crate::model::site::Site;
use crate::sys::leak::{Leaked, leak};
use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// One path: a function and its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) site: &'static Site,
    /// The id of the line that called it; [`tag::UNTRACKED`] at the start of a path, and [`BEYOND`]
    /// where the start was left out.
    pub(crate) caller: u32,
}

impl Path {
    fn is(self, site: &Site, caller: u32) -> bool {
        ptr::eq(self.site, site) && self.caller == caller
    }
}

/// The caller of a function whose path isn't known, because there are too many paths.
pub(crate) const BEYOND: u32 = u32::MAX;

/// The most paths, not counting one more for each function.
const MOST: u32 = 1 << 16;

const CHUNK: usize = 1 << 8;

/// All paths by number, [`CHUNK`] in each chunk.
static CHUNKS: [Leaked<[Stored; CHUNK]>; 1 << 9] = [const { Leaked::empty() }; 1 << 9];

/// The next path's number. 0 is what is outside of profiled functions.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A path, while it is being added and afterwards.
#[derive(Debug)]
struct Stored {
    caller: AtomicU32,
    /// Null until the path is complete.
    site: AtomicPtr<Site>,
}

impl Stored {
    const fn empty() -> Self {
        Self {
            caller: AtomicU32::new(0),
            site: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

// A page, so that a small program takes no more; 32 KiB; and 512 KiB, which are in memory only
// where they were written to.
static SMALL: [AtomicU32; 1 << 10] = [const { AtomicU32::new(0) }; 1 << 10];
static MEDIUM: [AtomicU32; 1 << 13] = [const { AtomicU32::new(0) }; 1 << 13];
static LARGE: [AtomicU32; 1 << 17] = [const { AtomicU32::new(0) }; 1 << 17];

/// A hash of a function and its caller, whose upper bits are to be used.
#[inline(always)]
pub(crate) fn mixed(function: usize, caller: u32) -> u64 {
    /// Odd, and without a pattern: 2^64 divided by the golden ratio.
    const MIXER: u64 = 0x9E37_79B9_7F4A_7C15;
    (function as u64 ^ u64::from(caller) << 32).wrapping_mul(MIXER)
}

/// The places where a path may be, in the order in which they are looked at.
fn places(site: &'static Site, caller: u32) -> impl Iterator<Item = &'static AtomicU32> {
    /// How many places a path has in each of the first two tables.
    const FEW: usize = 16;
    let hash = mixed(ptr::from_ref(site).addr(), caller);
    few_of(&SMALL, hash, FEW)
        .chain(few_of(&MEDIUM, hash, FEW))
        .chain(few_of(&LARGE, hash, LARGE.len()))
}

/// `count` places of a table, from the one of a hash on, around its end.
#[allow(clippy::cast_possible_truncation, reason = "at most 17 bits are left")]
fn few_of(
    table: &'static [AtomicU32],
    hash: u64,
    count: usize,
) -> impl Iterator<Item = &'static AtomicU32> {
    let bits = table.len().trailing_zeros();
    let start = (hash >> (u64::BITS - bits)) as usize;
    let (before, after) = table.split_at(start.min(table.len()));
    after.iter().chain(before).take(count)
}

/// The number of the path of `site`, called from the line `caller`. The path is added if it is new.
/// 0 if it can't have a number.
pub(crate) fn number_of(site: &'static Site, caller: u32) -> u32 {
    // The profiler's own work between two lines isn't a line.
    let caller = if tag::path_of(caller) == 0 {
        tag::UNTRACKED
    } else {
        caller
    };
    let mut line = caller;
    while let Some(path) = get(tag::path_of(line)) {
        if ptr::eq(path.site, site) {
            return tag::path_of(line);
        }
        line = path.caller;
    }
    match find_or_add(site, caller, MOST) {
        Some(number) => number,
        None => find_or_add(site, BEYOND, tag::MOST_PATHS).unwrap_or(0),
    }
}

/// `None` if the path is new and would have a number above `most`, or if there is no memory.
fn find_or_add(site: &'static Site, caller: u32, most: u32) -> Option<u32> {
    let mut own = None;
    for place in places(site, caller) {
        // Acquire: pairs with the release below, by whichever thread has added the path.
        let mut number = place.load(Ordering::Acquire);
        if number == 0 {
            let new = match own {
                Some(new) => new,
                None => add(site, caller, most)?,
            };
            own = Some(new);
            match place.compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(new),
                Err(other) => number = other,
            }
        }
        if get(number).is_some_and(|path| path.is(site, caller)) {
            if let Some(own) = own.and_then(stored) {
                // Another thread was faster.
                own.site.store(ptr::null_mut(), Ordering::Release);
            }
            return Some(number);
        }
    }
    None
}

/// Writes a path and returns its number, which is in no table yet.
fn add(site: &'static Site, caller: u32, most: u32) -> Option<u32> {
    // Relaxed: the number means nothing before it is in a table.
    let take = |next: u32| (next <= most).then_some(next + 1);
    let number = NEXT
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .ok()?;
    let stored = room_for(number, site);
    if stored.is_none() {
        // There may be memory another time. If another thread has taken the next number meanwhile,
        // this one is of no path.
        let (next, relaxed) = (number + 1, Ordering::Relaxed);
        let _ = NEXT.compare_exchange(next, number, relaxed, relaxed);
    }
    let stored = stored?;
    stored.caller.store(caller, Ordering::Relaxed);
    let site = ptr::from_ref(site).cast_mut();
    stored.site.store(site, Ordering::Release);
    Some(number)
}

/// The place for a path, and the counters that all threads share for its lines. `None` if there is
/// no memory.
fn room_for(number: u32, site: &'static Site) -> Option<&'static Stored> {
    let chunk = CHUNKS.get(number as usize / CHUNK)?;
    if chunk.get().is_none() {
        chunk.set(leak([const { Stored::empty() }; CHUNK])?);
    }
    SHARED.prepare(number, site.lines().len())?;
    stored(number)
}

fn stored(number: u32) -> Option<&'static Stored> {
    let number = number as usize;
    CHUNKS.get(number / CHUNK)?.get()?.get(number % CHUNK)
}

/// The path with a number, if there is one.
fn get(number: u32) -> Option<Path> {
    let stored = stored(number)?;
    // Acquire: pairs with the release in `add`.
    let site = stored.site.load(Ordering::Acquire);
    Some(Path {
        site: site_at(site)?,
        caller: stored.caller.load(Ordering::Relaxed),
    })
}

/// The site that was stored.
#[allow(unsafe_code)] // An atomic can hold a pointer only.
fn site_at(site: *mut Site) -> Option<&'static Site> {
    // SAFETY: it is null, or `add` has made it from a `&'static Site`.
    unsafe { site.as_ref() }
}

/// All paths by their numbers, so that a path comes after its caller's.
pub(crate) fn all() -> Vec<(u32, Path)> {
    let numbers = 1..NEXT.load(Ordering::Relaxed);
    let path = |number| Some((number, get(number)?));
    numbers.filter_map(path).collect()
}

/// The numbers of the paths of a function.
pub(crate) fn of_site(site: &Site) -> Vec<u32> {
    let numbers = 1..NEXT.load(Ordering::Relaxed);
    let is_of_site = |number: &u32| get(*number).is_some_and(|path| ptr::eq(path.site, site));
    numbers.filter(is_of_site).collect()
}

/// The paths with these numbers and the paths of their callers, sorted by number.
pub(crate) fn with_callers(numbers: impl Iterator<Item = u32>) -> Vec<(u32, Path)> {
    let mut found = BTreeMap::new();
    for mut number in numbers {
        while let Some(path) = get(number)
            && found.insert(number, path).is_none()
            && path.caller != BEYOND
        {
            number = tag::path_of(path.caller);
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{number_of, with_callers};
    use crate::count::tag;
    use crate::model::site::Site;
    use std::collections::HashSet;
    use std::thread;

    static SITES: [Site; 3] = [const { Site::new(|| "f", "src/lib.rs", 1, "", &[1, 2, 3]) }; 3];

    #[test]
    fn a_path_has_one_number_whichever_thread_asks() {
        let outermost = number_of(&SITES[0], tag::UNTRACKED);
        let line = move |place: u32| tag::first_id(outermost) + place;
        let ask = move || -> Vec<u32> {
            let numbers = (0..5_000).map(|caller| number_of(&SITES[1], line(caller)));
            numbers.collect()
        };

        let threads: Vec<_> = (0..4).map(|_| thread::spawn(ask)).collect();
        let mut answers = threads.into_iter().map(|thread| thread.join().unwrap());

        let first: Vec<u32> = answers.next().unwrap();
        assert!(answers.all(|answer| answer == first));
        assert_eq!(first.iter().collect::<HashSet<_>>().len(), 5_000);
        assert_eq!(ask(), first);
        let [(_, caller), (number, path)] = with_callers([first[7]].into_iter())[..] else {
            panic!("one path and its caller's");
        };
        assert!(caller.is(&SITES[0], tag::UNTRACKED));
        assert_eq!((number, path.caller), (first[7], line(7)));
    }

    #[test]
    fn a_function_is_on_a_path_once() {
        let first = number_of(&SITES[2], tag::UNTRACKED);
        let second = number_of(&SITES[1], tag::first_id(first) + 1);

        assert_eq!(number_of(&SITES[2], tag::first_id(second) + 2), first);
        assert_eq!(number_of(&SITES[1], tag::first_id(second)), second);
    }
}
