//! The service that records requests of an inner service, with its future and body. All layers use
//! these: each has its own [`Sink`](super::recording::Sink) for the profile.

use super::profiler_settings::ProfilerState;
use super::recording::{Head, Outcome, Recording};
use crate::scope::future::{ScopeExt, WithScope};
use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A service that profiles the requests of an inner service: see [`ProfilerLayer`](super::ProfilerLayer).
#[derive(Clone, Debug)]
pub struct Profiler<S> {
    inner: S,
    settings: Arc<ProfilerState>,
}

impl<S> Profiler<S> {
    pub(super) fn new(inner: S, settings: Arc<ProfilerState>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, C> Service<Request<B>> for Profiler<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    C: Body,
{
    type Response = Response<ProfilerBody<C>>;
    type Error = S::Error;
    type Future = ProfilerFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let recording = self.settings.begin(&Head::of(&request));
        ProfilerFuture::calling(&mut self.inner, request, recording)
    }
}

pin_project! {
    /// The future of a [`Profiler`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ProfilerFuture<F> {
        // Dropped first, in its scope.
        #[pin]
        future: Profiled<F>,
        recording: Option<Recording>,
        is_head: bool,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = ProfiledProjection]
    enum Profiled<F> {
        Not { #[pin] future: F },
        Is { #[pin] future: WithScope<F> },
    }
}

impl<F: Future> ProfilerFuture<F> {
    /// Calls a service with a request, in the scope of the recording, if there is one.
    pub(super) fn calling<S, B>(
        service: &mut S,
        request: Request<B>,
        recording: Option<Recording>,
    ) -> Self
    where
        S: Service<Request<B>, Future = F>,
    {
        let is_head = request.method() == Method::HEAD;
        let Some(mut recording) = recording else {
            let future = service.call(request);
            return Self {
                future: Profiled::Not { future },
                recording: None,
                is_head,
            };
        };
        let future = {
            let _in_scope = recording.enter();
            service.call(request)
        };
        recording.set_outcome(Outcome::Dropped);
        Self {
            future: Profiled::Is {
                future: ScopeExt::with_scope(future, recording.scope()),
            },
            recording: Some(recording),
            is_head,
        }
    }
}

impl<F, C, E> Future for ProfilerFuture<F>
where
    F: Future<Output = Result<Response<C>, E>>,
    C: Body,
{
    type Output = Result<Response<ProfilerBody<C>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.future.project() {
            ProfiledProjection::Not { future } => ready!(future.poll(context)),
            ProfiledProjection::Is { future } => {
                // What is left as it is by a panic.
                set_outcome(this.recording, Outcome::Panicked);
                let answer = future.poll(context);
                set_outcome(this.recording, Outcome::Dropped);
                ready!(answer)
            }
        };
        let mut recording = this.recording.take();
        Poll::Ready(match answer {
            Ok(response) => {
                set_outcome(&mut recording, Outcome::Aborted(response.status()));
                let stated_bytes = stated_bytes(&response);
                let nobody_takes_it = *this.is_head || has_no_body(response.status());
                let is_empty = response.body().is_end_stream() || stated_bytes == Some(0);
                if let Some(recording) = &mut recording
                    && (nobody_takes_it || is_empty)
                {
                    recording.end_body();
                }
                Ok(response.map(|body| ProfilerBody {
                    body: Some(body),
                    recording,
                    stated_bytes,
                }))
            }
            Err(error) => {
                set_outcome(&mut recording, Outcome::Failed);
                Err(error)
            }
        })
    }
}

/// Whether servers send a response of this status without its body.
fn has_no_body(status: StatusCode) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    status.is_informational() || without.contains(&status)
}

/// The length of the body that a response states, in bytes.
fn stated_bytes<C: Body>(response: &Response<C>) -> Option<u64> {
    let header = response.headers().get(CONTENT_LENGTH);
    let stated = header.and_then(|value| value.to_str().ok()?.parse().ok());
    stated.or_else(|| response.body().size_hint().exact())
}

fn set_outcome(recording: &mut Option<Recording>, outcome: Outcome) {
    if let Some(recording) = recording {
        recording.set_outcome(outcome);
    }
}

pin_project! {
    /// The body of a response of a [`Profiler`], unchanged from the inner service.
    #[derive(Debug)]
    pub struct ProfilerBody<B> {
        // `None` while it is being dropped.
        #[pin]
        body: Option<B>,
        recording: Option<Recording>,
        // Of those that the response stated, those that are still to come.
        stated_bytes: Option<u64>,
    }

    impl<B> PinnedDrop for ProfilerBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let in_scope = this.recording.as_ref().map(Recording::enter);
            this.body.set(None);
            // And only then what it leaves behind is looked at.
            drop(in_scope);
            this.recording.take();
        }
    }
}

impl<B> ProfilerBody<B> {
    /// Ends the recording here: the rest of the body won't be read.
    #[cfg(feature = "toolbar")]
    pub(super) fn end(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.end_body();
        }
    }
}

impl<B: Body> Body for ProfilerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let in_scope = this.recording.as_ref().map(Recording::enter);
        let (frame, is_at_end) = {
            let mut body = body;
            let frame = body.as_mut().poll_frame(context);
            // Whoever sees that it is at its end doesn't ask for what is after it.
            let is_at_end = match &frame {
                Poll::Pending | Poll::Ready(Some(Err(_))) => false,
                Poll::Ready(None) => true,
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, Buf::remaining) as u64;
                    *this.stated_bytes = this.stated_bytes.map(|rest| rest.saturating_sub(bytes));
                    *this.stated_bytes == Some(0) || frame.is_trailers() || body.is_end_stream()
                }
            };
            (frame, is_at_end)
        };
        drop(in_scope);
        if is_at_end && let Some(recording) = this.recording {
            recording.end_body();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}
