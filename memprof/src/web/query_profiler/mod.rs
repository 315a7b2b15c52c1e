//! `?profile`: the profile of one request, for who asks for it in the browser.

mod answer;
mod asked;
mod service;
mod store;

use super::access::Access;
use super::id::Id;
use super::recording::Head;
use crate::count::uncounted::Own;
use crate::sys::fork_lock::Lock;
use answer::Answer;
use asked::Asked;
pub use service::{QueryProfiler, QueryProfilerBody, QueryProfilerFuture};
use std::sync::Arc;
use store::Store;
use tower_layer::Layer;

/// Answers a request that has `?profile` in its query with a page of what the request did,
/// in place of its response.
///
/// The request is answered by the service as it would be without `profile` in its query,
/// and the response's status and headers are on the page, with what each line of
/// functions under [`#[memprofile]`](macro@crate::memprofile) made. With `?profile=save`
/// the response stays as it is and has the header `X-Memprof-Id`; the page is then
/// at `/debug/memprof/` and the id. Other values of `profile` are the service's own.
///
/// Secrets in the path and the headers are shown as dots, by their names and their looks. The
/// token of [`Access::token`] in a query is taken out before the service sees it.
///
/// Only `GET`, `HEAD`, `OPTIONS` and `TRACE` are profiled, and only for whom
/// [`Access`] allows it. For all others the layer isn't there.
///
/// A response whose body has no stated length is read as far as it comes without
/// waiting, 16 MiB at the most.
///
/// ```
/// use memprof::web::{Access, QueryProfilerLayer};
/// use tower::ServiceBuilder;
///
/// let layer = QueryProfilerLayer::new(Access::token("a long and random one"));
/// # let inner = tower::service_fn(|_: http::Request<String>| async {
/// #     let body = http_body_util::Full::new(bytes::Bytes::from("a page"));
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(body))
/// # });
/// let service = ServiceBuilder::new().layer(layer).service(inner);
/// ```
#[derive(Clone, Debug)]
pub struct QueryProfilerLayer {
    settings: Arc<Settings>,
}

/// What a layer was told, and the pages it keeps. Its services share both.
#[derive(Clone, Debug)]
struct Settings {
    access: Access,
    key: String,
    any_method: bool,
    has_source: bool,
    max_pages: usize,
    max_bytes: usize,
    /// With a slash at the end.
    prefix: String,
    store: Arc<Lock<Own<Store>>>,
}

impl QueryProfilerLayer {
    /// Shows profiles to those whom `access` allows for.
    #[must_use]
    pub fn new(access: Access) -> Self {
        let settings = Settings {
            access,
            key: "profile".to_owned(),
            any_method: false,
            has_source: true,
            max_pages: 50,
            max_bytes: 16 << 20,
            prefix: "/debug/memprof/".to_owned(),
            store: Arc::new(Lock::new(Own::new(Store::default))),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// The key in the query, in place of `profile`.
    ///
    /// ```
    /// # use memprof::web::{Access, QueryProfilerLayer};
    /// # let access = Access::token("a long and random one");
    /// let layer = QueryProfilerLayer::new(access).key("_memory");
    /// ```
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        let key = key.into();
        self.with(|settings| settings.key = key)
    }

    /// Profiles requests of all methods, those that change something, too: whoever goes
    /// to the page a second time does it a second time.
    #[must_use]
    pub fn any_method(self) -> Self {
        self.with(|settings| settings.any_method = true)
    }

    /// Where saved pages are, in place of `/debug/memprof`.
    ///
    /// ```
    /// # use memprof::web::{Access, QueryProfilerLayer};
    /// # let access = Access::token("a long and random one");
    /// let layer = QueryProfilerLayer::new(access).prefix("/internal/profiles");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is nothing in it but slashes.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let path = prefix.trim_matches('/');
        assert!(
            !path.is_empty(),
            "the prefix of saved profiles is {prefix:?}, and should be a path"
        );
        let prefix = format!("/{path}/");
        self.with(|settings| settings.prefix = prefix)
    }

    /// Keeps so many saved pages at the most, 50 by default: the oldest goes for the next.
    #[must_use]
    pub fn max_pages(self, count: usize) -> Self {
        self.with(|settings| settings.max_pages = count)
    }

    /// Keeps saved pages of so many bytes at the most, 16 MiB by default.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_bytes = bytes)
    }

    /// Leaves the text of the source out of the pages.
    #[must_use]
    pub fn confidential(self) -> Self {
        self.with(|settings| settings.has_source = false)
    }
}

impl<S> Layer<S> for QueryProfilerLayer {
    type Service = QueryProfiler<S>;

    fn layer(&self, inner: S) -> QueryProfiler<S> {
        QueryProfiler::new(inner, Arc::clone(&self.settings))
    }
}

impl Settings {
    /// What a request asks of the layer, if it does and may.
    fn asked(&self, head: &Head<'_>) -> Option<Asked> {
        let asked = Asked::of(head, &self.key, &self.prefix, self.any_method)?;
        self.access.allows(head).then_some(asked)
    }

    /// The answer to who wants to see what was saved.
    fn saved(&self, id: Id) -> Answer {
        // The last who has it, if it makes room for another at this moment.
        let page = Own::new(|| self.store.lock().page(id));
        match &*page {
            Some(page) => Answer::page(page),
            None => Answer::not_found(id),
        }
    }

    fn keep(&self, id: Id, page: Vec<u8>) {
        let mut store = self.store.lock();
        store.keep(id, page, self.max_pages, self.max_bytes);
    }
}
