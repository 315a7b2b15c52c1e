//! Conditions for which requests are profiled and which profiles are reported.

use super::recording::Head;
use crate::model::usage::Usage;
use http::{HeaderMap, Method};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A condition for profiling a request: see [`ProfilerLayer::trigger`].
///
/// [`ProfilerLayer::trigger`]: super::ProfilerLayer::trigger
#[derive(Clone)]
pub struct Trigger(Kind);

type Asks = dyn Fn(&Method, &str, &HeaderMap) -> bool + Send + Sync;

#[derive(Clone)]
enum Kind {
    Header(String),
    Query(String),
    OneIn { count: u64, seen: Arc<AtomicU64> },
    When(Arc<Asks>),
    SlowerThan(Duration),
    AllocatedMoreThan(u64),
}

impl Trigger {
    /// Profiles requests with a header of this name.
    ///
    /// ```
    /// use memprof::web::{ProfilerLayer, Trigger};
    ///
    /// let layer = ProfilerLayer::new().trigger(Trigger::header("x-profile"));
    /// ```
    #[must_use]
    pub fn header(name: impl Into<String>) -> Self {
        Self(Kind::Header(name.into()))
    }

    /// Profiles requests whose query has this key, with or without a value.
    #[must_use]
    pub fn query(key: impl Into<String>) -> Self {
        Self(Kind::Query(key.into()))
    }

    /// Profiles the first of every `count` requests. With 0, no request is profiled.
    #[must_use]
    pub fn one_in(count: u64) -> Self {
        let seen = Arc::default();
        Self(Kind::OneIn { count, seen })
    }

    /// Profiles requests for which `asks` returns true, given their method, path and headers.
    ///
    /// ```
    /// use memprof::web::{ProfilerLayer, Trigger};
    ///
    /// let layer = ProfilerLayer::new()
    ///     .trigger(Trigger::from_fn(|_, path, _| path.starts_with("/api/")));
    /// ```
    #[must_use]
    pub fn from_fn(
        asks: impl Fn(&Method, &str, &HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::When(Arc::new(asks)))
    }

    /// Reports requests that took longer than this. Requests have to be profiled to find out.
    #[must_use]
    pub fn slower_than(elapsed: Duration) -> Self {
        Self(Kind::SlowerThan(elapsed))
    }

    /// Reports requests that allocated more than this many bytes. Requests have to be profiled to
    /// find out.
    #[must_use]
    pub fn allocated_more_than(bytes: u64) -> Self {
        Self(Kind::AllocatedMoreThan(bytes))
    }

    /// Whether a request that begins is profiled.
    pub(super) fn allows(&self, head: &Head<'_>) -> bool {
        match &self.0 {
            Kind::Header(name) => head.headers.contains_key(name.as_str()),
            Kind::Query(key) => head.query.is_some_and(|query| {
                form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == key.as_str())
            }),
            // Relaxed: the counter orders no other memory access.
            Kind::OneIn { count, seen } => seen
                .fetch_add(1, Ordering::Relaxed)
                .checked_rem(*count)
                .is_some_and(|rest| rest == 0),
            Kind::When(asks) => asks(head.method, head.path, head.headers),
            Kind::SlowerThan(_) | Kind::AllocatedMoreThan(_) => true,
        }
    }

    /// Whether the profile of a request that has ended is reported.
    pub(super) fn is_met(&self, elapsed: Duration, usage: &Usage) -> bool {
        match self.0 {
            Kind::SlowerThan(least) => elapsed > least,
            Kind::AllocatedMoreThan(bytes) => usage.allocated_bytes > bytes,
            Kind::Header(_) | Kind::Query(_) | Kind::OneIn { .. } | Kind::When(_) => true,
        }
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Header(name) => write!(f, "Header({name:?})"),
            Kind::Query(key) => write!(f, "Query({key:?})"),
            Kind::OneIn { count, .. } => write!(f, "OneIn({count})"),
            Kind::When(_) => f.write_str("When(..)"),
            Kind::SlowerThan(elapsed) => write!(f, "SlowerThan({elapsed:?})"),
            Kind::AllocatedMoreThan(bytes) => write!(f, "AllocatedMoreThan({bytes})"),
        }
    }
}
