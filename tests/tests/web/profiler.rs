//! Profiles of requests: each has the allocations of one request and no others, and the service's
//! responses don't change.

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path as PathOf};
use axum::routing::get;
use futures::channel::mpsc;
use futures::{StreamExt as _, stream};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use memprof::report::{Format, Report};
use memprof::web::{Outcome, ProfilerLayer, RequestProfile, Restriction, Sort, Trigger};
use memprof::{Scope, memprofile};
use memprof_tests::{Program, block, line, run};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

#[memprofile(print = "never")]
async fn page(PathOf(size): PathOf<usize>) -> String {
    drop(block(10 * size)); // at once
    tokio::task::yield_now().await;
    let kept = keep(size);
    format!("{kept} bytes")
}

#[memprofile(print = "never")]
fn keep(size: usize) -> usize {
    let page = block(size); // kept
    KEPT.lock().unwrap().push(page);
    size
}

fn app() -> Router {
    Router::new()
        .route("/{size}/page", get(page))
        .route("/", get(|| async { "root" }))
}

fn get_request(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// The status and the text of a response.
async fn answer(app: Router, request: Request<Body>) -> (StatusCode, String) {
    let response = app.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Collects the profiles of a layer.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<RequestProfile>>>);

impl Seen {
    /// A layer that prints nothing, and passes its profiles to `self`.
    fn layer(&self, folder: &Path) -> ProfilerLayer {
        let seen = Arc::clone(&self.0);
        let layer = ProfilerLayer::new().silent().profile_dir(folder);
        layer.file_name_by(move |profile| {
            seen.lock().unwrap().push(profile.clone());
            format!("{}.json", profile.id)
        })
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let seen = self.0.lock().unwrap();
        seen.iter().map(|profile| profile.outcome).collect()
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap();
    let name = |file: fs::DirEntry| file.file_name().into_string().unwrap();
    files.map(|file| name(file.unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_requests_at_once_have_a_file_each_of_what_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
    let layer = layer.file_name("{method}.{path}.{status}.json").unwrap();
    let app = app().layer(layer.clone());
    let requests = (1..=64).map(|size| {
        let request = get_request(&format!("/{size}/page"));
        tokio::spawn(answer(app.clone(), request))
    });
    for (size, request) in (1..=64).zip(requests.collect::<Vec<_>>()) {
        let (status, text) = request.await.unwrap();
        assert_eq!((status, text), (StatusCode::OK, format!("{size} bytes")));
    }
    layer.flush();

    assert_eq!(names(folder.path()).len(), 64);
    for size in 1..=64 {
        let name = format!("GET.{size}.page.200.json");
        let report = Report::read(folder.path().join(name)).unwrap();
        assert_eq!(report.functions.len(), 2);
        let kept = line(&report, "keep", "// kept").own;
        assert_eq!(
            (kept.allocated_bytes, kept.live_bytes()),
            (size, i64::try_from(size).unwrap())
        );
        let at_once = line(&report, "page", "// at once").own;
        assert_eq!(at_once.allocated_bytes, 10 * size);
        assert_eq!(at_once.live_bytes(), 0);
    }
}

#[test]
fn a_request_too_many_says_that_its_lines_are_not_known() {
    run(|| {
        let others: Vec<_> = (0..4096).map(|_| Scope::new("in time")).collect();
        let folder = tempfile::tempdir().unwrap();
        let text = Text::default();
        let layer = ProfilerLayer::new().print_to(text.clone());
        let layer = layer.profile_dir(folder.path()).file_name("{id}.json");
        let layer = layer.unwrap();
        let app = app().layer(layer.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .unwrap()
            .block_on(answer(app, get_request("/100/page")));
        layer.flush();
        drop(others);

        let text = text.get();
        assert!(
            text.contains("too many requests at once: lines not known"),
            "{text}"
        );
        assert!(!text.contains("ncalls"), "{text}");
        let file = names(folder.path()).pop_first().unwrap();
        assert!(
            Report::read(folder.path().join(file))
                .unwrap()
                .lines_are_unknown
        );
    });
}

#[tokio::test]
async fn equal_names_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
    let layer = layer.file_name("{method}.{path}.speedscope.json").unwrap();
    let app = app().layer(layer.clone());
    for _ in 0..64 {
        answer(app.clone(), get_request("/")).await;
    }
    layer.flush();

    let names = names(folder.path());
    assert_eq!(names.len(), 64);
    assert!(names.contains("GET.root.speedscope.json"), "{names:?}");
    assert!(names.contains("GET.root.64.speedscope.json"), "{names:?}");
}

#[tokio::test]
async fn a_request_is_known_by_what_it_was_and_did() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let layer = seen.layer(folder.path()).route_by(|extensions| {
        let path = extensions.get::<MatchedPath>()?;
        Some(path.as_str().to_owned())
    });
    let app = app().route_layer(layer.clone());
    answer(app, get_request("/100/page?size=7")).await;
    layer.flush();

    let seen = seen.0.lock().unwrap();
    let [profile] = &seen[..] else {
        panic!("{seen:#?}")
    };
    assert_eq!(profile.path, "/100/page");
    assert_eq!(profile.route.as_deref(), Some("/{size}/page"));
    assert_eq!(profile.outcome, Outcome::Response(StatusCode::OK));
    // At least; axum allocates an unknown number of blocks.
    assert!(profile.usage.allocated_bytes >= 1100);
    assert!(profile.usage.peak_bytes >= 1000);
    let functions = profile.report.functions.iter();
    let times: Vec<_> = functions
        .map(|function| function.inclusive_elapsed)
        .collect();
    assert!(
        times.iter().all(|time| *time <= profile.elapsed),
        "{times:?}"
    );
}

#[tokio::test]
async fn every_end_of_a_request_leaves_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let layer = seen.layer(folder.path());
    let never = stream::pending::<Result<http_body::Frame<&'static [u8]>, Infallible>>();
    let service = |how: &'static str| {
        let never = AssertUnwindSafe(Mutex::new(Some(StreamBody::new(never.clone()))));
        layer.layer(service_fn(move |_: Request<()>| {
            let body = never.lock().unwrap().take();
            async move {
                keep(10);
                match how {
                    "fails" => Err("on purpose"),
                    "panics" => panic!("on purpose"),
                    "waits" => std::future::pending().await,
                    _ => Ok(Response::new(body.unwrap())),
                }
            }
        }))
    };
    let call = |how| service(how).call(Request::new(()));

    assert!(call("fails").await.is_err());
    let panics = tokio::spawn(call("panics")).await;
    assert!(panics.unwrap_err().is_panic());
    let waits = futures::poll!(Box::pin(call("waits")));
    assert!(waits.is_pending());
    drop(call("waits"));
    drop(call("answers").await.unwrap());
    layer.flush();

    let outcomes = [
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::Dropped,
        Outcome::Dropped,
        Outcome::Aborted(StatusCode::OK),
    ];
    assert_eq!(seen.outcomes(), outcomes);
    assert_eq!(names(folder.path()).len(), 5);
}

#[tokio::test]
async fn a_body_is_streamed_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let layer = seen.layer(folder.path());
    let (mut sender, chunks) = mpsc::channel::<&'static str>(1);
    let chunks = Mutex::new(Some(chunks));
    let mut service = layer.layer(service_fn(move |_: Request<()>| {
        let chunks = chunks.lock().unwrap().take().unwrap();
        let frames = chunks.map(|chunk| {
            keep(chunk.len());
            Ok::<_, Infallible>(http_body::Frame::data(chunk.as_bytes()))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(frames))) }
    }));
    let mut body = service.call(Request::new(())).await.unwrap().into_body();

    sender.try_send("first").unwrap();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, b"first");
    assert!(futures::poll!(body.frame()).is_pending());
    layer.flush();
    assert_eq!(seen.outcomes(), []);
    sender.try_send("second one").unwrap();
    drop(sender);
    assert!(body.frame().await.is_some());
    assert!(body.frame().await.is_none());
    drop(body);
    layer.flush();

    let seen = seen.0.lock().unwrap();
    assert_eq!(seen[0].outcome, Outcome::Response(StatusCode::OK));
    let kept = line(&seen[0].report, "keep", "// kept");
    assert_eq!((kept.hits, kept.own.live_bytes()), (Some(2), 15));
}

