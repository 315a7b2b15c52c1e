//! A thread that writes profiles, so that no request waits for it.

use crate::count::uncounted;
use crate::sys::os;
use crate::sys::output::say;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many jobs may wait to be written.
const MOST_WAITING: usize = 1024;

/// How long dropping a writer waits for everything that is still to be written, and how long
/// [`Writer::flush`] waits for the next job. A pipe may have a reader that doesn't read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Passes jobs to a function on a thread of its own, one after the other. Dropping the writer
/// waits until all are written, up to [`PATIENCE`].
#[derive(Debug)]
pub(super) struct Writer<T> {
    sender: Option<SyncSender<T>>,
    thread: Option<JoinHandle<()>>,
    accepted: AtomicU64,
    lost: AtomicU64,
    progress: Arc<Progress>,
    patience: Duration,
}

/// The thread's progress.
#[derive(Debug, Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    done: u64,
    has_ended: bool,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until the state is wanted, or until `most` has passed. Returns the state by then.
    fn wait(&self, most: Duration, is_wanted: impl Fn(&State) -> bool) -> State {
        let start = Instant::now();
        let mut state = self.state();
        while !is_wanted(&state) {
            let rest = most.saturating_sub(start.elapsed());
            if rest.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, rest);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *state
    }
}

impl<T: Send + 'static> Writer<T> {
    pub(super) fn new(write: impl FnMut(T) + Send + 'static) -> Self {
        let mut write = write;
        let (sender, jobs) = mpsc::sync_channel(MOST_WAITING);
        let progress = Arc::new(Progress::default());
        let of_thread = Arc::clone(&progress);
        let work = move || {
            uncounted::during(false, || {
                for job in jobs {
                    // The user's functions may panic; the next job may succeed.
                    let write = AssertUnwindSafe(|| write(job));
                    if catch_unwind(write).is_err() {
                        say("the profile of a request is lost: writing it panicked");
                    }
                    of_thread.change(|state| state.done += 1);
                }
                // Dropping it may report failures.
                drop(write);
                of_thread.change(|state| state.has_ended = true);
            });
        };
        let thread = thread::Builder::new().name("memprof".to_owned());
        let thread = os::without_signals(|| thread.spawn(work));
        if let Err(error) = &thread {
            say(&format!(
                "no profile of a request is written: its thread can't be started: {error}"
            ));
        }
        Self {
            sender: Some(sender),
            thread: thread.ok(),
            accepted: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            progress,
            patience: PATIENCE,
        }
    }

    /// Queues a job. If the queue is full, the job is lost, which is reported once.
    pub(super) fn write(&self, job: T) {
        let Some(sender) = &self.sender else { return };
        match sender.try_send(job) {
            Ok(()) => _ = self.accepted.fetch_add(1, Ordering::Relaxed),
            Err(TrySendError::Full(_)) if self.lost.fetch_add(1, Ordering::Relaxed) == 0 => {
                say(&format!(
                    "profiles of requests come faster than they are written, and some are lost: \
                     {MOST_WAITING} are waiting; use a trigger to profile fewer requests"
                ));
            }
            Err(_) => {}
        }
    }

    /// Waits until everything is written, as long as there is progress.
    pub(super) fn flush(&self) {
        let accepted = self.accepted.load(Ordering::Relaxed);
        let mut before = self.progress.state().done;
        while before < accepted && self.thread.is_some() {
            let now = self
                .progress
                .wait(self.patience, |state| state.done > before);
            if now.done == before {
                return;
            }
            before = now.done;
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        // The thread ends when its channel is closed.
        self.sender = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let state = self.progress.wait(self.patience, |state| state.has_ended);
        if state.has_ended {
            let _ = thread.join();
            return;
        }
        let accepted = self.accepted.load(Ordering::Relaxed);
        say(&format!(
            "{} profiles of requests are lost: they were not written within {} s (do they go to a \
             pipe that isn't read?)",
            accepted.saturating_sub(state.done),
            self.patience.as_secs()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_is_stuck_holds_up_neither_a_flush_nor_the_end() {
        let (go_on, is_told) = mpsc::channel::<()>();
        let mut writer = Writer::new(move |()| _ = is_told.recv());
        writer.patience = Duration::from_millis(10);
        writer.write(());
        writer.write(());

        writer.flush();
        drop(writer);

        // Only now can the thread continue.
        drop(go_on);
    }

    #[test]
    fn all_is_written_before_the_end() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let of_writer = Arc::clone(&written);
        let writer = Writer::new(move |number| of_writer.lock().unwrap().push(number));
        (0..100).for_each(|number| writer.write(number));
        writer.flush();
        assert_eq!(written.lock().unwrap().len(), 100);
        (100..200).for_each(|number| writer.write(number));
        drop(writer);
        assert_eq!(*written.lock().unwrap(), (0..200).collect::<Vec<_>>());
    }
}
