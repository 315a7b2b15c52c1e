//! The toolbar's own pages, rendered when they are requested.

use super::content::Content;
use super::exchange::{Exchange, Shared};
use super::panels::can_be_explained;
use super::shown::{Row, Shown, shown};
use super::state::Toolbar;
use crate::count::uncounted;
use crate::report::{Format, page};
use crate::web::id::Id;
use crate::web::ours;
use crate::web::recording::Head;
use crate::web::redact::Redactor;
use crate::web::service::Answer;
use crate::web::templates::environment;
use http::header::{
    ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, REFRESH,
    SET_COOKIE,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The `Content-Security-Policy` of the pages: only their own scripts and styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    environment(&[
        ("content.html", include_str!("assets/content.html")),
        ("history.html", include_str!("assets/history.html")),
        ("request.html", include_str!("assets/request.html")),
        ("bar.html", include_str!("assets/bar.html")),
        ("redirect.html", include_str!("assets/redirect.html")),
    ])
});

/// The answer to a request for one of the toolbar's pages. `None` for other requests.
pub(super) fn answer(toolbar: &Arc<Toolbar>, head: &Head<'_>) -> Option<Answer> {
    let prefix = &toolbar.settings.prefix;
    let path = head.path.strip_prefix(prefix.as_str());
    // Only the last slash may be missing.
    if path.is_none() && prefix.strip_suffix('/') != Some(head.path) {
        return None;
    }
    let cookie = toolbar.access().cookie(head);
    let mut response = match path {
        None => moved(prefix),
        Some(_) if *head.method != Method::GET && *head.method != Method::HEAD => {
            let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, b"GET or HEAD\n");
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        Some(path) => match uncounted::during(false, || page_at(toolbar, path)).0 {
            Made::Page(status, content_type, text) => {
                let response = response(status, content_type, &text);
                uncounted::during(false, || drop(text));
                response
            }
            Made::Report(text) => {
                let mut response = response(StatusCode::OK, HTML, &text);
                uncounted::during(false, || drop(text));
                let policy = format!("{}; frame-ancestors 'none'", Format::html_policy());
                if let Ok(policy) = HeaderValue::try_from(policy) {
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_SECURITY_POLICY, policy);
                }
                response
            }
            Made::Explain(exchange, number) => {
                return Some(explain(toolbar, exchange, number, cookie));
            }
        },
    };
    keep_token(response.headers_mut(), cookie);
    Some(Answer::now(response))
}

/// Sets the cookie with the token. The answer must not be cached.
pub(super) fn keep_token(headers: &mut HeaderMap, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        headers.append(SET_COOKIE, cookie);
    }
}

/// The page at a path.
enum Made {
    Page(StatusCode, &'static str, Vec<u8>),
    /// A report, which contains its own script.
    Report(Vec<u8>),
    Explain(Shared, usize),
}

impl Made {
    fn html(text: String) -> Self {
        Self::Page(StatusCode::OK, HTML, text.into_bytes())
    }

    fn asset(content_type: &'static str, text: &str) -> Self {
        Self::Page(StatusCode::OK, content_type, text.as_bytes().to_vec())
    }

