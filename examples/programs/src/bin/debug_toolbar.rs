//! The debug toolbar: a script at the end of each HTML page shows what its request did.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header::HOST};
use axum::{Router, response::Html, routing::get};
use memprof::web::{Access, DebugToolbarLayer};
use tower::ServiceExt;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[tokio::main]
async fn main() {
    let access = Access::token("a long and random one");
    // Builds without debug assertions have no toolbar unless they are told.
    let toolbar = DebugToolbarLayer::new(access).in_release();
    let app: Router = Router::new()
        .route("/", get(|| async { Html("<body><h1>Hello!</h1></body>") }))
        .layer(toolbar);

    let request = |path| {
        let request = Request::get(path).header(HOST, "localhost");
        request.body(Body::empty()).expect("it is well formed")
    };
    for path in ["/", "/?memprof_token=a+long+and+random+one"] {
        let response = app
            .clone()
            .oneshot(request(path))
            .await
            .expect("a router is infallible");
        let page = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("it is in memory");
        let has_toolbar = page.windows(7).any(|part| part == b"<script");
        println!("GET {path}: toolbar {has_toolbar}");
    }
}