#[tokio::test]
async fn a_body_is_whole_when_all_that_it_stated_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let layer = seen.layer(folder.path());
    let mut service = layer.layer(service_fn(|_: Request<()>| async {
        let frames = stream::iter([Ok::<_, Infallible>(http_body::Frame::data(&b"whole"[..]))]);
        let response = Response::builder().header("content-length", 5);
        Ok::<_, Infallible>(response.body(StreamBody::new(frames)).unwrap())
    }));
    let mut body = service.call(Request::new(())).await.unwrap().into_body();
    // A server doesn't read more than the `content-length`.
    assert!(body.frame().await.is_some());
    drop(body);
    layer.flush();

    assert_eq!(seen.outcomes(), [Outcome::Response(StatusCode::OK)]);
}

#[tokio::test]
async fn an_answer_that_has_no_body_is_whole_though_nobody_takes_one() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let layer = seen.layer(folder.path());
    // A body of unknown length, such as one that another layer of axum created.
    let mut service = layer.layer(service_fn(|request: Request<()>| async move {
        let status = request
            .uri()
            .path()
            .trim_start_matches('/')
            .parse()
            .unwrap();
        let body =
            StreamBody::new(stream::pending::<Result<http_body::Frame<&[u8]>, Infallible>>());
        let response = Response::builder().status(StatusCode::from_u16(status).unwrap());
        Ok::<_, Infallible>(response.body(body).unwrap())
    }));
    for (method, path) in [
        ("HEAD", "/200"),
        ("GET", "/204"),
        ("GET", "/304"),
        ("GET", "/200"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        drop(service.call(request).await.unwrap());
    }
    let head = Request::head("/").body(Body::empty()).unwrap();
    let (_, text) = answer(app().layer(layer.clone()), head).await;
    assert_eq!(text, "");
    layer.flush();

    let [ok, no_content, not_modified] =
        [200, 204, 304].map(|it| StatusCode::from_u16(it).unwrap());
    let outcomes = [
        Outcome::Response(ok),
        Outcome::Response(no_content),
        Outcome::Response(not_modified),
        Outcome::Aborted(ok),
        // The response of an axum router, which removes the body outside of the layer.
        Outcome::Response(ok),
    ];
    assert_eq!(seen.outcomes(), outcomes);
}

