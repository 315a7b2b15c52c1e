//! What a process tells of its memory over HTTP: to whom, and that it is true.

use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, HOST, LOCATION};
use http::request::Builder;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use memprof::web::{Routes, routes};
use memprof::{Report, memprofile};
use memprof_tests::{Program, block};
use std::sync::Mutex;
use tower::{Service as _, ServiceExt as _};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Keeps a block of `size` bytes for good.
#[memprofile(print = "never")]
fn keep(size: usize) {
    let kept = block(size); // kept <script>window.hacked = 1</script> & "more"
    KEPT.lock().unwrap().push(kept);
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: impl http::header::AsHeaderName) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

async fn answer(routes: &Routes, request: Request<Body>) -> Answer {
    let response = routes.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

fn request(method: Method, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(path);
    request.header(HOST, "127.0.0.1:5001")
}

async fn get(routes: &Routes, path: &str) -> Answer {
    let request = request(Method::GET, path).body(Body::empty());
    answer(routes, request.unwrap()).await
}

async fn post(routes: &Routes, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request(Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(routes, request.body(Body::empty()).unwrap()).await
}

/// The texts of the cells of the rows of a table in a page.
fn rows(page: &str, table: &str) -> Vec<Vec<String>> {
    let start = format!("<table id=\"{table}\">");
    let Some((_, table)) = page.split_once(&start) else {
        return Vec::new();
    };
    let (table, _) = table.split_once("</table>").unwrap();
    let (_, body) = table.split_once("<tbody>").unwrap();
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| row.split("<td").skip(1).map(text_of).collect())
        .collect()
}

/// Without tags, from the end of the one it begins in.
fn text_of(html: &str) -> String {
    let inside = html.split('>').skip(1);
    let texts = inside.map(|piece| piece.split('<').next().unwrap_or_default());
    texts.collect::<String>().trim().to_owned()
}

#[tokio::test]
async fn there_is_a_page_with_the_lines_that_keep_memory() {
    keep(1_000_000);
    let page = get(&routes(), "/debug/memprof/").await;

    assert_eq!(page.status, StatusCode::OK);
    let rows = rows(page.text(), "lines");
    let kept = rows.iter().find(|row| row[7].starts_with("routes::keep "));
    let kept = kept.unwrap_or_else(|| panic!("{}", page.text()));
    let bytes: u64 = kept[0].trim_end_matches(" B").replace(',', "").parse().unwrap();
    assert!(bytes >= 1_000_000, "{kept:?}");
    let escaped = "&lt;script&gt;window.hacked = 1&lt;&#x2f;script&gt; &amp; &quot;more&quot;";
    assert!(kept[8].contains(escaped), "{kept:?}");
    assert!(!page.text().contains("<script>"), "{}", page.text());
}

#[test]
fn growth_since_the_mark_is_a_leak_if_it_goes_on_and_a_cache_if_it_ends() {
    #[memprofile(print = "never")]
    fn handle(number: usize, cache: &mut [Vec<u8>], seen: &mut Vec<Vec<u8>>) {
        cache[number % 4] = block(1_000_000); // cache
        seen.push(block(2_000_000)); // seen
    }

    let mut program = Program::new(|| {
        let (mut cache, mut seen) = ([const { Vec::new() }; 4], Vec::with_capacity(100));
        let routes = routes();
        let get = || block_on(get(&routes, "/debug/memprof/"));
        let none = [[""; 0]; 0];
        handle(0, &mut cache, &mut seen);
        assert_eq!(rows(get().text(), "growth"), none, "the first is the mark");
        handle(0, &mut cache, &mut seen);
        assert_eq!(rows(get().text(), "growth").len(), 1);

        let marked = block_on(post(&routes, "/debug/memprof/mark", &[]));
        assert_eq!(marked.status, StatusCode::SEE_OTHER);
        assert_eq!(marked.header(LOCATION), "./");
        assert_eq!(rows(get().text(), "growth"), none);
        for number in 1..=8 {
            handle(number, &mut cache, &mut seen);
            let page = get();
            // Once more, when none of the lines has run: that says nothing of them.
            get();
            let rows = rows(page.text(), "growth");
            let row = |words: &str| rows.iter().find(|row| row[6].contains(words)).unwrap();
            let leak = row("// seen");
            assert_eq!(leak, &rows[0]);
            assert_eq!(leak[0], format!("+{number},000,000 B").replace("+1,", "+2,"));
            let _ = leak;
        }
    });
    program.stdout();
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let start = digits.len() % 3;
    let mut groups = vec![&digits[..start]];
    groups.extend((start..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.retain(|group| !group.is_empty());
    groups.join(",")
}

/// Without a runtime, as anything that polls it can.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}
