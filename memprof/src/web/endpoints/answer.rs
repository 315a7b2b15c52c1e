//! Answers of the routes, and the responses made of them.

use crate::count::uncounted::{self, Own};
use crate::web::ours::{self, PageOfOurs};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_LENGTH, HeaderName, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::borrow::Cow;
use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The `Content-Security-Policy` of our pages: styles and scripts of the same origin, and requests
/// to it for reloading.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An answer. It is allocated and freed uncounted.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    policy: Cow<'static, str>,
    header: Option<(HeaderName, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            policy: POLICY.into(),
            header: None,
            body: body.into(),
        }
    }

    pub(super) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::new("text/plain; charset=utf-8", text)
    }

    pub(super) fn page(html: impl Into<Vec<u8>>) -> Self {
        Self::new("text/html; charset=utf-8", html)
    }

    /// The answer where a report is needed and there is none.
    pub(super) fn without_report(why: &str) -> Self {
        Self::refusal(StatusCode::NOT_IMPLEMENTED, why)
    }

    /// An answer of one sentence, which says why there is no other.
    pub(super) fn refusal(status: StatusCode, sentence: &str) -> Self {
        Self::text(format!("{sentence}\n")).with_status(status)
    }

    /// The answer to methods other than `methods`.
    pub(super) fn not_allowed(methods: &'static str) -> Self {
        let sentence = format!("Only these methods are answered here: {methods}.");
        Self::refusal(StatusCode::METHOD_NOT_ALLOWED, &sentence).with(ALLOW, methods)
    }

    /// A redirect. `place` is relative to the request's path, since a router may have removed a
    /// prefix from the path.
    pub(super) fn elsewhere(status: StatusCode, place: &'static str) -> Self {
        Self::text("").with_status(status).with(LOCATION, place)
    }

    /// Makes browsers save the answer as a file of this name.
    pub(super) fn saved_as(self, name: &str) -> Self {
        let value = format!("attachment; filename=\"{name}\"");
        self.with(CONTENT_DISPOSITION, value)
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn with_policy(self, policy: String) -> Self {
        let policy = policy.into();
        Self { policy, ..self }
    }

    pub(super) fn with(self, name: HeaderName, value: impl Into<Cow<'static, str>>) -> Self {
        let header = Some((name, value.into()));
        Self { header, ..self }
    }

    /// The response; without its body for `HEAD` requests.
    pub(super) fn into_response(mut self, is_head: bool) -> Response<DebugRoutesBody> {
        let body = OwnBytes(Own::new(|| mem::take(&mut self.body)));
        let length = body.0.len();
        let data = (!is_head && length > 0).then(|| Bytes::from_owner(body));
        let mut response = Response::new(DebugRoutesBody { data });
        *response.status_mut() = self.status;
        response.extensions_mut().insert(PageOfOurs);
        let headers = response.headers_mut();
        // Not `no-referrer`: a form would be sent without its origin, too.
        ours::describe(headers, self.content_type, &self.policy, "same-origin");
        headers.insert(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        );
        if let Some((name, value)) = &self.header
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
        headers.insert(CONTENT_LENGTH, length.into());
        uncounted::during(false, || drop(self));
        response
    }
}

/// Uncounted bytes, as an owner for [`Bytes`].
struct OwnBytes(Own<Vec<u8>>);

impl AsRef<[u8]> for OwnBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The body of a response of [`DebugRoutes`](super::DebugRoutes), in one frame.
#[derive(Debug)]
pub struct DebugRoutesBody {
    data: Option<Bytes>,
}

impl Body for DebugRoutesBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.data.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(length as u64)
    }
}
