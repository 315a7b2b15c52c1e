//! The contents of the panels.

use crate::site::{Site, layer, routes};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use memprof::web::toolbar::{self, Content, Exchange, Panel, Table};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tower::Layer as _;

#[tokio::test]
async fn time_is_told_as_polled_awaited_and_on_a_processor() {
    let site = Site::new();
    site.get("/").await;
    let time = site.panel("time").await;
    for name in ["Took", "Polled", "Waited", "Polls"] {
        assert!(time.contains(&format!("<dt>{name}</dt>")), "{time}");
    }
    assert_eq!(time.contains("<dt>CPU time</dt>"), cfg!(unix));
    // Polls: three statements, a task, and the body.
    let (_, polls) = time.split_once("<dt>Polls</dt>\n<dd>").unwrap();
    let (polls, _) = polls.split_once('<').unwrap();
    assert!(polls.parse::<u32>().unwrap() >= 5, "{polls}");
}

#[tokio::test]
async fn work_in_the_services_call_is_not_waiting() {
    const LEAST: Duration = Duration::from_millis(20);
    let service = tower::service_fn(|_: Request<_>| {
        let began = Instant::now();
        while began.elapsed() < LEAST {
            std::hint::spin_loop();
        }
        async { Ok::<_, Infallible>(Response::new(Body::empty())) }
    });
    // A router calls its services only when the returned future is polled.
    let site = Site(Router::new().fallback_service(layer().layer(service)));
    site.get("/").await;
    let time = site.panel("time").await;
    let (_, polled) = time.split_once("<dt>Polled</dt>\n<dd>").unwrap();
    let (polled, unit) = polled.split_once('<').unwrap().0.split_once(' ').unwrap();
    let polled: f64 = polled.parse().unwrap();
    let is_more = unit == "s" || unit == "ms" && polled >= 20.0;
    assert!(is_more, "{polled} {unit}");
}

#[tokio::test]
async fn secrets_in_the_text_of_a_line_are_dots() {
    #[derive(Debug)]
    #[expect(dead_code, reason = "it is shown")]
    struct User {
        name: &'static str,
        password: &'static str,
    }
    let logs = || async {
        let user = User {
            name: "ada",
            password: "s3cr3t",
        };
        tracing::info!(
            ?user,
            body = r#"{"apiKey":"s3cr3t"}"#,
            "DB_PASS=s3cr3t is set"
        );
        drop(toolbar::sql(
            "UPDATE user SET password = 's3cr3t' WHERE name = 'ada'",
        ));
    };
    let site = Site(Router::new().route("/", get(logs)).layer(layer()));
    site.get("/").await;
    let log = site.panel("logging").await;
    assert!(
        log.contains("name: &quot;ada&quot;, password: &quot;••••••&quot;"),
        "{log}"
    );
    let sql = site.panel("sql").await;
    assert!(sql.contains("name = &#x27;ada&#x27;"), "{sql}");
    for panel in [log, sql] {
        assert!(!panel.contains("s3cr3t"), "{panel}");
    }
}

#[tokio::test]
async fn cookies_are_dots_but_for_those_that_may_be_shown() {
    let site = Site::with(layer().show_cookie("theme").show_cookie("csrf_token"));
    let cookies =
        "id=s3cr3t; sid=s3cr3t; remember_me=s3cr3t; theme=dark; csrf_token=s3cr3t; empty=";
    let request = Request::get("/json").header("cookie", cookies);
    site.send(request.body(Body::empty()).unwrap()).await;
    let panel = site.panel("request").await;
    for (name, value) in [
        ("id", "••••••"),
        ("remember_me", "••••••"),
        ("csrf_token", "••••••"),
        ("theme", "dark"),
        ("empty", ""),
    ] {
        let pair = format!("<dt>{name}</dt>\n<dd>{value}</dd>");
        assert!(panel.contains(&pair), "{name}: {panel}");
    }
    assert!(!panel.contains("s3cr3t"), "{panel}");
}

