//! The layer with the toolbar, and what it was told.

use super::content::Panel;
use super::limits;
use super::service::DebugToolbar;
use super::settings::{Explained, ToolbarSettings};
use super::state::Toolbar;
use super::template::json;
use crate::web::Access;
use http::HeaderMap;
use serde::Serialize;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use tower_layer::Layer;

/// Shows what each request did: on a bar at the end of HTML pages, and on pages of its own
/// with the last requests of all kinds.
///
/// The bar is for those whom [`Access`] allows, and so are the pages, at `/debug/toolbar/`.
/// To all others the layer isn't there: their requests are not recorded, either. Nor is
/// anything in builds without debug assertions, as those with `--release` are, unless
/// [`in_release`](Self::in_release) is called. It goes around all other layers.
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
/// With another layer around the service that is for bodies of axum alone, the one that the
/// toolbar passes on is made one of these again:
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
/// A router's own `layer`, called with `from_fn` first and the toolbar after it, does that
/// by itself.
///
/// Answers are streamed as ever. After an HTML page, unless it is compressed, only a part
/// of one, to be saved, or fetched for something else than a page, comes a script that shows the bar, which is inside `</body>` if that is in the
/// answer's last piece; the answer's length is made right, a strong `ETag` weak, no cache
/// may keep it, and a `Content-Security-Policy` among its headers allows for the bar. One in
/// a `meta` element has to allow for scripts and frames of the same origin itself.
///
/// # What it keeps
///
/// The last 100 requests, but no more than 16 MiB of what was captured of them; with many
/// requests under way at once, up to 2 MiB for each of those on top of that. Of a request and of its
/// answer 100 headers each, and of texts the beginning: 2 KiB of a path, a query, or a line
/// of the log, 4 KiB of a header or a statement, 256 bytes of a parameter, of which there
/// are 32 at the most, 1 KiB of a template's context, 16 KiB of an urlencoded form.
///
/// # Secrets
///
/// Secrets are shown as dots on every page, by their names, their looks and their type:
///
/// - Values whose names have to do with passwords, tokens, keys, one-time codes, signatures,
///   cards, cookies or sessions: in headers and fields, and in texts as `password=x`,
///   `password: "x"`, `"password":"x"`, `("password", "x")` or `IDENTIFIED BY 'x'`. In SQL,
///   these are also the values and the parameters of columns with such names.
/// - Whatever its name is: keys that begin as those of well-known services do, JWTs, private
///   keys, hashes of passwords, credentials after `Bearer` and `Basic`, and passwords and
///   tokens in URLs.
/// - All cookies but those that are [shown](Self::show_cookie), and whatever is
///   [`Redacted`](super::Redacted).
///
/// Texts are also searched under percent escapes, the backslashes of JSON and `Debug`, and
/// HTML's entities, six inside each other; what has more of them is shown as dots. A secret
/// without a name or a look, such as a password in a sentence, is not recognised. Lines of
/// source code are shown as they are on the profile's own page.
///
/// The token of [`Access::token`] in a query, and in the query of a `Referer`, is taken out of
/// the request before the service sees it. An axum router's `OriginalUri` has it where the
/// layer is one of that router's own, since the router makes it first.
#[derive(Clone)]
pub struct DebugToolbarLayer {
    settings: ToolbarSettings,
    /// Made for the first of its services, and shared by all: a router may have each of its
    /// routes be one.
    toolbar: Arc<OnceLock<Arc<Toolbar>>>,
}

