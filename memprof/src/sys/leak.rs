//! Memory that is never freed, and cells that refer to it.
//!
//! Counters have to exist for as long as the process, for any thread to read, and can't come from
//! the allocator that is counting: they come from the system's allocator or from mapped pages.
#![allow(unsafe_code)] // There is no safe way to leak memory of the system's allocator.

use crate::sys::os;
use crate::sys::sync::{AtomicPtr, Ordering, const_fn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::slice;

/// Moves `value` into memory that is never freed. `None` if there is no memory.
pub(crate) fn leak<T: Sync>(value: T) -> Option<&'static T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout's size isn't zero.
    let place = unsafe { System.alloc(Layout::new::<T>()) }.cast::<T>();
    if place.is_null() {
        return None;
    }
    // SAFETY: the system's allocator returned `place` with the size and alignment of a `T`, and to
    // this call only; it is never freed, so a shared reference can be `'static`.
    unsafe {
        place.write(value);
        Some(&*place)
    }
}

/// Moves `count` values into memory that is never freed. `None` if there is no memory.
pub(crate) fn leak_all<T: Sync>(count: usize, make: impl Fn() -> T) -> Option<&'static [T]> {
    const { assert!(size_of::<T>() > 0) };
    if count == 0 {
        return Some(&[]);
    }
    // SAFETY: the layout's size isn't zero: neither `count` nor the size of a `T` is.
    let first = unsafe { System.alloc(Layout::array::<T>(count).ok()?) }.cast::<T>();
    if first.is_null() {
        return None;
    }
    for index in 0..count {
        // SAFETY: the system's allocator returned `first` with room for `count` values.
        unsafe { first.add(index).write(make()) };
    }
    // SAFETY: all values have been written; the rest as in `leak`.
    Some(unsafe { slice::from_raw_parts(first, count) })
}

/// A type of which all bytes 0 are a valid value.
///
/// # Safety
///
/// All bytes 0 have to be a valid value of the type.
pub(crate) unsafe trait Zeroes {}

/// A value of all bytes 0 that is never freed, in pages of its own, which take no memory before
/// they are written to. `None` if the system refuses them, or has no such pages.
pub(crate) fn leak_zeroes<T: Zeroes + Sync>() -> Option<&'static T> {
    const { assert!(size_of::<T>() > 0 && align_of::<T>() <= 4096) };
    let place = os::map_zeroes(size_of::<T>())?.cast::<T>();
    // SAFETY: the system mapped `place` for this call only and for as long as the process runs,
    // aligned to a page, which is enough for a `T`, and full of zeroes, which are a valid `T`.
    Some(unsafe { place.as_ref() })
}

/// As [`leak_zeroes`], from the system's allocator, for systems that have no such pages.
pub(crate) fn allocate_zeroes<T: Zeroes + Sync>() -> Option<&'static T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout's size isn't zero.
    let place = unsafe { System.alloc_zeroed(Layout::new::<T>()) }.cast::<T>();
    // SAFETY: null, or as in `leak`; zeroes are a valid `T`.
    unsafe { place.as_ref() }
}

/// A cell that is empty at first, and refers to one leaked value for ever once it is set.
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
        // Acquire: the value was written before the reference to it.
        // SAFETY: the pointer is null, or a reference that `set` was given.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Sets the cell unless it is set already. Returns what it then refers to.
    pub(crate) fn set(&self, value: &'static T) -> &'static T {
        let value_ptr = ptr::from_ref(value).cast_mut();
        let empty = ptr::null_mut();
        // AcqRel: publishes our value, or acquires the other one, as in `get`.
        match self
            .0
            .compare_exchange(empty, value_ptr, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => value,
            // SAFETY: not null, so it is a reference that another `set` was given.
            Err(theirs) => unsafe { &*theirs },
        }
    }
}
