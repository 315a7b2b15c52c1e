//! The worker thread, so that no thread of an async runtime waits for a report or for the end of a
//! profile over some seconds.
//!
//! The worker does one step at a time and needs no timer of a runtime. It skips work whose future
//! was dropped.

use super::answer::{Answer, DebugRoutesBody};
use crate::count::{this_thread, uncounted};
use crate::sys::os;
use http::{Response, StatusCode};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

pub(super) type Work = Box<dyn FnOnce() -> Step + Send>;

/// The result of a piece of work.
pub(super) enum Step {
    Done(Answer),
    /// Work to do after this time.
    After(Duration, Work),
}

impl Step {
    /// Work without a delay, which ends with an answer.
    pub(super) fn now(work: impl FnOnce() -> Answer + Send + 'static) -> Self {
        Self::After(Duration::ZERO, Box::new(|| Self::Done(work())))
    }

    /// An answer of one sentence, which says why there is no other.
    pub(super) fn refuse(status: StatusCode, sentence: &str) -> Self {
        Self::Done(Answer::refusal(status, sentence))
    }
}

/// A handle of the worker thread, which ends when all handles are dropped.
#[derive(Clone, Debug)]
pub(super) struct Worker {
    sender: Sender<Weak<Asked>>,
}

impl Worker {
    /// Starts the thread. `None` if that fails.
    pub(super) fn start() -> Option<Self> {
        let (sender, asked) = mpsc::channel();
        let thread = thread::Builder::new().name("memprof".to_owned());
        let started = os::without_signals(|| thread.spawn(move || work(asked)));
        started.is_ok().then_some(Self { sender })
    }

    fn ask(&self, work: Work) -> Arc<Asked> {
        let asked = Arc::new(Asked(Mutex::new(State {
            work: Some(work),
            answer: None,
            waker: None,
        })));
        // The receiver lives as long as there is a sender.
        let _ = self.sender.send(Arc::downgrade(&asked));
        asked
    }
}

/// Work that a future waits for.
struct Asked(Mutex<State>);

struct State {
    work: Option<Work>,
    answer: Option<Answer>,
    waker: Option<Waker>,
}

impl Asked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the next step. Returns after how long the following step is due or, if the work is
    /// done, the waker of the future.
    fn go_on(&self) -> (Option<Duration>, Option<Waker>) {
        let work = self.state().work.take();
        let Some(work) = work else {
            return (None, None);
        };
        let step = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            let sentence = "There is no answer: making it panicked.";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Step::Done(Answer::refusal(status, sentence))
        });
        let mut state = self.state();
        match step {
            Step::Done(answer) => {
                state.answer = Some(answer);
                (None, state.waker.take())
            }
            Step::After(time, work) => {
                state.work = Some(work);
                (Some(time), None)
            }
        }
    }
}

/// The body of the thread.
fn work(asked: Receiver<Weak<Asked>>) {
    let mut queue = Queue::default();
    loop {
        let mut waker = None;
        let (is_over, _) = uncounted::during(false, || {
            let Some(next) = queue.next(&asked) else {
                return true;
            };
            let (again, who) = this_thread::without_peak(|| next.go_on());
            waker = who;
            if let Some(time) = again {
                queue.add(Instant::now() + time, Arc::downgrade(&next));
            }
            false
        });
        // What the waker does is counted as the program's.
        if let Some(waker) = waker {
            waker.wake();
        }
        if is_over {
            break;
        }
    }
    uncounted::during(false, || drop((queue, asked)));
}

/// Work by when it is due, soonest first.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<(Instant, u64), Weak<Asked>>,
    added_count: u64,
}

impl Queue {
    fn add(&mut self, when: Instant, asked: Weak<Asked>) {
        self.waiting.retain(|_, asked| asked.strong_count() > 0);
        self.added_count += 1;
        self.waiting.insert((when, self.added_count), asked);
    }

    /// Waits for the next work that is due. `None` if all senders are dropped.
    fn next(&mut self, asked: &Receiver<Weak<Asked>>) -> Option<Arc<Asked>> {
        loop {
            let now = Instant::now();
            let added = match self.waiting.first_entry() {
                Some(first) if first.key().0 <= now => {
                    if let Some(next) = first.remove().upgrade() {
                        return Some(next);
                    }
                    continue;
                }
                Some(first) => asked.recv_timeout(first.key().0 - now),
                None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match added {
                Ok(added) => self.add(now, added),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// The future of [`DebugRoutes`](super::DebugRoutes). Dropping it cancels its work.
#[must_use = "futures do nothing unless polled"]
pub struct DebugRoutesFuture {
    is_head: bool,
    wait: Wait,
}

enum Wait {
    Answered(Option<Answer>),
    Asked {
        asked: Option<Arc<Asked>>,
        // Keeps the thread running.
        _worker: Worker,
    },
}

impl DebugRoutesFuture {
    pub(super) fn answered(is_head: bool, answer: Answer) -> Self {
        let wait = Wait::Answered(Some(answer));
        Self { is_head, wait }
    }

    pub(super) fn asked(is_head: bool, worker: Worker, work: Work) -> Self {
        let asked = Some(worker.ask(work));
        let wait = Wait::Asked {
            asked,
            _worker: worker,
        };
        Self { is_head, wait }
    }
}

impl Future for DebugRoutesFuture {
    type Output = Result<Response<DebugRoutesBody>, Infallible>;

    /// # Panics
    ///
    /// Panics if it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.wait {
            Wait::Answered(answer) => answer.take(),
            Wait::Asked { asked, .. } => asked.as_ref().and_then(|asked| {
                let mut state = asked.state();
                if state.answer.is_none() {
                    state.waker = Some(context.waker().clone());
                }
                state.answer.take()
            }),
        };
        match (answer, &self.wait) {
            (Some(answer), _) => Poll::Ready(Ok(answer.into_response(self.is_head))),
            (None, Wait::Asked { asked: Some(_), .. }) => Poll::Pending,
            (None, _) => panic!("it was polled after it was ready"),
        }
    }
}

impl Drop for DebugRoutesFuture {
    fn drop(&mut self) {
        uncounted::during(false, || match &mut self.wait {
            Wait::Answered(answer) => drop(answer.take()),
            Wait::Asked { asked, .. } => drop(asked.take()),
        });
    }
}

impl fmt::Debug for DebugRoutesFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugRoutesFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}
