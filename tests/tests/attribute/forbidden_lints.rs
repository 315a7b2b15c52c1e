//! A crate may `forbid` any lint: generated code needs no `#[allow]`, which would be an error then.
#![forbid(
    future_incompatible,
    keyword_idents,
    let_underscore,
    missing_docs,
    nonstandard_style,
    rust_2018_idioms,
    unreachable_code,
    unreachable_pub,
    unsafe_code,
    unused,
    unused_qualifications,
    warnings
)]

use memprof::memprofile;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Polls a future once, which is ready at once.
fn finish<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[memprofile(print = "never")]
fn ends_with_a_let(log: &mut Vec<u32>) {
    log.push(1);
    let _length = log.len();
}

#[memprofile(print = "never")]
fn has_attributes_after_a_let(number: u32) -> u32 {
    let doubled = number * 2;
    #[cfg(test)]
    return doubled;
    #[cfg(not(test))]
    return number;
}

#[memprofile(print = "never")]
fn ends_early(number: u32) -> Option<u32> {
    let log = Vec::from([number]);
    if let Some(first) = log.first()
        && *first == 0
    {
        let _nothing = log.get(1);
        return None;
    }
    let first = log.first()?;
    let half = |number: u32| {
        let (half, rest) = (number / 2, number % 2);
        (rest == 0).then_some(half)
    };
    let Some(half) = half(*first) else {
        let _rest = log.get(1);
        return None;
    };
    loop {
        if half > number {
            continue;
        }
        break Some(half);
    }
}

#[memprofile(print = "never")]
async fn later(_unused: u32, (left, mut right): (u32, u32)) -> Result<u32, String> {
    right += 1;
    let sum = async { left + right };
    let sum = sum.await;
    if sum == 0 {
        return Err(String::from("nothing"));
    }
    Ok(sum)
}

struct Thing(u32);

#[memprofile(print = "never")]
impl Thing {
    fn number(&self) -> u32 {
        let number = self.0;
        match number {
            0 => unreachable!(),
            more => {
                let _kept = Vec::from([more]);
                number
            }
        }
    }

    async fn number_later(self) -> u32 {
        let _kept = Vec::from([self.0]);
        std::future::ready(()).await;
        self.number()
    }
}

#[test]
fn nothing_needs_to_be_allowed() {
    let mut log = Vec::new();
    ends_with_a_let(&mut log);
    assert_eq!(log, [1]);
    assert_eq!(has_attributes_after_a_let(2), 4);
    assert_eq!([0, 3, 4].map(ends_early), [None, None, Some(2)]);
    assert_eq!(finish(later(1, (2, 3))), Some(Ok(6)));
    assert_eq!(finish(Thing(3).number_later()), Some(3));
}

/// The import isn't only for inner attributes: other code uses it, too.
#[memprofile(print = "never")]
mod imports {
    pub(crate) use memprof::memprofile;

    #[memprofile]
    pub(crate) fn profiled() -> u32 {
        5
    }
}

#[imports::memprofile(print = "never")]
fn profiled_by_the_import() -> u32 {
    6
}

#[test]
fn a_module_may_export_the_attribute() {
    assert_eq!(imports::profiled() + profiled_by_the_import(), 11);
}