impl DebugToolbarLayer {
    /// A toolbar for those whom `access` allows.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            settings: ToolbarSettings {
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
            },
            toolbar: Arc::default(),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut ToolbarSettings)) -> Self {
        change(&mut self.settings);
        self.toolbar = Arc::default();
        self
    }

    /// Is there in builds without debug assertions, too.
    #[must_use]
    pub fn in_release(self) -> Self {
        self.with(|settings| settings.in_release = true)
    }

    /// Where its pages are, in place of `/debug/toolbar`.
    ///
    /// # Panics
    ///
    /// If there is anything in it but letters, digits, `/`, `-`, `_`, `.` and `~`, or
    /// nothing but slashes: all of the application would be the toolbar's.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
        assert!(
            !prefix.is_empty() && prefix.chars().all(is_plain),
            "a toolbar's prefix is {prefix:?}, and should be a path of letters, digits, `-`, `_`, \
             `.` and `~`"
        );
        self.with(|settings| settings.prefix = format!("/{prefix}/"))
    }

    /// How many requests are kept at the most, 100 by default.
    #[must_use]
    pub fn max_requests(self, count: usize) -> Self {
        self.with(|settings| settings.max_requests = count)
    }

    /// How many bytes of what was captured are kept at the most, 16 MiB by default. A
    /// request may have an eighth of them.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        self.with(|settings| settings.max_bytes = bytes)
    }

    /// Shows a page with the bar in place of a redirect, for browsers.
    ///
    /// Off by default: the redirect is in the history, and so is what it led to.
    #[must_use]
    pub fn intercept_redirects(self, does: bool) -> Self {
        self.with(|settings| settings.intercepts_redirects = does)
    }

    /// Hides what has this in its name, too, whatever its case and its punctuation.
    ///
    /// # Panics
    ///
    /// If there is no letter or digit in it: it would be in every name.
    #[must_use]
    pub fn hide(self, name: &str) -> Self {
        assert!(
            name.contains(char::is_alphanumeric),
            "a toolbar is to hide {name:?}, and should be told letters or digits of names"
        );
        self.with(|settings| Arc::make_mut(&mut settings.redactor).hide(name))
    }

    /// Shows the value of the cookie of this name, if it isn't that of a secret. Of all
    /// others there are dots: whoever has a session's cookie has the session.
    #[must_use]
    pub fn show_cookie(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.with(|settings| settings.shown_cookies.push(name))
    }

    /// The program's crates, for the panel of versions: the text of its `Cargo.lock`, as
    /// `include_str!("../Cargo.lock")`. All of a workspace, unless its
    /// [`application`](Self::application) is told.
    #[must_use]
    pub fn cargo_lock(self, text: &'static str) -> Self {
        self.with(|settings| settings.cargo_lock = text)
    }

    /// The program's own crate, for the panel of versions: its version is on the bar, and of
    /// [`cargo_lock`](Self::cargo_lock) only what it depends on is shown.
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

    /// A line of the panel of the configuration.
    #[must_use]
    pub fn config<V: Serialize + ?Sized>(self, name: impl Into<String>, value: &V) -> Self {
        let line = (name.into(), json(value));
        self.with(|settings| settings.config.push(line))
    }

    /// The routes, for their panel, as methods and patterns of axum: `/{id}` and
    /// `/{*rest}`.
    #[must_use]
    pub fn routes<M: Into<String>, P: Into<String>>(
        self,
        routes: impl IntoIterator<Item = (M, P)>,
    ) -> Self {
        let routes = routes.into_iter();
        let routes: Vec<_> = routes.map(|(m, p)| (m.into(), p.into())).collect();
        self.with(|settings| settings.routes.extend(routes))
    }

    /// What is in a session, by a request's headers. Asked for when somebody looks.
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

    /// How the database would go about a statement: what it answers to `EXPLAIN`. Asked
    /// for when somebody wants to know, with a recorded statement that begins with `SELECT`
    /// and is whole, its values not filled in. If it panics, the page says so.
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

    /// One more panel, after those there are.
    #[must_use]
    pub fn panel(self, panel: impl Panel + 'static) -> Self {
        self.with(|settings| settings.panels.push(Arc::new(panel)))
    }
}

impl<S> Layer<S> for DebugToolbarLayer {
    type Service = DebugToolbar<S>;

    fn layer(&self, inner: S) -> DebugToolbar<S> {
        let toolbar = self.settings.is_on(cfg!(debug_assertions)).then(|| {
            let make = || Arc::new(Toolbar::new(self.settings.clone()));
            Arc::clone(self.toolbar.get_or_init(make))
        });
        DebugToolbar::new(inner, toolbar)
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
        let is_there = layer.layer(()).is_there();
        assert_eq!(is_there, cfg!(debug_assertions));

        let told = layer.in_release();
        assert!(told.settings.is_on(true) && told.settings.is_on(false));
        assert!(told.layer(()).is_there());
    }
}
