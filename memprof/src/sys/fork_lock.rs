//! Locks that a forked child can go on using.
//!
//! A child has the thread that forked, and no other: a lock that another one held at
//! that moment would be held for ever. So a thread has a share of [`FORKING`] while it
//! has any lock of these, and one that forks has all of it.
//!
//! The share is taken first, before [`Reading`](crate::count::registry::Reading), too, which
//! the thread that forks takes afterwards.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

static FORKING: RwLock<()> = RwLock::new(());

thread_local! {
    // How many locks the thread has: it takes its share with the first, since a second
    // one might have to wait for a fork that waits for the first.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// That no other thread forks while it lives.
#[derive(Debug)]
pub(crate) struct NoFork {
    _share: Option<RwLockReadGuard<'static, ()>>,
    // The count is the thread's.
    _not_send: PhantomData<*const ()>,
}

/// Has other threads wait with their forks.
pub(crate) fn hold_off() -> NoFork {
    let held = HELD.get();
    let share = (held == 0).then(|| FORKING.read().unwrap_or_else(PoisonError::into_inner));
    HELD.set(held + 1);
    NoFork {
        _share: share,
        _not_send: PhantomData,
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(1));
    }
}

/// Tries for a moment to get something that another thread has.
pub(crate) fn soon<T>(try_once: impl Fn() -> Option<T>) -> Option<T> {
    (0..10_000).find_map(|_| {
        let got = try_once();
        if got.is_none() {
            thread::yield_now();
        }
        got
    })
}

/// Whether the calling thread has none of the locks.
#[cfg(feature = "export")]
pub(crate) fn holds_none() -> bool {
    HELD.get() == 0
}

/// Waits until no other thread has a lock, and has all wait that want one.
///
/// Nothing if the thread has one itself, as one that forks in the middle of its work,
/// in a signal handler: it has it in the child, too.
pub(crate) fn begin() -> Option<RwLockWriteGuard<'static, ()>> {
    (HELD.get() == 0).then(|| FORKING.write().unwrap_or_else(PoisonError::into_inner))
}

/// A mutex that no fork comes in between.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

/// What is in a [`Lock`], for as long as it is held.
#[derive(Debug)]
pub(crate) struct Locked<'a, T> {
    // Let go of before the share is.
    value: MutexGuard<'a, T>,
    _no_fork: NoFork,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Locked<'_, T> {
        let no_fork = hold_off();
        Locked {
            value: self.0.lock().unwrap_or_else(PoisonError::into_inner),
            _no_fork: no_fork,
        }
    }

    /// Nobody else can have it.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a moment. Nothing if another thread has it then, as one that was stopped
    /// with it has for ever.
    pub(crate) fn lock_soon(&self) -> Option<Locked<'_, T>> {
        soon(|| self.try_lock())
    }

    /// Nothing if another thread has it.
    pub(crate) fn try_lock(&self) -> Option<Locked<'_, T>> {
        let no_fork = hold_off();
        Some(Locked {
            value: self.0.try_lock().ok()?,
            _no_fork: no_fork,
        })
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
