//! A small site with a toolbar, and a client for it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use futures::Stream;
use futures::channel::mpsc;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use memprof::web::toolbar::{self, LogLayer, Redacted};
use memprof::web::{Access, DebugToolbarLayer};
use memprof::{ScopeExt as _, memprofile};
use memprof_tests::block;
use std::convert::Infallible;
use std::sync::Once;
use tower::ServiceExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

pub(crate) type Frame = Result<http_body::Frame<Bytes>, Infallible>;

#[derive(serde::Serialize)]
struct Context<'a> {
    greeting: &'a str,
    password: &'a str,
    hash: Redacted<&'a str>,
}

#[memprofile(print = "never")]
async fn index() -> Html<String> {
    std::mem::forget(block(4000)); // kept
    drop(block(50_000)); // at once
    let context = Context {
        greeting: "hello",
        password: "hunter2",
        hash: Redacted("0123456789"),
    };
    for id in 1..=3 {
        let sql = toolbar::sql("SELECT title FROM post WHERE id = ?").parameter(id);
        tokio::task::yield_now().await;
        sql.rows(1);
    }
    tracing::info!(token = "abc123", "page {}", 1);
    let spawned = async { tracing::warn!("from a task") };
    tokio::spawn(spawned.with_current_scope()).await.unwrap();
    toolbar::template("index.html", &context);
    Html("<!doctype html><html><body><h1>Hello</h1></body></html>".to_owned())
}

async fn with_policy() -> Response {
    let policy = "default-src 'none'; style-src 'sha256-abc='";
    ([(CONTENT_SECURITY_POLICY, policy)], Html("<h1>strict</h1>")).into_response()
}

async fn form(body: Bytes) -> String {
    format!("{} bytes", body.len())
}

/// A response with the status and the content type in the path, as in `/typed/200/text/html`.
async fn typed(
    axum::extract::Path((status, kind)): axum::extract::Path<(u16, String)>,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(CONTENT_TYPE, kind)], "<p>typed</p>").into_response()
}

pub(crate) fn layer() -> DebugToolbarLayer {
    static LOG: Once = Once::new();
    LOG.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(LogLayer::new());
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    DebugToolbarLayer::new(Access::from_fn(|headers, _| {
        !headers.contains_key("x-stranger")
    }))
}

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(index))
        .route(
            "/json",
            get(|| async { ([(CONTENT_TYPE, "application/json")], "[1,2]") }),
        )
        .route("/redirect", get(|| async { Redirect::to("/elsewhere") }))
        .route("/policy", get(with_policy))
        .route("/form", post(form))
        .route("/typed/{status}/{*kind}", get(typed))
        .route("/panics", get(panics))
        .route("/waits", get(std::future::pending::<()>))
}

async fn panics() -> &'static str {
    panic!("on purpose");
}

/// A page whose frames come through a channel.
pub(crate) fn streamed(pieces: mpsc::UnboundedReceiver<Frame>) -> Response {
    page_of(pieces)
}

pub(crate) fn page_of(pieces: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let body = Body::new(StreamBody::new(pieces));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, "text/html".parse().unwrap());
    response
}

/// A site, and methods that send requests to it.
#[derive(Clone)]
pub(crate) struct Site(pub(crate) Router);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self(routes().layer(layer()))
    }

    pub(crate) fn with(layer: DebugToolbarLayer) -> Self {
        Self(routes().layer(layer))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn method(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The request IDs in the history, newest first.
    pub(crate) async fn ids(&self) -> Vec<String> {
        let history = self.get("/debug/toolbar/").await;
        assert_eq!(history.status, StatusCode::OK);
        let links = history.text.split("href=\"/debug/toolbar/").skip(1);
        let ids = links.filter_map(|link| link.split_once("/\"").map(|(id, _)| id.to_owned()));
        ids.filter(|id| id.len() == 32).collect()
    }

    /// A panel of the newest request.
    pub(crate) async fn panel(&self, slug: &str) -> String {
        let id = self.ids().await.swap_remove(0);
        self.panel_of(&id, slug).await
    }

    pub(crate) async fn panel_of(&self, id: &str, slug: &str) -> String {
        let page = self.get(&format!("/debug/toolbar/{id}/panel/{slug}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let (_, main) = page.text.split_once("<main>").unwrap();
        main.to_owned()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    pub(crate) fn has_bar(&self) -> bool {
        self.text.contains("<script src=\"/debug/toolbar/bar.js\"")
    }
}
