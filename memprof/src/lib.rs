//! Line-by-line memory use of Rust functions.
//!
//! Put [`CountingAlloc`] in charge of the heap and [`#[memprofile]`](macro@memprofile)
//! on a function. Each time the function returns, its source is printed with what
//! each line did to memory:
//!
//! ```
//! use memprof::memprofile;
//! use std::hint::black_box;
//!
//! #[global_allocator]
//! static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
//!
//! #[memprofile(precision = 4)]
//! fn squares(count: u64) -> u64 {
//!     let squares: Vec<u64> = (0..count).map(|n| n * n).collect();
//!     // Or an optimised build would leave the memory untouched.
//!     black_box(&squares).iter().sum()
//! }
//!
//! fn main() {
//!     squares(1_000_000);
//! }
//! ```
//!
//! ```text
//! Filename: src/main.rs
//!
//! Line #    Mem usage    Increment   Line Contents
//! ================================================
//!      7   2.0977 MiB   2.0977 MiB   #[memprofile(precision = 4)]
//!      8                             fn squares(count: u64) -> u64 {
//!      9   9.7305 MiB   7.6328 MiB       let squares: Vec<u64> = (0..count).map(|n| n * n).collect();
//!     10                                 // Or an optimised build would leave the memory untouched.
//!     11   9.7305 MiB   0.0000 MiB       black_box(&squares).iter().sum()
//!     12   2.0977 MiB  -7.6328 MiB   }
//!
//! main::squares: heap net 0 B, allocated 8,000,000 B, freed 8,000,000 B, peak 8,000,000 B
//! ```
//!
//! The first row shows resident memory on entry. `Mem usage` is the process's resident
//! memory when a line was last left, and `Increment` is what the line changed in it, over all
//! its executions.
//!
//! In tests, [`measure`] and [`measure_async`] count what a piece of code does to the heap, and
//! [`assert_alloc!`] and [`#[memprof::test]`](macro@test) hold it to a budget. A [`Scope`]
//! measures a request or a job across threads and tasks. [`report()`] lists which line allocated
//! what, and what of that is still alive.
//!
//! # What is counted
//!
//! *Heap* numbers are bytes and blocks requested from the global allocator by the thread that
//! runs the line, or by the task, on whichever thread it is polled. They include what the line
//! calls and what it frees, even if another line allocated it. They are exact.
//!
//! *Resident* memory is the process's: pages that the kernel keeps in RAM. Other threads change
//! it, allocators keep what is freed, and a page counts when it is first touched.
//!
//! Not counted as heap: what C libraries allocate, memory maps, stacks, what a line hands to
//! another thread or spawns as a task, and what the profiler itself allocates.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `export`: reports in files, in several formats, and on a socket; baselines.
//! - `timeline`: resident memory over time, of this process and of others, and marks of calls
//!   in such files.
//! - `web`: profiles of requests, and the memory of a service over HTTP.
//! - `toolbar`: a toolbar on web pages, and a history of the last requests.
//! - `tracing`: tables as events, with `stream = "tracing"`.
//! - `log`: tables as records, with `stream = "log"`.
//! - `criterion`: criterion's benchmarks measure bytes and blocks.
//! - `stats_alloc`: heap numbers of the whole process, for programs whose allocator is a
//!   `stats_alloc::StatsAlloc`.
//! - `off`: for builds that are not to be profiled. The attribute leaves functions as they
//!   are, the allocator is the one inside, and all numbers are 0.
//!
//! # The manual
//!
#![cfg_attr(
    all(feature = "timeline", feature = "toolbar"),
    doc = concat!(include_str!("guide/links.md"), "\n", include_str!("guide/contents.md"))
)]
#![cfg_attr(
    not(all(feature = "timeline", feature = "toolbar")),
    doc = "It is the module `guide`, which needs the features `timeline` and `toolbar`."
)]
#![deny(unsafe_code)] // Allowed in eight files of `count` and `sys`: see ARCHITECTURE.md.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod check;
mod count;
// Prose: there is nothing in it to compile but the programs that it shows.
#[cfg(all(any(doc, doctest), feature = "timeline", feature = "toolbar"))]
pub mod guide;
mod model;
mod record;
pub mod report;
mod runtime;
mod scope;
mod sys;
#[cfg(feature = "timeline")]
pub mod timeline;
#[cfg(feature = "web")]
pub mod web;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// What the command `memprof` has in common with the library. Not for people: it changes with
/// every release.
#[doc(hidden)]
pub mod __command {
    pub use crate::model::printable::is_seen;
    #[cfg(feature = "export")]
    pub use crate::model::printable::printable;
    pub use crate::model::units;
    #[cfg(feature = "export")]
    pub use crate::sys::identity::Identity;
    #[cfg(all(feature = "export", target_os = "linux"))]
    pub use crate::sys::process_number::with_number;
    #[cfg(any(feature = "export", feature = "timeline"))]
    pub use crate::sys::replace_file::{InPlace, append, opened, replace};
}

pub use crate::check::growth::assert_no_growth;
pub use crate::count::alloc::CountingAlloc;
pub use crate::count::running_calls::call_stack;
#[cfg(feature = "stats_alloc")]
pub use crate::count::stats_alloc::use_stats_alloc;
pub use crate::model::call_stack::CallStack;
pub use crate::model::usage::Usage;
pub use crate::record::collect::{report, reset};
pub use crate::runtime::sampler::{Sampler, SamplerError};
pub use crate::runtime::sink::set_sink;
pub use crate::scope::ScopeGuard;
pub use crate::scope::future::{ScopeExt, WithScope};
pub use crate::scope::handle::Scope;
pub use crate::scope::measure::{Measure, measure, measure_async};
pub use crate::sys::rss::resident_bytes;
pub use memprof_macros::{memprofile, test};

/// Baselines: what functions did to memory, in files that are compared with and committed.
#[cfg(feature = "export")]
pub mod baseline {
    pub use crate::check::baseline::{Baseline, BaselineError, check_baseline};
}

/// Budgets of functions in production: what happens when a call exceeds one.
pub mod budget {
    pub use crate::check::guard::{BudgetViolation, on_exceed};
}

/// Measurements of criterion's: bytes and blocks in place of time.
#[cfg(feature = "criterion")]
pub mod criterion {
    pub use crate::check::criterion::HeapMeasurement;
}

/// Lines whose blocks stay alive: between two reports, over epochs, and over many runs.
pub mod leak {
    pub use crate::check::epochs::Epochs;
    pub use crate::check::growth::{Growth, growth};
    pub use crate::check::leaks::{Age, Leak, leaks};
}
