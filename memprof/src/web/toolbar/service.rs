//! The service that adds the toolbar to an inner service, and its future.

use super::body::{self, DebugToolbarBody, Polled};
use super::current::{At, Running};
use super::exchange::Shared;
use super::history::History;
use super::pages::{self, Answer};
use super::policy;
use super::request_body::DebugToolbarRequestBody;
use super::state::Toolbar;
use crate::count::uncounted;
use crate::web::id::Id;
use crate::web::ours::PageOfOurs;
use crate::web::query;
use crate::web::recording::{Head, Recording, RequestProfile, Sink};
use crate::web::service::{ProfilerBody, ProfilerFuture};
use http::header::{ACCEPT, HeaderValue, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// A service that adds the toolbar to an inner service: see [`DebugToolbarLayer`](super::DebugToolbarLayer).
#[derive(Clone, Debug)]
pub struct DebugToolbar<S> {
    inner: S,
    /// `None` in builds without a toolbar.
    toolbar: Option<Arc<Toolbar>>,
}

impl<S> DebugToolbar<S> {
    pub(super) fn new(inner: S, toolbar: Option<Arc<Toolbar>>) -> Self {
        Self { inner, toolbar }
    }

    #[cfg(test)]
    pub(super) fn is_there(&self) -> bool {
        self.toolbar.is_some()
    }
}

impl<S, B, C> Service<Request<B>> for DebugToolbar<S>
where
    S: Service<Request<DebugToolbarRequestBody<B>>, Response = Response<C>>,
    C: Body,
    C::Data: From<Vec<u8>>,
{
    type Response = Response<DebugToolbarBody<C>>;
    type Error = S::Error;
    type Future = DebugToolbarFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        query::take_token(&mut request);
        let head = Head::of(&request);
        let toolbar = self
            .toolbar
            .as_ref()
            .filter(|toolbar| toolbar.access().allows(&head));
        let Some(toolbar) = toolbar else {
            let request = request.map(|body| DebugToolbarRequestBody::new(body, None));
            let future = ProfilerFuture::calling(&mut self.inner, request, None);
            return DebugToolbarFuture::of_service(future, None);
        };
        let cookie = toolbar.access().cookie(&head);
        if let Some(answer) = pages::answer(toolbar, &head) {
            return DebugToolbarFuture {
                source: Source::Page { answer, cookie },
            };
        }
        let (parts, body) = request.into_parts();
        let exchange = Shared::begin(&parts, toolbar.most_bytes(), &toolbar.settings.redactor);
        toolbar.history.add(&exchange);
        // Where it says what it is to become: an image, a frame, a piece that a script puts
        // somewhere. What is no page of its own gets no bar.
        let is_page = parts
            .headers
            .get("sec-fetch-dest")
            .is_none_or(|place| place == "document");
        let accepts_page = parts.headers.get(ACCEPT).is_some_and(|accept| {
            let accept = accept.as_bytes();
            accept.windows(9).any(|word| word == b"text/html")
        });
        let body = DebugToolbarRequestBody::new(body, Some(&exchange));
        let request = Request::from_parts(parts, body);
        let sink = Arc::new(Ending {
            exchange: exchange.clone(),
            history: Arc::clone(&toolbar.history),
        });
        let recording = Recording::begin(sink, &Head::of(&request));
        let running = Running::new(recording.scope(), &exchange);
        let future = {
            let _called = Polled::calling(&exchange);
            let _at = At::new(&exchange);
            ProfilerFuture::calling(&mut self.inner, request, Some(recording))
        };
        let watched = Watched {
            is_page,
            accepts_page,
            cookie,
            exchange,
            running,
            toolbar: Arc::clone(toolbar),
        };
        DebugToolbarFuture::of_service(future, Some(watched))
    }
}

/// What the future of a recorded request keeps.
#[derive(Debug)]
struct Watched {
    is_page: bool,
    accepts_page: bool,
    cookie: Option<HeaderValue>,
    exchange: Shared,
    running: Running,
    toolbar: Arc<Toolbar>,
}

