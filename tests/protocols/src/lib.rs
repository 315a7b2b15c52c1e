//! The counting path of memprof, run by a model checker.
//!
//! These are the library's own files. What their threads share is `loom`'s here, which runs
//! each [model](models) in every order in which its threads can come, up to a number of
//! switches between them, and with each value that an atomic may still have by its ordering.
#![cfg(test)]
#![allow(
    dead_code,
    reason = "of the files, the models call what they are about"
)]

#[path = "../../../memprof/src/forks.rs"]
mod forks;
#[path = "../../../memprof/src/leaked.rs"]
mod leaked;
mod models;
#[path = "../../../memprof/src/owner.rs"]
mod owner;
#[path = "../../../memprof/src/peak.rs"]
mod peak;
#[path = "../../../memprof/src/records.rs"]
mod records;
#[path = "../../../memprof/src/sync.rs"]
mod sync;
#[path = "../../../memprof/src/tally.rs"]
mod tally;
#[path = "../../../memprof/src/threads.rs"]
mod threads;
#[path = "../../../memprof/src/usage.rs"]
mod usage;

/// A model has no end at which something would be said.
mod exit {
    pub(crate) fn notice_end() {}
}

/// A model says itself when it forks, and keeps no owners aside.
mod os {
    use std::ptr::NonNull;

    pub(crate) fn map_zeroes(_size: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(crate) fn around_forks(
        _before: unsafe extern "C" fn(),
        _in_parent: unsafe extern "C" fn(),
        _in_child: unsafe extern "C" fn(),
    ) {
    }
}

/// No thread of a model is in a scope.
mod scopes {
    use crate::owner::Change;

    pub(crate) fn add(_id: u32, _line: u32, _change: &Change) {}

    pub(crate) fn hit(_id: u32, _line: u32) {}
}
