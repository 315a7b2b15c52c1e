//! Building blocks of the tests' programs.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::task::Poll;

/// Allocates one block of `bytes` bytes, or nothing if that is 0.
#[must_use]
pub fn block(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

/// A future that is pending once. Unlike that of a runtime, it allocates nothing.
pub fn pause() -> impl Future<Output = ()> {
    let mut waited = false;
    poll_fn(move |context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
}
