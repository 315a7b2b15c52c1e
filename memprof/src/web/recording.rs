//! One request, from its beginning to the last of its response.

use crate::count::uncounted;
use crate::model::report::Report;
use crate::model::usage::Usage;
use crate::scope::ScopeGuard;
use crate::scope::handle::Scope;
use http::uri::Authority;
use http::{Extensions, HeaderMap, Method, Request, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// What one request did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestProfile {
    /// A number that no other request of the process has.
    pub id: u64,

    /// How the request was made.
    pub method: Method,

    /// What was asked for, as it came, without the query.
    pub path: String,

    /// The pattern that the path fits, as `/{id}/update`, if the layer was told
    /// [how to find it](super::ProfilerLayer::route_by).
    pub route: Option<String>,

    /// How it ended.
    pub outcome: Outcome,

    /// When it began.
    pub began: SystemTime,

    /// How long it took, to the end of the response's body or to its being dropped; of
    /// which it may have waited for most.
    pub elapsed: Duration,

    /// What was done to the heap in its scope, by threads and tasks, too, that are
    /// [in it](crate::ScopeExt).
    pub usage: Usage,

    /// Which line made what, and what of that is still alive.
    pub report: Report,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With a response, to its end.
    Response(StatusCode),
    /// With a response that was dropped before its end, as when the client goes away.
    Aborted(StatusCode),
    /// Its service answered with an error.
    Failed,
    /// Its service panicked.
    Panicked,
    /// It was dropped before there was a response, as when the client goes away.
    Dropped,
}

impl Outcome {
    /// The status of the response, if there was one.
    #[must_use]
    pub fn status(self) -> Option<StatusCode> {
        match self {
            Self::Response(status) | Self::Aborted(status) => Some(status),
            Self::Failed | Self::Panicked | Self::Dropped => None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(status) => write!(f, "{status}"),
            Self::Aborted(status) => write!(f, "{status}, and nobody took all of it"),
            Self::Failed => f.write_str("failed"),
            Self::Panicked => f.write_str("panicked"),
            Self::Dropped => f.write_str("dropped before there was an answer"),
        }
    }
}

/// Where the profile of a request goes when the request has ended.
pub(super) trait Sink: fmt::Debug + Send + Sync {
    /// The pattern that the path fits, by what others know of the request.
    fn route(&self, _extensions: &Extensions) -> Option<String> {
        None
    }

    /// Whether it is wanted, of a request that did so much.
    fn wants(&self, _elapsed: Duration, _usage: &Usage) -> bool {
        true
    }

    /// Takes the profile, which is the profiler's own: it is made, and has to be dropped, while
    /// [nothing is counted](uncounted::during), as is so during this call.
    fn pass_on(&self, profile: RequestProfile);
}

/// The request that is under way. When it is dropped, whatever the reason, its profile is
/// passed on.
#[derive(Debug)]
pub(super) struct Recording {
    sink: Arc<dyn Sink>,
    scope: Scope,
    id: u64,
    method: Method,
    path: String,
    route: Option<String>,
    outcome: Outcome,
    began: SystemTime,
    started: Instant,
    /// When the body came to its end.
    ended: Option<Instant>,
}

impl Recording {
    pub(super) fn begin(sink: Arc<dyn Sink>, head: &Head<'_>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // By a function of the program's, which counts.
        let route = sink.route(head.extensions);
        let scope = Scope::new(head.path);
        let make = || Self {
            sink,
            scope,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            method: head.method.clone(),
            path: head.path.to_owned(),
            route: route.as_deref().map(str::to_owned),
            // Of a service that panics when it is called.
            outcome: Outcome::Panicked,
            began: SystemTime::now(),
            started: Instant::now(),
            ended: None,
        };
        uncounted::during(false, make).0
    }

    pub(super) fn enter(&self) -> ScopeGuard {
        self.scope.enter()
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Notes that the body has come to its end.
    pub(super) fn end_body(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
        if let Outcome::Aborted(status) = self.outcome {
            self.outcome = Outcome::Response(status);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let elapsed = ended.duration_since(self.started);
        let usage = self.scope.usage();
        let is_wanted = self.sink.wants(elapsed, &usage);
        uncounted::during(false, || {
            let profile = RequestProfile {
                id: self.id,
                method: std::mem::take(&mut self.method),
                path: std::mem::take(&mut self.path),
                route: self.route.take(),
                outcome: self.outcome,
                began: self.began,
                elapsed,
                usage,
                report: Report::default(),
            };
            if is_wanted {
                // Settled by `usage`: now, the thread's counters have what is the profiler's, too.
                let report = self.scope.settled_report();
                self.sink.pass_on(RequestProfile { report, ..profile });
            }
        });
    }
}

/// What is known of a request at its beginning.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) authority: Option<&'a Authority>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            authority: request.uri().authority(),
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}
