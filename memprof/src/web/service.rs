//! The service of all layers, and its future. A layer fills in what is done before a request
//! ([`RequestLayer`]) and while it is profiled ([`Hooks`]).

use super::body::ProfilerBody;
use super::recording::{self, Hooks, Outcome, Part, Recording, Then};
use crate::scope::future::WithScope;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// The most bytes that are read of a body without a stated length, to discard them.
const MOST_BYTES_READ: u64 = 16 << 20;

/// The frames of a body that one poll reads at most, so that other tasks can run.
const FRAMES_AT_ONCE: u32 = 64;

/// What a layer does before a request.
///
/// Public, as all that it names is, because bounds of [`Profiler`] name it. No other crate can
/// name it, since the module is private.
pub trait RequestLayer {
    /// What the inner service gets instead of a request's body.
    type RequestBody<B>;

    fn begin<B>(&self, request: Request<B>) -> Begun<Self::RequestBody<B>>;
}

/// A layer whose texts, if it has any, can be in bodies with data of type `D`.
pub trait TextLayer<D>: RequestLayer {
    /// Makes data of a text. `None` of a layer without texts.
    const TO_DATA: Option<fn(Vec<u8>) -> D>;
}

/// How a request continues.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is returned; a box would allocate for each request"
)]
pub enum Begun<B> {
    /// The inner service is called, and profiled if there is a recording.
    Call(Request<B>, Option<Recording>),
    /// The layer answers itself.
    Answer(Answer),
}

/// An answer of the layer's own.
pub enum Answer {
    Now(Option<Response<Vec<u8>>>),
    Later(Pin<Box<dyn Future<Output = Response<Vec<u8>>> + Send>>),
}

impl Answer {
    pub(super) fn now(response: Response<Vec<u8>>) -> Self {
        Self::Now(Some(response))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Response<Vec<u8>>> {
        match self {
            Self::Now(response) => {
                let response = response.take();
                Poll::Ready(response.expect("it is polled until it is ready"))
            }
            Self::Later(future) => future.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer(..)")
    }
}

/// A service that profiles the requests of an inner service, for the layer `L`:
/// [`ProfilerLayer`](super::ProfilerLayer), [`QueryProfilerLayer`](super::QueryProfilerLayer) or
#[cfg_attr(
    feature = "toolbar",
    doc = "[`DebugToolbarLayer`](super::DebugToolbarLayer)."
)]
#[cfg_attr(not(feature = "toolbar"), doc = "`DebugToolbarLayer`.")]
#[derive(Clone, Debug)]
pub struct Profiler<S, L> {
    inner: S,
    layer: L,
}

impl<S, L> Profiler<S, L> {
    pub(super) fn new(inner: S, layer: L) -> Self {
        Self { inner, layer }
    }
}

impl<S, L, B, C> Service<Request<B>> for Profiler<S, L>
where
    S: Service<Request<L::RequestBody<B>>, Response = Response<C>>,
    L: TextLayer<C::Data>,
    C: Body,
{
    type Response = Response<ProfilerBody<C>>;
    type Error = S::Error;
    type Future = ProfilerFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let step = match self.layer.begin(request) {
            Begun::Call(request, recording) => Step::calling(&mut self.inner, request, recording),
            Begun::Answer(answer) => Step::Answering { answer },
        };
        let to_data = L::TO_DATA;
        ProfilerFuture { step, to_data }
    }
}

pin_project! {
    /// The future of a [`Profiler`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ProfilerFuture<F, B: Body> {
        #[pin]
        step: Step<F, B>,
        to_data: Option<fn(Vec<u8>) -> B::Data>,
    }
}

// Not derived, which would ask it of the body's data.
impl<F: fmt::Debug, B: Body + fmt::Debug> fmt::Debug for ProfilerFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProfilerFuture").field(&self.step).finish()
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StepProjection]
    enum Step<F, B: Body> {
        /// The inner service works on the request.
        Calling {
            // Dropped first, in its scope.
            #[pin]
            future: WithScope<F>,
            recording: Option<Recording>,
            is_head: bool,
        },
        /// The body of its response is read and discarded.
        Reading { #[pin] body: ProfilerBody<B>, read_bytes: u64, hooks: Arc<dyn Hooks> },
        /// The layer answers.
        Answering { answer: Answer },
    }
}

