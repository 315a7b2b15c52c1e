//! What the tests' programs are made of.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::task::Poll;

/// One block of `bytes` bytes, or none if that is 0.
#[must_use]
pub fn block(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

/// Pending once; it needs no memory, as a runtime's own would.
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
