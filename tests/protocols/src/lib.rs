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

#[path = "../../../memprof/src/model/change.rs"]
mod change;
mod count;
mod models;
mod sys;
#[path = "../../../memprof/src/model/usage.rs"]
mod usage;

mod model {
    pub(crate) use crate::{change, usage};
}
