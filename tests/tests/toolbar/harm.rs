//! Access to the toolbar, and hostile requests, which have no effect.

use crate::site::{Site, layer, routes};
use axum::Router;
use axum::body::Body;
use axum::response::Html;
use axum::routing::get;
use http::{HeaderValue, Method, Request, StatusCode};
use memprof::web::toolbar::{self, Content, Exchange, Panel};
use memprof::web::{Access, DebugToolbarLayer};
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn to_strangers_it_is_not_there() {
    let site = Site::new();
    site.get("/").await;
    let id = site.ids().await.swap_remove(0);
    let plain = Site(routes());
    for path in [
        "/".to_owned(),
        "/debug/toolbar/".to_owned(),
        "/debug/toolbar/bar.js".to_owned(),
        format!("/debug/toolbar/{id}/"),
    ] {
        let request = Request::get(&path).header("x-stranger", "1");
        let answer = site.send(request.body(Body::empty()).unwrap()).await;
        let without = plain.get(&path).await;
        assert_eq!(
            (answer.status, answer.text, answer.headers),
            (without.status, without.text, without.headers)
        );
    }
    assert_eq!(site.ids().await.len(), 1);
    let nobody = DebugToolbarLayer::new(Access::loopback(|_| None));
    assert!(!Site::with(nobody).get("/").await.has_bar());
}

