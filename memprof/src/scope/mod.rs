//! Scopes: measuring a piece of work across the threads and tasks that it runs on.
//!
//! A thread may be in several scopes, one inside the other: [`stack`] keeps them.
//! [`concurrent_usage`] adds up what threads do in a scope, and [`handle`] holds the public type.

pub(crate) mod concurrent_usage;
pub(crate) mod future;
pub(crate) mod handle;
pub(crate) mod measure;
pub(crate) mod pool;
pub(crate) mod stack;

use crate::model::report::Report;
use crate::model::usage::Usage;
use handle::Scope;
use stack::Level;
use std::marker::PhantomData;

impl Scope {
    /// Creates a scope inside the calling thread's current one, if there is one.
    ///
    /// Up to 4,096 scopes at once record their lines. Scopes beyond that only have their
    /// [`usage`](Self::usage); their [`report`](Self::report) says so in
    /// [`lines_are_unknown`](Report::lines_are_unknown).
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self::inside(&name.into(), stack::current())
    }

    /// Returns the innermost scope that the calling thread is in.
    ///
    /// Use it to bring other threads and tasks into the scope:
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
        stack::current()
    }

    /// Enters the scope on the calling thread, until the guard is dropped.
    ///
    /// Don't hold the guard across an `.await`, where other tasks would run inside the scope: use
    /// [`with_scope`](crate::ScopeExt::with_scope) for futures.
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

    /// Returns what threads have done to the heap in the scope so far.
    ///
    /// Blocks allocated outside of the scope and freed in it count, too. What another thread has
    /// done since it last entered or left a scope is missing until it does so again.
    ///
    /// The peak is exact as long as no two threads are in the scope at the same time. Otherwise it
    /// is an upper bound, as if each thread had been at its peak for as long as it was in the
    /// scope: with `n` threads, it is up to `n` times too high, and more if one thread frees what
    /// another allocated.
    #[must_use]
    pub fn usage(&self) -> Usage {
        stack::settle();
        self.usage_so_far()
    }

    /// Returns what each line allocated in the scope, and what of that is still alive, for the
    /// functions that ran in it.
    ///
    /// The latest allocations of other threads that are in the scope right now may be missing.
    /// [`Report::total`] covers the blocks allocated in the scope. Unlike in the report of the
    /// process, times are known for every function and call path. They measure how long threads
    /// were in a function, so the time that a task spends waiting isn't included.
    #[must_use]
    pub fn report(&self) -> Report {
        stack::settle();
        self.settled_report()
    }
}

/// A guard that keeps its thread in a scope until it is dropped, returned by [`Scope::enter`].
///
/// The guard is not `Send`:
///
/// ```compile_fail
/// let guard = memprof::Scope::new("here").enter();
/// std::thread::spawn(move || drop(guard));
/// ```
#[derive(Debug)]
#[must_use = "the thread leaves the scope as soon as the guard is dropped"]
pub struct ScopeGuard {
    number: u64,
    // Another thread isn't in the scope, so it couldn't leave it.
    _not_send: PhantomData<*const ()>,
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        if let Some(level) = stack::leave(self.number) {
            level.free();
        }
    }
}
