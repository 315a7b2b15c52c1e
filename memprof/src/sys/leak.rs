//! Memory that is never given back, from the system and not from the allocator
//! under count, and places that hold it.
//!
//! What a thread counts into has to be there for as long as the process, for any
//! thread to read, and can't come from the allocator that is counting.
#![allow(unsafe_code)] // Memory without an owner has no other way.

use crate::sys::os;
use crate::sys::sync::{AtomicPtr, Ordering, const_fn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::slice;

/// Moves `value` to where it stays for ever; nothing if there is no memory.
pub(crate) fn leak<T: Sync>(value: T) -> Option<&'static T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout is of more than no bytes.
    let place = unsafe { System.alloc(Layout::new::<T>()) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: the system gave `place` the size and alignment of a `T`, to nobody
    // else, and it is never freed, so that a shared reference can last for ever.
    unsafe {
        place.write(value);
        Some(&*place)
    }
}

/// Moves `count` values to where they stay for ever; nothing if there is no memory.
pub(crate) fn leak_all<T: Sync>(count: usize, make: impl Fn() -> T) -> Option<&'static [T]> {
    const { assert!(size_of::<T>() > 0) };
    if count == 0 {
        return Some(&[]);
    }
    // SAFETY: the layout is of more than no bytes.
    let first = unsafe { System.alloc(Layout::array::<T>(count).ok()?) }.cast::<T>();
    if first.is_null() {
        return None;
    }
    for index in 0..count {
        // SAFETY: the system gave `first` room for `count` of them.
        unsafe { first.add(index).write(make()) };
    }
    // SAFETY: all of them have been written, and as for `leak`.
    Some(unsafe { slice::from_raw_parts(first, count) })
}

/// What all bytes 0 are a value of.
///
/// # Safety
///
/// They are.
pub(crate) unsafe trait Zeroes {}

/// A value of zeroes that stays for ever, in pages of its own that take no memory before
/// something is written to them; nothing if the system refuses them, or has no such pages.
pub(crate) fn leak_zeroes<T: Zeroes + Sync>() -> Option<&'static T> {
    const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096) };
    let place = os::map_zeroes(size_of::<T>())?.cast::<T>();
    // SAFETY: the system gave `place` to nobody else, for as long as the process, with the
    // alignment of a page, and full of zeroes, which are a value of `T`.
    Some(unsafe { place.as_ref() })
}

/// A place that is empty at first, and then for ever refers to something leaked.
#[derive(Debug)]
pub(crate) struct Leaked<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Leaked<T> {
    const_fn! {
        pub(crate) fn empty() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&'static T> {
        // Acquire: what is referred to was written before the reference was.
        // SAFETY: null, or the reference that `set` was given.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Fills the place unless it is full; what is in it then.
    pub(crate) fn set(&self, value: &'static T) -> &'static T {
        let value_ptr = ptr::from_ref(value).cast_mut();
        let empty = ptr::null_mut();
        // AcqRel: as for `get`, in both directions.
        match self
            .0
            .compare_exchange(empty, value_ptr, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => value,
            // SAFETY: not null, so it is what another `set` was given.
            Err(theirs) => unsafe { &*theirs },
        }
    }
}
