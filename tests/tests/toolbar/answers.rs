//! Which responses get the toolbar; otherwise they don't change.

use crate::site::{Answer, Frame, Site, layer, routes, streamed};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Html;
use axum::routing::get;
use futures::channel::mpsc;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tower::ServiceExt as _;

#[tokio::test]
async fn a_page_gets_the_bar_inside_its_body_and_the_length_is_right() {
    let site = Site::new();
    let plain = site.get("/").await;
    let id = site.ids().await.swap_remove(0);
    let start = "<!doctype html><html><body><h1>Hello</h1><script src=\"/debug/toolbar/bar.js\" \
                 data-memprof=\"";
    let rest = plain.text.strip_prefix(start).unwrap();
    assert!(rest.starts_with(&id), "{rest}");
    assert!(rest.ends_with("async></script>\n</body></html>"), "{rest}");
    assert_eq!(plain.header("content-length"), plain.text.len().to_string());
}

#[tokio::test]
async fn pages_of_errors_have_it_and_other_answers_have_not() {
    let site = Site::new();
    for status in [200, 201, 400, 404, 405, 418, 500, 503, 599] {
        let answer = site.get(&format!("/typed/{status}/text/html")).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(answer.has_bar(), "{status}");
        let length = answer.text.len().to_string();
        assert_eq!(answer.header("content-length"), length);
    }
    let others = [
        "/typed/206/text/html",
        "/typed/302/text/html",
        "/typed/200/text/html5",
        "/typed/200/text/html;charset=utf-16",
        "/typed/200/application/xhtml+xml",
        "/json",
        "/redirect",
        "/nowhere",
    ];
    for path in others {
        let with = site.get(path).await;
        let without = Site(routes()).get(path).await;
        assert!(!with.has_bar(), "{path}");
        assert_eq!(
            (with.status, &with.text, with.headers),
            (without.status, &without.text, without.headers)
        );
    }
    let head = site.method(Method::HEAD, "/").await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    // The headers are those of the page with the toolbar, which is longer.
    let page = site.get("/").await;
    let names = |answer: &Answer| {
        let names = answer.headers.keys().map(ToString::to_string);
        names.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&head), names(&page));
    for name in ["content-length", "cache-control", "content-type"] {
        assert_eq!(head.header(name), page.header(name), "{name}");
    }
    // The history lists all requests.
    assert_eq!(site.ids().await.len(), 9 + others.len() + 2);
}

