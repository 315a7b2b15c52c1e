//! Like `forms.rs`, for `unsafe` functions.
#![deny(warnings, unsafe_op_in_unsafe_fn, unused_unsafe)]
#![expect(clippy::unused_async, reason = "it is the form that counts")]

use memprof::memprofile;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

fn finish<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it awaits nothing"),
    }
}

/// # Safety
///
/// `pointer` can be read from.
#[memprofile(print = "never")]
unsafe fn read(pointer: *const u32) -> u32 {
    // SAFETY: the caller passes a pointer that can be read from.
    unsafe { *pointer }
}

/// # Safety
///
/// As for `read`.
#[memprofile(print = "never")]
unsafe extern "C" fn read_for_others(pointer: *const u32) -> u32 {
    // SAFETY: the caller passes a pointer that can be read from.
    let number = unsafe {
        let number = *pointer;
        number + 1
    };
    number + 1
}

/// # Safety
///
/// As for `read`.
#[memprofile(print = "never")]
async unsafe fn read_later(number: &u32, pointer: fn() -> *const u32) -> u32 {
    std::future::ready(()).await;
    // SAFETY: the caller passes a pointer that can be read from.
    unsafe { *pointer() + number }
}

/// # Safety
///
/// As for `read`.
#[allow(unsafe_op_in_unsafe_fn)]
#[memprofile(print = "never")]
async unsafe fn read_as_in_old_editions(pointer: *const u32) -> u32 {
    *pointer + read(pointer)
}

#[memprofile(print = "never")]
#[unsafe(no_mangle)]
extern "C" fn memprof_tests_forms_unsafe(number: u32) -> u32 {
    number + 1
}

#[unsafe(no_mangle)]
#[memprofile(print = "never")]
extern "C" fn memprof_tests_forms_unsafe_below(number: u32) -> u32 {
    number + 1
}

#[cfg(target_arch = "x86_64")]
#[memprofile(print = "never")]
#[target_feature(enable = "sse2")]
fn with_a_feature(numbers: &[u32]) -> u32 {
    numbers.iter().sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse2")]
#[memprofile(print = "never")]
fn with_a_feature_below(numbers: &[u32]) -> u32 {
    // SAFETY: this function needs the same feature.
    let sum = || with_a_feature(numbers);
    sum()
}

trait Reads {
    /// # Safety
    ///
    /// As for `read`.
    unsafe fn read(pointer: *const Self) -> Self;
}

impl Reads for u32 {
    #[memprofile(print = "never")]
    unsafe fn read(pointer: *const Self) -> Self {
        // SAFETY: the caller passes a pointer that can be read from.
        unsafe { *pointer }
    }
}

#[test]
fn unsafe_functions_do_what_they_did() {
    static NUMBER: u32 = 40;
    // SAFETY: each gets a pointer to `NUMBER`.
    unsafe {
        assert_eq!(read(&raw const NUMBER), 40);
        assert_eq!(read_for_others(&raw const NUMBER), 42);
        assert_eq!(finish(read_later(&2, || &raw const NUMBER)), 42);
        assert_eq!(finish(read_as_in_old_editions(&raw const NUMBER)), 80);
        assert_eq!(<u32 as Reads>::read(&raw const NUMBER), 40);
    }
    assert_eq!(memprof_tests_forms_unsafe(1), 2);
    assert_eq!(memprof_tests_forms_unsafe_below(1), 2);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has the feature.
    unsafe {
        assert_eq!(with_a_feature(&[1, 2]), 3);
        assert_eq!(with_a_feature_below(&[1, 2]), 3);
    }
}
