//! The debug toolbar in Chromium, on a small blog with a strict content security policy.
//!
//! Skipped with a message if there is no Chromium.

#[expect(dead_code, reason = "some of it is for pages of reports")]
#[path = "../report/page/browser.rs"]
mod browser;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use browser::Page;
use memprof::memprofile;
use memprof::web::toolbar::{self, LogLayer};
use memprof::web::{Access, DebugToolbarLayer};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc;
use tracing_subscriber::layer::SubscriberExt as _;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

const STYLE: &str =
    "body { font: 16px/1.5 sans-serif; margin: 0 auto; max-width: 44rem; padding: 1rem }
    h1 { color: #377ba8 } article { border-bottom: 1px solid #ccc } .about { color: gray }
    iframe, button { display: none }";

#[derive(serde::Serialize)]
struct Post {
    id: u32,
    title: String,
    author: String,
}

#[memprofile(print = "never")]
async fn posts() -> Vec<Post> {
    let mut posts = Vec::new();
    let sql = toolbar::sql("SELECT id, title, author_id FROM post ORDER BY created DESC");
    tokio::task::yield_now().await;
    sql.rows(4);
    for id in 1..=4 {
        let author = author(id).await;
        let title = format!("Post number {id}");
        posts.push(Post { id, title, author });
    }
    posts
}

async fn author(id: u32) -> String {
    let sql = toolbar::sql("SELECT username FROM user WHERE id = ?").parameter(id);
    tokio::task::yield_now().await;
    sql.rows(1);
    format!("author {id}")
}

#[memprofile(print = "never")]
async fn index() -> Response {
    let posts = posts().await;
    tracing::info!(count = posts.len(), "the front page");
    tracing::warn!(token = "secret", "nobody is logged in");
    toolbar::template("blog/index.html", &HashMap::from([("posts", &posts)]));
    let mut html = String::from("<header><h1>Posts</h1><a href='/strict'>Strict</a></header>");
    for post in &posts {
        let _ = write!(
            html,
            "<article><h2>{}</h2><p class=about>by {}</p><p>Lorem ipsum dolor sit amet.</p></article>",
            post.title, post.author
        );
    }
    KEPT.lock().unwrap().push(html.clone()); // a cache that nothing leaves
    page(&html, "default-src 'self'")
}

fn page(html: &str, policy: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>Blog</title>\
         <link rel=icon href=/static/icon.svg><link rel=stylesheet href=/static/style.css></head>\
         <body>{html}</body></html>"
    );
    ([("content-security-policy", policy)], Html(page)).into_response()
}

async fn comment(form: Bytes) -> Response {
    tracing::info!("{} bytes", form.len());
    page("<h1>Thanks</h1>", "default-src 'self'")
}

fn site() -> Router {
    let access = Access::loopback(|extensions| {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        Some(peer.ip())
    });
    let layer = DebugToolbarLayer::new(access)
        .config("database", "sqlite:blog.db")
        .config("secret key", "0123456789")
        .routes([("GET", "/"), ("GET", "/strict"), ("POST", "/comment")])
        .explain(|sql| async move { Ok::<_, String>(format!("SCAN {}", sql.len())) })
        .cargo_lock(include_str!("../../../Cargo.lock"));
    let strict =
        "default-src 'none'; style-src 'self'; img-src 'self'; require-trusted-types-for 'script'";
    let form = "<form method=post action=/comment><input name=text value='<b>hello</b>'>\
                <input name=password value=hunter2><input type=submit id=send></form>";
    Router::new()
        .route("/", get(index))
        .route("/strict", get(move || async move { page(form, strict) }))
        .route("/comment", axum::routing::post(comment))
        .route("/json", get(|| async { "[]" }))
        .route(
            "/static/style.css",
            get(|| async { ([("content-type", "text/css")], STYLE) }),
        )
        .route(
            "/static/icon.svg",
            get(|| async {
                (
                    [("content-type", "image/svg+xml")],
                    "<svg xmlns='http://www.w3.org/2000/svg'/>",
                )
            }),
        )
        .layer(layer)
}

/// Serves the blog while the test runs, and returns its address.
fn serve() -> String {
    let (sender, addresses) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let service = site().into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
    });
    format!("http://{}/", addresses.recv().unwrap())
}

/// The toolbar's element, and the document in its frame.
const BAR: &str = "document.getElementById('memprof-toolbar')";
const INSIDE: &str = "document.getElementById('memprof-toolbar').contentDocument";

fn until_bar(page: &Page) {
    page.until(&format!(
        "{INSIDE}.body.dataset.open === 'no' && {INSIDE}.readyState === 'complete'"
    ));
}

/// Opens a panel from the toolbar, and returns its text.
fn open(page: &Page, title: &str) -> String {
    page.get(&format!(
        "[...{INSIDE}.querySelectorAll('.strip nav a')]
            .find((link) => link.textContent.startsWith({title:?})).click()"
    ));
    page.until(&format!(
        "{INSIDE}.readyState === 'complete' && {INSIDE}.querySelector('h2.title').textContent.startsWith({title:?})"
    ));
    page.text(&format!("{INSIDE}.querySelector('main').innerText"))
}

