//! The counting path of memprof, run by a model checker.
//!
//! This crate compiles the library's own files with `loom`'s atomics and locks. `loom` runs each
//! [model](models) with every interleaving of its threads, up to a number of preemptions, and with
//! every value that an atomic load may return under its ordering.
#![cfg(test)]
#![allow(
    dead_code,
    reason = "the models call only a part of the library's files"
)]

#[path = "../../../memprof/src/model/change.rs"]
mod change;
#[path = "../../../memprof/src/model/column.rs"]
mod column;
mod count;
mod models;
#[path = "../../../memprof/src/model/options.rs"]
mod options;
#[path = "../../../memprof/src/model/site.rs"]
mod site;
mod sys;
#[path = "../../../memprof/src/model/usage.rs"]
mod usage;

mod model {
    pub(crate) use crate::{change, column, options, site, usage};
}