#[tokio::test]
async fn a_token_in_the_query_opens_it_in_a_browser() {
    let site = Site::with(DebugToolbarLayer::new(Access::token("tok")));
    let with = async |path: &str, cookie: &str| {
        let request = Request::get(path).header("cookie", cookie);
        site.send(request.body(Body::empty()).unwrap()).await
    };
    let page = site.get("/?memprof_token=tok").await;
    assert!(page.has_bar());
    let cookie = page.header("set-cookie");
    assert_eq!(
        cookie,
        "memprof_token=tok; Path=/; HttpOnly; SameSite=Strict"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    let script = "/debug/toolbar/bar.js";
    assert_eq!(site.get(script).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        with(script, "memprof_token=tok").await.status,
        StatusCode::OK
    );

    let history = site.get("/debug/toolbar/?memprof_token=tok").await;
    assert_eq!(history.header("set-cookie"), cookie);
    let known = with("/?memprof_token=tok", "memprof_token=tok").await;
    assert_eq!(known.header("set-cookie"), "");
    // Cacheable responses have no toolbar.
    assert_eq!(
        site.get("/json?memprof_token=tok")
            .await
            .header("set-cookie"),
        ""
    );
    assert_eq!(
        site.get("/?memprof_token=no").await.header("set-cookie"),
        ""
    );
}

#[tokio::test]
async fn who_explains_may_panic_and_takes_nothing_along() {
    for panics_at_once in [true, false] {
        let layer = layer().explain(move |_| {
            assert!(!panics_at_once, "on purpose");
            async move {
                tokio::task::yield_now().await;
                assert!(panics_at_once, "on purpose");
                Ok::<_, String>(String::new())
            }
        });
        let site = Site::with(layer);
        site.get("/").await;
        let id = site.ids().await.swap_remove(0);
        let plan = site.get(&format!("/debug/toolbar/{id}/explain/1")).await;
        assert_eq!(plan.status, StatusCode::OK);
        assert!(
            plan.text.contains("The function `explain` has panicked."),
            "{}",
            plan.text
        );
    }
}

#[test]
#[should_panic = "should have a letter or a digit"]
fn nothing_is_no_name_to_hide() {
    let _ = layer().hide("-");
}

#[tokio::test]
async fn forged_ids_and_paths_are_not_found() {
    let site = Site::new();
    site.get("/").await;
    let id = site.ids().await.swap_remove(0);
    let (most, _) = id.split_at(31);
    let paths = [
        "0".repeat(32),
        most.to_owned(),
        format!("{id}0"),
        id.to_uppercase() + "/",
        format!("{id}/panel/nonsense"),
        format!("{id}/panel/../../.."),
        format!("{id}/bar/%2e%2e"),
        format!("{id}/explain/99999999999999999999"),
        "../../etc/passwd".to_owned(),
        "page.css/".to_owned(),
        "%00".to_owned(),
    ];
    for path in paths {
        let answer = site.get(&format!("/debug/toolbar/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let post = site.method(Method::POST, "/debug/toolbar/").await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    let slash = site.get("/debug/toolbar").await;
    assert_eq!(slash.location(), "/debug/toolbar/");
    // None of these requests reached the application.
    assert_eq!(site.ids().await.len(), 1);
}

const EVIL: &str = "\"'><script>hacked=1</script><img src=x onerror=hacked=1>&amp;{{1}}";

struct Evil;

impl Panel for Evil {
    fn title(&self) -> &str {
        EVIL
    }

    fn number(&self, _: &Exchange) -> String {
        EVIL.to_owned()
    }

    fn content(&self, _: &Exchange) -> Content {
        Content::new()
            .heading(EVIL)
            .text(EVIL)
            .code(EVIL)
            .pairs([(EVIL, EVIL)])
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02x}").unwrap();
        encoded
    })
}

#[tokio::test]
async fn html_in_every_field_is_text() {
    let handler = || async {
        toolbar::template(EVIL, &[EVIL]);
        toolbar::sql(EVIL).parameter(EVIL).plan(EVIL).rows(1);
        tracing::info!(field = EVIL, "{EVIL}");
        ([("x-answer", EVIL)], Html("<p>harmless</p>"))
    };
    let layer = layer()
        .panel(Evil)
        .config(EVIL, EVIL)
        .routes([(EVIL, EVIL)])
        .session(|_| vec![(EVIL.to_owned(), EVIL.to_owned())])
        .explain(|_| async { Ok::<_, String>(EVIL.to_owned()) })
        .cargo_lock("[[package]]\nname = \"<script>\"\nversion = \"<script>\"\n");
    let routes = Router::new().route("/{*path}", get(handler).post(handler));
    let site = Site(routes.layer(layer));
    let encoded = percent_encoded(EVIL);
    let request = Request::post(format!("/{encoded}?{encoded}={encoded}"))
        .header("host", EVIL)
        .header(
            "cookie",
            HeaderValue::from_str(&format!("{EVIL}={EVIL}")).unwrap(),
        )
        .header("referer", EVIL)
        .header("content-type", "application/x-www-form-urlencoded");
    let body = Body::from(format!("{encoded}={encoded}"));
    site.send(request.body(body).unwrap()).await;
    let id = site.ids().await.swap_remove(0);
    let page = site.get(&format!("/debug/toolbar/{id}/")).await.text;
    let slugs = page.split("/panel/").skip(1);
    let mut paths: Vec<String> = slugs
        .map(|rest| format!("{id}/panel/{}", rest.split_once('"').unwrap().0))
        .collect();
    assert_eq!(paths.len(), 12);
    paths.extend([String::new(), format!("{id}/bar"), format!("{id}/bar/sql")]);
    for path in paths {
        let page = site.get(&format!("/debug/toolbar/{path}")).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for evil in ["<script>hacked", "<img", "\"'>", "<script>\""] {
            assert!(!page.text.contains(evil), "{path}: {}", page.text);
        }
    }
}

#[tokio::test]
async fn paths_of_ten_thousand_letters_are_cut() {
    let site = Site::new();
    let long = "/segment".repeat(1250);
    let answer = site.get(&format!("{long}?{}", "q".repeat(10_000))).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let history = site.get("/debug/toolbar/").await.text;
    assert!(history.contains("(10000 bytes in all)"), "{history}");
    assert!(history.len() < 30_000, "{}", history.len());
    let odd = site.get("/%ff%fe?%ff=%fe").await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
    site.panel("request").await;
}

#[tokio::test]
async fn the_history_has_no_more_than_it_may() {
    let site = Site::with(layer().max_requests(3));
    for _ in 0..5 {
        site.get("/").await;
    }
    assert_eq!(site.ids().await.len(), 3);

    let chatty = || async {
        for _ in 0..100 {
            tracing::info!("{}", "x".repeat(1000));
        }
    };
    let routes = Router::new().route("/", get(chatty));
    let site = Site(routes.layer(layer().max_bytes(200_000)));
    for _ in 0..40 {
        site.get("/").await;
    }
    let ids = site.ids().await;
    // A request may take at most an eighth of the total size.
    assert!((6..=9).contains(&ids.len()), "{}", ids.len());
    let log = site.panel("logging").await;
    let shown = log.matches("xxxx</td>").count();
    assert!((15..25).contains(&shown), "{shown}");
    let left_out = format!("no room for {} more", 100 - shown);
    assert!(log.contains(&left_out), "{log}");
}

#[tokio::test]
async fn its_own_work_is_not_on_the_account_of_requests() {
    async fn allocated(site: &Site) -> String {
        let handler_ran = site.get("/busy").await;
        assert_eq!(handler_ran.status, StatusCode::OK);
        let memory = site.panel("memory").await;
        let (_, allocated) = memory.split_once("<dt>Allocated</dt>\n<dd>").unwrap();
        allocated.split_once(" in ").unwrap().0.to_owned()
    }
    let busy = |is_busy: bool| {
        move || async move {
            if is_busy {
                for _ in 0..50 {
                    toolbar::sql("SELECT 1").parameter(1).rows(1);
                    toolbar::template("a", &[1, 2, 3]);
                }
            }
        }
    };
    let site = |is_busy| {
        Site(
            Router::new()
                .route("/busy", get(busy(is_busy)))
                .layer(layer()),
        )
    };
    assert_eq!(allocated(&site(true)).await, allocated(&site(false)).await);
}

#[tokio::test]
async fn what_the_application_tells_is_for_nobody_outside_of_requests() {
    toolbar::template("a", &1);
    toolbar::sql("SELECT 1").parameter(1).rows(1);
    assert_eq!(toolbar::current_id(), None);
    let seen = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&seen);
    let handler = move || {
        *noted.lock().unwrap() = toolbar::current_id();
        async {}
    };
    let site = Site(Router::new().route("/", get(handler)).layer(layer()));
    site.get("/").await;
    let newest = site.ids().await.swap_remove(0);
    assert_eq!(seen.lock().unwrap().clone(), Some(newest));
}

#[test]
fn a_prefix_that_would_be_everywhere_is_refused() {
    for prefix in ["", "/", "//", "/a b", "/\"", "/ä"] {
        let made = std::panic::catch_unwind(|| layer().prefix(prefix));
        assert!(made.is_err(), "{prefix}");
    }
}

#[tokio::test]
async fn it_is_where_it_was_told_to_be() {
    let site = Site::with(layer().prefix("internal/bar"));
    let page = site.get("/").await.text;
    assert!(page.contains("src=\"/internal/bar/bar.js\""), "{page}");
    let history = site.get("/internal/bar/").await.text;
    assert!(
        history.contains("href=\"/internal/bar/page.css\""),
        "{history}"
    );
}

#[test]
fn assets_ask_nobody_else_for_anything() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../memprof/src/web/toolbar/assets"
    );
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("://"), "{text}");
    }
}

