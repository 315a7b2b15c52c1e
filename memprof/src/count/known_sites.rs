//! All profiled functions that have run in this process, for readers who only have an address that
//! may be one of a function.
//!
//! The lists are only ever appended to, without locks. Adding a function twice has no effect.

use crate::count::call_paths::mixed;
use crate::model::site::Site;
use crate::sys::leak::{Leaked, leak};
use std::iter;
use std::ptr;

const LIST_BITS: u32 = 8;

/// The functions, in the list that the hash of their address chooses.
static LISTS: [Leaked<Known>; 1 << LIST_BITS] = [const { Leaked::empty() }; 1 << LIST_BITS];

#[derive(Debug)]
struct Known {
    site: &'static Site,
    next: Leaked<Known>,
}

/// Adds a function. Does nothing if there is no memory.
pub(crate) fn add(site: &'static Site) {
    let address = ptr::from_ref(site).addr();
    let mut own = None;
    let mut place = list(address);
    loop {
        let known = match (place.get(), own) {
            (Some(known), _) => known,
            (None, Some(own)) => place.set(own),
            (None, None) => {
                let next = Leaked::empty();
                let Some(new) = leak(Known { site, next }) else {
                    return;
                };
                own = Some(new);
                place.set(new)
            }
        };
        if ptr::eq(known.site, site) {
            return;
        }
        place = &known.next;
    }
}

/// The function at an address, if there is one.
pub(crate) fn at(address: usize) -> Option<&'static Site> {
    let mut list = iter::successors(list(address).get(), |known| known.next.get());
    let known = list.find(|known| ptr::from_ref(known.site).addr() == address);
    known.map(|known| known.site)
}

fn list(address: usize) -> &'static Leaked<Known> {
    #[allow(clippy::cast_possible_truncation, reason = "8 bits are left")]
    let place = (mixed(address, 0) >> (u64::BITS - LIST_BITS)) as usize;
    &LISTS[place % LISTS.len()]
}

#[cfg(test)]
mod tests {
    use super::{add, at};
    use crate::model::site::Site;
    use std::ptr;
    use std::thread;

    static SITES: [Site; 1000] = [const { Site::new(|| "f", "src/lib.rs", 1, "", &[1]) }; 1000];

    #[test]
    fn a_function_is_found_by_its_address_whichever_thread_added_it() {
        let add_all = || SITES.iter().for_each(add);
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(add_all)).collect();
        for thread in threads {
            thread.join().unwrap();
        }

        for site in &SITES {
            let address = ptr::from_ref(site).addr();
            assert!(at(address).is_some_and(|found| ptr::eq(found, site)));
            assert!(at(address + 1).is_none());
        }
        assert!(at(0).is_none());
    }
}
