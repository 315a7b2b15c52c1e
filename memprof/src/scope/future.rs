//! Futures in scopes.

use crate::scope::handle::Scope;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Futures in scopes.
pub trait ScopeExt: Sized {
    /// Has the future be in `scope` whenever it is polled, and when it is dropped.
    fn with_scope(self, scope: &Scope) -> WithScope<Self> {
        WithScope {
            future: Some(self),
            scope: Some(scope.clone()),
        }
    }

    /// As [`with_scope`](Self::with_scope), in the scope that the thread is in now, if it
    /// is in one: for a task to inherit it.
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
        WithScope {
            future: Some(self),
            scope: Scope::current(),
        }
    }
}

impl<F: Future> ScopeExt for F {}

pin_project! {
    /// A future in a scope: see [`ScopeExt`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct WithScope<F> {
        // None when it is at its end.
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

impl<F: Future> Future for WithScope<F> {
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
