//! Measuring what a closure or a future does to the heap.

use crate::count::source::HeapSource;
use crate::count::this_thread;
use crate::count::thread_counters::Tally;
use crate::model::usage::Usage;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs `work` and returns its value with what it did to the heap.
///
/// Counts what the calling thread does until `work` returns, callees included, and nothing that
/// other threads do: tests that run in parallel don't affect each other, and work that `work` hands
/// to another thread isn't counted. Measurements can be nested.
///
/// ```
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// # fn main() {
/// let (sum, usage) = memprof::measure(|| {
///     let squares: Vec<u64> = (0..1000).map(|n| n * n).collect();
///     squares.iter().sum::<u64>()
/// });
///
/// assert_eq!(sum, 332_833_500);
/// assert_eq!(usage.allocated_bytes, 8000);
/// assert_eq!(usage.allocation_count, 1);
/// assert_eq!(usage.peak_bytes, 8000);
/// assert_eq!(usage.net_bytes(), 0);
/// # }
/// ```
///
/// If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), all numbers are 0, and
/// one warning is written to standard error.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let measured = Measured::begin();
    let value = work();
    (value, measured.end())
}

/// Awaits `future` and returns its value with what it did to the heap.
///
/// Counts each poll of `future`, on whichever thread, and nothing between polls: hundreds of
/// concurrent tasks don't affect each other. Tasks that `future` spawns aren't counted. The peak is
/// that of all polls, as if one followed directly on the other. What the future frees when it is
/// dropped after completion isn't counted.
///
/// ```
/// # #[global_allocator]
/// # static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (answer, usage) = memprof::measure_async(async {
///     let kept = vec![0_u8; 100];
///     std::future::ready(()).await;
///     kept
/// })
/// .await;
///
/// assert_eq!(usage.net_bytes(), 100);
/// # drop(answer);
/// # }
/// ```
pub fn measure_async<F: Future>(future: F) -> Measure<F> {
    Measure {
        future,
        usage: Usage::default(),
    }
}

pin_project! {
    /// The future returned by [`measure_async`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Measure<F> {
        #[pin]
        future: F,
        usage: Usage,
    }
}

impl<F: Future> Future for Measure<F> {
    type Output = (F::Output, Usage);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let measured = Measured::begin();
        let poll = this.future.poll(context);
        *this.usage = this.usage.then(measured.end());
        poll.map(|value| (value, *this.usage))
    }
}

/// A measurement on the calling thread that has begun.
#[derive(Debug)]
pub(crate) struct Measured {
    before: Tally,
}

impl Measured {
    pub(crate) fn begin() -> Self {
        if HeapSource::current() != HeapSource::Thread {
            crate::count::source::say_not_counted();
        }
        Self {
            before: this_thread::lap(),
        }
    }

    pub(crate) fn end(self) -> Usage {
        this_thread::now().since(self.before)
    }
}

impl Drop for Measured {
    /// Hands the peak back to the measurement around this one, also after a panic.
    fn drop(&mut self) {
        this_thread::resume_peak(self.before.highest_net_bytes);
    }
}
