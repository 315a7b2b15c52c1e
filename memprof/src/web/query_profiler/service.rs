//! The service that answers requests for a profile, with its future and body.

use super::QueryProfilerSettings;
use super::answer::{self, Answer};
use super::asked::Asked;
use crate::count::uncounted::Own;
use crate::web::id::Id;
use crate::web::query;
use crate::web::recording::{Head, Recording, RequestProfile, Sink};
use crate::web::service::{ProfilerBody, ProfilerFuture};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// The most bytes that are read of a body without a stated length.
const MOST_BYTES_READ: u64 = 16 << 20;

/// The frames of a body that one poll reads at most, so that other tasks can run.
const FRAMES_AT_ONCE: u32 = 64;

const ID_HEADER: HeaderName = HeaderName::from_static("x-memprof-id");

/// A service that profiles the requests that ask for it: see
/// [`QueryProfilerLayer`](super::QueryProfilerLayer).
#[derive(Clone, Debug)]
pub struct QueryProfiler<S> {
    inner: S,
    settings: Arc<QueryProfilerSettings>,
}

impl<S> QueryProfiler<S> {
    pub(super) fn new(inner: S, settings: Arc<QueryProfilerSettings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, B, C> Service<Request<B>> for QueryProfiler<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    C: Body,
    C::Data: From<Vec<u8>>,
{
    type Response = Response<QueryProfilerBody<C>>;
    type Error = S::Error;
    type Future = QueryProfilerFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        query::take_token(&mut request);
        let Some(asked) = self.settings.asked(&Head::of(&request)) else {
            let future = ProfilerFuture::calling(&mut self.inner, request, None);
            return QueryProfilerFuture {
                step: Step::Through { future },
            };
        };
        if let Asked::Saved(id) = asked {
            let answer = Some(self.settings.saved(id));
            return QueryProfilerFuture {
                step: Step::Known { answer },
            };
        }
        let is_key = |name: &str| name == self.settings.key;
        *request.uri_mut() = query::without(request.uri(), is_key);
        let wish = Arc::new(Wish::new(Arc::clone(&self.settings), asked == Asked::Save));
        let recording = Recording::begin(Arc::clone(&wish) as _, &Head::of(&request));
        let future = ProfilerFuture::calling(&mut self.inner, request, Some(recording));
        QueryProfilerFuture {
            step: Step::Calling { future, wish },
        }
    }
}

/// What to do with the profile of one request.
#[derive(Debug)]
struct Wish {
    settings: Arc<QueryProfilerSettings>,
    /// The id of the page, if it is to be saved.
    id: Option<Id>,
    /// The headers of the response.
    headers: OnceLock<HeaderMap>,
    profile: Mutex<Option<Own<RequestProfile>>>,
}

impl Wish {
    fn new(settings: Arc<QueryProfilerSettings>, is_to_be_saved: bool) -> Self {
        Self {
            settings,
            id: is_to_be_saved.then(Id::new),
            headers: OnceLock::new(),
            profile: Mutex::new(None),
        }
    }

    fn page(&self, profile: &RequestProfile) -> Vec<u8> {
        let none = HeaderMap::new();
        let headers = self.headers.get().unwrap_or(&none);
        answer::page_of(profile, headers, self.settings.has_source)
    }

    /// The page with the profile, in place of the response.
    fn answer(&self) -> Answer {
        let profile = self.profile.lock();
        match profile.unwrap_or_else(PoisonError::into_inner).take() {
            Some(profile) => Answer::page(&self.page(&profile)),
            // The recording was not dropped with its body: there is no such case.
            None => Answer::page(b""),
        }
    }
}

impl Sink for Wish {
    fn pass_on(&self, profile: RequestProfile) {
        match self.id {
            Some(id) => self.settings.keep(id, self.page(&profile)),
            None => {
                let mut kept = self.profile.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some(Own::new(|| profile));
            }
        }
    }
}

pin_project! {
    /// The future of a [`QueryProfiler`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct QueryProfilerFuture<F, B> {
        #[pin]
        step: Step<F, B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StepProjection]
    enum Step<F, B> {
        /// The request doesn't ask for a profile.
        Through { #[pin] future: ProfilerFuture<F> },
        /// The answer is complete.
        Known { answer: Option<Answer> },
        /// The inner service is called, to be profiled.
        Calling { #[pin] future: ProfilerFuture<F>, wish: Arc<Wish> },
        /// The body of its response is read and discarded.
        Reading { #[pin] body: ProfilerBody<B>, read_bytes: u64, wish: Arc<Wish> },
    }
}

impl<F, B, E> Future for QueryProfilerFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    B::Data: From<Vec<u8>>,
{
    type Output = Result<Response<QueryProfilerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            match step.as_mut().project() {
                StepProjection::Through { future } => {
                    let response = ready!(future.poll(context))?;
                    return Poll::Ready(Ok(response.map(QueryProfilerBody::of_service)));
                }
                StepProjection::Known { answer } => {
                    let answer = answer.take().expect("it is polled until it is ready");
                    return Poll::Ready(Ok(answer.into_response(QueryProfilerBody::of_ours)));
                }
                StepProjection::Calling { future, wish } => {
                    let mut response = ready!(future.poll(context))?;
                    let _ = wish.headers.set(response.headers().clone());
                    if let Some(id) = wish.id {
                        // Of digits alone.
                        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
                            response.headers_mut().insert(ID_HEADER, id);
                        }
                        return Poll::Ready(Ok(response.map(QueryProfilerBody::of_service)));
                    }
                    let wish = Arc::clone(wish);
                    let body = response.into_body();
                    step.set(Step::Reading {
                        body,
                        read_bytes: 0,
                        wish,
                    });
                }
                StepProjection::Reading {
                    body,
                    read_bytes,
                    wish,
                } => {
                    ready!(read(body, read_bytes, context));
                    let wish = Arc::clone(wish);
                    // With the body, the recording ends.
                    step.set(Step::Known { answer: None });
                    let answer = Some(wish.answer());
                    step.set(Step::Known { answer });
                }
            }
        }
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

pin_project! {
    /// The body of a response of a [`QueryProfiler`]: that of the inner service, or a page.
    #[derive(Debug)]
    pub struct QueryProfilerBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = SourceProjection]
    enum Source<B> {
        Service { #[pin] body: ProfilerBody<B> },
        Ours { page: Vec<u8> },
    }
}

impl<B> QueryProfilerBody<B> {
    fn of_service(body: ProfilerBody<B>) -> Self {
        Self {
            source: Source::Service { body },
        }
    }

    fn of_ours(page: Vec<u8>) -> Self {
        Self {
            source: Source::Ours { page },
        }
    }
}

impl<B> Body for QueryProfilerBody<B>
where
    B: Body,
    B::Data: From<Vec<u8>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().source.project() {
            SourceProjection::Service { body } => body.poll_frame(context),
            SourceProjection::Ours { page } if page.is_empty() => Poll::Ready(None),
            SourceProjection::Ours { page } => {
                let page = std::mem::take(page);
                Poll::Ready(Some(Ok(Frame::data(page.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Service { body } => body.is_end_stream(),
            Source::Ours { page } => page.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Service { body } => body.size_hint(),
            Source::Ours { page } => SizeHint::with_exact(page.len() as u64),
        }
    }
}
