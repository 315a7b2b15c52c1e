//! `?profile`: the profile of one request, requested in the browser.

mod answer;
mod asked;
mod store;
mod wish;

use super::access::Access;
use super::id::Id;
use super::recording::Head;
use super::service::Profiler;
use crate::count::uncounted::Own;
use crate::sys::fork_lock::Lock;
use asked::Asked;
use http::Response;
use std::sync::Arc;
use store::Store;
use tower_layer::Layer;

/// Answers a request with `?profile` in its query with a page that shows what the request did,
/// instead of with its response.
///
/// The service sees the request without `profile` in its query. The page has the status and headers
/// of its response, and what each line of functions with
/// [`#[memprofile]`](macro@crate::memprofile) allocated; on Linux also how long each line ran, from
/// a thousand samples a second. With `?profile=save`, the response stays
/// the same and gets the header `X-Memprof-Id`; the page is then at `/debug/memprof/` followed by
/// that id. Other values of `profile` are left to the service.
///
/// Only `GET`, `HEAD`, `OPTIONS` and `TRACE` requests that [`Access`] allows are profiled. All
/// others are served as without the layer.
///
/// Secrets in the path and the headers are recognised by their names and their format and shown as
/// dots. The token of [`Access::token`] is removed from the query before the service sees it.
///
/// For `?profile`, the response's body is read to its end and discarded. A body without a known
/// length is read only as far as it comes without waiting, up to 16 MiB.
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
    settings: Arc<QueryProfilerSettings>,
}

/// The settings of a layer and the pages it keeps. Its services share both.
#[derive(Clone, Debug)]
struct QueryProfilerSettings {
    access: Access,
    key: String,
    any_method: bool,
    has_source: bool,
    max_pages: usize,
    max_bytes: usize,
    /// Ends with a slash.
    prefix: String,
    store: Arc<Lock<Own<Store>>>,
}

impl QueryProfilerLayer {
    /// Creates a layer that shows profiles to requests that `access` allows.
    #[must_use]
    pub fn new(access: Access) -> Self {
        let settings = QueryProfilerSettings {
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

    fn with(mut self, change: impl FnOnce(&mut QueryProfilerSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Sets the key in the query, `profile` by default.
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

    /// Profiles requests of all methods, also those that change something. Reloading the page then
    /// repeats the change.
    #[must_use]
    pub fn any_method(self) -> Self {
        self.with(|settings| settings.any_method = true)
    }

    /// Sets the path of saved pages, `/debug/memprof` by default.
    ///
    /// ```
    /// # use memprof::web::{Access, QueryProfilerLayer};
    /// # let access = Access::token("a long and random one");
    /// let layer = QueryProfilerLayer::new(access).prefix("/internal/profiles");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `prefix` has nothing but slashes.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let path = prefix.trim_matches('/');
        assert!(
            !path.is_empty(),
            "the prefix of saved profiles is {prefix:?}; it should be a path"
        );
        let prefix = format!("/{path}/");
        self.with(|settings| settings.prefix = prefix)
    }

    /// Keeps at most `count` saved pages, 50 by default, and removes the oldest for a new one.
    #[must_use]
    pub fn max_pages(self, count: usize) -> Self {
        self.with(|settings| settings.max_pages = count)
    }

    /// Keeps at most `bytes` bytes of saved pages, 16 MiB by default.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_bytes = bytes)
    }

    /// Leaves the source text out of the pages.
    #[must_use]
    pub fn confidential(self) -> Self {
        self.with(|settings| settings.has_source = false)
    }
}

impl<S> Layer<S> for QueryProfilerLayer {
    type Service = Profiler<S, Self>;

    fn layer(&self, inner: S) -> Profiler<S, Self> {
        Profiler::new(inner, self.clone())
    }
}

impl QueryProfilerSettings {
    /// What a request asks of the layer, if it asks for something and is allowed to.
    fn asked(&self, head: &Head<'_>) -> Option<Asked> {
        let asked = Asked::of(head, &self.key, &self.prefix, self.any_method)?;
        self.access.allows(head).then_some(asked)
    }

    /// The answer to a request for a saved page.
    fn saved(&self, id: Id) -> Response<Vec<u8>> {
        // `Own`, since this is the last owner if the page is removed from the store meanwhile.
        let page = Own::new(|| self.store.lock().page(id));
        match &*page {
            Some(page) => answer::page(page.to_vec()),
            None => answer::not_found(id),
        }
    }

    fn keep(&self, id: Id, page: Vec<u8>) {
        let mut store = self.store.lock();
        store.keep(id, page, self.max_pages, self.max_bytes);
    }
}
