//! Which request the calling thread is at.

use super::exchange::{Exchange, Shared};
use crate::count::uncounted;
use crate::scope::handle::Scope;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

thread_local! {
    /// The one that is being polled.
    static CURRENT: RefCell<Option<Shared>> = const { RefCell::new(None) };
}

/// The requests under way and their scopes, for what they have spawned.
static RUNNING: Mutex<Vec<(Scope, Shared)>> = Mutex::new(Vec::new());

/// Has the calling thread be at a request until it is dropped.
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

/// A request that is under way, whose scope is known as long as this lives.
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
        // Not under the lock, which what it does might ask for.
        drop(ended);
    }
}

fn running<T>(look: impl FnOnce(&mut Vec<(Scope, Shared)>) -> T) -> T {
    look(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The request that the calling thread is at: that is being polled, or that the thread is
/// in the scope of.
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

/// The name of the request that the calling thread is at, for a panel that keeps something
/// of its own: [`Exchange::id`].
#[must_use]
pub fn current_id() -> Option<String> {
    current().map(|exchange| Exchange::id(&exchange))
}