    fn not_found() -> Self {
        let text = "No such request is kept: it is from another run, or was removed for later \
                    ones.\n";
        Self::Page(StatusCode::NOT_FOUND, TEXT, text.as_bytes().to_vec())
    }
}

fn page_at(toolbar: &Toolbar, path: &str) -> Made {
    match path {
        "" => return Made::html(history(toolbar)),
        "bar.js" => return Made::asset(SCRIPT, include_str!("assets/bar.js")),
        "page.js" => return Made::asset(SCRIPT, include_str!("assets/page.js")),
        "page.css" => return Made::asset(STYLE, include_str!("assets/page.css")),
        _ => {}
    }
    let (id, rest) = path.split_once('/').unwrap_or((path, ""));
    let exchange = Id::parse(id).and_then(|id| toolbar.history.find(id));
    let Some(exchange) = exchange else {
        return Made::not_found();
    };
    let slugs = toolbar.slugs();
    let place = |slug: &str| slugs.iter().position(|one| one == slug);
    let view = |template: &str, panel: Option<usize>| {
        Made::html(request(toolbar, &exchange, &slugs, template, panel))
    };
    match rest.split_once('/') {
        None if rest.is_empty() => view("request.html", Some(0)),
        None if rest == "bar" => view("bar.html", None),
        None if rest == "profile.html" => report(toolbar, &exchange),
        Some(("panel", slug)) if place(slug).is_some() => view("request.html", place(slug)),
        Some(("bar", slug)) if place(slug).is_some() => view("bar.html", place(slug)),
        Some(("explain", number)) => match number.parse() {
            Ok(number) => Made::Explain(exchange, number),
            Err(_) => Made::not_found(),
        },
        _ => Made::not_found(),
    }
}

fn history(toolbar: &Toolbar) -> String {
    let rows: Vec<Row> = toolbar
        .history
        .all()
        .iter()
        .map(|exchange| Row::of(exchange, &toolbar.settings.redactor))
        .collect();
    let (prefix, rows) = (prefix_of(toolbar), Value::from(Serde(rows)));
    render("history.html", context! { prefix, rows })
}

/// A page of a request, with one of its panels.
fn request(
    toolbar: &Toolbar,
    exchange: &Exchange,
    slugs: &[String],
    template: &str,
    chosen: Option<usize>,
) -> String {
    let panels = toolbar.panels.iter().zip(slugs);
    let tabs = panels.map(|(panel, slug)| {
        let redactor = &toolbar.settings.redactor;
        let title = redactor.text(panel.title());
        let number = Toolbar::number(&**panel, exchange);
        let number = redactor.text(&number);
        context! { title, slug, number }
    });
    let tabs: Vec<Value> = tabs.collect();
    let panel = chosen.and_then(|place| toolbar.panels.get(place));
    let title = panel.map(|panel| toolbar.settings.redactor.text(panel.title()).into_owned());
    let content = panel.map(|panel| {
        // The panel may be the user's. If it panics, the other panels are still shown.
        let content = catch_unwind(AssertUnwindSafe(|| panel.content(exchange)));
        let content = content.unwrap_or_else(|_| Content::new().text("The panel has panicked."));
        shown(content, &toolbar.settings.redactor)
    });
    view_of(toolbar, exchange, template, &tabs, title, chosen, content)
}

fn view_of(
    toolbar: &Toolbar,
    exchange: &Exchange,
    template: &str,
    tabs: &[Value],
    title: Option<String>,
    chosen: Option<usize>,
    content: Option<Vec<Shown>>,
) -> String {
    let prefix = prefix_of(toolbar);
    let row = Value::from(Serde(Row::of(exchange, &toolbar.settings.redactor)));
    let content = content.map(|content| Value::from(Serde(content)));
    let tabs = tabs.iter().cloned().collect::<Value>();
    let values = context! { prefix, row, tabs, title, chosen, content };
    render(template, values)
}

/// The prefix, whose characters need no escaping.
fn prefix_of(toolbar: &Toolbar) -> Value {
    Value::from_safe_string(toolbar.settings.prefix.clone())
}

fn render(template: &str, values: Value) -> String {
    let template = TEMPLATES.get_template(template);
    match template.and_then(|template| template.render(values)) {
        Ok(text) => text,
        // Plain text, since rendering HTML has just failed.
        Err(_) => "This page of the toolbar can't be rendered.".to_owned(),
    }
}

fn report(toolbar: &Toolbar, exchange: &Exchange) -> Made {
    let Some(profile) = exchange.profile() else {
        return Made::not_found();
    };
    let facts = Row::of(exchange, &toolbar.settings.redactor).facts();
    let mut text = Vec::new();
    // Writing to memory doesn't fail.
    let _ = page::write_about(&facts, &profile.report, &mut text);
    Made::Report(text)
}

/// The page with the database's plan for a statement.
fn explain(
    toolbar: &Arc<Toolbar>,
    exchange: Shared,
    number: usize,
    cookie: Option<HeaderValue>,
) -> Answer {
    let statement = {
        let state = exchange.state();
        let place = number.checked_sub(1);
        let statement = place.and_then(|place| state.statements.get(place));
        statement
            .map(|statement| statement.text.to_string())
            .filter(|text| can_be_explained(text))
    };
    let (Some(statement), Some(explain)) = (statement, &toolbar.settings.explain) else {
        let text = b"There is no such statement to explain.\n";
        let mut response = response(StatusCode::NOT_FOUND, TEXT, text);
        keep_token(response.headers_mut(), cookie);
        return Answer::now(response);
    };
    let plan = catch_unwind(AssertUnwindSafe(|| explain(statement.clone())));
    let toolbar = Arc::clone(toolbar);
    Answer::Later(Box::pin(async move {
        let content = Content::new().heading("Statement").code(statement);
        let content = match unless_panicked(plan).await {
            Some(Ok(plan)) => content.heading("Plan").code(plan),
            Some(Err(error)) => content.heading("Error of the database").code(error),
            None => content.text("The function `explain` has panicked."),
        };
        let title = Some(format!("EXPLAIN {number}"));
        let content = Some(shown(content, &toolbar.settings.redactor));
        let page = view_of(
            &toolbar,
            &exchange,
            "request.html",
            &[],
            title,
            None,
            content,
        );
        let mut response = response(StatusCode::OK, HTML, page.as_bytes());
        keep_token(response.headers_mut(), cookie);
        response
    }))
}

/// The output of a user's future. `None` if creating or polling it panics.
async fn unless_panicked<T>(
    made: std::thread::Result<Pin<Box<dyn Future<Output = T> + Send>>>,
) -> Option<T> {
    let mut future = made.ok()?;
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

/// Turns a redirect into a page that shows it, and returns the page's text.
pub(super) fn intercept(head: &mut Parts, redactor: &Redactor) -> Vec<u8> {
    let status = head.status.to_string();
    head.status = StatusCode::OK;
    let headers = &mut head.headers;
    let location = headers.remove(LOCATION);
    let location = location.as_ref().and_then(|value| value.to_str().ok());
    let location = location.unwrap_or("");
    let is_safe = ["http://", "https://", "/", "?", "#"]
        .iter()
        .any(|start| location.starts_with(start));
    let shown = redactor.address(location);
    let values = context! { status, location, shown, is_safe };
    let text = render("redirect.html", values);
    // Headers that describe the replaced body.
    for name in [
        CONTENT_DISPOSITION,
        CONTENT_ENCODING,
        CONTENT_RANGE,
        ETAG,
        LAST_MODIFIED,
        REFRESH,
    ] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    text.into_bytes()
}

fn moved(location: &str) -> Response<Vec<u8>> {
    let mut response = response(StatusCode::PERMANENT_REDIRECT, TEXT, b"");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A response with a copy of `text`: the text is uncounted, but the program frees the response.
fn response(status: StatusCode, content_type: &'static str, text: &[u8]) -> Response<Vec<u8>> {
    let mut response = Response::new(text.to_vec());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    ours::describe(headers, content_type, POLICY, "no-referrer");
    for (name, value) in [
        // Pages with `Cross-Origin-Embedder-Policy` require these headers of their frames.
        (
            HeaderName::from_static("cross-origin-embedder-policy"),
            "require-corp",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
