//! `?profile`: requests with access get the page of their profile, all others the service's own
//! response.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::response::Redirect;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_SECURITY_POLICY, HOST, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use memprof::memprofile;
use memprof::web::{Access, QueryProfilerLayer};
use memprof_tests::{Program, block};
use std::convert::Infallible;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::{Layer as _, ServiceExt as _, service_fn};

#[memprofile(print = "never")]
async fn page(Path(size): Path<usize>, RawQuery(query): RawQuery) -> String {
    drop(block(size));
    tokio::task::yield_now().await;
    format!("{size} bytes, {}", query.unwrap_or_default())
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

static DELETED: AtomicUsize = AtomicUsize::new(0);

fn app(layer: &QueryProfilerLayer) -> Router {
    let streamed = || async {
        let first = stream::iter([Ok::<_, Infallible>("first")]);
        Body::from_stream(first.chain(stream::pending()))
    };
    Router::new()
        .route("/{size}/page", get(page))
        .route("/away", get(|| async { Redirect::to("/1/page") }))
        .route(
            "/cookie",
            get(|| async { ([(SET_COOKIE, "session=of-somebody")], "set") }),
        )
        .route("/streamed", get(streamed))
        .route("/panics", get(panics))
        .route(
            "/deleted",
            any(|| async {
                DELETED.fetch_add(1, Ordering::Relaxed);
                "deleted"
            }),
        )
        .layer(layer.clone())
}

fn open() -> QueryProfilerLayer {
    QueryProfilerLayer::new(Access::from_fn(|_, _| true))
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, parts.headers, text)
}

async fn text(app: &Router, path: &str) -> String {
    answer(app, request(path)).await.2
}

