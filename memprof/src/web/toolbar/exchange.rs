//! A recorded request and its response. Formatting is left to the pages that show them.

use super::limits;
use super::recorded::{Line, Rendered, Statement};
use super::text::{Cut, Pairs, cut};
use crate::count::peak;
use crate::count::uncounted::Own;
use crate::model::report::{CallNode, CallNodeLine, FunctionReport, LineReport};
use crate::sys::rss;
use crate::web::id::Id;
use crate::web::recording::{Outcome, RequestProfile};
use crate::web::redact::{DOTS, Redactor};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version};
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// A request and its response, as the toolbar has recorded them.
///
/// Texts are cut as documented on [`DebugToolbarLayer`](super::DebugToolbarLayer). They still
/// contain secrets, which are hidden when a panel is shown and in the `Debug` output.
pub struct Exchange {
    id: Id,
    method: Method,
    path: String,
    query: Option<String>,
    version: Version,
    began: SystemTime,
    request_headers: Pairs,
    has_form: bool,
    /// The most bytes it may capture.
    most_bytes: usize,
    redactor: Arc<Redactor>,
    state: Mutex<State>,
    ended: OnceLock<Ended>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("target", &self.redactor.address(&self.target()))
            .finish_non_exhaustive()
    }
}

/// The part that changes while the request is under way.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) answer: Option<(StatusCode, Pairs)>,
    pub(super) form: Vec<u8>,
    pub(super) form_is_cut: bool,
    pub(super) templates: Vec<Rendered>,
    pub(super) statements: Vec<Statement>,
    /// Statements that are being executed.
    pub(super) open_statements: usize,
    pub(super) lines: Vec<Line>,
    /// How many templates, statements and log lines there was no room for.
    pub(super) left_out: u64,
    pub(super) polls: Polls,
    bytes: usize,
}

/// The polls of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Polls {
    pub(super) count: u64,
    pub(super) elapsed: Duration,
    /// CPU time of the polling threads, where the system reports it.
    pub(super) cpu: Option<Duration>,
}

/// The part that is known when the request has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) profile: RequestProfile,
    /// Live bytes of the whole process at that time.
    pub(super) heap_bytes: i64,
    pub(super) resident_bytes: Option<u64>,
}

impl Exchange {
    pub(super) fn begin(parts: &Parts, most_bytes: usize, redactor: Arc<Redactor>) -> Self {
        let path = cut(parts.uri.path(), limits::PATH_BYTES);
        let query = parts.uri.query();
        let query = query.map(|query| cut(query, limits::PATH_BYTES));
        let request_headers = pairs_of(&parts.headers);
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        let has_form = content_type.is_some_and(|value| {
            let form = b"application/x-www-form-urlencoded";
            let start = value.as_bytes().get(..form.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(form))
        });
        let text = path.capacity() + query.as_ref().map_or(0, String::capacity);
        let bytes = size_of::<Self>() + text + request_headers.bytes();
        Self {
            id: Id::new(),
            method: parts.method.clone(),
            path,
            query,
            version: parts.version,
            began: SystemTime::now(),
            request_headers,
            has_form,
            most_bytes,
            redactor,
            state: Mutex::new(State {
                bytes,
                ..State::default()
            }),
            ended: OnceLock::new(),
        }
    }

