//! The call stacks of other threads, read while these run.
//!
//! A thread writes to its [call stack](crate::count::call_stack) without atomics, and isn't stopped
//! for a reader. So the system [copies](os::copy_memory) the entries, and nothing in the copy is
//! trusted: a copy in which an entry isn't one of a profiled function at one of its lines is torn,
//! and dropped. A copy takes a few tenths of a microsecond. If the thread leaves a function and
//! enters another one meanwhile, the copy may have either.

use crate::count::call_stack::{self, Copied, CopiedEntry, CopiedStack};
use crate::count::known_sites;
#[cfg(feature = "export")]
use crate::count::registry::Reading;
use crate::count::registry::RunningThread;
use crate::count::tag::BEYOND_PLACE;
#[cfg(feature = "export")]
use crate::model::call_stack::CallStack;
use crate::model::site::Site;
#[cfg(feature = "export")]
use crate::model::source_line::SourceLine;
use crate::sys::os;

/// A call that a thread was in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopiedCall {
    pub(crate) site: &'static Site,
    /// The place of the line among those of the function.
    pub(crate) place: u32,
    /// Whether it is on another stack than the thread's own.
    pub(crate) is_elsewhere: bool,
}

/// The copy can't be used, since the thread changed its call stack meanwhile.
#[derive(Debug)]
pub(crate) struct Torn;

/// The profiled calls that each thread is in, with the system's number of the thread. Threads in
/// none are left out.
#[cfg(feature = "export")]
pub(crate) fn all() -> Vec<(usize, CallStack)> {
    let reading = Reading::begin();
    let stacks = reading.call_stacks().filter_map(|(_, thread)| {
        let mut reader = Reader::new();
        let calls = reader.read(thread).ok()?.iter().rev();
        let calls: Vec<_> = calls
            .map(|call| SourceLine::at(call.site, call.place))
            .collect();
        (!calls.is_empty()).then_some((thread.id, CallStack { calls }))
    });
    stacks.collect()
}

/// Reads the call stack of a thread, time and again.
#[derive(Debug)]
pub(crate) struct Reader {
    stack: CopiedStack,
    entries: Vec<u8>,
    calls: Vec<CopiedCall>,
}

impl Reader {
    pub(crate) const fn new() -> Self {
        Self {
            stack: Copied::EMPTY,
            entries: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Reads the calls that a thread is in, the outermost first. No thread may end meanwhile.
    pub(crate) fn read(&mut self, thread: RunningThread) -> Result<&[CopiedCall], Torn> {
        /// A thread can go that much deeper before it is read again.
        const DEEPER: usize = 8;
        const TRIES: usize = 4;
        for _ in 0..TRIES {
            let known = self.entries.len() / size_of::<CopiedEntry>();
            let from = [thread.stack_address, thread.memory.address_of(1)];
            let parts = [
                (from[0], &mut self.stack.0[..]),
                (from[1], &mut self.entries[..]),
            ];
            os::copy_memory(parts).map_err(|_| Torn)?;
            let depth = self.stack.depth(thread.memory).ok_or(Torn)?;
            let room = call_stack::MOST_CALLS;
            self.entries
                .resize((depth + DEEPER).min(room) * size_of::<CopiedEntry>(), 0);
            if depth <= known {
                return self.understand(depth);
            }
        }
        Err(Torn)
    }

    fn understand(&mut self, depth: usize) -> Result<&[CopiedCall], Torn> {
        self.calls.clear();
        let (entries, _) = self.entries.as_chunks::<{ size_of::<CopiedEntry>() }>();
        for entry in entries.iter().take(depth) {
            let entry = Copied(*entry);
            let site = known_sites::at(entry.site()).ok_or(Torn)?;
            let place = entry.place();
            if place as usize >= site.lines().len() && place != BEYOND_PLACE {
                return Err(Torn);
            }
            self.calls.push(CopiedCall {
                site,
                place,
                is_elsewhere: entry.is_elsewhere(),
            });
        }
        Ok(&self.calls)
    }
}
