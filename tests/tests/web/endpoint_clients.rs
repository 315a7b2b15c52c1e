//! Go's `pprof`, Prometheus and a browser, on the endpoints of a running process.
//!
//! The test of a program that isn't installed is skipped with a message.

#[path = "../report/page/browser.rs"]
#[expect(dead_code, reason = "the page of a report needs more of it")]
mod browser;

use axum::Router;
use axum::body::Body;
use browser::Page;
use http::Request;
use memprof::memprofile;
use memprof::web::debug_routes;
use memprof_tests::block;
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

/// A server of the endpoints on a free port, which is stopped on drop.
struct Server {
    address: SocketAddr,
    /// Receives a message for each request for the metrics.
    scrapes: Receiver<()>,
    _runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, scrapes) = mpsc::channel();
        let tell = move |request: Request<Body>| {
            if request.uri().path() == "/metrics" {
                // The test may have dropped the receiver.
                let _ = told.send(());
            }
            std::future::ready(request)
        };
        let router = Router::new()
            .fallback_service(debug_routes())
            .layer(axum::middleware::map_request(tell));
        runtime.spawn(async { axum::serve(listener, router).await });
        Self {
            address,
            scrapes,
            _runtime: runtime,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The body of a successful response.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// Whether a program is installed.
fn is_installed(name: &str, version: &str) -> bool {
    let answer = Command::new(name).arg(version).output();
    let is_installed = answer.is_ok_and(|answer| answer.status.success());
    if !is_installed {
        eprintln!("skipped: {name} is not installed");
    }
    is_installed
}

/// The output of `go tool pprof` for a URL; `None` if Go isn't installed.
fn pprof(arguments: &[&str], url: &str) -> Option<String> {
    if !is_installed("go", "version") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("go")
        .args(["tool", "pprof", "-unit=B", "-nodefraction=0"])
        .args(arguments)
        .arg(url)
        // pprof stores the profiles that it fetches here.
        .env("PPROF_TMPDIR", folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {stderr}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The first number in the first row that contains `words`.
fn number<'a>(words: &str, text: &'a str) -> &'a str {
    let row = text.lines().find(|row| row.contains(words));
    let row = row.unwrap_or_else(|| panic!("no {words}: {text}"));
    row.split_whitespace().next().unwrap()
}

#[test]
fn gos_pprof_fetches_what_is_alive_and_what_was_allocated() {
    #[memprofile(print = "never")]
    fn makes(size: usize) -> Vec<u8> {
        drop(block(1000 * size)); // at once
        block(10 * size) // kept
    }

    let kept = [makes(1), makes(9)];
    let server = Server::start();
    let heap = server.url("/debug/pprof/heap");
    let Some(top) = pprof(&["-top", "-lines"], &heap) else {
        return;
    };
    assert!(top.contains("Type: inuse_space\n"), "{top}");
    assert_eq!(
        number("::makes tests/tests/web/endpoint_clients.rs:", &top),
        "100B"
    );

    let allocs = server.url("/debug/pprof/allocs");
    let top = pprof(&["-top"], &allocs).unwrap();
    assert!(top.contains("Type: alloc_space\n"), "{top}");
    assert_eq!(number("::makes", &top), "10100B");

    let source = concat!("-source_path=", env!("CARGO_MANIFEST_DIR"), "/..");
    let listed = pprof(&["-list=::makes", source], &heap).unwrap();
    assert_eq!(number("block(10 * size) // kept", &listed), "100B");
    assert_eq!(number("drop(block(1000 * size));", &listed), ".");
    drop(kept);
}

#[test]
fn gos_pprof_waits_for_what_is_made_and_freed_in_a_second() {
    #[memprofile(print = "never")]
    fn grows(kept: &mut Vec<Vec<u8>>) {
        kept.push(block(1000)); // grows
    }
    #[memprofile(print = "never")]
    fn before(kept: &mut Vec<Vec<u8>>) {
        kept.push(block(123_456)); // before
    }

    let mut kept = Vec::new();
    before(&mut kept);
    let server = Server::start();
    let is_over = Arc::new(AtomicBool::new(false));
    let goes_on = Arc::clone(&is_over);
    let worker = thread::spawn(move || {
        while !goes_on.load(Ordering::Relaxed) {
            grows(&mut kept);
            thread::park_timeout(Duration::from_millis(1));
        }
    });
    let top = pprof(
        &["-top", "-lines"],
        &server.url("/debug/pprof/heap?seconds=1"),
    );
    is_over.store(true, Ordering::Relaxed);
    worker.join().unwrap();
    let Some(top) = top else {
        return;
    };
    assert!(top.contains("\nDuration: 1s,"), "{top}");
    let grown = number("::grows", &top).trim_end_matches('B');
    assert!(grown.parse::<u64>().unwrap() >= 1000, "{top}");
    assert!(!top.contains("::before"), "{top}");
}

/// A process that is killed on drop.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_scrapes_the_metrics_and_answers_a_query() {
    #[memprofile(print = "never")]
    fn scraped() -> Vec<u8> {
        block(7_654_321) // scraped
    }

    if !is_installed("prometheus", "--version") {
        return;
    }
    let kept = scraped();
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    let text = format!(
        "scrape_configs:\n- job_name: memprof\n  scrape_interval: 200ms\n  \
         scrape_timeout: 200ms\n  static_configs:\n  - targets: ['{}']\n",
        server.address
    );
    fs::write(&config, text).unwrap();
    // A port that is free now, and probably still is when the program starts.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = free.unwrap();
    let log = fs::File::create(folder.path().join("log")).unwrap();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let _prometheus = Killed(child.unwrap());

    let end = Instant::now() + Duration::from_mins(1);
    let query = |query: &str| loop {
        let answer = get(address, &format!("/api/v1/query?query={query}"));
        let answer = answer.map(|text| serde_json::from_str::<Value>(&text).unwrap());
        if let Some(answer) = &answer
            && let Some([result, ..]) = answer["data"]["result"].as_array().map(|all| &all[..])
        {
            break result.clone();
        }
        // What is in the next one may be there when that comes.
        let left = end.saturating_duration_since(Instant::now());
        if server.scrapes.recv_timeout(left).is_err() {
            let log = fs::read_to_string(folder.path().join("log")).unwrap();
            let targets = get(address, "/api/v1/targets");
            panic!("{query} has no result: {answer:?}, {targets:?}\n{log}");
        }
    };
    let value = |result: &Value| -> u64 { result["value"][1].as_str().unwrap().parse().unwrap() };

    let line = query("memprof_line_live_bytes%7Bfunction=~%22.*::scraped%22%7D");
    assert_eq!(value(&line), 7_654_321, "{line}");
    assert_eq!(
        line["metric"]["file"],
        "tests/tests/web/endpoint_clients.rs"
    );
    assert_eq!(line["metric"]["job"], "memprof");
    let source = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(file!()),
    );
    let number = line["metric"]["line"].as_str().unwrap().parse::<usize>();
    let source = source.unwrap();
    let text = source.lines().nth(number.unwrap() - 1).unwrap();
    assert!(text.ends_with("// scraped"), "{text}");
    assert!(value(&query("memprof_live_bytes")) >= 7_654_321);
    assert!(value(&query("process_resident_memory_bytes")) > 0);
    assert_eq!(value(&query("up")), 1);
    drop(kept);
}

