//! The endpoints about a process's memory: whether they are correct, and who has access.

mod access;

use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use http::header::{HOST, LOCATION};
use http::request::Builder;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use memprof::memprofile;
use memprof::report::Report;
use memprof::web::{DebugRoutes, debug_routes};
use memprof_tests::{Program, block};
use std::sync::Mutex;
use tower::{Service as _, ServiceExt as _};

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Leaks a block of `size` bytes.
#[memprofile(print = "never", hits = true)]
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

async fn answer(routes: &DebugRoutes, request: Request<Body>) -> Answer {
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

async fn get(routes: &DebugRoutes, path: &str) -> Answer {
    let request = request(Method::GET, path).body(Body::empty());
    answer(routes, request.unwrap()).await
}

async fn post(routes: &DebugRoutes, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = request(Method::POST, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(routes, request.body(Body::empty()).unwrap()).await
}

/// The rows of a table in a page, as the texts of their cells.
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

/// The text without tags, after the end of the tag that it begins in.
fn text_of(html: &str) -> String {
    let inside = html.split('>').skip(1);
    let texts = inside.map(|piece| piece.split('<').next().unwrap_or_default());
    let text: String = texts.collect();
    text.trim().replace("&#x2f;", "/")
}

#[tokio::test]
async fn there_is_a_page_with_the_lines_that_keep_memory() {
    keep(1_000_000);
    let page = get(&debug_routes(), "/debug/memprof/").await;

    assert_eq!(page.status, StatusCode::OK);
    let rows = rows(page.text(), "lines");
    let kept = rows
        .iter()
        .find(|row| row[7].starts_with("web_endpoints::keep "));
    let kept = kept.unwrap_or_else(|| panic!("{}", page.text()));
    let bytes: u64 = kept[0]
        .trim_end_matches(" B")
        .replace(',', "")
        .parse()
        .unwrap();
    assert!(bytes >= 1_000_000, "{kept:?}");
    let escaped = "&lt;script&gt;window.hacked = 1&lt;/script&gt; &amp; &quot;more&quot;";
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
        let routes = debug_routes();
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
            let rows = rows(page.text(), "growth");
            let row = |words: &str| rows.iter().position(|row| row[6].contains(words));
            let [leak, cached] = ["// seen", "// cache"].map(|words| row(words).unwrap());
            assert!(leak < cached, "the one that grew most is first");

            // Each round requests two reports. Before the second one, no line has run, so it has no
            // effect on trends.
            let of = format!("{number} of {}", 2 * number);
            let [grew, alive] = [0, 2].map(|more| format!("{},000,000 B", 2 * number + 2 * more));
            let trend = if number < 3 { "" } else { "rising" };
            let expected = [&format!("+{grew}"), &alive, &of, &number.to_string(), trend];
            assert_eq!(rows[leak][..5], expected);
            let filled = number.min(3);
            let (in_a_row, trend) = match number {
                1..3 => (number, ""),
                3 => (3, "rising"),
                // Until the line has run twice as often as at its last rise.
                4..8 => (0, ""),
                _ => (0, "levelled off"),
            };
            let of = format!("{filled} of {}", 2 * number);
            let grew = format!("+{filled},000,000 B");
            assert_eq!(rows[cached][0], grew);
            assert_eq!(rows[cached][2..5], [&of, &in_a_row.to_string(), trend]);
            get();
        }
        let page = get();
        let verdict = "lines are still rising: the program holds that memory, not the allocator";
        assert!(page.text().contains(verdict), "{}", page.text());
    });
    program.stdout();
}

#[test]
fn a_list_that_grows_for_ever_is_rising_though_it_does_so_in_steps() {
    // Its runs can be told only by its hits, since it is all that the program does.
    #[memprofile(print = "never", hits = true)]
    fn handle(number: usize, seen: &mut Vec<usize>) {
        seen.push(number); // seen
    }

    let mut program = Program::new(|| {
        let mut seen = Vec::new();
        let routes = debug_routes();
        let get = || block_on(get(&routes, "/debug/memprof/"));
        get();
        for report in 1..=60 {
            (0..10_000).for_each(|number| handle(number, &mut seen));
            let page = get();
            let rows = rows(page.text(), "growth");
            let row = rows.iter().find(|row| row[6].contains("// seen"));
            let trend = &row.unwrap()[4];
            // The list's capacity doubles in the reports 1, 2, 4, 7, 14, 27 and 53.
            let expected = if report < 7 { "" } else { "rising in steps" };
            assert_eq!(trend, expected, "report {report}");
            let verdict = "lines are still rising: the program holds that memory";
            // As long as it is at most a mebibyte, the page says something else.
            assert!(
                report < 14 || page.text().contains(verdict),
                "report {report}"
            );
        }
    });
    program.stdout();
}

