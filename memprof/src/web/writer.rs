//! The thread that writes profiles, so that no request waits for it.

use crate::{os, output, own_work};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

/// How many things may wait to be done.
const MOST_WAITING: usize = 1024;

/// Does with each thing that it is given what it was made for, one after the other; all
/// of them before it is gone.
#[derive(Debug)]
pub(super) struct Writer<T> {
    sender: Option<SyncSender<Message<T>>>,
    thread: Option<JoinHandle<()>>,
    lost: AtomicU64,
}

#[derive(Debug)]
enum Message<T> {
    Write(T),
    /// Answered when all that came before is done.
    Flush(SyncSender<()>),
}

impl<T: Send + 'static> Writer<T> {
    pub(super) fn new(write: impl FnMut(T) + Send + 'static) -> Self {
        let mut write = write;
        let (sender, messages) = mpsc::sync_channel(MOST_WAITING);
        let work = move || {
            own_work::during(false, || {
                for message in messages {
                    match message {
                        Message::Write(thing) => {
                            // By a function of the user's; the next may do.
                            let write = AssertUnwindSafe(|| write(thing));
                            if catch_unwind(write).is_err() {
                                output::say("the profile of a request is lost by a panic");
                            }
                        }
                        Message::Flush(done) => _ = done.send(()),
                    }
                }
            });
        };
        let thread = thread::Builder::new().name("memprof".to_owned());
        let thread = os::without_signals(|| thread.spawn(work));
        if let Err(error) = &thread {
            output::say(&format!("no profile of a request is written: {error}"));
        }
        Self {
            sender: Some(sender),
            thread: thread.ok(),
            lost: AtomicU64::new(0),
        }
    }

    /// Has it done, soon. Where too much waits already, it is lost, which is said once.
    pub(super) fn write(&self, thing: T) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(Message::Write(thing))
            && self.lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            output::say(&format!(
                "profiles of requests come faster than they are written, and some are lost: \
                 {MOST_WAITING} are waiting; a trigger would have fewer of them"
            ));
        }
    }

    /// Waits until all is done.
    pub(super) fn flush(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if let Some(sender) = &self.sender
            && sender.send(Message::Flush(done)).is_ok()
        {
            let _ = is_done.recv();
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        // The thread ends with its messages.
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
