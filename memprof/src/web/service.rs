//! The service around another that is profiled, its future and its response's body.

use super::profiler::Settings;
use super::recording::{Head, Outcome, Recording};
use crate::scope::{InScope, InScopeExt};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A service whose requests are profiled: see [`ProfilerLayer`](super::ProfilerLayer).
#[derive(Clone, Debug)]
pub struct Profiler<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Profiler<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
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
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = ProfiledProjection]
    enum Profiled<F> {
        Not { #[pin] future: F },
        Is { #[pin] future: InScope<F> },
    }
}

impl<F: Future> ProfilerFuture<F> {
    /// Has a service answer a request; in the scope of a recording, if there is one.
    pub(super) fn calling<S, B>(
        service: &mut S,
        request: Request<B>,
        recording: Option<Recording>,
    ) -> Self
    where
        S: Service<Request<B>, Future = F>,
    {
        let Some(mut recording) = recording else {
            let future = service.call(request);
            return Self {
                future: Profiled::Not { future },
                recording: None,
            };
        };
        let future = {
            let _in_scope = recording.enter();
            service.call(request)
        };
        recording.set_outcome(Outcome::Dropped);
        Self {
            future: Profiled::Is {
                future: InScopeExt::in_scope(future, recording.scope()),
            },
            recording: Some(recording),
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
                set_outcome(&mut recording, Outcome::Cut(response.status()));
                if let Some(recording) = &mut recording
                    && response.body().is_end_stream()
                {
                    recording.end_body();
                }
                Ok(response.map(|body| ProfilerBody {
                    body: Some(body),
                    recording,
                }))
            }
            Err(error) => {
                set_outcome(&mut recording, Outcome::Failed);
                Err(error)
            }
        })
    }
}

fn set_outcome(recording: &mut Option<Recording>, outcome: Outcome) {
    if let Some(recording) = recording {
        recording.set_outcome(outcome);
    }
}

pin_project! {
    /// The body of a response of a [`Profiler`], as it was made by the service inside.
    #[derive(Debug)]
    pub struct ProfilerBody<B> {
        // `None` while it is being dropped.
        #[pin]
        body: Option<B>,
        recording: Option<Recording>,
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
            let is_at_end = matches!(frame, Poll::Ready(None)) || body.is_end_stream();
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