#[test]
fn without_hits_what_lines_allocate_stands_for_the_runs_of_a_line() {
    #[memprofile(print = "never")]
    fn handle(number: usize, seen: &mut Vec<usize>, last: &mut Vec<usize>) {
        drop(block(1));
        seen.push(number); // seen
        last.clear();
        last.extend(0..500); // last
    }

    let mut program = Program::new(|| {
        let (mut seen, mut last) = (Vec::new(), Vec::new());
        let routes = debug_routes();
        let get = || block_on(get(&routes, "/debug/memprof/"));
        get();
        for report in 1..=60 {
            (0..10_000).for_each(|number| handle(number, &mut seen, &mut last));
            let page = get();
            assert!(!page.text().contains("<th>Hits"));
            let rows = rows(page.text(), "growth");
            let trend = |words: &str| {
                let row = rows.iter().find(|row| row[6].contains(words));
                row.unwrap()[4].clone()
            };
            let expected = if report < 7 { "" } else { "rising in steps" };
            assert_eq!(trend("// seen"), expected, "report {report}");
            let expected = if report < 4 { "" } else { "levelled off" };
            assert_eq!(trend("// last"), expected, "report {report}");
        }
        // A file about calls can't be written.
        assert!(!get().text().contains("report.prof"));
        let refused = block_on(self::get(&routes, "/debug/memprof/report.prof"));
        assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(refused.text().contains("MEMPROF_HITS=on"));
    });
    program.stdout();
}