/// Puts the profile of a request into its exchange, which ends that.
#[derive(Debug)]
struct Ending {
    exchange: Shared,
    history: Arc<History>,
}

impl Sink for Ending {
    fn pass_on(&self, profile: RequestProfile) {
        self.exchange.end(profile);
        self.history.end(&self.exchange);
    }
}

pin_project! {
    /// The future of a [`DebugToolbar`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct DebugToolbarFuture<F> {
        #[pin]
        source: Source<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = SourceProjection]
    enum Source<F> {
        Service { #[pin] future: ProfilerFuture<F>, watched: Option<Watched> },
        Page { answer: Answer, cookie: Option<HeaderValue> },
    }
}

impl<F> DebugToolbarFuture<F> {
    fn of_service(future: ProfilerFuture<F>, watched: Option<Watched>) -> Self {
        Self {
            source: Source::Service { future, watched },
        }
    }
}

impl<F, C, E> Future for DebugToolbarFuture<F>
where
    F: Future<Output = Result<Response<C>, E>>,
    C: Body,
    C::Data: From<Vec<u8>>,
{
    type Output = Result<Response<DebugToolbarBody<C>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().source.project() {
            SourceProjection::Page { answer, cookie } => {
                let mut response = ready!(answer.poll(context));
                keep_token(response.headers_mut(), cookie.take());
                Poll::Ready(Ok(response.map(DebugToolbarBody::page)))
            }
            SourceProjection::Service { future, watched } => {
                let answer = match watched {
                    Some(watched) => {
                        let _polled = Polled::new(&watched.exchange);
                        let _at = At::new(&watched.exchange);
                        ready!(future.poll(context))
                    }
                    None => ready!(future.poll(context)),
                };
                Poll::Ready(answer.map(|response| match watched.take() {
                    Some(watched) => watched.finish(response),
                    None => response.map(|body| DebugToolbarBody::new(body, None, None)),
                }))
            }
        }
    }
}

/// Sets the cookie with the token. The answer must not be cached.
fn keep_token(headers: &mut HeaderMap, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        headers.append(SET_COOKIE, cookie);
    }
}

impl Watched {
    /// Records the answer, and adds the bar if it is a page.
    fn finish<C>(self, mut response: Response<ProfilerBody<C>>) -> Response<DebugToolbarBody<C>>
    where
        C: Body,
        C::Data: From<Vec<u8>>,
    {
        let exchange = self.exchange;
        let (status, headers) = (response.status(), response.headers());
        uncounted::during(false, || exchange.answer(status, headers));
        let settings = &self.toolbar.settings;
        let is_redirect = status.is_redirection() && headers.contains_key(LOCATION);
        let intercepted = settings.intercepts_redirects
            && is_redirect
            && self.is_page
            && self.accepts_page
            && *exchange.method() != Method::HEAD;
        let page = intercepted.then(|| pages::intercept(&mut response, &settings.redactor));
        let is_ours = response.extensions().get::<PageOfOurs>().is_some();
        let takes_bar = intercepted
            || self.is_page
                && !is_ours
                && body::takes_bar(exchange.method(), status, response.headers());
        let bar = takes_bar.then(|| {
            let nonce = Id::new().to_string();
            let bar = body::bar(&settings.prefix, &exchange.id(), &nonce);
            body::lengthen(response.headers_mut(), bar.len());
            body::keep_from_caches(response.headers_mut());
            keep_token(response.headers_mut(), self.cookie);
            policy::allow_bar(response.headers_mut(), &nonce);
            bar
        });
        // To `HEAD`, there may be the headers of the page without its body; or else the server
        // takes the length from the body, which it then leaves out.
        let is_head = *exchange.method() == Method::HEAD;
        let bar = bar.filter(|_| !is_head || !response.body().is_end_stream());
        if let Some(mut page) = page {
            page.extend(bar.into_iter().flatten());
            return response.map(|mut body| {
                let _at = At::new(&exchange);
                body.end();
                drop(body);
                DebugToolbarBody::page(page)
            });
        }
        let running = self.running;
        response.map(|body| DebugToolbarBody::new(body, bar, Some((exchange, running))))
    }
}
