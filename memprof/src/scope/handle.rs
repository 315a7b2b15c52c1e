//! Scopes: what a request, a test or any other piece of work did, apart from all
//! that runs beside it.
//!
//! The thread's current scope is part of what its blocks are tagged with, so that
//! a block is known to be the scope's wherever it is freed. Which scopes a thread is in,
//! and what it does in them, is in [`levels`].

use crate::count::line_counters::PathCounters;
use crate::count::tag;
use crate::count::{scope_counters, uncounted};
use crate::model::report::{Allocations, Report};
use crate::model::site::Site;
use crate::model::usage::Usage;
use crate::record::call_paths;
use crate::record::collect::{Numbers, Settled};
use crate::scope::concurrent_usage::Stretches;
use crate::sys::clock;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A piece of work with a profile of its own.
///
/// What a thread does between [`enter`](Self::enter) and the end of the guard, and
/// what a future does that is [in the scope](crate::ScopeExt::with_scope), on whichever
/// threads it is polled, is the scope's; what runs beside it is not. A scope made in
/// another one is inside it: what is done in it is the outer one's, too.
///
/// ```
/// use memprof::{ScopeExt, Scope, memprofile};
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile(print = "never")]
/// async fn handle(cache: &mut Vec<String>) -> usize {
///     let greeting = "hello ".repeat(100);
///     cache.push(String::from("seen"));
///     greeting.len()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut cache = Vec::with_capacity(10);
/// let request = Scope::new("GET /");
///
/// handle(&mut cache).with_scope(&request).await;
///
/// assert_eq!(request.usage().allocated_bytes, 604);
/// let report = request.report();
/// let lines = &report.functions[0].lines;
/// assert_eq!(lines[1].own.live_bytes(), 0); // the greeting is gone
/// assert_eq!(lines[2].own.live_bytes(), 4); // what the cache keeps is not
/// # }
/// ```
///
/// A clone is the same scope. Its numbers are kept until the last one is dropped, and
/// the last guard and future that is in it.
// `None` only while it is being dropped.
pub struct Scope(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// Its number among the [scopes] that are alive, 0 if there were too many.
    id: u32,
    outer: Option<Scope>,
    stretches: Stretches,
    is_disordered: AtomicBool,
}

/// What a scope that is being dropped has.
static GONE: Inner = Inner {
    name: String::new(),
    id: 0,
    outer: None,
    stretches: Stretches::new(),
    is_disordered: AtomicBool::new(false),
};

impl Scope {
    /// A scope inside another one, if there is one.
    pub(crate) fn inside(name: &str, outer: Option<Self>) -> Self {
        let (inner, _) = uncounted::during(false, || {
            // The clock is made, since functions in the scope can't wait for it.
            clock::ticks();
            let id = scope_counters::begin(outer.as_ref().map_or(0, Self::id_for_blocks));
            Arc::new(Inner {
                // A copy of its own, since the program made the other.
                name: name.to_owned(),
                id: id.unwrap_or(0),
                outer,
                stretches: Stretches::new(),
                is_disordered: AtomicBool::new(false),
            })
        });
        Self(Some(inner))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().name
    }

    pub(crate) fn usage_so_far(&self) -> Usage {
        self.inner().stretches.by_all()
    }

    /// As [`report`](Self::report), without what the calling thread has done in it since
    /// it last entered or left a scope.
    pub(crate) fn settled_report(&self) -> Report {
        // Of the functions that ran in it: there may be thousands of others.
        let paths = || call_paths::with_callers(scope_counters::used_paths(self.id()));
        let mut report = Report::new(paths, || self);
        // Peaks are the process's.
        report.peak_error_bytes = 0;
        report.lines_are_unknown = !self.knows_lines();
        report
    }

    /// Whether a guard was dropped while a later one of the same thread was still
    /// there. What the thread did meanwhile went to the later one's scope.
    #[must_use]
    pub fn is_disordered(&self) -> bool {
        self.inner().is_disordered.load(Ordering::Relaxed)
    }

