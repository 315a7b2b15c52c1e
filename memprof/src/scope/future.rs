//! Futures in scopes.

use crate::scope::handle::Scope;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
