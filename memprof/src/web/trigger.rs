//! Which requests are profiled, and which profiles are passed on.

use super::recording::Head;
use crate::model::usage::Usage;
use http::{HeaderMap, Method};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A condition for a request to be profiled: see
/// [`ProfilerLayer::trigger`](super::ProfilerLayer::trigger).
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
    /// The request has a header of this name.
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

    /// The request's query has a key of this name, with a value or without.
    #[must_use]
    pub fn query(key: impl Into<String>) -> Self {
        Self(Kind::Query(key.into()))
    }

    /// It is the first of so many requests, and of so many after those; none for 0.
    #[must_use]
    pub fn one_in(count: u64) -> Self {
        let seen = Arc::default();
        Self(Kind::OneIn { count, seen })
    }

    /// The answer, by the method, the path and the headers, is yes.
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

    /// The request took longer than this. It has to be profiled for that to be known.
    #[must_use]
    pub fn slower_than(elapsed: Duration) -> Self {
        Self(Kind::SlowerThan(elapsed))
    }

    /// More than so many bytes were allocated. It has to be profiled for that to be known.
    #[must_use]
    pub fn allocated_more_than(bytes: u64) -> Self {
        Self(Kind::AllocatedMoreThan(bytes))
    }

    /// Whether it allows for a request that begins.
    pub(super) fn allows(&self, head: &Head<'_>) -> bool {
        match &self.0 {
            Kind::Header(name) => head.headers.contains_key(name.as_str()),
            Kind::Query(key) => head.query.is_some_and(|query| {
                form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == key.as_str())
            }),
            // Relaxed: how many there were is all that it says.
            Kind::OneIn { count, seen } => seen
                .fetch_add(1, Ordering::Relaxed)
                .checked_rem(*count)
                .is_some_and(|rest| rest == 0),
            Kind::When(asks) => asks(head.method, head.path, head.headers),
            Kind::SlowerThan(_) | Kind::AllocatedMoreThan(_) => true,
        }
    }

    /// Whether it allows for what a request did.
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
