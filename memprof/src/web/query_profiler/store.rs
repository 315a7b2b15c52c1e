//! The latest saved pages.

use crate::web::id::Id;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Store {
    /// Ids and pages, oldest first.
    pages: VecDeque<(Id, Arc<[u8]>)>,
    bytes: usize,
}

impl Store {
    /// Keeps a page, and drops the oldest pages beyond the limits.
    pub(super) fn keep(&mut self, id: Id, page: Vec<u8>, max_pages: usize, max_bytes: usize) {
        self.bytes += page.len();
        self.pages.push_back((id, page.into()));
        while self.pages.len() > max_pages || self.bytes > max_bytes {
            let Some((_, oldest)) = self.pages.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
        }
    }

    pub(super) fn page(&self, id: Id) -> Option<Arc<[u8]>> {
        let mut pages = self.pages.iter();
        let (_, page) = pages.find(|(its, _)| *its == id)?;
        Some(Arc::clone(page))
    }
}
