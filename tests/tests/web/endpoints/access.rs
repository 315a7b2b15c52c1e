//! Access to the endpoints, and which requests they refuse.

use crate::{answer, get, keep, post, request};
use axum::body::Body;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, LOCATION};
use http::{Method, Request, StatusCode};
use memprof::web::debug_routes;

#[tokio::test]
async fn only_our_own_names_are_answered() {
    let routes = debug_routes().allow_host("metrics.example.org");
    let status = async |uri: &str, hosts: &[&str]| {
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let answer = answer(&routes, request.body(Body::empty()).unwrap()).await;
        if answer.status == StatusCode::FORBIDDEN {
            let sentence = "Only requests whose Host is an IP address, ";
            assert!(answer.text().starts_with(sentence));
        }
        answer.status.as_u16()
    };
    for host in [
        "127.0.0.1:5001",
        "127.0.0.1",
        "10.0.0.7:80",
        "[::1]:5001",
        "[2001:db8::7]",
        "localhost",
        "LocalHost:5001",
        "metrics.example.org",
        "Metrics.Example.org:443",
    ] {
        assert_eq!(status("/debug/memprof/", &[host]).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:5001",
        "metrics.example.org.evil.example",
        "evil.example:127.0.0.1",
        "localhost@evil.example",
        "evil.example@localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::1",
        "::1",
        "",
        ":5001",
        "a b",
    ] {
        assert_eq!(status("/debug/memprof/", &[host]).await, 403, "{host}");
    }
    let page = "/debug/memprof/";
    assert_eq!(status(page, &[]).await, 403);
    assert_eq!(status(page, &["localhost", "localhost"]).await, 403);
    // An absolute URI, as in HTTP/2 and in requests to a proxy.
    assert_eq!(status("http://localhost:5001/metrics", &[]).await, 200);
    assert_eq!(status("http://evil.example/metrics", &[]).await, 403);
    assert_eq!(
        status("http://localhost/metrics", &["evil.example"]).await,
        403
    );
    assert_eq!(
        status("http://evil.example/metrics", &["localhost"]).await,
        403
    );
}

#[tokio::test]
async fn no_foreign_page_can_set_the_mark() {
    let routes = debug_routes();
    let path = "/debug/memprof/mark";
    let ours = "http://127.0.0.1:5001";
    for headers in [
        &[][..],
        &[("origin", ours)],
        &[("sec-fetch-site", "same-origin"), ("origin", ours)],
    ] {
        let answer = post(&routes, path, headers).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{headers:?}");
    }
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "http://127.0.0.1:5002")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ours)],
    ] {
        let answer = post(&routes, path, headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert_eq!(
            answer.text(),
            "Only a page of this service can set the mark.\n"
        );
    }
}

#[tokio::test]
async fn what_there_isnt_is_said_in_a_sentence() {
    let routes = debug_routes();
    let long = format!("/{}", "x".repeat(10_000));
    for path in [
        "/",
        "/nothing",
        "/debug/pprof/profile",
        "/debug/memprof/report.txt",
        "/debug/memprof/report.",
        "/debug/memprof/../../metrics",
        "/debug/memprof/%2e%2e/",
        "/metrics/",
        &long,
    ] {
        let answer = get(&routes, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            answer.text(),
            "This path doesn't exist. The paths are /debug/memprof/, /debug/pprof/, \
             /debug/pprof/heap, /debug/pprof/allocs and /metrics.\n"
        );
    }
    for (path, place) in [("/debug/memprof", "memprof/"), ("/debug/pprof", "pprof/")] {
        let answer = get(&routes, path).await;
        assert_eq!(answer.status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(answer.header(LOCATION), place);
    }
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused() {
    let routes = debug_routes();
    for (query, sentence) in [
        (
            "seconds=0",
            "`seconds` is \"0\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=601",
            "`seconds` is \"601\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=-1",
            "`seconds` is \"-1\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=1.5",
            "`seconds` is \"1.5\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=",
            "`seconds` is \"\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=%00%1b[2J",
            "`seconds` is \"\\0\\u{1b}[2J\"; it should be a whole number from 1 to 600.\n",
        ),
        (
            "seconds=1&seconds=1",
            "`seconds` is given twice; once is enough.\n",
        ),
        (
            "debug=2",
            "`debug` is \"2\"; it should be 1 for text, or 0.\n",
        ),
        ("debug", "`debug` is \"\"; it should be 1 for text, or 0.\n"),
    ] {
        for path in ["/debug/pprof/heap", "/debug/pprof/allocs"] {
            let answer = get(&routes, &format!("{path}?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            assert_eq!(answer.text(), sentence);
        }
    }
    let long = "9".repeat(10_000);
    let answer = get(&routes, &format!("/debug/pprof/heap?seconds={long}")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text().len() < 200, "{}", answer.text());
    for query in ["gc=1", "debug=0", "name=%ff&x=y&x=z"] {
        let answer = get(&routes, &format!("/debug/pprof/heap?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        // The magic number of gzip.
        assert_eq!(answer.body[..2], [0x1f, 0x8b], "{query}");
    }
}

#[tokio::test]
async fn there_is_nothing_but_to_get() {
    let routes = debug_routes();
    let methods = [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS];
    for path in [
        "/debug/memprof/",
        "/debug/pprof/heap",
        "/metrics",
        "/debug/memprof/style.css",
    ] {
        for method in &methods {
            let request = request(method.clone(), path).body(Body::empty()).unwrap();
            let answer = answer(&routes, request).await;
            assert_eq!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(answer.header(ALLOW), "GET, HEAD");
            assert_eq!(
                answer.text(),
                "Only these methods are answered here: GET, HEAD.\n"
            );
        }
    }
    let answer = get(&routes, "/debug/memprof/mark").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header(ALLOW), "POST");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let routes = debug_routes();
    for path in [
        "/debug/memprof/style.css",
        "/debug/pprof/",
        "/debug/memprof/",
        "/metrics",
        "/no",
    ] {
        let request = request(Method::HEAD, path).body(Body::empty()).unwrap();
        let [head, get] = [answer(&routes, request).await, get(&routes, path).await];
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        let length: usize = head.header(CONTENT_LENGTH).parse().unwrap();
        assert!(length > 100 || path == "/no", "{path}");
        assert_eq!(get.header(CONTENT_LENGTH), get.body.len().to_string());
    }
}

#[tokio::test]
async fn a_browser_is_told_to_trust_nothing_but_what_is_ours() {
    let routes = debug_routes();
    for path in [
        "/debug/memprof/",
        "/debug/pprof/",
        "/metrics",
        "/debug/memprof/script.js",
        "/no",
    ] {
        let answer = get(&routes, path).await;
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; "),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    }
    let page = get(&routes, "/debug/memprof/report.html").await;
    let policy = page.header(CONTENT_SECURITY_POLICY);
    assert_eq!(
        policy,
        format!(
            "{}; frame-ancestors 'none'",
            memprof::report::Format::html_policy()
        )
    );
}

#[tokio::test]
async fn the_source_is_left_out_if_that_is_wanted() {
    keep(10);
    for (routes, has_source) in [
        (debug_routes(), true),
        (debug_routes().confidential(), false),
    ] {
        for path in [
            "/debug/memprof/",
            "/debug/memprof/report.json",
            "/debug/pprof/heap?debug=1",
        ] {
            let answer = get(&routes, path).await;
            let text = answer.text().replace("<wbr>", "");
            assert!(text.contains("web_endpoints::keep"), "{path}");
            assert_eq!(text.contains("window.hacked"), has_source, "{path}");
        }
    }
}
