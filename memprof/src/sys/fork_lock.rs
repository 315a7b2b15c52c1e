//! Locks that a forked child can still use.
//!
//! # Protocol
//!
//! A child has only the thread that forked: a lock that another thread held at that moment would
//! stay locked for ever. So a thread holds a share of [`FORKING`], a read-write lock, while it
//! holds any lock of this module, and a thread that forks holds all of it.
//!
//! # Lock order
//!
//! The share comes first, also before [`Reading`](crate::count::registry::Reading), which the
//! forking thread takes afterwards. A thread takes its share with the first lock it holds and keeps
//! it until the last.
//!
//! # What may not happen here
//!
//! The allocator doesn't use these locks.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;

static FORKING: RwLock<()> = RwLock::new(());

thread_local! {
    // How many of the locks the thread holds. It takes its share with the first one only, since for
    // a second share it might wait for a fork that waits for the first.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A token: no other thread forks while it lives.
#[derive(Debug)]
pub(crate) struct NoFork {
    _share: Option<RwLockReadGuard<'static, ()>>,
    // `HELD` belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

/// Makes other threads wait before they fork.
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

/// Calls `try_once` for a moment, until it succeeds: 10,000 times, with a yield after each failure.
pub(crate) fn soon<T>(try_once: impl Fn() -> Option<T>) -> Option<T> {
    (0..10_000).find_map(|_| {
        let got = try_once();
        if got.is_none() {
            thread::yield_now();
        }
        got
    })
}

/// Whether the calling thread holds none of the locks.
#[cfg(feature = "export")]
pub(crate) fn holds_none() -> bool {
    HELD.get() == 0
}

/// Waits until no other thread holds a lock, and makes those wait that want one.
///
/// `None` if the thread holds one itself, because it forks in a signal handler in the middle of its
/// work: the child's thread holds it, too.
pub(crate) fn begin() -> Option<RwLockWriteGuard<'static, ()>> {
    (HELD.get() == 0).then(|| FORKING.write().unwrap_or_else(PoisonError::into_inner))
}

/// A mutex that no thread holds while another one forks.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

/// The guard of a [`Lock`].
#[derive(Debug)]
pub(crate) struct Locked<'a, T> {
    // Released before the share.
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

    /// The value, without locking: the borrow is exclusive.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a moment. `None` if another thread still holds the lock then; a thread that was
    /// stopped while it held the lock holds it for ever.
    pub(crate) fn lock_soon(&self) -> Option<Locked<'_, T>> {
        soon(|| self.try_lock())
    }

    /// `None` if another thread holds the lock.
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
