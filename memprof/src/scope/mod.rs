//! A piece of work, measured by itself across the threads and tasks that it runs on.

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
    /// A scope inside the calling thread's current one, if it is in one.
    ///
    /// There are 4,096 at once that know what their lines did; one beyond those
    /// has its [`usage`](Self::usage) only, which its [`report`](Self::report) says.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self::inside(&name.into(), stack::current())
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
        stack::current()
    }

    /// Has the calling thread be in the scope until the guard is dropped.
    ///
    /// Not for `async` code, where a guard would be held while other tasks run: that
    /// is what [`with_scope`](crate::ScopeExt::with_scope) is for.
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
        stack::settle();
        self.usage_so_far()
    }

    /// Which line made what in the scope, and what of that is still alive; of the
    /// functions that ran in it.
    ///
    /// Of other threads that are in it at this moment, the last may be missing.
    /// [`Report::total`] is what was made in the scope. Times are there of all functions,
    /// and by call: how long threads were in them, which a task that waits is not.
    #[must_use]
    pub fn report(&self) -> Report {
        stack::settle();
        self.settled_report()
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
        if let Some(level) = stack::leave(self.number) {
            level.free();
        }
    }
}
