//! Counting, inside the allocator: each block for its thread, its line and its scope.
//!
//! Nothing that an allocation reaches here allocates, takes a lock, waits or panics. `environment`,
//! `source` and `uncounted` are outside of that path; the layers above need them.

pub(crate) mod alloc;
pub(crate) mod aside;
pub(crate) mod call_paths;
pub(crate) mod call_stack;
pub(crate) mod current_line;
pub(crate) mod environment;
#[cfg(target_os = "linux")]
pub(crate) mod known_sites;
pub(crate) mod line_counters;
#[cfg(target_os = "linux")]
pub(crate) mod other_stacks;
pub(crate) mod peak;
pub(crate) mod registry;
pub(crate) mod running_calls;
pub(crate) mod scope_counters;
pub(crate) mod source;
#[cfg(feature = "stats_alloc")]
pub(crate) mod stats_alloc;
pub(crate) mod tag;
pub(crate) mod this_thread;
pub(crate) mod thread_counters;
pub(crate) mod uncounted;