#[test]
fn a_walk_through_a_blog_with_the_toolbar() {
    let subscriber = tracing_subscriber::registry().with(LogLayer::new());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let url = serve();
    let Some(page) = Page::at(&url, "", tempfile::tempdir().unwrap()) else {
        return;
    };
    page.prefer("light");

    look_at_the_bar(&page);
    open_each_panel(&page);
    put_it_away(&page);
    walk_on(&page);
    look_at_the_history(&page);

    page.assert_harmless();
}

/// The toolbar shows a number for each panel.
fn look_at_the_bar(page: &Page) {
    until_bar(page);
    let bar = page.text(&format!("{INSIDE}.querySelector('.strip').innerText"));
    for number in [
        "SQL 5",
        "Templates 1",
        "Logging 2",
        "Profiler 2",
        "Memory peak ",
    ] {
        assert!(bar.contains(number), "{bar}");
    }
    assert_eq!(page.text(&format!("{BAR}.style.height")), "34px");
    page.screenshot("bar");
}

/// Each panel opens, without adding to the page's history.
fn open_each_panel(page: &Page) {
    let steps = page.get("history.length");
    let sql = open(page, "SQL");
    assert!(sql.contains("N+1, 4 times"), "{sql}");
    assert!(sql.contains("toolbar/browser.rs:"), "{sql}");
    page.screenshot("toolbar");
    let memory = open(page, "Memory");
    assert!(memory.contains("a cache that nothing leaves"), "{memory}");
    assert!(
        memory.contains("Memory of the process at the end of"),
        "{memory}"
    );
    page.screenshot("memory");
    let templates = open(page, "Templates");
    assert!(
        templates.contains("\"title\": \"Post number 1\""),
        "{templates}"
    );
    let logging = open(page, "Logging");
    assert!(
        logging.contains("nobody is logged in token=••••••"),
        "{logging}"
    );
    assert!(open(page, "Profiler").contains("toolbar_browser::posts"));
    assert!(open(page, "Time").contains("CPU time"));
    assert!(open(page, "Headers").contains("content-security-policy"));
    assert!(open(page, "Request").contains("Cookies"));
    assert!(open(page, "Routes").contains("/comment"));
    assert!(open(page, "Config").contains("sqlite:blog.db"));
    assert!(open(page, "Versions").contains("axum"));
    assert_eq!(page.get("history.length"), steps);
    page.get(&format!(
        "{INSIDE}.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'Escape' }}))"
    ));
    page.until(&format!(
        "{BAR}.style.height === '34px' && !{INSIDE}.querySelector('main')"
    ));
}

/// A hidden toolbar stays hidden.
fn put_it_away(page: &Page) {
    page.get(&format!("{INSIDE}.getElementById('toggle').click()"));
    assert_eq!(page.text(&format!("{BAR}.style.width")), "100px");
    page.arrive(|| _ = page.get("location.reload()"));
    page.until(&format!(
        "{BAR}.style.width === '100px' && {INSIDE}.readyState === 'complete'"
    ));
    page.screenshot("small");
    page.until(&format!("{INSIDE}.body.classList.contains('small')"));
    page.get(&format!("{INSIDE}.getElementById('toggle').click()"));
    assert_eq!(page.text(&format!("{BAR}.style.width")), "100%");
}

/// A page whose policy allows only its style sheet, and a form on it.
fn walk_on(page: &Page) {
    page.arrive(|| _ = page.get("document.querySelector('a').click()"));
    assert_eq!(page.text("location.pathname"), "/strict");
    until_bar(page);
    assert!(open(page, "Headers").contains("require-trusted-types-for"));
    page.arrive(|| _ = page.get("document.getElementById('send').click()"));
    assert_eq!(page.text("location.pathname"), "/comment");
    until_bar(page);
    let form = open(page, "Request");
    assert!(
        form.contains("<b>hello</b>") && form.contains("••••••"),
        "{form}"
    );
    assert!(!form.contains("hunter2"), "{form}");
}

/// The history lists all requests, including those that weren't for pages.
fn look_at_the_history(page: &Page) {
    page.get("fetch('/json').then(() => document.title = 'fetched')");
    page.until("document.title === 'fetched'");
    page.arrive(|| _ = page.get("location.href = '/debug/toolbar/'"));
    let history = page.text("document.body.innerText");
    for target in [
        "GET /",
        "GET /strict",
        "POST /comment",
        "GET /json",
        "GET /static/style.css",
    ] {
        assert!(history.contains(target), "{history}");
    }
    page.screenshot("history");
    page.prefer("dark");
    page.screenshot("history-dark");
    page.arrive(|| _ = page.get("[...document.querySelectorAll('.history a')].at(-1).click()"));
    assert_eq!(page.get("document.querySelectorAll('.columns').length"), 1);
    page.arrive(|| _ = page.get("document.querySelector('nav a:nth-child(4)').click()"));
    assert_eq!(
        page.text("document.querySelector('h2.title').textContent"),
        "SQL"
    );
    page.screenshot("request-dark");
    page.arrive(|| _ = page.get("document.querySelector('nav a:nth-child(2)').click()"));
    assert_eq!(
        page.text("document.querySelector('h2.title').textContent"),
        "Memory"
    );
    page.screenshot("request-memory-dark");
}
