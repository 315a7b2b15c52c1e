//! Line-by-line memory use of Rust functions.
//!
//! [`measure`] and [`measure_async`] tell exactly what a piece of code did to the
//! heap, for tests that run side by side.
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
//!
//! One that makes no sense is said on the standard error, and ignored.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `stats_alloc`: `use_stats_alloc`, heap numbers of the whole process for
//!   programs whose allocator is a `stats_alloc::StatsAlloc`.
#![deny(unsafe_code)] // `alloc` and `os` alone allow it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod alloc;
mod call;
mod config;
mod heap;
mod measure;
mod os;
mod own_work;
mod profile;
mod report;
mod rss;
mod site;
mod tally;
mod task;
mod usage;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use crate::alloc::CountingAlloc;
#[cfg(feature = "stats_alloc")]
pub use crate::heap::use_stats_alloc;
pub use crate::measure::{Measure, measure, measure_async};
pub use crate::rss::resident_bytes;
pub use crate::usage::Usage;
