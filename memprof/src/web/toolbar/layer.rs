//! The layer that adds the toolbar.

use super::content::Panel;
use super::limits;
use super::settings::{Explained, ToolbarSettings};
use super::state::Toolbar;
use super::template::json;
use crate::web::Access;
use crate::web::service::Profiler;
use http::HeaderMap;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use tower_layer::Layer;

/// Shows what each request did: in a bar at the end of HTML pages, and on pages of its own, which
/// list the last requests of all kinds.
///
/// Only requests that [`Access`] allows are recorded, get the bar and can see the pages, at
/// `/debug/toolbar/`. All others are served as without the layer. So are all requests in builds
/// without debug assertions, such as those with `--release`, unless
/// [`in_release`](Self::in_release) is called. Put this layer around all others.
///
/// ```
/// use axum::{Router, response::Html, routing::get};
/// use memprof::web::{Access, DebugToolbarLayer};
///
/// let access = Access::token("a long and random one");
/// let toolbar = DebugToolbarLayer::new(access)
///     .cargo_lock(include_str!("../../../../Cargo.lock"))
///     .config("workers", &4)
///     .routes([("GET", "/"), ("GET, POST", "/{id}/update")]);
/// let app: Router = Router::new()
///     .route("/", get(|| async { Html("<h1>Hello!</h1>") }))
///     .layer(toolbar);
/// ```
///
/// The toolbar passes requests on with a body type of its own. For inner layers that take axum's
/// bodies only, convert the body:
///
/// ```
/// use axum::{Router, body::Body, extract::Request, middleware::{self, Next}};
/// use axum::response::Response;
/// use memprof::web::{Access, DebugToolbarLayer};
/// use tower::ServiceBuilder;
///
/// async fn greet(request: Request, next: Next) -> Response {
///     next.run(request).await
/// }
///
/// # let toolbar = DebugToolbarLayer::new(Access::token("a long and random one"));
/// let layers = ServiceBuilder::new()
///     .layer(toolbar)
///     .map_request(|request: http::Request<_>| request.map(Body::new))
///     .layer(middleware::from_fn(greet));
/// let app: Router = Router::new().layer(layers);
/// ```
///
/// `Router::layer` converts it for you: call it with `from_fn` first, then with the toolbar.
///
/// # Responses
///
/// Responses are streamed as without the layer. An HTML page gets a script that shows the bar:
/// before its `</body>` if that is in the last frame and the frame has up to 1 MiB, or else after
/// the page. Pages that are compressed, partial, attachments, or fetched for something other than a
/// document get no bar.
///
/// With the bar, `Content-Length` is adjusted, a strong `ETag` becomes weak, and caching is
/// forbidden. `Content-Security-Policy` headers are extended to allow the bar; a policy in a `meta`
/// element has to allow scripts and frames of the same origin itself.
///
/// # What it keeps
///
/// The toolbar keeps the last 100 requests, up to 16 MiB of captured data. Each request under way
/// can take up to 2 MiB in addition. Of a request and its response, up to 100 headers each are
/// kept. Texts are cut: a path, a query or a log line after 2 KiB, a header or a statement after
/// 4 KiB, each of up to 32 parameters after 256 bytes, a template's context after 1 KiB, and an
/// urlencoded form after 16 KiB.
///
/// # Secrets
///
/// Secrets are shown as dots on every page. They are recognised by their names, their format and
/// their type:
///
/// - Values whose names suggest passwords, tokens, keys, one-time codes, signatures, cards, cookies
///   or sessions: in headers and fields, and in texts such as `password=x`, `password: "x"`,
///   `"password":"x"`, `("password", "x")` or `IDENTIFIED BY 'x'`. In SQL, also the values and
///   parameters of columns with such names.
/// - Whatever its name: keys with the prefixes of well-known services, JWTs, private keys, password
///   hashes, credentials after `Bearer` and `Basic`, and passwords and tokens in URLs.
/// - All cookies except those that are [shown](Self::show_cookie), and every
///   [`Redacted`](super::Redacted).
///
/// Texts are also searched under up to six levels of percent escapes, backslash escapes of JSON and
/// `Debug`, and HTML entities; text under more levels is shown as dots. A secret without a name or
/// a known format, such as a password in a sentence, isn't recognised. Source code is shown
/// unchanged on the page of the profile.
///
/// The token of [`Access::token`] in a query, also in the query of a `Referer`, is removed from the
/// request before the service sees it. If the layer is added to an axum router, that router's
/// `OriginalUri` still has the token, since the router creates it before the layer runs.
#[derive(Clone)]
pub struct DebugToolbarLayer {
    settings: Arc<ToolbarSettings>,
    /// Created for the first service and shared by all: a router may create a service per route.
    /// Never created in builds without a toolbar.
    toolbar: Arc<OnceLock<Arc<Toolbar>>>,
}

