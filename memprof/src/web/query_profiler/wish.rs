//! What a request wants of its profile.

use super::answer;
use super::asked::Asked;
use super::{QueryProfilerLayer, QueryProfilerSettings};
use crate::count::uncounted::Own;
use crate::web::id::Id;
use crate::web::query;
use crate::web::recording::{Head, Hooks, Recording, RequestProfile, Then};
use crate::web::service::{Answer, Begun, RequestLayer, TextLayer};
use http::header::{HeaderName, HeaderValue};
use http::response::Parts;
use http::{HeaderMap, Request, Response};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const ID_HEADER: HeaderName = HeaderName::from_static("x-memprof-id");

impl RequestLayer for QueryProfilerLayer {
    type RequestBody<B> = B;

    fn begin<B>(&self, mut request: Request<B>) -> Begun<B> {
        query::take_token(&mut request);
        let Some(asked) = self.settings.asked(&Head::of(&request)) else {
            return Begun::Call(request, None);
        };
        if let Asked::Saved(id) = asked {
            return Begun::Answer(Answer::now(self.settings.saved(id)));
        }
        let is_key = |name: &str| name == self.settings.key;
        *request.uri_mut() = query::without(request.uri(), is_key);
        let wish = Wish::new(Arc::clone(&self.settings), asked == Asked::Save);
        let recording = Recording::begin(Arc::new(wish), &Head::of(&request));
        Begun::Call(request, Some(recording))
    }
}

impl<D: From<Vec<u8>>> TextLayer<D> for QueryProfilerLayer {
    const TO_DATA: Option<fn(Vec<u8>) -> D> = Some(D::from);
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
}

impl Hooks for Wish {
    fn respond(&self, head: &mut Parts, _has_empty_body: bool) -> Then {
        let _ = self.headers.set(head.headers.clone());
        let Some(id) = self.id else {
            return Then::Read;
        };
        // Of digits alone.
        if let Ok(id) = HeaderValue::try_from(id.to_string()) {
            head.headers.insert(ID_HEADER, id);
        }
        Then::Send(None)
    }

    fn wants_times(&self) -> bool {
        true
    }

    /// The page with the profile, in place of the response.
    fn answer(&self) -> Response<Vec<u8>> {
        let profile = self.profile.lock();
        let profile = profile.unwrap_or_else(PoisonError::into_inner).take();
        // The recording is dropped with the body: there is always a profile.
        answer::page(profile.map_or_else(Vec::new, |profile| self.page(&profile)))
    }

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