#[tokio::test]
async fn what_is_no_page_of_its_own_is_left_alone() {
    let saved = || async {
        (
            [("content-disposition", "Attachment; filename=a.html")],
            Html("x"),
        )
    };
    let inline = || async { ([("content-disposition", "inline")], Html("x")) };
    let app = routes()
        .route("/saved", get(saved))
        .route("/inline", get(inline))
        .fallback_service(memprof::web::debug_routes());
    let site = Site(app.layer(layer().intercept_redirects()));
    let send = |path: &'static str, place: Option<&'static str>| {
        let mut request = Request::get(path).header("host", "localhost");
        request = request.header("accept", "text/html");
        if let Some(place) = place {
            request = request.header("sec-fetch-dest", place);
        }
        let site = site.clone();
        async move { site.send(request.body(Body::empty()).unwrap()).await }
    };
    for place in [None, Some("document")] {
        assert!(send("/", place).await.has_bar(), "{place:?}");
        assert!(send("/inline", place).await.has_bar(), "{place:?}");
        assert!(!send("/saved", place).await.has_bar(), "{place:?}");
        let process = send("/debug/memprof/", place).await;
        assert!(process.text.contains("<h1>"), "{}", process.text);
        assert!(!process.has_bar(), "{place:?}");
        assert_eq!(send("/redirect", place).await.status, StatusCode::OK);
    }
    for place in ["empty", "iframe", "image", "script"] {
        assert!(!send("/", Some(place)).await.has_bar(), "{place}");
        let moved = send("/redirect", Some(place)).await;
        assert_eq!(moved.location(), "/elsewhere", "{place}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_left_alone() {
    let routes = Router::new().route(
        "/",
        get(|| async {
            let head = [("content-encoding", "br"), ("content-type", "text/html")];
            (head, "\u{1}\u{2}")
        }),
    );
    let answer = Site(routes.layer(layer())).get("/").await;
    assert_eq!(answer.text, "\u{1}\u{2}");
}

#[tokio::test]
async fn digests_of_what_is_longer_now_are_taken_away() {
    let head = [
        ("content-type", "text/html; charset=utf-8"),
        ("etag", "\"abc\""),
        ("content-digest", "sha-256=:abc=:"),
        ("content-md5", "abc"),
    ];
    let routes = Router::new().route("/", get(move || async move { (head, "<p>") }));
    let answer = Site(routes.layer(layer())).get("/").await;
    assert!(answer.has_bar());
    assert_eq!(answer.header("etag"), "W/\"abc\"");
    assert_eq!(answer.header("content-digest"), "");
    assert_eq!(answer.header("content-md5"), "");
}

type Pieces = mpsc::UnboundedSender<Frame>;

/// A site with one page, whose pieces are sent through the channel.
fn stream() -> (Site, Pieces) {
    let (sender, pieces) = mpsc::unbounded();
    let pieces = Arc::new(Mutex::new(Some(pieces)));
    let page = move || {
        let pieces = pieces.lock().unwrap().take().unwrap();
        async move { streamed(pieces) }
    };
    let routes = Router::new().route("/", get(page));
    (Site(routes.layer(layer())), sender)
}

fn data(text: &'static str) -> http_body::Frame<Bytes> {
    http_body::Frame::data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn a_stream_is_passed_on_piece_by_piece_and_the_bar_comes_last() {
    let (site, sender) = stream();
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = site.0.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body();
    for piece in ["<html><body>", "<p></body></html>"] {
        sender.unbounded_send(Ok(data(piece))).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", "1".parse().unwrap());
    sender
        .unbounded_send(Ok(http_body::Frame::trailers(trailers.clone())))
        .unwrap();
    drop(sender);
    let bar = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(bar.starts_with(b"<script src="), "{bar:?}");
    let last = body.frame().await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    assert!(body.frame().await.is_none() && body.is_end_stream());
    let answer = site.panel("headers").await;
    assert!(answer.contains("Response: 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_under_way_in_the_history_until_it_is_dropped() {
    let (site, sender) = stream();
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = site.0.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body();
    sender.unbounded_send(Ok(data("first"))).unwrap();
    body.frame().await.unwrap().unwrap();
    let history = site.get("/debug/toolbar/").await.text;
    assert!(history.contains("200 …"), "{history}");
    let id = site.ids().await.swap_remove(0);
    let bar = site.get(&format!("/debug/toolbar/{id}/bar")).await.text;
    assert!(bar.contains("data-open=\"yes\""), "{bar}");
    drop(body);
    let history = site.get("/debug/toolbar/").await.text;
    assert!(history.contains("200 cut"), "{history}");
}

#[tokio::test]
async fn handlers_that_panic_and_clients_that_go_away_are_in_the_history() {
    let site = Site::new();
    let router = site.0.clone();
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let panicked = tokio::spawn(router.clone().oneshot(request("/panics")));
    assert!(panicked.await.unwrap_err().is_panic());
    let mut waiting = Box::pin(router.oneshot(request("/waits")));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(waiting);
    let history = site.get("/debug/toolbar/").await.text;
    for outcome in ["panicked", "dropped"] {
        assert!(history.contains(outcome), "{history}");
    }
    // There is no current request any more.
    assert_eq!(memprof::web::toolbar::current_id(), None);
}

#[tokio::test]
async fn a_strict_policy_allows_for_the_bar_and_for_nothing_else() {
    let site = Site::new();
    let answer = site.get("/policy").await;
    let (_, nonce) = answer.text.split_once("nonce=\"").unwrap();
    let (nonce, _) = nonce.split_once('"').unwrap();
    let policy = answer.header("content-security-policy");
    let expected = format!(
        "default-src 'none'; style-src 'sha256-abc='; script-src 'nonce-{nonce}'; frame-src 'self'"
    );
    assert_eq!(policy, expected);
    let again = site.get("/policy").await;
    assert!(!again.text.contains(nonce));
    let page = site.get("/debug/toolbar/").await;
    let own = page.header("content-security-policy");
    assert!(own.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(!page.text.contains("<style") && !page.text.contains(" style="));
}

#[tokio::test]
async fn redirects_are_shown_to_browsers_only_if_that_is_wanted() {
    let request = |accept: &str| {
        let request = Request::get("/redirect").header("accept", accept);
        request.body(Body::empty()).unwrap()
    };
    let plain = Site::new().send(request("text/html")).await;
    assert_eq!(plain.location(), "/elsewhere");

    let site = Site::with(layer().intercept_redirects());
    let shown = site.send(request("text/html,*/*")).await;
    assert_eq!((shown.status, shown.location()), (StatusCode::OK, ""));
    assert!(shown.text.contains("303 See Other"), "{}", shown.text);
    assert!(
        shown.text.contains("href=\"&#x2f;elsewhere\""),
        "{}",
        shown.text
    );
    assert!(shown.has_bar());
    assert_eq!(shown.header("content-length"), shown.text.len().to_string());
    let program = site.send(request("application/json")).await;
    assert_eq!(program.location(), "/elsewhere");
    // The panel shows the actual response.
    let panel = site.panel("headers").await;
    assert!(panel.contains("Response: 303"), "{panel}");
}
