//! Profiles of HTTP requests, for `tower` services such as those of axum, tonic and hyper.
//!
//! Each profiled request gets its own [scope](crate::Scope). The service is called, its future
//! polled and the response's body streamed in that scope. Responses aren't buffered, and any number
//! of requests can be profiled at the same time.
//!
//! All layers wrap a service into a [`Profiler`].
//!
//! [`debug_routes`] serves the memory use of the whole process over HTTP.
//!
//! # Settings
//!
//! The methods that set up a layer follow one rule: a method that takes one value of many adds it
//! ([`trigger`](ProfilerLayer::trigger)), one that takes a list replaces the list
//! ([`restrict`](ProfilerLayer::restrict)), and one without an argument switches on what is off
//! ([`confidential`](ProfilerLayer::confidential)).

mod access;
mod body;
mod end_of_page;
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
mod templates;
#[cfg(feature = "toolbar")]
pub mod toolbar;
mod trigger;
mod writer;

pub use access::Access;
pub use body::ProfilerBody;
pub use endpoints::{DebugRoutes, DebugRoutesBody, DebugRoutesFuture, debug_routes};
pub use file_name::FileNameError;
pub use profiler::ProfilerLayer;
pub use query_profiler::QueryProfilerLayer;
pub use recording::{Outcome, RequestProfile};
pub use service::{Profiler, ProfilerFuture};
pub use statistics::{Restriction, RestrictionError, Sort};
#[cfg(feature = "toolbar")]
pub use toolbar::DebugToolbarLayer;
pub use trigger::Trigger;
