//! The handle of a scope: what a request, a test or another piece of work did, separate from
//! everything that runs next to it.
//!
//! The tag of each block has the id of the scope that its thread was in, so the block stays
//! attributed to the scope wherever it is freed. [`stack`](crate::scope::stack) knows which scopes
//! a thread is in and adds to them what the thread does.

use crate::count::call_paths;
use crate::count::line_counters::PathCounters;
use crate::count::tag;
use crate::count::{scope_counters, uncounted};
use crate::model::report::{Allocations, Report};
use crate::model::site::Site;
use crate::model::usage::Usage;
use crate::record::collect::{Numbers, Settled};
use crate::record::samples::{self, Samples};
#[cfg(feature = "web")]
use crate::runtime::sampler::Sampler;
use crate::scope::concurrent_usage::Stretches;
use crate::sys::clock;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A piece of work with its own profile.
///
/// A scope measures what threads do between [`enter`](Self::enter) and the drop of the guard, and
/// what futures [in the scope](crate::ScopeExt::with_scope) do, on whichever threads they are
/// polled. Other code that runs at the same time isn't included. A scope that is created inside
/// another one also counts towards the outer one.
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
/// Clones refer to the same scope. Its numbers are kept until all clones, guards and futures in the
/// scope are dropped.
// `None` only while it is being dropped.
pub struct Scope(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// The scope's id in [`scope_counters`], 0 if there were too many scopes.
    id: u32,
    outer: Option<Scope>,
    stretches: Stretches,
    is_disordered: AtomicBool,
}

/// Stands in for the inner part of a scope that is being dropped.
static GONE: Inner = Inner {
    name: String::new(),
    id: 0,
    outer: None,
    stretches: Stretches::new(),
    is_disordered: AtomicBool::new(false),
};

impl Scope {
    /// Creates a scope inside `outer`, if given.
    pub(crate) fn inside(name: &str, outer: Option<Self>) -> Self {
        let (inner, _) = uncounted::during(false, || {
            // Initialises the clock, since functions in the scope can't wait for that.
            clock::ticks();
            let id = scope_counters::begin(outer.as_ref().map_or(0, Self::id_for_blocks));
            Arc::new(Inner {
                // Copied here, where it isn't counted: the caller's string is the program's.
                name: name.to_owned(),
                id: id.unwrap_or(0),
                outer,
                stretches: Stretches::new(),
                is_disordered: AtomicBool::new(false),
            })
        });
        Self(Some(inner))
    }

    /// Returns the name given to [`new`](Self::new).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().name
    }

    pub(crate) fn usage_so_far(&self) -> Usage {
        self.inner().stretches.by_all()
    }

    /// Like [`report`](Self::report), without what the calling thread has done since it last
    /// entered or left a scope.
    pub(crate) fn settled_report(&self) -> Report {
        // Only the functions that ran in the scope, since there may be thousands of others.
        let (samples, _) = uncounted::during(false, || samples::of_scope(self.id()));
        let paths_of_samples = samples.iter().flat_map(Samples::lines).map(tag::path_of);
        let paths = || {
            let used = scope_counters::used_paths(self.id());
            call_paths::with_callers(used.chain(paths_of_samples))
        };
        let mut report = Report::new(paths, || OfScope {
            id: self.id(),
            samples: samples.as_ref(),
        });
        uncounted::during(false, || drop(samples));
        // Only a report of the process has a peak.
        report.peak_error_bytes = 0;
        report.lines_are_unknown = !self.knows_lines();
        report
    }

    /// Returns whether a guard of this scope was dropped before a guard that the same thread
    /// created later. What the thread did in between counts towards the later guard's scope.
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

    /// The id in the tags of blocks allocated in the scope: its own, or else that of the innermost
    /// scope around it that has one.
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

    /// The usage of this scope, to which threads add what they do in it.
    pub(crate) fn stretches(&self) -> &Stretches {
        &self.inner().stretches
    }

    /// The usage by code other than the code that the scope was created for.
    pub(crate) fn usage_by_others(&mut self) -> Usage {
        // Without other handles, no lock is needed.
        match self.0.as_mut().and_then(Arc::get_mut) {
            Some(inner) => inner.stretches.by_others_mut(),
            None => self.inner().stretches.by_others(),
        }
    }

    /// Makes an unused scope ready for reuse by taking it out of the scope around it.
    ///
    /// Returns `false` and changes nothing if something was done in the scope, or another handle
    /// exists.
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

    /// Puts a scope that is [as new](Self::be_as_new) inside another one.
    pub(crate) fn put_inside(&mut self, outer: Self) {
        if let Some(inner) = self.0.as_mut().and_then(Arc::get_mut) {
            scope_counters::put_inside(inner.id, outer.id_for_blocks());
            inner.outer = Some(outer);
        }
    }

    /// Whether this is the only handle, so that no thread and no future is in the scope.
    pub(crate) fn is_alone(&mut self) -> bool {
        self.0.as_mut().and_then(Arc::get_mut).is_some()
    }

    /// Whether the scope has counters for its lines.
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

/// While it lives, threads that are in a scope are sampled for the scope's reports.
#[cfg(feature = "web")]
#[derive(Debug)]
pub(crate) struct ScopeSampling {
    id: u32,
    _sampler: Sampler,
}

#[cfg(feature = "web")]
impl Scope {
    /// Samples what is done in the scope, so that its reports tell how long each line ran. `None`
    /// if that isn't possible, or if the lines of the scope aren't known.
    pub(crate) fn sample(&self) -> Option<ScopeSampling> {
        let id = Some(self.id()).filter(|id| *id != 0)?;
        uncounted::during(false, || samples::begin_scope(id));
        match Sampler::start_for_scopes() {
            Ok(sampler) => Some(ScopeSampling {
                id,
                _sampler: sampler,
            }),
            Err(_) => {
                uncounted::during(false, || samples::end_scope(id));
                None
            }
        }
    }
}

#[cfg(feature = "web")]
impl Drop for ScopeSampling {
    fn drop(&mut self) {
        uncounted::during(false, || samples::end_scope(self.id));
    }
}

impl Clone for Scope {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // Freed uncounted, as it was allocated.
        let mut scope = self.0.take();
        uncounted::during(false, || {
            // A loop, since recursive drops of deeply nested scopes could overflow the stack.
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

/// The numbers of a scope.
struct OfScope<'a> {
    id: u32,
    samples: Option<&'a Samples>,
}

impl Numbers for OfScope<'_> {
    fn line(&self, id: u32) -> (Allocations, u64) {
        let counters = scope_counters::path(self.id, tag::path_of(id));
        let line = counters.and_then(|counters| counters.lines.get(tag::place_of(id) as usize));
        line.map_or_else(Default::default, |line| {
            (Allocations::new(line.changes(), 0), line.hits())
        })
    }

    fn samples(&self) -> Option<&Samples> {
        self.samples
    }

    fn call_count(&self, path: u32) -> u64 {
        scope_counters::path(self.id, path).map_or(0, PathCounters::calls)
    }

    fn are_counted(&self, site: &Site, call_count: u64) -> bool {
        call_count > 0 || site.counts_hits()
    }

    fn own_elapsed(&self, path: u32) -> Duration {
        let ticks = scope_counters::path(self.id, path).map_or(0, PathCounters::own_ticks);
        Duration::from_nanos(clock::nanoseconds(ticks))
    }

    /// `None`: the total is the sum over the lines.
    fn total(&self) -> Option<Allocations> {
        None
    }

    fn settled(&self, _: &Site) -> Option<Settled> {
        None
    }
}
