//! No page shows a secret, not even after unescaping; other texts are shown.

use crate::site::{Site, layer};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request as Asked;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::{HeaderValue, Request};
use memprof::web::toolbar;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::{Arc, Mutex};

const SECRET: &str = "s3cr3ts3cr3ts3cr3t";

const NAMES: [&str; 16] = [
    "password",
    "pw",
    "passcode",
    "access_token",
    "X-Api-Key",
    "code_verifier",
    "sig",
    "hmac",
    "totp",
    "cvv",
    "card_number",
    "SAMLResponse",
    "assertion",
    "ticket",
    "PHPSESSID",
    "clientSecret",
];

/// A text with a secret, with or without a name for it.
fn said(number: usize, name: &str) -> String {
    match number {
        0 => format!("{name}={SECRET}"),
        1 => format!("a {name}: {SECRET} b"),
        2 => format!("{{\"a\":1,\"{name}\":\"{SECRET}\"}}"),
        3 => format!("Login {{ {name}: \"{SECRET}\" }}"),
        4 => format!("(\"{name}\", \"{SECRET}\")"),
        5 => format!("{name}: Some(\"{SECRET}\")"),
        6 => format!("/cb?a=b&{name}={SECRET}&c=d"),
        7 => format!("UPDATE a SET {name} = '{SECRET}'"),
        8 => format!("ALTER USER a PASSWORD '{SECRET}'"),
        9 => format!("https://{SECRET}@localhost/"),
        10 => format!("postgres://ada:{SECRET}@localhost/"),
        11 => format!("Bearer {SECRET}"),
        12 => format!("ghp_{SECRET}"),
        13 => format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.{SECRET}"),
        14 => format!("$2b$12${SECRET}"),
        15 => format!("pbkdf2_sha256$1000$salt${SECRET}="),
        _ => format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"),
    }
}