#[tokio::test]
async fn secrets_of_an_address_are_dots_wherever_it_is_shown() {
    let site = Site::with(layer().hide("badge"));
    let path = "/json?a=1&session_id=s3cr3t&csrf=s3cr3t&key=s3cr3t&\
                user%5Bpassword%5D=s3cr3t&pass%77ord=s3cr3t&badge=s3cr3t";
    let request = Request::get(path)
        .header(
            "referer",
            "http://localhost/?code=7&token=s3cr3t#access_token=s3cr3t",
        )
        .header("x-quiet", {
            let mut value = HeaderValue::from_static("s3cr3t");
            value.set_sensitive(true);
            value
        });
    site.send(request.body(Body::empty()).unwrap()).await;
    let id = site.ids().await.swap_remove(0);

    let history = site.get("/debug/toolbar/").await.text;
    assert!(history.contains("a=1&amp;session_id=••••••"), "{history}");
    for page in ["", "panel/headers", "panel/request", "bar", "profile.html"] {
        let shown = site.get(&format!("/debug/toolbar/{id}/{page}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{page}");
        assert!(!shown.text.contains("s3cr3t"), "{page}: {}", shown.text);
    }
    assert!(!history.contains("s3cr3t"), "{history}");
}

#[tokio::test]
async fn a_page_with_the_bar_is_for_nobody_else() {
    let cached = || async {
        let headers = [
            ("cache-control", "public, max-age=600"),
            ("expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
            ("content-encoding", "gzip"),
            ("content-disposition", "attachment"),
        ];
        (headers, axum::response::Redirect::permanent("/elsewhere"))
    };
    let page = || async { ([("cache-control", "public, max-age=600")], Html("page")) };
    let routes = Router::new()
        .route("/moved", get(cached))
        .route("/page", get(page));
    let site = Site(routes.layer(layer().intercept_redirects()));

    let page = site.get("/page").await;
    assert!(page.has_bar());
    assert_eq!(page.header("cache-control"), "no-store");
    let request = Request::get("/moved").header("accept", "text/html");
    let moved = site.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(moved.status, StatusCode::OK);
    assert_eq!(moved.header("cache-control"), "no-store");
    for name in ["expires", "content-encoding", "content-disposition"] {
        assert_eq!(moved.header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_span_takes_nothing_from_the_count() {
    let spanned = || async {
        for _ in 0..100 {
            drop(tracing::info_span!("spanned").entered());
        }
        "done"
    };
    let site = Site(Router::new().route("/", get(spanned)).layer(layer()));
    // Let the registry allocate what it needs once.
    site.get("/").await;
    let freed = |usage: memprof::Usage| usage.deallocation_count;
    let (_, usage) = memprof::measure_async(site.get("/")).await;
    let (_, again) = memprof::measure_async(site.get("/")).await;
    assert_eq!(usage.allocation_count, again.allocation_count);
    assert!(
        freed(again) <= again.allocation_count,
        "{again:?}: more is freed than was made"
    );
}
