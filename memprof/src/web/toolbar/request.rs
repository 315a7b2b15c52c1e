//! What the toolbar does with a request.

use super::bar;
use super::current::{At, Running};
use super::exchange::Shared;
use super::layer::DebugToolbarLayer;
use super::pages;
use super::policy;
use super::polled::Polled;
use super::request_body::DebugToolbarRequestBody;
use super::state::Toolbar;
use crate::count::uncounted;
use crate::web::id::Id;
use crate::web::ours::PageOfOurs;
use crate::web::query;
use crate::web::recording::{Head, Hooks, Part, Recording, RequestProfile, Then};
use crate::web::service::{Begun, RequestLayer, TextLayer};
use http::header::{ACCEPT, HeaderValue, LOCATION};
use http::response::Parts;
use http::{Method, Request};
use std::sync::{Arc, OnceLock};

impl RequestLayer for DebugToolbarLayer {
    type RequestBody<B> = DebugToolbarRequestBody<B>;

    fn begin<B>(&self, mut request: Request<B>) -> Begun<DebugToolbarRequestBody<B>> {
        query::take_token(&mut request);
        let head = Head::of(&request);
        let toolbar = self.toolbar();
        let Some(toolbar) = toolbar.filter(|toolbar| toolbar.access().allows(&head)) else {
            let request = request.map(|body| DebugToolbarRequestBody::new(body, None));
            return Begun::Call(request, None);
        };
        if let Some(answer) = pages::answer(toolbar, &head) {
            return Begun::Answer(answer);
        }
        let cookie = toolbar.access().cookie(&head);
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
        let watched = Arc::new(Watched {
            is_page,
            accepts_page,
            cookie,
            exchange,
            running: OnceLock::new(),
            toolbar: Arc::clone(toolbar),
        });
        let recording = Recording::begin(Arc::clone(&watched) as _, &Head::of(&request));
        let running = Running::new(recording.scope(), &watched.exchange);
        // It is the first.
        let _ = watched.running.set(running);
        Begun::Call(request, Some(recording))
    }
}

impl<D: From<Vec<u8>>> TextLayer<D> for DebugToolbarLayer {
    const TO_DATA: Option<fn(Vec<u8>) -> D> = Some(D::from);
}

/// A recorded request.
#[derive(Debug)]
struct Watched {
    is_page: bool,
    accepts_page: bool,
    cookie: Option<HeaderValue>,
    exchange: Shared,
    running: OnceLock<Running>,
    toolbar: Arc<Toolbar>,
}

impl Hooks for Watched {
    fn around(&self, part: Part, work: &mut dyn FnMut()) {
        let polls = match part {
            Part::Call => Some(0),
            Part::Poll => Some(1),
            Part::Drop => None,
        };
        let _polled = polls.map(|polls| Polled::new(&self.exchange, polls));
        let _at = At::new(&self.exchange);
        work();
    }

    /// Records the answer, and adds the bar if it is a page.
    fn respond(&self, head: &mut Parts, has_empty_body: bool) -> Then {
        let exchange = &self.exchange;
        uncounted::during(false, || exchange.answer(head.status, &head.headers));
        let settings = &self.toolbar.settings;
        let is_head = *exchange.method() == Method::HEAD;
        let is_redirect = head.status.is_redirection() && head.headers.contains_key(LOCATION);
        let intercepted = settings.intercepts_redirects
            && is_redirect
            && self.is_page
            && self.accepts_page
            && !is_head;
        let page = intercepted.then(|| pages::intercept(head, &settings.redactor));
        let is_ours = head.extensions.get::<PageOfOurs>().is_some();
        let takes_bar = intercepted
            || self.is_page
                && !is_ours
                && bar::takes_bar(exchange.method(), head.status, &head.headers);
        let bar = takes_bar.then(|| {
            let nonce = Id::new().to_string();
            let bar = bar::bar(&settings.prefix, &exchange.id(), &nonce);
            bar::lengthen(&mut head.headers, bar.len());
            bar::keep_from_caches(&mut head.headers);
            pages::keep_token(&mut head.headers, self.cookie.clone());
            policy::allow_bar(&mut head.headers, &nonce);
            bar
        });
        if let Some(mut page) = page {
            page.extend(bar.into_iter().flatten());
            return Then::Replace(page);
        }
        // To `HEAD`, there may be the headers of the page without its body; or else the server
        // takes the length from the body, which it then leaves out.
        Then::Send(bar.filter(|_| !is_head || !has_empty_body))
    }

    /// Puts the profile into the exchange, which ends that.
    fn pass_on(&self, profile: RequestProfile) {
        self.exchange.end(profile);
        self.toolbar.history.end(&self.exchange);
    }
}
