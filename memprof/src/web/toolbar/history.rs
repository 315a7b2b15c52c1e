//! The last requests.

use super::exchange::Shared;
use crate::count::uncounted::{self, Own};
use crate::web::id::Id;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The last requests, within the limits.
#[derive(Debug)]
pub(super) struct History {
    most_requests: usize,
    most_bytes: usize,
    kept: Mutex<Own<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Requests and the bytes that each counts for, newest last.
    exchanges: VecDeque<(Shared, usize)>,
    /// The sum of these bytes.
    bytes: usize,
}

impl History {
    pub(super) fn new(most_requests: usize, most_bytes: usize) -> Self {
        Self {
            most_requests,
            most_bytes,
            kept: Mutex::new(Own::new(Kept::default)),
        }
    }

    /// Adds a request that begins.
    pub(super) fn add(&self, exchange: &Shared) {
        let bytes = exchange.bytes();
        let newest = (exchange.clone(), bytes);
        uncounted::during(false, || {
            let mut kept = self.kept();
            kept.exchanges.push_back(newest);
            kept.bytes += bytes;
            self.make_room(kept);
        });
    }

    /// Updates the bytes of a request that has ended.
    pub(super) fn end(&self, exchange: &Shared) {
        let bytes = exchange.bytes();
        uncounted::during(false, || {
            let mut kept = self.kept();
            let mut newest_first = kept.exchanges.iter_mut().rev();
            let its = newest_first.find(|(one, _)| Arc::ptr_eq(one, exchange));
            if let Some((_, counted)) = its {
                let before = std::mem::replace(counted, bytes);
                kept.bytes = kept.bytes - before + bytes;
                self.make_room(kept);
            }
        });
    }

    /// Removes the oldest requests beyond the limits.
    fn make_room(&self, mut kept: MutexGuard<'_, Own<Kept>>) {
        let mut gone = Vec::new();
        while kept.exchanges.len() > self.most_requests || kept.bytes > self.most_bytes {
            let Some((oldest, bytes)) = kept.exchanges.pop_front() else {
                break;
            };
            kept.bytes -= bytes;
            gone.push(oldest);
        }
        // Dropping requests takes a while, so release the lock first.
        drop(kept);
        drop(gone);
    }

    pub(super) fn find(&self, id: Id) -> Option<Shared> {
        let kept = self.kept();
        let mut exchanges = kept.exchanges.iter();
        let (exchange, _) = exchanges.find(|(exchange, _)| exchange.is(id))?;
        Some(exchange.clone())
    }

    /// All kept requests, newest first.
    pub(super) fn all(&self) -> Vec<Shared> {
        let kept = self.kept();
        let exchanges = kept.exchanges.iter().rev();
        exchanges.map(|(exchange, _)| exchange.clone()).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Own<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
