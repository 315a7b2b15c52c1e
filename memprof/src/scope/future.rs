//! Futures that run in a scope.

use crate::scope::handle::Scope;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs futures in a [`Scope`].
pub trait ScopeExt: Sized {
    /// Enters `scope` for each poll of the future, and for its drop.
    fn with_scope(self, scope: &Scope) -> WithScope<Self> {
        WithScope::new(self, Some(scope.clone()))
    }

    /// Like [`with_scope`](Self::with_scope), with the calling thread's current scope, if it is in
    /// one. Use it to have a spawned task inherit the scope.
    ///
    /// ```
    /// # #[global_allocator]
    /// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
    /// # #[tokio::main]
    /// # async fn main() {
    /// use memprof::{ScopeExt, Scope};
    ///
    /// let scope = Scope::new("request");
    /// let kept = async {
    ///     let task = tokio::spawn(async { vec![0_u8; 1000] }.with_current_scope());
    ///     task.await.expect("the task doesn't panic")
    /// };
    /// let kept = kept.with_scope(&scope).await;
    ///
    /// assert_eq!(scope.report().untracked.allocated_bytes, scope.usage().allocated_bytes);
    /// assert!(scope.usage().allocated_bytes >= 1000);
    /// # drop(kept);
    /// # }
    /// ```
    fn with_current_scope(self) -> WithScope<Self> {
        WithScope::new(self, Scope::current())
    }
}

impl<F: Future> ScopeExt for F {}

pin_project! {
    /// A future that runs in a scope, returned by [`ScopeExt`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct WithScope<F> {
        // None only while it is dropped, inside the scope.
        #[pin]
        future: Option<F>,
        scope: Option<Scope>,
    }

    impl<F> PinnedDrop for WithScope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _guard = this.scope.as_ref().map(Scope::enter);
            this.future.set(None);
        }
    }
}

impl<F> WithScope<F> {
    pub(crate) fn new(future: F, scope: Option<Scope>) -> Self {
        let future = Some(future);
        Self { future, scope }
    }
}

impl<F: Future> Future for WithScope<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// If the inner future panics when it is polled after completion.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _guard = this.scope.as_ref().map(Scope::enter);
        let future = this.future.as_pin_mut();
        future
            .expect("a future is polled until its end")
            .poll(context)
    }
}