#[tokio::test]
async fn lines_are_shown_with_what_they_made_and_keep() {
    let site = Site::new();
    site.get("/").await;
    let memory = site.panel("memory").await;
    let kept = memory
        .lines()
        .find(|row| row.contains("&#x2f; kept"))
        .unwrap();
    assert!(kept.starts_with("<tr class=\"marked\">"), "{kept}");
    // A request's lines are sorted by what they allocated.
    let [at_once, kept_at] = ["&#x2f; at once", "&#x2f; kept"].map(|words| memory.find(words));
    assert!(at_once.is_some() && at_once < kept_at, "{memory}");
    assert!(kept.contains("<td class=\"number\">4,000 B</td>"), "{kept}");
    assert!(kept.contains("toolbar/site.rs:") || kept.contains("toolbar&#x2f;site.rs:"));
    assert!(
        memory.contains("<polyline class=\"line-2\" points=\"0.0,"),
        "{memory}"
    );

    let profiler = site.panel("profiler").await;
    assert!(
        profiler.contains("<td>toolbar::site::index</td>"),
        "{profiler}"
    );
    let id = site.ids().await.swap_remove(0);
    let page = site.get(&format!("/debug/toolbar/{id}/profile.html")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-security-policy").contains("sha256-"));
}

#[tokio::test]
async fn statements_that_are_repeated_are_marked() {
    let explain = |sql: String| async move { Ok::<_, String>(format!("scans for {sql}")) };
    let site = Site::with(layer().explain(explain));
    site.get("/").await;
    let sql = site.panel("sql").await;
    assert_eq!(sql.matches("N+1, 3 times").count(), 3, "{sql}");
    assert!(!sql.contains("duplicate"), "{sql}");
    assert!(sql.contains("<td class=\"number\">3</td>"), "{sql}");
    assert!(sql.contains("toolbar&#x2f;site.rs:"), "{sql}");
    let id = site.ids().await.swap_remove(0);
    let plan = site.get(&format!("/debug/toolbar/{id}/explain/1")).await;
    assert!(
        plan.text.contains("scans for SELECT title"),
        "{}",
        plan.text
    );
    for other in ["0", "4", "-1", "x"] {
        let path = format!("/debug/toolbar/{id}/explain/{other}");
        assert_eq!(site.get(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_sqlx_tells_is_a_statement_unless_it_is_known_better() {
    let sqlx = || {
        tracing::info!(
            target: "sqlx::query",
            summary = "SELECT 1",
            db.statement = "",
            rows_affected = 0_u64,
            rows_returned = 7_u64,
            elapsed_secs = 0.25,
        );
    };
    let told = move || async move {
        sqlx();
        let sql = toolbar::sql("INSERT INTO t VALUES (1)");
        sqlx();
        sql.rows(1);
        "told"
    };
    let site = Site(
        routes()
            .route("/told", axum::routing::get(told))
            .layer(layer()),
    );
    site.get("/told").await;
    let sql = site.panel("sql").await;
    assert_eq!(sql.matches("SELECT 1").count(), 1, "{sql}");
    assert!(sql.contains("<td class=\"number\">250.0 ms</td><td class=\"number\">7</td>"));
    assert_eq!(sql.matches("INSERT INTO t").count(), 1, "{sql}");
}

#[tokio::test]
async fn lines_of_the_log_are_those_of_the_request_and_of_its_tasks() {
    let site = Site::new();
    site.get("/").await;
    tracing::info!("of nobody");
    let log = site.panel("logging").await;
    assert!(log.contains("page 1 token=••••••"), "{log}");
    assert!(log.contains("from a task"), "{log}");
    assert!(
        !log.contains("abc123") && !log.contains("of nobody"),
        "{log}"
    );
    site.get("/json").await;
    assert!(site.panel("logging").await.contains("Nothing was logged"));
}

#[tokio::test]
async fn a_span_knows_its_request_wherever_it_is_gone_on_with() {
    let handler = || async {
        let span = tracing::info_span!("work");
        let thread = std::thread::spawn(move || span.in_scope(|| tracing::info!("elsewhere")));
        thread.join().unwrap();
    };
    let site = Site(
        routes()
            .route("/span", axum::routing::get(handler))
            .layer(layer()),
    );
    site.get("/span").await;
    assert!(site.panel("logging").await.contains("elsewhere"));
}

#[tokio::test]
async fn requests_side_by_side_have_what_is_theirs() {
    async fn handler(axum::extract::Path(id): axum::extract::Path<u32>) {
        for _ in 0..10 {
            tracing::info!("line of {id}");
            tokio::task::yield_now().await;
        }
    }
    let site = Site(
        routes()
            .route("/n/{id}", axum::routing::get(handler))
            .layer(layer()),
    );
    let requests = (0..64).map(|id| {
        let site = site.clone();
        async move { site.get(&format!("/n/{id}")).await }
    });
    futures::future::join_all(requests).await;
    for id in site.ids().await {
        let log = site.panel_of(&id, "logging").await;
        let page = site.get(&format!("/debug/toolbar/{id}/")).await.text;
        let (_, target) = page.split_once("&#x2f;n&#x2f;").unwrap();
        let (number, _) = target.split_once('<').unwrap();
        assert_eq!(log.matches("line of").count(), 10, "{log}");
        let own = format!("line of {number}<");
        assert_eq!(log.matches(&own).count(), 10, "{log}");
    }
}

#[tokio::test]
async fn templates_are_shown_with_their_context_and_without_its_secrets() {
    let site = Site::new();
    site.get("/").await;
    let templates = site.panel("templates").await;
    assert!(templates.contains("<h2>index.html</h2>"), "{templates}");
    assert!(
        templates.contains("greeting&quot;: &quot;hello&quot;"),
        "{templates}"
    );
    assert!(!templates.contains("hunter2") && !templates.contains("01234"));
}

#[tokio::test]
async fn what_was_sent_is_shown_and_the_form_arrives_whole() {
    let session = |headers: &http::HeaderMap| {
        let user = headers.get("cookie").map(|_| "test".to_owned());
        user.map(|user| ("user".to_owned(), user))
            .into_iter()
            .collect()
    };
    let site = Site::with(layer().session(session).show_cookie("theme"));
    let request = Request::post("/form?page=2&q=a%20b")
        .header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )
        .header("cookie", "theme=dark; session=s3cr3t")
        .header("authorization", "Bearer s3cr3t")
        .header("x-latin", [0xe9].as_slice());
    let long = format!("title=A+title&password=s3cr3t&rest={}", "x".repeat(100_000));
    let answer = site
        .send(request.body(Body::from(long.clone())).unwrap())
        .await;
    assert_eq!(answer.text, format!("{} bytes", long.len()));
    let panel = site.panel("request").await;
    for (name, value) in [
        ("page", "2"),
        ("q", "a b"),
        ("title", "A title"),
        ("theme", "dark"),
        ("user", "test"),
        ("password", "••••••"),
        ("session", "••••••"),
    ] {
        let pair = format!("<dt>{name}</dt>\n<dd>{value}</dd>");
        assert!(panel.contains(&pair), "{name}: {panel}");
    }
    assert!(
        panel.contains("The form is cut after 16384 bytes."),
        "{panel}"
    );
    let headers = site.panel("headers").await;
    assert!(headers.contains("<dt>authorization</dt>\n<dd>••••••</dd>"));
    assert!(
        headers.contains("<dt>x-latin</dt>\n<dd>\u{fffd}</dd>"),
        "{headers}"
    );
    for panel in [panel, headers] {
        assert!(!panel.contains("s3cr3t"), "{panel}");
    }
}

#[tokio::test]
async fn routes_configuration_and_versions_are_as_they_were_told() {
    #[derive(serde::Serialize)]
    struct Database {
        url: &'static str,
        pool: u32,
    }
    let database = Database {
        url: "mysql://root:s3cr3t@localhost/blog",
        pool: 10,
    };
    let layer = layer()
        .routes([
            ("GET", "/"),
            ("GET", "/typed/{status}/{*kind}"),
            ("GET", "/{other}"),
        ])
        .config("database", &database)
        .config("SECRET_KEY", "s3cr3t")
        .config("gift-card", "1234")
        .hide("GiftCard")
        .application("blog", "0.1.0")
        .cargo_lock(include_str!("../../../Cargo.lock"));
    let site = Site::with(layer);
    site.get("/typed/200/text/html").await;
    let routes = site.panel("routes").await;
    let marked = routes.lines().find(|row| row.contains("marked")).unwrap();
    assert!(marked.contains("{*kind}"), "{marked}");
    let config = site.panel("config").await;
    assert!(config.contains("root:••••••@localhost"), "{config}");
    assert!(config.contains("&quot;pool&quot;: 10"), "{config}");
    assert!(
        !config.contains("s3cr3t") && !config.contains("1234"),
        "{config}"
    );
    let versions = site.panel("versions").await;
    assert!(versions.contains("<td>memprof</td>"), "{versions}");
    assert!(
        versions.contains("<dt>Application</dt>\n<dd>blog 0.1.0</dd>"),
        "{versions}"
    );
    assert!(versions.contains("<td>blog</td>"), "{versions}");
    assert!(versions.contains("<td>axum</td>"), "{versions}");
    let of_others = "<td>memprof-tests</td>";
    assert!(!versions.contains(of_others), "{versions}");
    if cfg!(target_os = "linux") {
        assert!(versions.contains("<dt>rustc</dt>\n<dd>1."), "{versions}");
    }
}

struct Own;

impl Panel for Own {
    fn title(&self) -> &'static str {
        "My <own> Panel"
    }

    fn number(&self, exchange: &Exchange) -> String {
        exchange.path().len().to_string()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        assert_ne!(exchange.path(), "/json", "it panics for some");
        Content::new()
            .heading("<b>bold</b>")
            .text(exchange.method().to_string())
            .table(
                Table::new(["n", "token"])
                    .row(["1", "s3cr3t"])
                    .marked_row(["2", "x"]),
            )
            .table(Table::new(["name", "value"]).row(["password", "s3cr3t"]))
            .pairs([("debug", format!("{exchange:?}"))])
    }
}

#[tokio::test]
async fn users_have_panels_of_their_own_and_one_that_panics_is_no_harm() {
    let site = Site::with(layer().panel(Own));
    site.get("/typed/200/text/plain?token=s3cr3t").await;
    let panel = site.panel("my--own--panel").await;
    assert!(panel.contains("&lt;b&gt;bold"), "{panel}");
    assert!(
        panel.contains("<td class=\"number\">1</td><td>••••••</td>"),
        "{panel}"
    );
    assert!(
        panel.contains("<td>password</td><td>••••••</td>"),
        "{panel}"
    );
    assert!(!panel.contains("s3cr3t"), "{panel}");
    site.get("/json").await;
    let panel = site.panel("my--own--panel").await;
    assert!(panel.contains("The panel has panicked."), "{panel}");
}