#[test]
fn the_metrics_are_as_promtool_wants_them() {
    #[memprofile(print = "never")]
    fn checked() -> Vec<u8> {
        block(1000)
    }

    if !is_installed("promtool", "--version") {
        return;
    }
    let kept = checked();
    let metrics = get(Server::start().address, "/metrics").unwrap();
    assert!(metrics.contains("::checked\",line="), "{metrics}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    drop(kept);
}

#[test]
fn a_browser_shows_the_line_that_grows_since_the_mark() {
    #[memprofile(print = "never")]
    fn remember(seen: &mut Vec<Vec<u8>>, cache: &mut [Vec<u8>; 8]) {
        cache[seen.len() % 8] = vec![1; 1 << 16]; // the cache
        // More than other tests free concurrently.
        seen.push(vec![1; 1 << 22]); // the leak
    }

    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let Some(page) = Page::at(&server.url("/"), "debug/memprof/", folder) else {
        return;
    };
    assert_eq!(
        page.text("getComputedStyle(document.querySelector('.figures')).display"),
        "grid",
        "its style is there"
    );

    page.arrive(|| page.click("form button"));
    page.until("document.querySelector('#verdict')");
    let (mut seen, mut cache) = (Vec::with_capacity(10), [const { Vec::new() }; 8]);
    for count in 1..=4 {
        remember(&mut seen, &mut cache);
        remember(&mut seen, &mut cache);
        // The first time, the page refreshes itself.
        if count > 1 {
            page.get("refresh()");
        }
        page.until(&format!(
            "[...document.querySelectorAll('#growth tr')].some((row) =>
                row.cells[6].textContent.includes('the leak')
                && row.cells[0].textContent === `+${{({count} * 2 ** 23).toLocaleString('en')}} B`)"
        ));
    }
    let row = page.text(
        "[...document.querySelectorAll('#growth tr')].map((row) => row.textContent)
            .find((text) => text.includes('the leak'))",
    );
    assert!(row.contains("rising"), "{row}");
    assert!(
        page.text("document.querySelector('.verdict').className")
            .contains("more")
    );
    assert_eq!(page.get("document.querySelectorAll('polyline').length"), 2);
    page.screenshot("process-light");
    page.get("scrollTo(0, document.body.scrollHeight)");
    page.screenshot("process-lines");
    page.get("scrollTo(0, 0)");
    page.prefer("dark");
    page.screenshot("process-dark");
    assert_eq!(
        page.text("document.querySelector('#state').textContent"),
        ""
    );

    page.arrive(|| page.click("footer a[href='../pprof/']"));
    assert!(page.text("document.title").ends_with("profiles"));
    page.screenshot("profiles");
    page.assert_harmless();
    drop((seen, cache));
}
