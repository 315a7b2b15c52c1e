//! The log of the corpus, and the comparison of two logs.

use crate::chance::{begin_again, burn};
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// A function of the corpus, by its name.
pub(crate) type Case = (&'static str, fn());

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn say(event: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(event.into()));
}

/// Asserts that each function logs the same in both lists.
pub(crate) fn assert_same(plain: &[Case], profiled: &[Case]) {
    let mut failures = Vec::new();
    for ((name, plain), (profiled_name, profiled)) in plain.iter().zip(profiled) {
        assert_eq!(name, profiled_name);
        let plain = log_of(*plain);
        let profiled = log_of(*profiled);
        assert_ne!(plain, [""; 0]);
        if plain != profiled {
            failures.push(format!(
                "{name}\n   plain: {plain:?}\nprofiled: {profiled:?}"
            ));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

pub(crate) fn log_of(case: fn()) -> Vec<String> {
    LOG.take();
    if catch_unwind(case).is_err() {
        say("a panic got out");
    }
    LOG.take()
}

/// A value that logs its drop.
#[derive(Debug)]
pub(crate) struct Noisy(pub(crate) &'static str);

impl Drop for Noisy {
    fn drop(&mut self) {
        say(format!("drop {}", self.0));
        burn();
    }
}

/// Creates a noisy value, and logs that, too.
pub(crate) fn noisy(name: &'static str) -> Noisy {
    say(format!("make {name}"));
    burn();
    Noisy(name)
}

impl Noisy {
    pub(crate) fn yes(&self) -> bool {
        say(format!("ask {}", self.0));
        burn();
        true
    }

    pub(crate) fn no(&self) -> bool {
        !self.yes()
    }

    pub(crate) fn some(&self) -> Option<&Self> {
        self.yes().then_some(self)
    }

    pub(crate) fn none(&self) -> Option<&Self> {
        self.no().then_some(self)
    }

    pub(crate) fn number(&self) -> usize {
        self.yes();
        self.0.len()
    }

    pub(crate) fn same(&self) -> &Self {
        self
    }

    pub(crate) fn next(self, name: &'static str) -> Self {
        say(format!("{} to {name}", self.0));
        noisy(name)
    }
}

/// Panics without a message on stderr.
pub(crate) fn bang() {
    say("bang");
    resume_unwind(Box::new(()));
}

/// Runs a closure that may panic.
pub(crate) fn caught<R>(run: impl FnOnce() -> R) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        say("caught");
    }
}

/// A future that is pending at the first poll.
pub(crate) fn pause() -> impl Future<Output = ()> {
    struct Pause(bool);

    impl Future for Pause {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }
    }

    Pause(false)
}

/// Creates a future several times: it is dropped before the first poll, after the first one, after
/// the second one, and so on, and at last polled until it is ready.
pub(crate) fn every_way<F: Future>(make: impl Fn() -> F) {
    for polls in 0.. {
        say(format!("{polls} polls"));
        begin_again();
        // A future that panics here panics in all later rounds, too.
        let mut is_over = true;
        caught(|| {
            let mut future = pin!(make());
            is_over = false;
            say("made");
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                // A poll that panics is the last one.
                is_over = true;
                let poll = future.as_mut().poll(&mut context);
                say("polled");
                if poll.is_ready() {
                    return;
                }
                is_over = false;
            }
        });
        if is_over {
            return;
        }
    }
}
