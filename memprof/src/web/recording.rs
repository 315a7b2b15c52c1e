//! The recording of a request, from its start to the end of its response.

use crate::count::uncounted;
use crate::model::report::Report;
use crate::model::usage::Usage;
use crate::scope::handle::{Scope, ScopeSampling};
use http::uri::Authority;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, response};
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

    /// The path as it was sent, without the query.
    pub path: String,

    /// The route that matches the path, such as `/{id}/update`, if the layer was told
    /// [how to find it](super::ProfilerLayer::route_by).
    pub route: Option<String>,

    /// How it ended.
    pub outcome: Outcome,

    /// When it began.
    pub began: SystemTime,

    /// The time until the response's body ended or was dropped, including the time that the
    /// request waited.
    pub elapsed: Duration,

    /// The heap usage in the request's scope, including that of threads and tasks that
    /// [joined it](crate::ScopeExt).
    pub usage: Usage,

    /// What each line allocated, and what of that is still alive.
    pub report: Report,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The response was sent to its end.
    Response(StatusCode),
    /// The response was dropped before its end, as when the client disconnects.
    Aborted(StatusCode),
    /// The service returned an error.
    Failed,
    /// The service panicked.
    Panicked,
    /// The request was dropped before there was a response, as when the client disconnects.
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
            Self::Aborted(status) => write!(f, "{status}, not read to its end"),
            Self::Failed => f.write_str("failed"),
            Self::Panicked => f.write_str("panicked"),
            Self::Dropped => f.write_str("dropped before there was an answer"),
        }
    }
}

/// What a layer does with one request while it is profiled, and with its profile.
pub(super) trait Hooks: fmt::Debug + Send + Sync {
    /// The route that matches the path, from the request's extensions.
    fn route(&self, _extensions: &Extensions) -> Option<String> {
        None
    }

    /// Runs `work` once, which is a part of the inner service's work on the request.
    fn around(&self, _part: Part, work: &mut dyn FnMut()) {
        work();
    }

    /// Changes the head of the response, and decides what becomes of its body.
    fn respond(&self, _head: &mut response::Parts, _has_empty_body: bool) -> Then {
        Then::Send(None)
    }

    /// The response after a body that was read because of [`Then::Read`]. The layer has its profile.
    fn answer(&self) -> Response<Vec<u8>> {
        Response::default()
    }

    /// Whether a profile is wanted of a request with this duration and usage.
    fn wants(&self, _elapsed: Duration, _usage: &Usage) -> bool {
        true
    }

    /// Whether the profile is to tell how long each line ran.
    fn wants_times(&self) -> bool {
        false
    }

    /// Takes the profile, which is the profiler's own: it is made, and has to be dropped, while
    /// [nothing is counted](uncounted::during), as is so during this call.
    fn pass_on(&self, profile: RequestProfile);
}

/// A part of the inner service's work on a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The call of the service.
    Call,
    /// A poll of its future or of the response's body.
    Poll,
    /// The drop of the response's body.
    Drop,
}

/// What becomes of the body of a response.
#[derive(Debug)]
pub(super) enum Then {
    /// It is sent, with this text at its end.
    Send(Option<Vec<u8>>),
    /// It is dropped, and this text is sent.
    #[cfg_attr(not(feature = "toolbar"), expect(dead_code, reason = "for redirects"))]
    Replace(Vec<u8>),
    /// It is read and discarded, and [`Hooks::answer`] is sent.
    Read,
}

/// A request under way. Dropping it, for any reason, passes its profile on.
#[derive(Debug)]
pub struct Recording {
    hooks: Arc<dyn Hooks>,
    scope: Scope,
    _sampling: Option<ScopeSampling>,
    id: u64,
    method: Method,
    path: String,
    route: Option<String>,
    outcome: Outcome,
    began: SystemTime,
    started: Instant,
    /// When the body ended.
    ended: Option<Instant>,
}

impl Recording {
    pub(super) fn begin(hooks: Arc<dyn Hooks>, head: &Head<'_>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // By a function of the program's, which counts.
        let route = hooks.route(head.extensions);
        let scope = Scope::new(head.path);
        let sampling = if hooks.wants_times() {
            scope.sample()
        } else {
            None
        };
        let make = || Self {
            hooks,
            _sampling: sampling,
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

    pub(super) fn hooks(&self) -> &Arc<dyn Hooks> {
        &self.hooks
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Records that the body has ended.
    pub(super) fn end_body(&mut self) {
        self.ended.get_or_insert_with(Instant::now);
        if let Outcome::Aborted(status) = self.outcome {
            self.outcome = Outcome::Response(status);
        }
    }
}

/// Does a part of a request in the scope of its recording, if there is one.
pub(super) fn within<T>(recording: Option<&Recording>, part: Part, work: impl FnOnce() -> T) -> T {
    around(recording, part, || {
        let _in_scope = recording.map(|recording| recording.scope.enter());
        work()
    })
}

/// Like [`within`], for work that enters the scope itself.
pub(super) fn around<T>(recording: Option<&Recording>, part: Part, work: impl FnOnce() -> T) -> T {
    let Some(recording) = recording else {
        return work();
    };
    let mut work = Some(work);
    let mut done = None;
    let mut work = || done = work.take().map(|work| work());
    recording.hooks.around(part, &mut work);
    done.expect("all layers run the work")
}

impl Drop for Recording {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let elapsed = ended.duration_since(self.started);
        let usage = self.scope.usage();
        let is_wanted = self.hooks.wants(elapsed, &usage);
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
                self.hooks.pass_on(RequestProfile { report, ..profile });
            }
        });
    }
}

/// The parts of a request that are known when it starts.
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