/// A writer that stores what is written to it.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn get(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_table_is_laid_out_as_pythons() {
    let text = Text::default();
    let layer = ProfilerLayer::new()
        .print_to(text.clone())
        .sort_by([Sort::Allocated])
        .restrict([
            Restriction::pattern(r"profiler\.rs").unwrap(),
            Restriction::count(1),
        ]);
    let app = app().layer(layer.clone());
    answer(app, get_request("/100/page")).await;
    layer.flush();

    let text = text.get();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "-".repeat(80));
    assert_eq!(rows[1], "GET \"/100/page\": 200 OK");
    assert!(
        rows[2].starts_with("         2 function calls in "),
        "{text}"
    );
    assert!(rows[3].contains(" B alive afterwards"), "{text}");
    assert_eq!(
        rows[5..8],
        [
            "   Ordered by: allocated bytes",
            "   List reduced from 2 to 2 due to restriction <\"profiler\\\\.rs\">",
            "   List reduced from 2 to 1 due to restriction <1>",
        ]
    );
    let headings =
        "ncalls tottime percall cumtime percall allocated alive filename:lineno(function)";
    let words: Vec<_> = rows[10].split_whitespace().collect();
    assert_eq!(words.join(" "), headings);
    let cells: Vec<_> = rows[11].split_whitespace().collect();
    assert_eq!(cells[0], "1");
    assert_ne!(cells[3], "0.000");
    let allocated: u64 = cells[5].replace(',', "").parse().unwrap();
    assert!(allocated >= 1000, "{text}");
    assert!(
        cells[7].starts_with("tests/tests/web/profiler.rs:"),
        "{text}"
    );
    assert!(cells[7].ends_with("(web::profiler::page)"), "{text}");
    assert_eq!(rows[12..], ["", "", rows[0], ""]);
}

#[tokio::test]
async fn only_requests_that_all_triggers_allow_for_are_profiled() {
    async fn profiled(trigger: Trigger, paths: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let seen = Seen::default();
        let layer = seen.layer(folder.path()).trigger(trigger);
        let app = app().layer(layer.clone());
        for path in paths {
            let mut request = get_request(path);
            if path.starts_with("/7") {
                request
                    .headers_mut()
                    .insert("x-profile", "1".parse().unwrap());
            }
            answer(app.clone(), request).await;
        }
        layer.flush();
        let seen = seen.0.lock().unwrap();
        seen.iter().map(|profile| profile.path.clone()).collect()
    }

    let paths = [
        "/1/page",
        "/2/page?profile",
        "/7/page?unprofile=1",
        "/800/page?a=b&profile=x",
    ];
    assert_eq!(
        profiled(Trigger::header("X-Profile"), &paths).await,
        ["/7/page"]
    );
    let queried = profiled(Trigger::query("profile"), &paths).await;
    assert_eq!(queried, ["/2/page", "/800/page"]);
    assert_eq!(
        profiled(Trigger::one_in(3), &paths).await,
        ["/1/page", "/800/page"]
    );
    assert_eq!(profiled(Trigger::one_in(0), &paths).await, [""; 0]);
    let large = profiled(Trigger::allocated_more_than(8000), &paths).await;
    assert_eq!(large, ["/800/page"]);
    assert_eq!(
        profiled(Trigger::slower_than(Duration::MAX), &paths).await,
        [""; 0]
    );
    let chosen = profiled(
        Trigger::from_fn(|method, path, _| method == "GET" && path != "/1/page"),
        &paths,
    );
    assert_eq!(chosen.await.len(), 3);
}

