//! The last requests.

use super::exchange::Shared;
use super::id::Id;
use crate::own_work;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last requests, as many as there is room for.
#[derive(Debug)]
pub(super) struct History {
    most_requests: usize,
    most_bytes: usize,
    /// The newest at the end.
    exchanges: Mutex<VecDeque<Shared>>,
}

impl History {
    pub(super) fn new(most_requests: usize, most_bytes: usize) -> Self {
        Self {
            most_requests,
            most_bytes,
            exchanges: Mutex::default(),
        }
    }

    /// Adds one that begins.
    pub(super) fn add(&self, exchange: &Shared) {
        let newest = exchange.clone();
        own_work::during(false, || self.exchanges().push_back(newest));
        self.make_room();
    }

    /// Lets go of the oldest, as long as there is too much.
    pub(super) fn make_room(&self) {
        let mut gone = Vec::new();
        own_work::during(false, || {
            let mut exchanges = self.exchanges();
            let mut bytes: usize = exchanges.iter().map(|exchange| exchange.bytes()).sum();
            while exchanges.len() > self.most_requests || bytes > self.most_bytes {
                let Some(oldest) = exchanges.pop_front() else {
                    break;
                };
                bytes = bytes.saturating_sub(oldest.bytes());
                gone.push(oldest);
            }
            drop(exchanges);
            // After the lock, since it takes a while.
            drop(std::mem::take(&mut gone));
        });
    }

    pub(super) fn find(&self, id: Id) -> Option<Shared> {
        self.exchanges()
            .iter()
            .find(|exchange| exchange.is(id))
            .cloned()
    }

    /// All of them, the newest first.
    pub(super) fn all(&self) -> Vec<Shared> {
        self.exchanges().iter().rev().cloned().collect()
    }

    fn exchanges(&self) -> MutexGuard<'_, VecDeque<Shared>> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