#[test]
fn a_small_leak_is_no_leak_to_speak_of_until_it_goes_on() {
    #[memprofile(print = "never")]
    fn handle(seen: &mut Vec<Vec<u8>>) {
        seen.push(block(1000)); // seen
    }

    let mut program = Program::new(|| {
        let mut seen = Vec::with_capacity(100);
        let routes = debug_routes();
        let said = || {
            let page = block_on(get(&routes, "/debug/memprof/"));
            let sentences = [
                "no sign of a leak",
                "little so far, but lines are still rising",
            ];
            sentences.map(|sentence| page.text().contains(sentence))
        };
        assert_eq!(said(), [true, false]);
        for _ in 0..2 {
            handle(&mut seen);
            assert_eq!(said(), [true, false]);
        }
        handle(&mut seen);
        assert_eq!(said(), [false, true]);
    });
    program.stdout();
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn what_the_allocator_keeps_is_told_from_a_leak() {
    let mut program = Program::new(|| {
        let routes = debug_routes();
        let get = || block_on(get(&routes, "/debug/memprof/"));
        get();
        // The last block stays allocated, so the allocator keeps the memory of those before it.
        let mut blocks: Vec<Vec<u8>> = (0..16_000).map(|_| vec![1; 1000]).collect();
        let last = blocks.pop();
        drop(blocks);
        let page = get();
        let text = page.text();
        assert!(
            text.contains("Since the mark, resident memory has changed by +1"),
            "{text}"
        );
        assert!(
            text.contains("no line holds it. The allocator keeps freed memory"),
            "{text}"
        );
        assert!(
            text.contains("larger at its peak, and the allocator may still keep all of that"),
            "{text}"
        );
        drop(last);
    });
    program.stdout();
}

/// Runs a future on a runtime without timers.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

#[tokio::test]
async fn what_is_made_and_freed_in_some_seconds_is_a_profile_of_its_own() {
    #[memprofile(print = "never")]
    fn at_once() {
        drop(block(3_000_000)); // gone
    }

    at_once();
    let routes = debug_routes();
    let path = "/debug/pprof/allocs?seconds=1&debug=1";
    let mut difference = Box::pin(get(&routes, path));
    // This thread, the runtime's only one, continues to allocate meanwhile.
    let mut call_count = 0;
    let answer = loop {
        if let Some(answer) = (&mut difference).now_or_never() {
            break answer;
        }
        at_once();
        call_count += 1;
        tokio::task::yield_now().await;
    };
    assert!(call_count > 1);
    let text = answer.text();
    assert!(text.starts_with("In 1 s: "), "{text}");
    let row = text.lines().find(|row| row.contains("at_once:")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    // The line may run between the reading of its two numbers.
    let alive: i64 = cells[2].parse().unwrap();
    assert!((-1..=1).contains(&alive), "{row}");
    let made: u64 = cells[5].replace(',', "").parse().unwrap();
    // Calls before and after the second aren't included.
    assert!(made >= 1 && made <= call_count, "{row} of {call_count}");
}

#[tokio::test]
async fn a_difference_that_nobody_waits_for_any_more_gives_its_place_back() {
    let routes = debug_routes();
    for _ in 0..3 {
        let begin = |_| {
            let request = request(Method::GET, "/debug/pprof/heap?seconds=600");
            let request = request.body(Body::empty()).unwrap();
            let mut future = Box::pin(routes.clone().call(request));
            assert!((&mut future).now_or_never().is_none());
            future
        };
        let under_way: Vec<_> = (0..16).map(begin).collect();
        // This request comes after the 16 others.
        let refused = get(&routes, "/debug/pprof/heap?seconds=600").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        let sentence = "16 profiles with `seconds` are under way, ";
        assert!(refused.text().starts_with(sentence));
        let now = get(&routes, "/debug/pprof/heap").await;
        assert_eq!(now.status, StatusCode::OK);
        drop(under_way);
    }
}

#[tokio::test]
async fn the_report_is_there_in_every_format_the_page_names() {
    keep(10);
    let routes = debug_routes();
    let page = get(&routes, "/debug/memprof/").await;
    let links = page.text().split("href=\"report.").skip(1);
    let endings: Vec<&str> = links.map(|link| link.split_once('"').unwrap().0).collect();
    assert_eq!(endings.len(), 8, "{endings:?}");
    let folder = tempfile::tempdir().unwrap();
    for ending in endings {
        let file = get(&routes, &format!("/debug/memprof/report.{ending}")).await;
        assert_eq!(file.status, StatusCode::OK, "{ending}");
        assert!(file.body.len() > 20, "{ending}");
        if ending == "json" {
            assert_eq!(
                file.header("content-disposition"),
                "attachment; filename=\"report.json\""
            );
            let path = folder.path().join("report.json");
            std::fs::write(&path, &file.body).unwrap();
            let report = Report::read(path).unwrap();
            assert!(
                report
                    .functions
                    .iter()
                    .any(|function| function.path == "web_endpoints::keep")
            );
        }
    }
}

#[tokio::test]
async fn metrics_have_the_first_lines_only() {
    keep(5_000_000);
    let value = |text: &str, name: &str| -> u64 {
        let mut rows = text.lines();
        let row = rows.find_map(|row| row.strip_prefix(name)?.strip_prefix(' '));
        row.unwrap_or_else(|| panic!("no {name}: {text}"))
            .parse()
            .unwrap()
    };
    let answer = get(&debug_routes().metrics_lines(1), "/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text();
    let live = value(text, "memprof_live_bytes");
    assert!(live >= 5_000_000, "{text}");
    assert!(value(text, "memprof_peak_live_bytes") >= live, "{text}");
    assert!(value(text, "process_resident_memory_bytes") > 0, "{text}");
    let allocated = value(text, "memprof_allocated_bytes_total");
    assert_eq!(allocated - value(text, "memprof_freed_bytes_total"), live);
    let blocks =
        value(text, "memprof_allocations_total") - value(text, "memprof_deallocations_total");
    assert_eq!(blocks, value(text, "memprof_live_blocks"));
    let lines = |text: &str| {
        text.lines()
            .filter(|row| row.starts_with("memprof_line_"))
            .count()
    };
    assert_eq!(lines(text), 1);
    let first = text.lines().find(|row| row.contains("_line_live_bytes{"));
    let labels =
        "{file=\"tests/tests/web/endpoints/main.rs\",function=\"web_endpoints::keep\",line=\"";
    assert!(first.unwrap().contains(labels), "{text}");

    let none = get(&debug_routes().metrics_lines(0), "/metrics").await;
    assert_eq!(lines(none.text()), 0);
}

#[tokio::test]
async fn a_name_in_a_metric_is_escaped() {
    struct Named<const NAME: char>;
    impl Named<'"'> {
        #[memprofile(print = "never")]
        fn keep() {
            let kept = block(700_000);
            KEPT.lock().unwrap().push(kept);
        }
    }
    Named::<'"'>::keep();
    let answer = get(&debug_routes().metrics_lines(1000), "/metrics").await;
    let rows = answer
        .text()
        .lines()
        .filter(|row| row.starts_with("memprof_line_"));
    let mut named = rows.filter(|row| row.contains("Named"));
    let row = named.next().unwrap();
    assert!(row.contains(r#"::Named<'\"'>::keep",line=""#), "{row}");
}

#[tokio::test]
async fn a_router_has_them_as_its_fallback_or_below_a_path() {
    let fallback = Router::new().fallback_service(debug_routes());
    let nested = Router::new().nest_service("/internal", debug_routes());
    for (router, prefix) in [(fallback, ""), (nested, "/internal")] {
        let path = format!("{prefix}/debug/memprof/style.css");
        let request = request(Method::GET, &path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[test]
fn the_numbers_are_since_the_process_began_and_our_own_blocks_are_none() {
    let mut program = Program::new(|| {
        let routes = debug_routes();
        let live = || {
            let metrics = block_on(get(&routes, "/metrics"));
            let mut rows = metrics.text().lines();
            let row = rows.find_map(|row| row.strip_prefix("memprof_live_bytes "));
            row.unwrap().parse::<u64>().unwrap()
        };
        keep(1_000_000);
        let first = live();
        memprof::reset();
        assert!(live() >= 1_000_000);
        for _ in 0..50 {
            block_on(get(&routes, "/debug/memprof/report.html"));
        }
        let last = live();
        // The program itself may have a few blocks more, such as data about its threads.
        assert!(first.abs_diff(last) < 10_000, "{first}, then {last}");
    });
    program.stdout();
}
