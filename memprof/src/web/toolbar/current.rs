//! The request that the calling thread is working on.

use super::exchange::{Exchange, Shared};
use crate::count::uncounted;
use crate::scope::handle::Scope;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

thread_local! {
    /// The request that this thread is polling.
    static CURRENT: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// The requests under way and their scopes, for work that they have spawned.
static RUNNING: Mutex<Vec<(Scope, Shared)>> = Mutex::new(Vec::new());

/// Makes a request the calling thread's current one until it is dropped.
#[derive(Debug)]
pub(super) struct At(Option<Shared>);

impl At {
    pub(super) fn new(exchange: &Shared) -> Self {
        let at = CURRENT.try_with(|current| current.replace(Some(exchange.clone())));
        Self(at.unwrap_or(None))
    }
}

impl Drop for At {
    fn drop(&mut self) {
        let before = self.0.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// Keeps a request in [`RUNNING`] until it is dropped.
#[derive(Debug)]
pub(super) struct Running(Scope);

impl Running {
    pub(super) fn new(scope: &Scope, exchange: &Shared) -> Self {
        let entry = (scope.clone(), exchange.clone());
        uncounted::during(false, || running(|running| running.push(entry)));
        Self(scope.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = running(|running| {
            let place = running.iter().position(|(scope, _)| scope.is(&self.0))?;
            Some(running.swap_remove(place))
        });
        // Dropped without the lock, since dropping it may need the lock.
        drop(ended);
    }
}

fn running<T>(look: impl FnOnce(&mut Vec<(Scope, Shared)>) -> T) -> T {
    look(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The calling thread's request: the one that it is polling, or the one whose scope it is in.
pub(super) fn current() -> Option<Shared> {
    let polled = CURRENT.try_with(|current| current.try_borrow().ok()?.clone());
    polled.ok().flatten().or_else(by_scope)
}

fn by_scope() -> Option<Shared> {
    let innermost = Scope::current()?;
    running(|running| {
        let mut scope = Some(&innermost);
        while let Some(one) = scope {
            if let Some((_, exchange)) = running.iter().find(|(other, _)| other.is(one)) {
                return Some(exchange.clone());
            }
            scope = one.outer();
        }
        None
    })
}

/// The id of the calling thread's request, for panels that keep data of their own.
///
/// Returns [`Exchange::id`] of the request that the thread is polling or whose
/// [scope](crate::Scope) it is in, and `None` outside of requests with a toolbar.
#[must_use]
pub fn current_id() -> Option<String> {
    current().map(|exchange| Exchange::id(&exchange))
}
