//! The building blocks of the generated functions, and how they are run.
//!
//! Conditions are pseudo-random, with the same values for a plain function and its profiled
//! counterpart. For each event that a function logs, it is run again, and panics at that event.

use crate::harness::{log_of, noisy, pause, say, Case, Noisy};
use std::cell::Cell;
use std::fmt::Debug;
use std::future::Future;
use std::iter;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

/// Evaluates to its argument. The attribute doesn't parse the arguments of macros.
macro_rules! keep {
    ($value:expr) => {
        $value
    };
}

/// Declares its argument and another variable.
macro_rules! bind {
    ($name:ident = $value:expr) => {
        let $name = $value;
        let _other = noisy("other");
    };
}

/// A function whose tail is an expression from the macro's caller.
macro_rules! of_an_expression {
    ($(#[$attribute:meta])* fn $name:ident $parameters:tt -> $output:ty = $tail:expr) => {
        $(#[$attribute])*
        fn $name $parameters -> $output {
            let _local = noisy("local");
            $tail
        }
    };
    ($(#[$attribute:meta])* async fn $name:ident $parameters:tt -> $output:ty = $tail:expr) => {
        $(#[$attribute])*
        async fn $name $parameters -> $output {
            let _local = noisy("local");
            $tail
        }
    };
}

/// A function whose body is a block from the macro's caller.
macro_rules! of_a_block {
    ($(#[$attribute:meta])* fn $name:ident $parameters:tt -> $output:ty = $body:block) => {
        $(#[$attribute])*
        fn $name $parameters -> $output $body
    };
    ($(#[$attribute:meta])* async fn $name:ident $parameters:tt -> $output:ty = $body:block) => {
        $(#[$attribute])*
        async fn $name $parameters -> $output {
            let _local = noisy("local");
            $body
        }
    };
}

/// How many pseudo-random paths through each function are tried.
const WAYS: u32 = 6;

/// At how many events of each path a function is made to panic.
const FUSES: u32 = 60;

thread_local! {
    /// The seed of all random values of a run.
    static WAY: Cell<u32> = const { Cell::new(0) };
    static DRAWN: Cell<u32> = const { Cell::new(0) };
    /// How many more iterations all loops of a run have together.
    static TURNS: Cell<u32> = const { Cell::new(0) };
    static BURNT: Cell<u32> = const { Cell::new(0) };
    /// The number of events before the panic.
    static FUSE: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// Asserts that each function logs the same in both lists, on each path and wherever it panics.
pub(crate) fn assert_same(plain: &[Case], profiled: &[Case]) {
    let mut event_count = 0;
    let mut failures = Vec::new();
    assert_eq!(plain.len(), profiled.len());
    for ((name, plain), (profiled_name, profiled)) in plain.iter().zip(profiled) {
        assert_eq!(name, profiled_name);
        for way in 0..WAYS {
            let _ = log(*plain, way, u32::MAX);
            let burnt = BURNT.get();
            // For functions with many events, only some of them are tried, since the time would be
            // quadratic.
            let step = burnt / FUSES + 1;
            let fuses = (way % step..burnt).step_by(step as usize);
            let fuses = iter::once(u32::MAX).chain(fuses);
            for fuse in fuses {
                let plain = log(*plain, way, fuse);
                let profiled = log(*profiled, way, fuse);
                assert_ne!(plain, [""; 0]);
                event_count += plain.len();
                if plain != profiled {
                    failures.push(format!(
                        "{name}, way {way}, fuse {fuse}\n   plain: {plain:?}\nprofiled: {profiled:?}"
                    ));
                    break;
                }
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} differences\n{}",
        failures.len(),
        failures.join("\n")
    );
    // Otherwise, hardly anything would have been compared.
    assert!(event_count > 100 * plain.len());
}

fn log(case: fn(), way: u32, fuse: u32) -> Vec<String> {
    WAY.set(way);
    begin_again();
    BURNT.set(0);
    FUSE.set(fuse);
    log_of(case)
}

/// Restarts the random values, so that the next run takes the same path.
pub(crate) fn begin_again() {
    DRAWN.set(0);
    TURNS.set(4);
}

/// Counts an event, and panics if it is the one to panic at.
pub(crate) fn burn() {
    let burnt = BURNT.replace(BURNT.get() + 1);
    if burnt == FUSE.get() && !thread::panicking() {
        say("bang");
        resume_unwind(Box::new(()));
    }
}

/// True in half the cases.
fn lot() -> bool {
    let drawn = DRAWN.replace(DRAWN.get() + 1);
    let mut mixed =
        (u64::from(WAY.get()) << 32 | u64::from(drawn)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed ^ (mixed >> 32)) % 2 == 1
}

impl Noisy {
    pub(crate) fn ask(&self) -> bool {
        self.yes() && lot()
    }

    pub(crate) fn maybe(&self) -> Option<&Self> {
        self.ask().then_some(self)
    }

    pub(crate) fn or_none(self) -> Option<Self> {
        self.ask().then_some(self)
    }

    pub(crate) fn or_err(self) -> Result<Self, Self> {
        if self.ask() {
            Ok(self)
        } else {
            Err(self)
        }
    }

    /// Whether a loop has another iteration.
    pub(crate) fn turn(&self) -> bool {
        self.yes() && TURNS.get() > 0 && {
            TURNS.set(TURNS.get() - 1);
            true
        }
    }

    pub(crate) fn look(&self) {
        self.yes();
    }

    pub(crate) fn fresh(&self) -> Self {
        self.yes();
        noisy("fresh")
    }

    pub(crate) fn plus(&self, other: usize) -> usize {
        self.number() + other
    }

    pub(crate) fn with(self, number: usize) -> Self {
        say(number.to_string());
        self
    }

    pub(crate) async fn later(self) -> Self {
        pause().await;
        self
    }

    pub(crate) fn guard(&self) -> Guard<'_> {
        self.yes();
        Guard(self)
    }
}

/// A temporary that borrows another.
pub(crate) struct Guard<'a>(&'a Noisy);

impl Deref for Guard<'_> {
    type Target = Noisy;

    fn deref(&self) -> &Noisy {
        self.0
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        say(format!("drop guard of {}", self.0 .0));
        burn();
    }
}

/// Two values that can be taken apart.
#[derive(Debug)]
pub(crate) struct Duo {
    pub(crate) left: Noisy,
    pub(crate) right: Noisy,
}

pub(crate) fn duo(name: &'static str) -> Duo {
    Duo {
        left: noisy(name),
        right: noisy(name).next("right"),
    }
}

impl Duo {
    pub(crate) fn swapped(self) -> Self {
        Self {
            left: self.right,
            right: self.left,
        }
    }
}

// The argument is passed by value to be dropped here.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn count(a: &Noisy, b: usize, c: Noisy) -> usize {
    a.number() + b + c.number()
}

#[allow(clippy::needless_pass_by_value)]
pub(crate) fn weigh(a: Noisy, b: &Noisy) -> usize {
    b.number() + a.number()
}

pub(crate) fn call<R>(run: impl FnOnce() -> R) -> R {
    say("call");
    run()
}

pub(crate) fn call_with<R>(value: Noisy, run: impl FnOnce(Noisy) -> R) -> R {
    say("call with");
    run(value)
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Polls a future once, and drops it.
pub(crate) fn poll_once(future: impl Future) {
    let mut future = pin!(future);
    let poll = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    say(if poll.is_ready() { "ready" } else { "pending" });
}

pub(crate) fn stop() -> ! {
    say("stop");
    resume_unwind(Box::new(()))
}

/// Logs and drops the result of a function.
pub(crate) fn finish(answer: impl Debug) {
    say(format!("{answer:?}"));
}