fn percent(text: &str) -> String {
    let letter = |it: u8| match it {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'.' => char::from(it).to_string(),
        _ => format!("%{it:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn percent_all(text: &str) -> String {
    let letter = |it: u8| format!("%{it:02x}");
    text.bytes().map(letter).collect()
}

fn escaped(text: &str, how: u8) -> String {
    match how {
        0 => percent(text),
        1 => percent_all(text),
        2 => serde_json::to_string(text).unwrap(),
        3 => format!("{{\"body\":{text:?}}}"),
        _ => text.replace('&', "&amp;").replace('"', "&quot;"),
    }
}

/// Unescapes a text, once for each kind of escape.
fn unescaped(text: &str) -> String {
    let mut plain = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            u8::from_str_radix(digits, 16).ok()
        };
        let (found, length) = match byte {
            b'%' => (hex(at + 1, at + 3), 3),
            b'\\' if bytes.get(at + 1) == Some(&b'u') => (hex(at + 4, at + 6), 6),
            b'\\' => (bytes.get(at + 1).copied(), 2),
            b'&' if text[at..].starts_with("&#x") => (hex(at + 3, at + 5), 6),
            b'&' if text[at..].starts_with("&quot;") => (Some(b'"'), 6),
            b'&' if text[at..].starts_with("&amp;") => (Some(b'&'), 5),
            _ => (None, 1),
        };
        plain.push(found.unwrap_or(*byte));
        at += if found.is_some() { length } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn is_readable(page: &str) -> bool {
    let mut text = page.to_owned();
    for _ in 0..10 {
        if text.contains(SECRET) {
            return true;
        }
        text = unescaped(&text);
    }
    false
}

/// Uses a text in every place where an application may use it.
fn says(text: &str) -> Response {
    tracing::warn!(field = %text, "{text}");
    tracing::warn!(field = ?text, pair = ?("a", text), "said");
    let sql = toolbar::sql(text.to_owned()).parameter(text);
    drop(sql.plan(text));
    drop(toolbar::sql("SELECT 1"));
    drop(toolbar::sql(format!(
        "SELECT 1 FROM a WHERE b = 1 AND {text}"
    )));
    toolbar::template(text, &[("a", text)]);
    let mut response = "said".into_response();
    for name in ["location", "x-said", "link"] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The pages about a request that has a text in every place.
async fn pages(text: &str) -> Vec<(String, String)> {
    let of_answer = text.to_owned();
    // The application reads the body, so that the toolbar sees the form.
    let app = any(move |_: Bytes| std::future::ready(says(&of_answer)));
    let (session_text, plan_text) = (text.to_owned(), text.to_owned());
    let layer = layer()
        .config("line", text)
        .show_cookie("shown")
        .explain(move |_| {
            let plan = plan_text.clone();
            async move { Ok::<_, String>(plan) }
        })
        .session(move |_| vec![("a".to_owned(), session_text.clone())]);
    let site = Site(Router::new().fallback(app).layer(layer));
    let value = percent(text);
    let request = Request::post(format!("/{value}?a={value}&{value}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("shown={value}; other=1"))
        .header("referer", format!("http://localhost/?a={value}"));
    let request = match HeaderValue::try_from(text) {
        Ok(said) => request.header("x-said", said),
        Err(_) => request,
    };
    let form = format!("a={value}&b=c");
    site.send(request.body(Body::from(form)).unwrap()).await;
    let id = site.ids().await.swap_remove(0);
    let mut paths = vec![
        String::new(),
        format!("{id}/"),
        format!("{id}/profile.html"),
    ];
    paths.push(format!("{id}/explain/2"));
    for panel in [
        "time",
        "memory",
        "profiler",
        "sql",
        "templates",
        "logging",
        "request",
        "headers",
        "routes",
        "config",
        "versions",
    ] {
        paths.push(format!("{id}/panel/{panel}"));
        paths.push(format!("{id}/bar/{panel}"));
    }
    let mut pages = Vec::new();
    for path in paths {
        let answer = site.get(&format!("/debug/toolbar/{path}")).await;
        assert_eq!(answer.status, http::StatusCode::OK, "{path}");
        pages.push((path, format!("{:?}\n{}", answer.headers, answer.text)));
    }
    pages
}

#[test]
fn no_secret_can_be_read_on_any_page() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let escapes = prop::collection::vec(0_u8..5, 0..3);
    let text = (0_usize..17, prop::sample::select(&NAMES[..]), escapes);
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let check = |(number, name, escapes): (usize, &str, Vec<u8>)| {
        let text = escapes
            .iter()
            .fold(said(number, name), |text, how| escaped(&text, *how));
        for (path, page) in runtime.block_on(pages(&text)) {
            let at = page.find(SECRET).unwrap_or_default();
            let near: String = page[at..].chars().take(200).collect();
            prop_assert!(!is_readable(&page), "{path}: {text}\n{near}");
        }
        Ok(())
    };
    runner.run(&text, check).unwrap();
}

#[tokio::test]
async fn what_is_no_secret_can_be_read() {
    for text in [
        "a passenger tokenizes by author",
        "commit 9fed4d9a1c0b7e6f5d4c3b2a190817263544f5e6",
        "550e8400-e29b-41d4-a716-446655440000",
        "SELECT title FROM post WHERE id = 5",
        "{\"signature\":\"fn(u8)\",\"size\":\"12 KiB\",\"max_tokens\":4096}",
    ] {
        let pages = pages(text).await;
        for panel in [
            "request",
            "headers",
            "logging",
            "sql",
            "templates",
            "config",
        ] {
            let (_, page) = pages
                .iter()
                .find(|(path, _)| path.ends_with(panel))
                .unwrap();
            // The panels reformat templates and the configuration.
            let word = text
                .split([' ', '"', '{'])
                .max_by_key(|word| word.len())
                .unwrap();
            assert!(unescaped(page).contains(word), "{word}: {page}");
            assert!(!page.contains("a: ••••••"), "{page}");
        }
    }
}

#[tokio::test]
async fn parameters_in_the_places_of_secrets_are_hidden() {
    let asks = || async {
        let sql = toolbar::sql("UPDATE user SET name = $2, password = $1 WHERE b = '?'");
        drop(sql.parameter("s3cr3t").parameter("ada"));
        let sql = toolbar::sql("INSERT INTO user (name, pw) VALUES (?, ?)");
        drop(sql.parameter("bob").parameter("s3cr3t"));
        drop(toolbar::sql("SELECT 1 FROM user WHERE token IN (?)").parameter("s3cr3t"));
    };
    let site = Site(Router::new().route("/", any(asks)).layer(layer()));
    site.get("/").await;
    let sql = site.panel("sql").await;
    assert!(!sql.contains("s3cr3t"), "{sql}");
    assert!(sql.contains("<td>••••••, &quot;ada&quot;</td>"), "{sql}");
    assert!(sql.contains("<td>&quot;bob&quot;, ••••••</td>"), "{sql}");
}

#[tokio::test]
async fn fields_of_the_log_are_hidden_by_names_that_are_told() {
    let logs = || async { tracing::info!(gift_card = "a b c", tokens = 12, "GiftCard=d") };
    let app = Router::new().route("/", any(logs));
    let site = Site(app.layer(layer().hide("gift-card")));
    site.get("/").await;
    let log = site.panel("logging").await;
    assert!(
        log.contains("GiftCard=•••••• gift_card=•••••• tokens=12"),
        "{log}"
    );
}

#[tokio::test]
async fn the_token_of_the_toolbar_never_reaches_the_application() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let seen = Arc::clone(&seen);
        move |request: Asked| async move {
            seen.lock().unwrap().push(format!("{request:?}"));
            axum::response::Html("<p>page</p>")
        }
    };
    let access = memprof::web::Access::token("t0k3n");
    let profiler = memprof::web::QueryProfilerLayer::new(access.clone());
    let app = Router::new().fallback(any(handler));
    let toolbar = memprof::web::DebugToolbarLayer::new(access);
    let site = Site(app.layer(profiler).layer(toolbar));
    let page = site.get("/a?b=%20c&memprof_token=t0k3n&d").await;
    assert!(page.has_bar());
    let cookie = "memprof_token=t0k3n; Path=/; HttpOnly; SameSite=Strict";
    assert_eq!(page.header("set-cookie"), cookie);
    // A request from the page's own links, and one with a wrong token.
    let request = Request::get("/e?memprof_token=t0k3")
        .header("referer", "http://localhost/a?b=%20c&memprof_token=t0k3n&d");
    site.send(request.body(Body::empty()).unwrap()).await;
    let seen = seen.lock().unwrap().join("\n");
    assert!(seen.contains("uri: /a?b=%20c&d"), "{seen}");
    assert!(
        seen.contains("\"referer\": \"http://localhost/a?b=%20c&d\""),
        "{seen}"
    );
    assert!(!seen.contains("t0k3"), "{seen}");

    // An inner layer still gets the token.
    let profile = site.get("/a?profile&memprof_token=t0k3n").await;
    assert!(
        profile.text.contains("id=\"about-facts\""),
        "{}",
        profile.text
    );
    let history = site.get("/debug/toolbar/?memprof_token=t0k3n").await;
    assert!(!history.text.contains("t0k3n"), "{}", history.text);
}

#[tokio::test]
async fn a_page_in_place_of_a_redirect_shows_no_secret_and_leads_to_where_it_did() {
    let away = || async { axum::response::Redirect::to("/back?token=s3cr3t") };
    let app = Router::new().route("/", any(away));
    let site = Site(app.layer(layer().intercept_redirects()));
    let request = Request::get("/").header("accept", "text/html");
    let page = site.send(request.body(Body::empty()).unwrap()).await.text;
    let link = "<a href=\"&#x2f;back?token=s3cr3t\">&#x2f;back?token=••••••</a>";
    assert!(page.contains(link), "{page}");
}