impl<F, B: Body> Step<F, B> {
    /// Calls a service with a request, in the scope of the recording, if there is one.
    fn calling<S, R>(service: &mut S, request: Request<R>, mut recording: Option<Recording>) -> Self
    where
        S: Service<Request<R>, Future = F>,
    {
        let is_head = request.method() == Method::HEAD;
        let call = || service.call(request);
        let future = recording::within(recording.as_ref(), Part::Call, call);
        set_outcome(&mut recording, Outcome::Dropped);
        let scope = recording
            .as_ref()
            .map(|recording| recording.scope().clone());
        Self::Calling {
            future: WithScope::new(future, scope),
            recording,
            is_head,
        }
    }
}

impl<F, B, E> Future for ProfilerFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ProfilerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut step, to_data) = (this.step, *this.to_data);
        loop {
            match step.as_mut().project() {
                StepProjection::Calling {
                    future,
                    recording,
                    is_head,
                } => {
                    let response = ready!(poll_service(future, recording, context))?;
                    let (mut head, body) = response.into_parts();
                    let body = ProfilerBody::new(body, &head, *is_head, recording.take());
                    let hooks = body.hooks().cloned();
                    let then = hooks.as_ref().map_or(Then::Send(None), |hooks| {
                        hooks.respond(&mut head, body.is_end_stream())
                    });
                    let body = match (then, hooks) {
                        (Then::Read, Some(hooks)) => {
                            let read_bytes = 0;
                            step.set(Step::Reading {
                                body,
                                read_bytes,
                                hooks,
                            });
                            continue;
                        }
                        (Then::Replace(text), _) => body.replaced_by(text, to_data),
                        (Then::Send(Some(text)), _) => body.followed_by(text, to_data),
                        (Then::Send(None) | Then::Read, _) => body,
                    };
                    return Poll::Ready(Ok(Response::from_parts(head, body)));
                }
                StepProjection::Reading {
                    mut body,
                    read_bytes,
                    hooks,
                } => {
                    ready!(read(body.as_mut(), read_bytes, context));
                    body.discard();
                    let answer = Answer::now(hooks.answer());
                    step.set(Step::Answering { answer });
                }
                StepProjection::Answering { answer } => {
                    let response = ready!(answer.poll(context));
                    return Poll::Ready(Ok(response.map(|text| ProfilerBody::text(text, to_data))));
                }
            }
        }
    }
}

/// Polls the future of the inner service. If it fails, its recording ends.
fn poll_service<F, T, E>(
    future: Pin<&mut WithScope<F>>,
    recording: &mut Option<Recording>,
    context: &mut Context<'_>,
) -> Poll<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    // What is left as it is by a panic.
    set_outcome(recording, Outcome::Panicked);
    let poll = || future.poll(context);
    let answer = recording::around(recording.as_ref(), Part::Poll, poll);
    set_outcome(recording, Outcome::Dropped);
    if let Poll::Ready(Err(_)) = answer {
        set_outcome(recording, Outcome::Failed);
        *recording = None;
    }
    answer
}

fn set_outcome(recording: &mut Option<Recording>, outcome: Outcome) {
    if let Some(recording) = recording {
        recording.set_outcome(outcome);
    }
}

/// Reads a body to its end, or up to [`MOST_BYTES_READ`] if it states no length.
fn read<B: Body>(
    mut body: Pin<&mut ProfilerBody<B>>,
    read_bytes: &mut u64,
    context: &mut Context<'_>,
) -> Poll<()> {
    // One of stated length comes to an end.
    let has_end = body.size_hint().exact().is_some();
    for _ in 0..FRAMES_AT_ONCE {
        match body.as_mut().poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(0, bytes::Buf::remaining);
                *read_bytes = read_bytes.saturating_add(data as u64);
                if *read_bytes > MOST_BYTES_READ && !has_end {
                    return Poll::Ready(());
                }
            }
            Poll::Pending if has_end => return Poll::Pending,
            Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return Poll::Ready(()),
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}
