//! Profiles of requests, for services of `tower`: axum, tonic, hyper.
//!
//! Each request that is to be profiled gets a [scope](crate::Scope) of its own, in which
//! its service is called, its future polled and its response's body streamed. Nothing is
//! held back, and any number of requests can be profiled side by side.
//!
//! Of the process as a whole, [`debug_routes`] tells over HTTP.

mod access;
mod endpoints;
mod file_name;
mod folder;
mod host;
mod id;
mod ours;
mod profiler;
mod profiler_settings;
mod query;
mod query_profiler;
mod recording;
mod redact;
mod service;
mod statistics;
#[cfg(feature = "toolbar")]
pub mod toolbar;
mod trigger;
mod writer;

pub use access::Access;
pub use endpoints::{DebugRoutes, DebugRoutesBody, DebugRoutesFuture, debug_routes};
pub use file_name::FileNameError;
pub use profiler::ProfilerLayer;
pub use query_profiler::{
    QueryProfiler, QueryProfilerBody, QueryProfilerFuture, QueryProfilerLayer,
};
pub use recording::{Outcome, RequestProfile};
pub use service::{Profiler, ProfilerBody, ProfilerFuture};
pub use statistics::{Restriction, RestrictionError, Sort};
#[cfg(feature = "toolbar")]
pub use toolbar::DebugToolbarLayer;
pub use trigger::Trigger;

/// What is said of a request whose scope had no room for lines.
pub(crate) const LINES_ARE_UNKNOWN: &str = "too many requests at once: lines not known";