#[tokio::test]
async fn names_stay_in_the_folder_and_are_no_longer_than_they_may_be() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("profiles");
    let layer = ProfilerLayer::new().silent().profile_dir(&folder);
    let layer = layer.file_name("{path}.{status}.json").unwrap();
    let service = layer.layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let long = "/segment".repeat(2000);
    let paths = [
        "/../../etc/passwd",
        "/..%2f..%2fx",
        "/a\\b:c*d",
        "/%00%ff",
        &long,
        "//.//",
    ];
    for path in paths {
        service.clone().oneshot(get_request(path)).await.unwrap();
    }
    let by = ProfilerLayer::new().silent().profile_dir(&folder);
    let by = by.file_name_by(|_| format!("../{}\n\u{1b}é.json", "é".repeat(300)));
    let service = by.layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    service.oneshot(get_request("/")).await.unwrap();
    layer.flush();
    by.flush();

    assert_eq!(names(outside.path()).len(), 1);
    let names = names(&folder);
    assert_eq!(names.len(), 7, "{names:#?}");
    for name in names {
        assert!(name.len() <= 200, "{name}");
        assert_eq!(Format::from_path(&name), Some(Format::Json), "{name}");
        assert!(
            !name.starts_with('.') && !name.contains(char::is_control),
            "{name}"
        );
    }
}

#[test]
fn a_name_that_makes_no_sense_is_refused_when_the_layer_is_made() {
    let refused = |format: &str| {
        let error = ProfilerLayer::new().file_name(format).err();
        error.map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(refused("{method}{{x}}{elapsed:.3f}{time}{id}.pb.gz"), "");
    assert!(refused("{methd}.prof").starts_with("a name's format has `{methd}`; the fields are"));
    assert!(refused("{path:.0f}.prof").ends_with("`path` isn't a number with decimals"));
    assert!(refused("{time:0f}.prof").contains("`:.0f` to `:.9f`"));
    assert!(refused("{path.prof").contains("has no `}`"));
    assert!(refused("path}.prof").contains("closes nothing"));
    assert!(refused("{path}.txt").contains("ends in no format of reports"));
    assert!(Restriction::fraction(1.5).is_err());
    assert!(Restriction::pattern("(").is_err());
}

#[tokio::test]
async fn no_more_files_are_kept_than_may_be() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.prof"), "kept").unwrap();
    let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
    let layer = layer.file_name("{path}.json").unwrap().max_files(3);
    let app = app().layer(layer.clone());
    for size in 1..=10 {
        answer(app.clone(), get_request(&format!("/{size}/page"))).await;
    }
    layer.flush();
    let found = names(folder.path());
    let expected = ["10.page.json", "8.page.json", "9.page.json", "mine.prof"];
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);

    let one = fs::metadata(folder.path().join("10.page.json"))
        .unwrap()
        .len();
    let bytes = ProfilerLayer::new().silent().profile_dir(folder.path());
    let bytes = bytes
        .file_name("b{path}.json")
        .unwrap()
        .max_bytes(2 * one + one / 2);
    let app = self::app().layer(bytes.clone());
    for _ in 0..5 {
        answer(app.clone(), get_request("/10/page")).await;
    }
    bytes.flush();
    let found = names(folder.path());
    assert_eq!(found.iter().filter(|name| name.starts_with('b')).count(), 2);
}

