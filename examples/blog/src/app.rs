//! The state that all requests share, and the routes.

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request};
use axum::http::header::{ALLOW, VARY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::Key;
use sqlx::AnyPool;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::error::{AppError, page};
use crate::pages::Pages;
use crate::{assets, auth, posts};

/// The largest form that is accepted, in bytes.
const FORM_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// The state that all requests share. Clones refer to the same application.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) pool: AnyPool,
    pub(crate) pages: Arc<Pages>,
    pub(crate) squares: u64,
    pub(crate) key: Key,
    /// Limits how many passwords are hashed at once.
    pub(crate) hashing: Arc<Semaphore>,
}

impl App {
    /// An application that stores its data through `pool` and signs session cookies with
    /// `secret`.
    ///
    /// `squares` is how many 8-byte numbers `get_post` allocates and holds while it runs.
    pub fn new(pool: AnyPool, secret: &[u8], squares: u64) -> Self {
        Self {
            pool,
            pages: Arc::new(Pages::new()),
            squares,
            key: crate::session::key(secret),
            hashing: Arc::new(Semaphore::new(auth::hashes_at_once())),
        }
    }
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

/// The methods and the paths of [`router`].
pub(crate) const ROUTES: [(&str, &str); 9] = [
    ("GET", "/"),
    ("GET", "/hello"),
    ("GET, POST", "/create"),
    ("GET, POST", "/{id}/update"),
    ("POST", "/{id}/delete"),
    ("GET, POST", "/auth/register"),
    ("GET, POST", "/auth/login"),
    ("GET", "/auth/logout"),
    ("GET", "/static/{*path}"),
];

/// The blog as a service.
pub fn router(app: App) -> Router {
    let numbered = Router::new()
        .route("/{id}/update", get(posts::update).post(posts::update))
        .route("/{id}/delete", post(posts::delete))
        .route_layer(middleware::from_fn(posts::only_digits));

    let routes = Router::new()
        .route("/", get(posts::index))
        .route("/hello", get(async || "Hello, World!"))
        .route("/create", get(posts::create).post(posts::create))
        .merge(numbered)
        .route(
            "/auth/register",
            get(auth::register_page).post(auth::register),
        )
        .route("/auth/login", get(auth::login_page).post(auth::login))
        .route("/auth/logout", get(auth::logout))
        .route("/static/{*path}", get(assets::serve))
        .fallback(async || AppError::NotFound)
        .layer(DefaultBodyLimit::max(FORM_LIMIT_BYTES))
        .with_state(app);

    // A layer of `routes` itself would run before that router has written its `Allow` header,
    // so the middleware is on a router around it.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(finish))
}

/// Answers `OPTIONS` requests and methods that a path has no handler for, and adds
/// `Vary: Cookie`, since pages depend on the user.
async fn finish(request: Request, next: Next) -> Response {
    let asked_for_methods = request.method() == Method::OPTIONS;

    // The span assigns events to the request that are logged on other threads, such as those of
    // the database.
    let span = tracing::info_span!("request");
    let mut response = next.run(request).instrument(span).await;

    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = with_options(response.headers().get(ALLOW));
        response = if asked_for_methods {
            StatusCode::OK.into_response()
        } else {
            page(
                StatusCode::METHOD_NOT_ALLOWED,
                "This page has no such method.",
            )
        };
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Cookie"));
    response
}

/// Turns the router's `GET,HEAD` into `GET, HEAD, OPTIONS`.
fn with_options(allowed: Option<&HeaderValue>) -> HeaderValue {
    let allowed = allowed.and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut methods: Vec<&str> = allowed.split(',').map(str::trim).collect();
    methods.retain(|method| !method.is_empty());
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