impl DebugToolbarLayer {
    /// Creates a toolbar for the requests that `access` allows.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            settings: Arc::new(ToolbarSettings {
                access,
                in_release: false,
                intercepts_redirects: false,
                prefix: "/debug/toolbar/".to_owned(),
                max_requests: limits::REQUESTS,
                max_bytes: limits::HISTORY_BYTES,
                redactor: Arc::default(),
                shown_cookies: Vec::new(),
                cargo_lock: "",
                application: None,
                config: Vec::new(),
                routes: Vec::new(),
                session: None,
                explain: None,
                panels: Vec::new(),
            }),
            toolbar: Arc::default(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut ToolbarSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self.toolbar = Arc::default();
        self
    }

    /// The toolbar, once there is a service, in builds that have one.
    pub(super) fn toolbar(&self) -> Option<&Arc<Toolbar>> {
        self.toolbar.get()
    }

    /// Also enables the toolbar in builds without debug assertions.
    #[must_use]
    pub fn in_release(self) -> Self {
        self.with(|settings| settings.in_release = true)
    }

    /// Sets the path of the toolbar's pages, `/debug/toolbar` by default.
    ///
    /// # Panics
    ///
    /// Panics if `prefix` contains anything except ASCII letters, digits, `/`, `-`, `_`, `.` and
    /// `~`, or only slashes, since the toolbar would then take all of the application's paths.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        assert!(
            !prefix.is_empty() && prefix.chars().all(is_plain),
            "the toolbar's prefix is {prefix:?}; it should be a path of letters, digits, `-`, `_`, \
             `.` and `~`"
        );
        self.with(|settings| settings.prefix = format!("/{prefix}/"))
    }

    /// Keeps at most `count` requests, 100 by default.
    #[must_use]
    pub fn max_requests(self, count: usize) -> Self {
        self.with(|settings| settings.max_requests = count)
    }

    /// Keeps at most `bytes` bytes of captured data, 16 MiB by default. A single request can take
    /// an eighth of that.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_bytes = bytes)
    }

    /// Shows browsers a page with the bar instead of a redirect.
    ///
    /// Off by default: the history lists both the redirect and the request it led to.
    #[must_use]
    pub fn intercept_redirects(self) -> Self {
        self.with(|settings| settings.intercepts_redirects = true)
    }

    /// Also hides values whose name contains `name`, ignoring case and punctuation.
    ///
    /// # Panics
    ///
    /// Panics if `name` has no letter or digit, since it would match every name.
    #[must_use]
    pub fn hide(self, name: &str) -> Self {
        assert!(
            name.contains(char::is_alphanumeric),
            "a name to hide is {name:?}; it should have a letter or a digit"
        );
        self.with(|settings| Arc::make_mut(&mut settings.redactor).hide(name))
    }

    /// Shows the value of the cookie with this name, unless it is recognised as a secret.
    ///
    /// All other cookies are shown as dots, since anyone with a session's cookie has the session.
    #[must_use]
    pub fn show_cookie(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|settings| settings.shown_cookies.push(name))
    }

    /// Lists the program's crates in the versions panel. `text` is the program's `Cargo.lock`, as
    /// in `include_str!("../Cargo.lock")`.
    ///
    /// All crates of the workspace are listed, unless [`application`](Self::application) is called.
    #[must_use]
    pub fn cargo_lock(self, text: &'static str) -> Self {
        self.with(|settings| settings.cargo_lock = text)
    }

    /// Sets the program's own crate, for the versions panel: the bar shows its version, and only
    /// its dependencies in [`cargo_lock`](Self::cargo_lock) are listed.
    ///
    /// ```
    /// # use memprof::web::{Access, DebugToolbarLayer};
    /// # let access = Access::token("a long and random one");
    /// let toolbar = DebugToolbarLayer::new(access)
    ///     .application(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    /// ```
    #[must_use]
    pub fn application(self, name: &'static str, version: &'static str) -> Self {
        self.with(|settings| settings.application = Some((name, version)))
    }

    /// Adds a setting to the config panel.
    #[must_use]
    pub fn config<V: Serialize + ?Sized>(self, name: impl Into<String>, value: &V) -> Self {
        let line = (name.into(), json(value));
        self.with(|settings| settings.config.push(line))
    }

    /// Sets the routes that the routes panel shows, as methods and path patterns of axum, such as
    /// `/{id}` and `/{*rest}`.
    #[must_use]
    pub fn routes<M: Into<String>, P: Into<String>>(
        self,
        routes: impl IntoIterator<Item = (M, P)>,
    ) -> Self {
        let routes = routes.into_iter();
        let routes: Vec<_> = routes.map(|(m, p)| (m.into(), p.into())).collect();
        self.with(|settings| settings.routes = routes)
    }

    /// Sets a function that returns the content of a session from a request's headers. It is called
    /// when someone opens the panel.
    ///
    /// ```
    /// # use memprof::web::{Access, DebugToolbarLayer};
    /// # let access = Access::token("a long and random one");
    /// let toolbar = DebugToolbarLayer::new(access)
    ///     .session(|headers| match headers.get("x-user") {
    ///         Some(user) => vec![("user".to_owned(), format!("{user:?}"))],
    ///         None => Vec::new(),
    ///     });
    /// ```
    #[must_use]
    pub fn session(
        self,
        session: impl Fn(&HeaderMap) -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.session = Some(Arc::new(session)))
    }

    /// Sets a function that returns the database's plan for a statement: its answer to `EXPLAIN`.
    ///
    /// The function is called when someone follows a statement's link. Only statements that begin
    /// with `SELECT` and weren't cut have one; their parameters aren't filled in. If the function
    /// panics, the page says so.
    ///
    /// ```
    /// # use memprof::web::{Access, DebugToolbarLayer};
    /// # let access = Access::token("a long and random one");
    /// # async fn ask(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let toolbar = DebugToolbarLayer::new(access)
    ///     .explain(|statement| async move { ask(&format!("EXPLAIN {statement}")).await });
    /// ```
    #[must_use]
    pub fn explain<F, E>(self, explain: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: fmt::Display,
    {
        let explain = move |statement: String| -> Explained {
            let plan = explain(statement);
            Box::pin(async move { plan.await.map_err(|error| error.to_string()) })
        };
        self.with(|settings| settings.explain = Some(Arc::new(explain)))
    }

    /// Adds a panel after the existing ones.
    #[must_use]
    pub fn panel(self, panel: impl Panel + 'static) -> Self {
        self.with(|settings| settings.panels.push(Arc::new(panel)))
    }
}

impl<S> Layer<S> for DebugToolbarLayer {
    type Service = Profiler<S, Self>;

    fn layer(&self, inner: S) -> Profiler<S, Self> {
        if self.settings.is_on(cfg!(debug_assertions)) {
            let make = || Arc::new(Toolbar::new((*self.settings).clone()));
            self.toolbar.get_or_init(make);
        }
        Profiler::new(inner, self.clone())
    }
}

impl fmt::Debug for DebugToolbarLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugToolbarLayer")
            .field("access", &self.settings.access)
            .field("prefix", &self.settings.prefix)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_absent_from_release_builds_unless_told() {
        let layer = DebugToolbarLayer::new(Access::token("token"));
        assert!(layer.settings.is_on(true) && !layer.settings.is_on(false));
        let _ = layer.layer(());
        assert_eq!(layer.toolbar().is_some(), cfg!(debug_assertions));

        let told = layer.in_release();
        assert!(told.settings.is_on(true) && told.settings.is_on(false));
        let _ = told.layer(());
        assert!(told.toolbar().is_some());
    }
}