/// The texts in one column of a page.
fn texts(page: &str, column: &str) -> Vec<String> {
    let (_, packed) = page.split_once(&format!("id=\"{column}\">")).expect(page);
    let (packed, _) = packed.split_once('<').unwrap();
    let packed = BASE64_STANDARD.decode(packed).unwrap();
    let mut text = String::new();
    let mut unpacked = GzDecoder::new(&packed[..]);
    unpacked.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The facts in a page about its request: names and values.
fn facts(page: &str) -> Vec<(String, String)> {
    let texts = texts(page, "about-facts");
    let pairs = texts.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn fact(page: &str, name: &str) -> String {
    let facts = facts(page);
    let found = facts.iter().find(|(its, _)| its == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn is_page(text: &str) -> bool {
    text.starts_with("<!DOCTYPE html>")
}

#[tokio::test]
async fn the_page_of_a_request_has_its_status_headers_and_lines() {
    let app = app(&open());
    let (status, headers, page) = answer(&app, request("/1000/page?profile")).await;

    assert_eq!(status, StatusCode::OK);
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-length"], page.len().to_string());
    assert_eq!(fact(&page, "Request"), "GET /1000/page");
    assert_eq!(fact(&page, "Response"), "200 OK");
    assert_eq!(fact(&page, "content-type"), "text/plain; charset=utf-8");
    assert!(fact(&page, "Allocated").contains(" B in "));
    assert!(page.contains("id=\"lines.source\""));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_page_tells_how_long_each_line_ran() {
    #[memprofile(print = "never")]
    async fn slow() -> &'static str {
        let sampler = memprof::Sampler::start().unwrap();
        let count = || {
            memprof::report()
                .sampling
                .map_or(0, |it| it.total.sample_count)
        };
        let before = count();
        // Samples of the process and of the request are taken at once.
        while count() < before + 5 {}
        drop(sampler);
        "done"
    }

    let app = Router::new().route("/slow", get(slow)).layer(open());
    let page = text(&app, "/slow?profile").await;

    assert!(page.contains("id=\"after.lines.own.own_ns\""));
    let remarks = texts(&page, "remarks");
    let samples = remarks[0].strip_prefix("Time by line comes from ").unwrap();
    let (count, _) = samples.split_once(" samples of ").unwrap();
    assert!(count.parse::<u64>().unwrap() > 0, "{samples}");
}

#[tokio::test]
async fn a_redirect_is_shown_and_not_followed() {
    let app = app(&open());
    let (status, headers, page) = answer(&app, request("/away?profile")).await;

    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key("location"));
    assert_eq!(fact(&page, "Response"), "303 See Other");
    assert_eq!(fact(&page, "location"), "/1/page");
    let missing = text(&app, "/nowhere?profile").await;
    assert_eq!(fact(&missing, "Response"), "404 Not Found");
}

#[tokio::test]
async fn secrets_of_a_response_are_not_shown() {
    let app = app(&open());
    let page = text(&app, "/cookie?profile").await;

    assert_eq!(fact(&page, "set-cookie"), "••••••");
}

#[tokio::test]
async fn the_service_does_not_see_what_is_asked_of_the_layer() {
    let app = app(&open());
    let request = request("/5/page?a=%20b&profile=save&c&profile&memprof_token=x");
    let (_, _, text) = answer(&app, request).await;

    assert_eq!(text, "5 bytes, a=%20b&c");
}

#[tokio::test]
async fn a_saved_profile_leaves_the_response_as_it_is() {
    let app = app(&open());
    let (status, headers, saved) = answer(&app, request("/5/page?profile=save")).await;

    assert_eq!((status, &*saved), (StatusCode::OK, "5 bytes, "));
    let id = headers["x-memprof-id"].to_str().unwrap();
    let page = text(&app, &format!("/debug/memprof/{id}")).await;
    assert!(is_page(&page));
    assert_eq!(fact(&page, "Request"), "GET /5/page");
}

#[tokio::test]
async fn other_values_of_the_key_are_the_services_own() {
    let app = app(&open());
    assert_eq!(
        text(&app, "/5/page?profile=public").await,
        "5 bytes, profile=public"
    );
    assert_eq!(
        text(&app, "/5/page?profile=mine&profile").await,
        "5 bytes, profile=mine&profile"
    );
    assert!(is_page(&text(&app, "/5/page?profile&profile=mine").await));
    assert!(is_page(&text(&app, "/5/page?x=%ff&%70rofile=").await));
}

#[tokio::test]
async fn requests_that_change_something_are_not_profiled_unless_that_is_wanted() {
    let post = |app: Router| async move {
        let request = Request::post("/deleted?profile").body(Body::empty());
        answer(&app, request.unwrap()).await.2
    };
    assert_eq!(post(app(&open())).await, "deleted");
    assert!(is_page(&post(app(&open().any_method())).await));
    assert_eq!(DELETED.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let app = app(&open());
    let page = text(&app, "/streamed?profile").await;

    assert_eq!(fact(&page, "Response"), "200 OK, not read to its end");
}

#[tokio::test]
async fn a_body_without_end_is_not_read_without_end() {
    let endless = service_fn(|_: Request<Body>| async {
        let frame = || {
            Ok::<_, Infallible>(http_body::Frame::data(bytes::Bytes::from(vec![
                0_u8;
                100_000
            ])))
        };
        let frames = stream::repeat_with(frame);
        Ok::<Response<StreamBody<_>>, Infallible>(Response::new(StreamBody::new(frames)))
    });
    let response = open().layer(endless).oneshot(request("/?profile")).await;
    let body: bytes::Bytes = response
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();

    assert!(is_page(std::str::from_utf8(&body).unwrap()));
}

#[tokio::test]
async fn a_service_that_fails_or_panics_does_so() {
    let failing = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>("on purpose") });
    let failed = open().layer(failing).oneshot(request("/?profile")).await;
    assert_eq!(failed.err(), Some("on purpose"));

    let app = app(&open());
    let panicked = tokio::spawn(async move { text(&app, "/panics?profile").await });
    assert!(panicked.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn forged_ids_lead_nowhere() {
    let app = app(&open());
    let (_, headers, _) = answer(&app, request("/5/page?profile=save")).await;
    let id = headers["x-memprof-id"].to_str().unwrap();

    let unknown = answer(
        &app,
        request("/debug/memprof/0123456789abcdef0123456789abcdef"),
    )
    .await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    assert!(
        unknown
            .2
            .starts_with("No profile is kept with the id 0123456789abcdef0123456789abcdef")
    );
    // Paths that aren't IDs.
    let upper = id.to_uppercase() + "A";
    for path in ["", "..", "../../etc/passwd", &upper, &"0".repeat(10_000)] {
        let (status, _, text) = answer(&app, request(&format!("/debug/memprof/{path}"))).await;
        assert_eq!((status, &*text), (StatusCode::NOT_FOUND, ""), "{path}");
    }
}

#[tokio::test]
async fn pages_make_room_for_later_ones() {
    let few = app(&open().max_pages(2));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let (_, headers, _) = answer(&few, request("/5/page?profile=save")).await;
        ids.push(headers["x-memprof-id"].to_str().unwrap().to_owned());
    }
    let mut kept = Vec::new();
    for id in ids {
        kept.push(is_page(&text(&few, &format!("/debug/memprof/{id}")).await));
    }
    assert_eq!(kept, [false, true, true]);

    let none = app(&open().max_bytes(100));
    let (_, headers, _) = answer(&none, request("/5/page?profile=save")).await;
    let id = headers["x-memprof-id"].to_str().unwrap();
    assert!(!is_page(
        &text(&none, &format!("/debug/memprof/{id}")).await
    ));
}

#[tokio::test]
async fn only_who_has_the_token_sees_anything() {
    let guarded = app(&QueryProfilerLayer::new(Access::token("right")));
    let with = |name: &'static str, value: &'static str| {
        let mut request = request("/5/page?profile");
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let allowed = [
        request("/5/page?profile&memprof_token=right"),
        with("x-memprof-token", "right"),
        with("cookie", "a=b; memprof_token=right"),
    ];
    for request in allowed {
        assert!(is_page(&answer(&guarded, request).await.2));
    }
    let refused = [
        request("/5/page?profile"),
        request("/5/page?profile&memprof_token=wrong"),
        request("/5/page?profile&memprof_token="),
        with("x-memprof-token", "right "),
        with("x-memprof-token", "rightright"),
        with("cookie", "xmemprof_token=right"),
    ];
    for (number, request) in refused.into_iter().enumerate() {
        let (_, _, text) = answer(&guarded, request).await;
        assert!(!is_page(&text), "{number}: {text}");
    }
    let (status, _, answered) = answer(
        &guarded,
        request("/debug/memprof/0123456789abcdef0123456789abcdef"),
    )
    .await;
    assert_eq!((status, &*answered), (StatusCode::NOT_FOUND, ""));

    let nobody = app(&QueryProfilerLayer::new(Access::token("")));
    assert!(!is_page(
        &text(&nobody, "/5/page?profile&memprof_token=").await
    ));
}

#[tokio::test]
async fn loopback_is_who_is_on_this_machine_and_means_it() {
    let app = app(&QueryProfilerLayer::new(Access::loopback(|extensions| {
        extensions.get::<IpAddr>().copied()
    })));
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let asks = |peer: Option<IpAddr>, host: &'static str, more: Option<&'static str>| {
        let mut request = request("/5/page?profile");
        request.headers_mut().insert(HOST, host.parse().unwrap());
        if let Some(name) = more {
            request.headers_mut().insert(name, "x".parse().unwrap());
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let app = app.clone();
        async move { is_page(&answer(&app, request).await.2) }
    };
    for host in [
        "localhost",
        "LOCALHOST:5000",
        "127.0.0.1:80",
        "[::1]:5000",
        "127.1.2.3",
    ] {
        assert!(asks(Some(here), host, None).await, "{host}");
    }
    assert!(asks(Some("::1".parse().unwrap()), "localhost", None).await);
    assert!(asks(Some("::ffff:127.0.0.1".parse().unwrap()), "localhost", None).await);

    assert!(!asks(None, "localhost", None).await);
    assert!(!asks(Some("192.0.2.1".parse().unwrap()), "localhost", None).await);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a b",
    ] {
        assert!(!asks(Some(here), host, None).await, "{host}");
    }
    for header in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
        assert!(
            !asks(Some(here), "localhost", Some(header)).await,
            "{header}"
        );
    }
}

#[test]
fn who_has_no_address_is_not_allowed_which_is_said_once() {
    let mut program = Program::new(|| {
        let app = app(&QueryProfilerLayer::new(Access::loopback(|extensions| {
            extensions.get::<IpAddr>().copied()
        })));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        for _ in 0..2 {
            let answer = runtime.block_on(answer(&app, request("/5/page?profile")));
            assert!(!is_page(&answer.2));
        }
    });
    let output = program.output();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let said = "memprof: `Access::loopback` finds no peer address and refuses every request: with \
                axum, serve `app.into_make_service_with_connect_info";
    assert!(stderr.starts_with(said), "{stderr}");
}

#[test]
#[should_panic = "should be a path"]
fn a_prefix_of_nothing_is_refused() {
    let _ = open().prefix("/");
}

#[tokio::test]
async fn without_the_key_the_layer_is_not_there() {
    let app = app(&open());
    for (method, path) in [
        (Method::GET, "/5/page"),
        (Method::GET, "/5/page?Profile"),
        (Method::PUT, "/deleted"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty());
        let (status, headers, text) = answer(&app, request.unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!is_page(&text) && !headers.contains_key("x-memprof-id"));
    }
}

#[tokio::test]
async fn secrets_of_an_address_are_not_shown() {
    let away = || async { Redirect::to("/back?user=me&token=s3") };
    let app = Router::new().route("/", get(away)).layer(open());
    let page = text(&app, "/?profile").await;

    assert_eq!(fact(&page, "location"), "/back?user=me&token=••••••");
}

#[tokio::test]
async fn secrets_are_known_by_their_looks_and_under_escapes() {
    let said = [
        ("location", "https://s3cr3t@localhost/?a=b"),
        ("link", "</cb?next=%2Fcb%3Ftoken%3Ds3cr3t>; rel=next"),
        ("x-source", "mysql://root:s3cr3t@localhost/db"),
        ("x-said", "Bearer s3cr3ts3cr3t"),
        ("x-json", "{\"a\":{\"password\":\"s3cr3t\"}}"),
        ("x-form", "u=https%3A%2F%2Fada%3As3cr3t%40h&c=d"),
    ];
    let handler = move || async move { (said, "said") };
    let app = Router::new().fallback(any(handler)).layer(open());
    let path = "/reset/token%3Ds3cr3t";
    let shown = text(&app, &format!("{path}?profile")).await;
    let (_, headers, _) = answer(&app, request(&format!("{path}?profile=save"))).await;
    let id = headers["x-memprof-id"].to_str().unwrap();
    let saved = text(&app, &format!("/debug/memprof/{id}")).await;
    for page in [shown, saved] {
        for (name, value) in facts(&page) {
            assert!(!value.contains("s3cr3t"), "{name}: {value}");
        }
        assert_eq!(fact(&page, "Request"), "GET /reset/token%3D••••••");
        assert_eq!(fact(&page, "location"), "https://••••••@localhost/?a=b");
        assert_eq!(fact(&page, "x-source"), "mysql://root:••••••@localhost/db");
    }
}

#[tokio::test]
async fn the_token_is_taken_out_of_requests_that_ask_for_nothing() {
    let app = app(&QueryProfilerLayer::new(Access::token("right")));
    for token in ["right", "wrong"] {
        let path = format!("/5/page?a=b&memprof_token={token}");
        assert_eq!(text(&app, &path).await, "5 bytes, a=b");
    }
}
