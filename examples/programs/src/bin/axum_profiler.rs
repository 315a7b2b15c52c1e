//! A table for each request of an axum service.

use axum::body::{Body, to_bytes};
use axum::{Router, routing::get};
use memprof::memprofile;
use memprof::web::{ProfilerLayer, Sort};
use tower::ServiceExt;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[memprofile(print = "never")]
async fn index() -> String {
    let numbers: Vec<u32> = (0..1_000).collect();
    format!("{} numbers", numbers.len())
}

#[tokio::main]
async fn main() {
    let layer = ProfilerLayer::new().sort_by([Sort::Allocated]);
    let app = Router::new().route("/", get(index)).layer(layer.clone());

    // What a browser would ask for; `axum::serve(listener, app)` serves the same.
    let request = axum::http::Request::new(Body::empty());
    let response = app.oneshot(request).await.expect("a router is infallible");
    let text = to_bytes(response.into_body(), 1 << 20).await;
    assert_eq!(text.expect("it is in memory"), "1000 numbers");
    // The table is written by a thread of the layer's own.
    layer.flush();
}
