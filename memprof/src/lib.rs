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
//! The first row is what there was before the function ran. `Mem usage` is the
//! process's resident memory when a line was last left, `Increment` what the line
//! changed in it, over all its executions. [`memprofile`](macro@memprofile) has
//! the other columns, and all options.
//!
//! For tests, [`measure`] and [`measure_async`] tell exactly what a piece of code
//! did to the heap; [`assert_alloc!`], [`#[memprof::test]`](macro@test) and
//! [`assert_no_growth`] hold it to a budget.
//!
//! # What is counted
//!
//! *Heap* numbers are bytes and blocks asked of the global allocator by the
//! thread that runs the line, or the task, on whichever thread it is polled. What
//! a line calls is in its numbers, and so is what it frees, whoever made it. They
//! are exact, and the same each time.
//!
//! *Resident* memory is the process's: pages that the kernel keeps in RAM. Other
//! threads move it, too; allocators keep what is freed; and a page counts when it
//! is first touched, not when it is allocated.
//!
//! Not counted as heap: what C libraries allocate, memory maps, stacks, and what a
//! line hands to another thread or spawns as a task. What the profiler itself
//! allocates is in no heap number, and where it shows in resident memory it is
//! left out of the increments.
//!
//! # Environment
//!
//! Of a built program, with precedence over what attributes say:
//!
//! | variable | values |
//! |---|---|
//! | `MEMPROF` | `off` switches profiling off, `on` is the default |
//! | `MEMPROF_PRECISION` | decimals of the numbers in MiB, 0 to 20 |
//! | `MEMPROF_COLUMNS` | columns between commas, such as `default,allocated` |
//! | `MEMPROF_STREAM` | `stdout` or `stderr` |
//! | `MEMPROF_PRINT` | `call`, `exit` or `never` |
//! | `MEMPROF_RSS` | `exact`, `adaptive` or `off` |
//! | with the feature `export`: | |
//! | `MEMPROF_OUTPUT` | a file for the report at the end of the process; `%p` in its name is the process |
//! | `MEMPROF_EVERY` | has that file written before the end, too: a time from one to the next, as `2s`; `on` is `5s` |
//! | `MEMPROF_DUMP_AT` | has a report written once, when the heap or resident memory passes this, as `500MiB` |
//! | `MEMPROF_FORMAT` | its format, whatever the file's ending: see `Format` |
//! | `MEMPROF_LISTEN` | a path for a socket, on which the report of the moment is handed out |
//! | `MEMPROF_CONFIDENTIAL` | `on` leaves the text of the source out of both, and of what is told over HTTP |
//! | `MEMPROF_BLESS` | `1` has `Baseline`s written anew |
//! | `CI` | set to anything but `false` and `0`: a `Baseline` without its file is an error |
//! | `MEMPROF_SUMMARY` | a file to which they append what has changed, in Markdown |
//! | with the feature `timeline`: | |
//! | `MEMPROF_TIMESTAMPS` | a file that calls are marked in |
//! | `MEMPROF_CHILDREN` | `on` has the marks count the processes that the program has started, too |
//! | `MEMPROF_STOP_AT` | a limit for resident memory, as `100MiB` |
//! | `MEMPROF_ON_STOP` | `abort`, `trap` or `continue`, when a line has passed it |
//!
//! A variable that changes nothing is ignored, and one sentence on the standard error says
//! why: the build lacks the feature, the value can't be read, there is no such variable, or
//! no profiled function was called, without which there is no report and no socket. An empty
//! one counts as not set. With `MEMPROF=off`, and in a build with the feature `off`, none of
//! them does anything, and nothing is said.
//!
//! In a setuid or setgid program, and one that has file capabilities, no variable is read:
//! the user who starts it could have it write to any file.
//!
//! # Where reports get lost
//!
//! The report of `MEMPROF_OUTPUT` is written when the process ends by returning from `main`,
//! by [`std::process::exit`] or by a panic of the main thread. There is none
//!
//! - after `exec`, which replaces the program without ending the process. The new program
//!   has the variable, and writes a report of itself if it has memprof;
//! - after `_exit` and `quick_exit`, which call nothing that waits for the end.
//!
//! Call [`report()`] and `Report::write` before you do any of these.
//!
//! # Plugins
//!
//! A `cdylib` that has memprof is a copy of its own: it counts what goes through its own
//! allocator, and its functions are in its own report. If the program has memprof, too, the
//! second copy writes to a file with a number, `report.2.json` where the first writes to
//! `report.json`, and says so. That is known on Linux; elsewhere, the copy that ends last
//! replaces the file of the other.
//!
//! `CountingAlloc` keeps such a library loaded after `dlclose` until all threads that have
//! allocated in it end, the main thread with the process: code in it is called at their
//! ends. To load a rebuilt plugin, give its file another name, or leave `CountingAlloc` out.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `export`: reports in files, of several formats, and on a socket.
//! - `criterion`: `Allocated`, by which criterion's benchmarks measure bytes and blocks.
//! - `cli`: the command `memprof`, which shows them and compares them.
//! - `web`: profiles of requests, and the memory of a service over HTTP, in the module
//!   `web`.
//! - `toolbar`: a toolbar for web pages, and a history of the last requests.
//! - `off`: for builds that are not to be profiled. The attribute leaves functions as
//!   they are, the allocator is the one inside, and all numbers are 0.
//! - `timeline`: `memory_usage`, resident memory over time, of this process and of
//!   others; and marks of calls in files of memory over time.
//! - `stats_alloc`: `use_stats_alloc`, heap numbers of the whole process for
//!   programs whose allocator is a `stats_alloc::StatsAlloc`.
#![deny(unsafe_code)] // Six files of `count` and `sys` alone allow it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod check;
mod count;
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
#[cfg(feature = "stats_alloc")]
pub use crate::count::stats_alloc::use_stats_alloc;
pub use crate::model::usage::Usage;
pub use crate::record::collect::{report, reset};
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

/// README's programs, compiled and run with the documentation's own, where there is all
/// that they need.
#[cfg(all(doctest, feature = "timeline", feature = "toolbar"))]
#[doc = include_str!("../../README.md")]
struct Readme;
