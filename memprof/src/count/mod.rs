//! What runs inside the allocator: it counts each block for its thread, its line and its scope.
//!
//! Nothing that an allocation reaches here allocates, takes a lock, waits or panics. It
//! doesn't reach `environment`, `source` and `uncounted`, which the layers above need.

pub(crate) mod alloc;
pub(crate) mod aside;
pub(crate) mod environment;
pub(crate) mod line_counters;
pub(crate) mod peak;
pub(crate) mod registry;
pub(crate) mod scope_counters;
pub(crate) mod source;
#[cfg(feature = "stats_alloc")]
pub(crate) mod stats_alloc;
pub(crate) mod tag;
pub(crate) mod this_thread;
pub(crate) mod thread_counters;
pub(crate) mod uncounted;