    /// The request's id in the paths of the toolbar: 32 hexadecimal digits that can't be guessed.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request's path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query, still encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The HTTP version of the request.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// When the request began.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        self.began
    }

    /// The request's headers.
    pub fn request_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.request_headers.iter()
    }

    /// The response's headers, empty as long as there is no response.
    #[must_use]
    pub fn response_headers(&self) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let state = self.state();
        let answer = state.answer.as_ref();
        answer.map_or_else(Vec::new, |(_, headers)| headers.iter().map(owned).collect())
    }

    /// The response's status, or `None` as long as there is no response.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.state().answer.as_ref().map(|(status, _)| *status)
    }

    /// How the request ended, or `None` while it is under way.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.profile().map(|profile| profile.outcome)
    }

    /// The request's profile, or `None` while it is under way.
    #[must_use]
    pub fn profile(&self) -> Option<&RequestProfile> {
        self.ended().map(|ended| &ended.profile)
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    pub(super) fn is(&self, id: Id) -> bool {
        self.id == id
    }

    pub(super) fn has_form(&self) -> bool {
        self.has_form
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// About how many bytes it has captured, at the end including its profile.
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Adds something that takes `bytes` bytes, if there is room.
    pub(super) fn add(&self, bytes: usize, add: impl FnOnce(&mut State)) {
        let mut state = self.state();
        match state.bytes.checked_add(bytes) {
            Some(sum) if sum <= self.most_bytes => {
                state.bytes = sum;
                add(&mut state);
            }
            _ => state.left_out += 1,
        }
    }

    pub(super) fn answer(&self, status: StatusCode, headers: &HeaderMap) {
        let headers = pairs_of(headers);
        let mut state = self.state();
        state.bytes += headers.bytes();
        state.answer = Some((status, headers));
    }

    pub(super) fn copy_form(&self, bytes: &[u8]) {
        let mut state = self.state();
        let room = limits::FORM_BYTES.saturating_sub(state.form.len());
        let copied = bytes.get(..bytes.len().min(room)).unwrap_or(bytes);
        state.form.extend_from_slice(copied);
        state.form_is_cut |= copied.len() < bytes.len();
        state.bytes += copied.len();
    }

    pub(super) fn end(&self, profile: RequestProfile) {
        let report = &profile.report;
        let lines: usize = report.functions.iter().map(|it| it.lines.len()).sum();
        let rows: usize = report.calls.iter().map(|call| call.lines.len()).sum();
        let bytes = profile.path.capacity()
            + report.functions.capacity() * size_of::<FunctionReport>()
            + lines * size_of::<LineReport>()
            + report.calls.capacity() * size_of::<CallNode>()
            + rows * size_of::<CallNodeLine>();
        self.state().bytes += bytes;
        let ended = Ended {
            profile,
            heap_bytes: peak::live_bytes(),
            resident_bytes: rss::resident_bytes(),
        };
        let _ = self.ended.set(ended);
    }

    /// `/path?query`, as it is shown.
    pub(super) fn target(&self) -> String {
        let query = self.query.iter().flat_map(|query| ["?", query]);
        std::iter::once(self.path.as_str()).chain(query).collect()
    }
}

fn pairs_of(headers: &HeaderMap) -> Pairs {
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len().min(limits::HEADER_BYTES));
    let count = headers.len().min(limits::HEADERS);
    let mut pairs = Pairs::with_room(count, bytes.take(count).sum());
    for (name, value) in headers.iter().take(limits::HEADERS) {
        let is_shown = !value.is_sensitive();
        let value = if is_shown {
            value.as_bytes()
        } else {
            DOTS.as_bytes()
        };
        pairs.push(name.as_str(), value, limits::HEADER_BYTES);
    }
    if let Some(more) = headers.len().checked_sub(limits::HEADERS + 1) {
        let more = Cut::of(64, |text| write!(text, "{} more", more + 1));
        pairs.push("…", more.as_bytes(), 64);
    }
    pairs
}

/// An exchange with shared ownership, uncounted.
#[derive(Debug)]
pub(super) struct Shared(Own<Arc<Exchange>>);

impl Shared {
    pub(super) fn begin(parts: &Parts, most_bytes: usize, redactor: &Arc<Redactor>) -> Self {
        Self(Own::new(|| {
            let redactor = Arc::clone(redactor);
            Arc::new(Exchange::begin(parts, most_bytes, redactor))
        }))
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        Self(Own::new(|| Arc::clone(&self.0)))
    }
}

impl Deref for Shared {
    type Target = Arc<Exchange>;

    fn deref(&self) -> &Arc<Exchange> {
        &self.0
    }
}
