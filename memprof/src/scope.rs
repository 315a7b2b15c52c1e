//! Scopes: what a request, a test or any other piece of work did, apart from all
//! that runs beside it.
//!
//! The thread's current scope is part of what its blocks are tagged with, so that
//! a block is known to be the scope's wherever it is freed. Which scopes a thread is in,
//! and what it does in them, is in [`levels`].

use crate::levels::{self, Level};
use crate::owner::{self, PathCounters};
use crate::recorded::{Made, Report};
use crate::site::Site;
use crate::snapshot::{Numbers, Settled};
use crate::stretches::Stretches;
use crate::usage::Usage;
use crate::{clock, own_work, paths, scopes};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// A piece of work with a profile of its own.
///
/// What a thread does between [`enter`](Self::enter) and the end of the guard, and
/// what a future does that is [in the scope](InScopeExt::in_scope), on whichever
/// threads it is polled, is the scope's; what runs beside it is not. A scope made in
/// another one is inside it: what is done in it is the outer one's, too.
///
/// ```
/// use memprof::{InScopeExt, Scope, memprofile};
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
/// handle(&mut cache).in_scope(&request).await;
///
/// assert_eq!(request.usage().allocated_bytes, 604);
/// let report = request.report();
/// let lines = &report.functions[0].lines;
/// assert_eq!(lines[1].made.live_bytes(), 0); // the greeting is gone
/// assert_eq!(lines[2].made.live_bytes(), 4); // what the cache keeps is not
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
    /// A scope inside the calling thread's current one, if it is in one.
    ///
    /// There are 4,096 at once that know what their lines did; one beyond those
    /// has its [`usage`](Self::usage) only, which its [`report`](Self::report) says.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let outer = Self::current();
        let (inner, _) = own_work::during(false, || {
            // The clock is made, since functions in the scope can't wait for it.
            clock::ticks();
            let id = scopes::begin(outer.as_ref().map_or(0, Self::id_for_blocks));
            Arc::new(Inner {
                // A copy of its own, since the program made the other.
                name: name.as_str().to_owned(),
                id: id.unwrap_or(0),
                outer,
                stretches: Stretches::new(),
                is_disordered: AtomicBool::new(false),
            })
        });
        Self(Some(inner))
    }

    /// The scope that the calling thread is in.
    ///
    /// For handing on to threads and tasks that are to be in it, too:
    ///
    /// ```
    /// # #[global_allocator]
    /// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
    /// # fn main() {
    /// use memprof::Scope;
    ///
    /// let scope = Scope::new("two threads");
    /// let guard = scope.enter();
    /// let inherited = Scope::current().expect("this thread is in one");
    /// let thread = std::thread::spawn(move || inherited.run(|| vec![0_u8; 1000]));
    /// let kept = thread.join().expect("the thread doesn't panic");
    /// drop(guard);
    ///
    /// assert!(scope.usage().allocated_bytes >= 1000);
    /// # drop(kept);
    /// # }
    /// ```
    #[must_use]
    pub fn current() -> Option<Self> {
        levels::current()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner().name
    }

    /// Has the calling thread be in the scope until the guard is dropped.
    ///
    /// Not for `async` code, where a guard would be held while other tasks run: that
    /// is what [`in_scope`](InScopeExt::in_scope) is for.
    pub fn enter(&self) -> ScopeGuard {
        let number = Level::new(self.clone(), false).enter();
        ScopeGuard {
            number,
            _not_send: PhantomData,
        }
    }

    /// Runs `work` in the scope.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.enter();
        work()
    }

    /// What was done to the heap in the scope so far, whoever made the blocks.
    ///
    /// Of threads that are in it, without the stretch they are in the middle of, but
    /// for the calling one. The peak is exact as long as one thread at a time is in the
    /// scope. Of several at once, it is the most that it can have been, as if each had
    /// stood at its highest for as long as it was in the scope, and so up to as many times
    /// too high as there were threads; higher where one makes what another frees.
    #[must_use]
    pub fn usage(&self) -> Usage {
        levels::settle();
        self.usage_so_far()
    }

    fn usage_so_far(&self) -> Usage {
        self.inner().stretches.by_all()
    }

    /// Which line made what in the scope, and what of that is still alive; of the
    /// functions that ran in it.
    ///
    /// Of other threads that are in it at this moment, the last may be missing.
    /// [`Report::total`] is what was made in the scope. Times are there of all functions,
    /// and by call: how long threads were in them, which a task that waits is not.
    #[must_use]
    pub fn report(&self) -> Report {
        levels::settle();
        self.settled_report()
    }

    /// As [`report`](Self::report), without what the calling thread has done in it since
    /// it last entered or left a scope.
    pub(crate) fn settled_report(&self) -> Report {
        // Of the functions that ran in it: there may be thousands of others.
        let paths = || paths::with_callers(scopes::used_paths(self.id()));
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
            scopes::put_inside(inner.id, 0);
        }
        is_as_new
    }

    /// Puts one that is as new inside another one.
    pub(crate) fn put_inside(&mut self, outer: Self) {
        if let Some(inner) = self.0.as_mut().and_then(Arc::get_mut) {
            scopes::put_inside(inner.id, outer.id_for_blocks());
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
        own_work::during(false, || {
            // One after the other, however many there are inside each other: dropped by
            // what is in it, each would take some of the stack.
            while let Some(mut inner) = scope.take().and_then(Arc::into_inner) {
                scopes::end(inner.id);
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

/// A thread in a scope, for as long as it lives.
///
/// It stays on its thread:
///
/// ```compile_fail
/// let guard = memprof::Scope::new("here").enter();
/// std::thread::spawn(move || drop(guard));
/// ```
#[derive(Debug)]
#[must_use = "the thread leaves the scope as soon as the guard is dropped"]
pub struct ScopeGuard {
    number: u64,
    // On another thread, there is nothing to leave.
    _not_send: PhantomData<*const ()>,
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        if let Some(level) = levels::leave(self.number) {
            level.free();
        }
    }
}

impl Numbers for &Scope {
    fn line(&self, id: u32) -> (Made, u64) {
        let counters = scopes::path(self.id(), owner::path_of(id));
        let line = counters.and_then(|counters| counters.lines.get(owner::place_of(id) as usize));
        line.map_or_else(Default::default, |line| {
            (Made::new(line.changes(), 0), line.hits())
        })
    }

    fn call_count(&self, path: u32) -> u64 {
        scopes::path(self.id(), path).map_or(0, PathCounters::calls)
    }

    fn own_elapsed(&self, path: u32) -> Duration {
        let ticks = scopes::path(self.id(), path).map_or(0, PathCounters::own_ticks);
        Duration::from_nanos(clock::nanoseconds(ticks))
    }

    /// Of the lines, which is all that there is.
    fn total(&self) -> Option<Made> {
        None
    }

    fn settled(&self, _: &Site) -> Option<Settled> {
        None
    }
}

/// Futures in scopes.
pub trait InScopeExt: Sized {
    /// Has the future be in `scope` whenever it is polled, and when it is dropped.
    fn in_scope(self, scope: &Scope) -> InScope<Self> {
        InScope {
            future: Some(self),
            scope: Some(scope.clone()),
        }
    }

    /// As [`in_scope`](Self::in_scope), in the scope that the thread is in now, if it
    /// is in one: for a task to inherit it.
    ///
    /// ```
    /// # #[global_allocator]
    /// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
    /// # #[tokio::main]
    /// # async fn main() {
    /// use memprof::{InScopeExt, Scope};
    ///
    /// let scope = Scope::new("request");
    /// let kept = async {
    ///     let task = tokio::spawn(async { vec![0_u8; 1000] }.in_current_scope());
    ///     task.await.expect("the task doesn't panic")
    /// };
    /// let kept = kept.in_scope(&scope).await;
    ///
    /// assert_eq!(scope.report().untracked.allocated_bytes, scope.usage().allocated_bytes);
    /// assert!(scope.usage().allocated_bytes >= 1000);
    /// # drop(kept);
    /// # }
    /// ```
    fn in_current_scope(self) -> InScope<Self> {
        InScope {
            future: Some(self),
            scope: Scope::current(),
        }
    }
}

impl<F: Future> InScopeExt for F {}

pin_project! {
    /// A future in a scope: see [`InScopeExt`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InScope<F> {
        // None when it is at its end.
        #[pin]
        future: Option<F>,
        scope: Option<Scope>,
    }

    impl<F> PinnedDrop for InScope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _guard = this.scope.as_ref().map(Scope::enter);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// If it is polled after its end, as futures may.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _guard = this.scope.as_ref().map(Scope::enter);
        let future = this.future.as_pin_mut();
        future
            .expect("a future is polled until its end")
            .poll(context)
    }
}