#[tokio::test]
async fn files_of_earlier_runs_count_if_they_are_adopted_and_removed_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |ending: &str| {
        let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
        layer
            .file_name(&format!("{{path}}{ending}"))
            .unwrap()
            .max_files(3)
    };
    let get = async |layer: ProfilerLayer, paths: &[&str]| {
        for path in paths {
            answer(app().layer(layer.clone()), get_request(path)).await;
        }
        layer.flush();
    };
    fs::write(folder.path().join("mine.prof"), "kept").unwrap();
    get(layer(".json"), &["/1/page", "/2/page", "/3/page"]).await;

    get(layer(".json"), &["/4/page"]).await;
    assert_eq!(names(folder.path()).len(), 5, "others are left alone");
    get(layer(".json").adopt_files(), &["/5/page", "/6/page"]).await;
    let expected = ["4.page.json", "5.page.json", "6.page.json", "mine.prof"];
    assert_eq!(names(folder.path()).iter().collect::<Vec<_>>(), expected);

    let adopting = layer(".json").adopt_files();
    get(adopting.clone(), &["/7/page"]).await;
    fs::remove_file(folder.path().join("7.page.json")).unwrap();
    get(adopting, &["/8/page"]).await;
    let expected = ["5.page.json", "6.page.json", "8.page.json", "mine.prof"];
    assert_eq!(names(folder.path()).iter().collect::<Vec<_>>(), expected);
}

/// A function that requests a page, checks that the response is as without a profile, and waits
/// until the profile was written to the folder or failed.
fn getter(folder: &str) -> impl Fn() + use<> {
    let layer = ProfilerLayer::new().silent().profile_dir(folder);
    let app = app().layer(layer.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    move || {
        let answer = runtime.block_on(answer(app.clone(), get_request("/9/page")));
        assert_eq!(answer, (StatusCode::OK, "9 bytes".to_owned()));
        layer.flush();
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_is_said_once_and_then_how_often() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let mut program = Program::new(|| {
        let folder = std::env::var("FOLDER").unwrap();
        let get = getter(&folder);
        (0..3).for_each(|_| get());
        assert_eq!(fs::read_to_string(&folder).unwrap(), "text");
        // Now the folder can be created. Then it is removed once more.
        fs::remove_file(&folder).unwrap();
        get();
        fs::remove_dir_all(&folder).unwrap();
        get();
        assert_eq!(names(Path::new(&folder)).len(), 1);
    });
    let output = program.env("FOLDER", &file).output();
    assert!(output.status.success(), "{}", output.status);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let [first, rest] = stderr.lines().collect::<Vec<_>>()[..] else {
        panic!("{stderr}")
    };
    let start = "memprof: the profile of a request is not written to \"GET.9.page.";
    assert!(first.starts_with(start), "{stderr}");
    let start = "memprof: 3 profiles of requests in a row were not written to ";
    assert!(rest.starts_with(start), "{stderr}");
}

#[test]
#[cfg(unix)]
fn no_half_of_a_profile_is_left_where_there_is_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::new(|| {
        let get = getter(&std::env::var("FOLDER").unwrap());
        memprof_tests::limit_files(10);
        get();
    });

    let output = program.env("FOLDER", folder.path()).output();

    assert!(output.status.success(), "{}", output.status);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(": File too large"), "{stderr}");
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn a_name_by_a_function_that_panics_costs_its_profile_alone() {
    let folder = tempfile::tempdir().unwrap();
    let layer = ProfilerLayer::new().silent().profile_dir(folder.path());
    let layer = layer.file_name_by(|profile| {
        assert_ne!(profile.path, "/1/page");
        "name.json".to_owned()
    });
    let app = app().layer(layer.clone());
    for size in [1, 2] {
        let (status, _) = answer(app.clone(), get_request(&format!("/{size}/page"))).await;
        assert_eq!(status, StatusCode::OK);
    }
    layer.flush();
    assert_eq!(names(folder.path()).len(), 1);
}

#[tokio::test]
async fn secrets_of_a_path_are_in_no_table_and_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = Text::default();
    let layer = ProfilerLayer::new().print_to(text.clone());
    let layer = layer.profile_dir(folder.path());
    let layer = layer.file_name("{path}.{route}.json").unwrap();
    let app = app().layer(layer.clone());
    for path in ["/reset/token=s3cr3t", "/as%2Fghp_s3cr3ts3cr3ts3cr3t"] {
        answer(app.clone(), get_request(path)).await;
    }
    layer.flush();
    let text = text.get();
    assert!(text.contains("GET \"/reset/token=••••••\": 404"), "{text}");
    assert!(text.contains("GET \"/as%2F••••••\": 404"), "{text}");
    let names = names(folder.path());
    let name = "reset.token_______.reset.token_______.json";
    assert!(names.contains(name), "{names:?}");
    assert!(!format!("{names:?}{text}").contains("s3cr3t"), "{names:?}");
}
