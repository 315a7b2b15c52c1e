//! The profiler's own work, which is left out of the program's numbers.

#[cfg(feature = "stats_alloc")]
use crate::count::stats_alloc::Uncounted;
use crate::count::this_thread;
use crate::sys::rss;
use std::cell::Cell;
#[cfg(feature = "web")]
use std::ops::{Deref, DerefMut};

thread_local! {
    /// Bytes that the profiler's own work on this thread has added to resident memory.
    static RESIDENT_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Bytes that [`during`] has added to resident memory on this thread, over the thread's life.
pub(crate) fn resident_bytes() -> i64 {
    RESIDENT_BYTES.get()
}

/// Runs `work`, whose allocations don't count as the program's.
///
/// What it allocates has to be freed under `during`, too. With `reads_resident`, what it adds to
/// resident memory is noted, and resident memory in bytes after it is returned as the second
/// answer.
pub(crate) fn during<T>(reads_resident: bool, work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let read = || reads_resident.then(rss::resident_bytes).flatten();
    let resident_bytes_before = read();
    let answer = {
        #[cfg(feature = "stats_alloc")]
        let _uncounted = Uncounted::begin();
        let _paused = this_thread::pause();
        work()
    };
    let resident_bytes = read();
    if let (Some(before), Some(after)) = (resident_bytes_before, resident_bytes) {
        let added = after.wrapping_sub(before).cast_signed();
        RESIDENT_BYTES.set(RESIDENT_BYTES.get().wrapping_add(added));
    }
    (answer, resident_bytes)
}

/// A value that the profiler keeps. What it allocates isn't counted as the program's, neither when
/// it is made nor when it is dropped, on any thread.
#[cfg(feature = "web")]
#[derive(Debug)]
// `None` only while it is being dropped.
pub(crate) struct Own<T>(Option<T>);

#[cfg(feature = "web")]
impl<T> Own<T> {
    pub(crate) fn new(make: impl FnOnce() -> T) -> Self {
        Self(Some(during(false, make).0))
    }
}

#[cfg(feature = "web")]
impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("present until it is dropped")
    }
}

#[cfg(feature = "web")]
impl<T> DerefMut for Own<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("present until it is dropped")
    }
}

#[cfg(feature = "web")]
impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        during(false, || drop(value));
    }
}