    fn inner(&self) -> &Inner {
        self.0.as_deref().unwrap_or(&GONE)
    }

    fn id(&self) -> u32 {
        self.inner().id
    }

    /// The number that blocks made in it carry: that of the innermost scope around it
    /// that has one, if it has none of its own.
    pub(crate) fn id_for_blocks(&self) -> u32 {
        let mut scope = Some(self);
        while let Some(inner) = scope.map(Self::inner) {
            if inner.id != 0 {
                return inner.id;
            }
            scope = inner.outer.as_ref();
        }
        0
    }

    /// What was done in it alone, and not in those around it.
    pub(crate) fn stretches(&self) -> &Stretches {
        &self.inner().stretches
    }

    /// What was done in it by others than the code that it was made for.
    pub(crate) fn usage_by_others(&mut self) -> Usage {
        // Who has it alone needs no lock.
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(inner) => inner.stretches.by_others_mut(),
            None => self.inner().stretches.by_others(),
        }
    }

    /// Takes it out of the scope that it is in, if nobody has done anything in it, and nobody
    /// could any more; whether that is so.
    pub(crate) fn be_as_new(&mut self) -> bool {
        let Some(inner) = self.0.as_mut().and_then(Arc::get_mut) else {
            return false;
        };
        let is_as_new =
            inner.id != 0 && !*inner.is_disordered.get_mut() && inner.stretches.are_none();
        if is_as_new && inner.outer.take().is_some() {
            scope_counters::put_inside(inner.id, 0);
        }
        is_as_new
    }

    /// Puts one that is as new inside another one.
    pub(crate) fn put_inside(&mut self, outer: Self) {
        if let Some(inner) = self.0.as_mut().and_then(Arc::get_mut) {
            scope_counters::put_inside(inner.id, outer.id_for_blocks());
            inner.outer = Some(outer);
        }
    }

    /// Whether this is the only one of its clones, and nobody is in it.
    pub(crate) fn is_alone(&mut self) -> bool {
        self.0.as_mut().and_then(Arc::get_mut).is_some()
    }

    /// Whether it has room for what its lines did.
    pub(crate) fn knows_lines(&self) -> bool {
        self.id() != 0
    }

    pub(crate) fn outer(&self) -> Option<&Self> {
        self.inner().outer.as_ref()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self.inner(), other.inner())
    }

    pub(crate) fn disordered(&self) -> &AtomicBool {
        &self.inner().is_disordered
    }
}

impl Clone for Scope {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // Freed as it was made.
        let mut scope = self.0.take();
        uncounted::during(false, || {
            // One after the other, however many there are inside each other: dropped by
            // what is in it, each would take some of the stack.
            while let Some(mut inner) = scope.take().and_then(Arc::into_inner) {
                scope_counters::end(inner.id);
                scope = inner.outer.take().and_then(|mut outer| outer.0.take());
            }
        });
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.name()).finish()
    }
}

impl Numbers for &Scope {
    fn line(&self, id: u32) -> (Allocations, u64) {
        let counters = scope_counters::path(self.id(), tag::path_of(id));
        let line = counters.and_then(|counters| counters.lines.get(tag::place_of(id) as usize));
        line.map_or_else(Default::default, |line| {
            (Allocations::new(line.changes(), 0), line.hits())
        })
    }

    fn call_count(&self, path: u32) -> u64 {
        scope_counters::path(self.id(), path).map_or(0, PathCounters::calls)
    }

    fn own_elapsed(&self, path: u32) -> Duration {
        let ticks = scope_counters::path(self.id(), path).map_or(0, PathCounters::own_ticks);
        Duration::from_nanos(clock::nanoseconds(ticks))
    }

    /// Of the lines, which is all that there is.
    fn total(&self) -> Option<Allocations> {
        None
    }

    fn settled(&self, _: &Site) -> Option<Settled> {
        None
    }
}
