//! A program without the counting allocator has tables of resident memory, and prints once what the
//! other numbers need.

use http::Request;
use http_body_util::BodyExt as _;
use memprof::{measure, memprofile};
use memprof_tests::{Program, Table};
use tower::ServiceExt as _;

#[memprofile(columns = "all")]
fn profiled() -> usize {
    let a = vec![1_u8; 32 << 20];
    a.len()
}

#[test]
fn heap_numbers_are_not_available_and_resident_memory_is() {
    let mut program = Program::new(|| {
        profiled();
        profiled();
        let (_, usage) = measure(|| vec![1]);
        assert_eq!(usage, memprof::Usage::default());
    });
    let output = program.output();

    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(tables.len(), 2);
    let made = tables[0].row("let a");
    assert!(made.number("Increment") >= Some(32 << 20), "{made:?}");
    assert_eq!(made.cell("Hits"), "1");
    assert_eq!(made.cell("Allocated"), "n/a");
    assert_eq!(made.cell("Peak"), "n/a");
    for heading in ["Live", "Live count", "At peak", "Temporary"] {
        assert_eq!(made.cell(heading), "n/a", "{heading}");
    }
    assert!(tables[0].words.is_empty(), "{:?}", tables[0].words);
    assert!(tables[0].summary.contains("profiled: heap n/a; time "));

    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = "memprof: heap columns need the counting allocator: `#[global_allocator] static ALLOC: \
                memprof::CountingAlloc = memprof::CountingAlloc::system();`";
    assert_eq!(
        stderr.matches("memprof:").count() - stderr.matches("memprof::").count(),
        1,
        "{stderr}"
    );
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn a_sink_is_told_that_the_heap_is_not_known() {
    let mut program = Program::new(|| {
        memprof::set_sink(|table| {
            assert_eq!(table.heap, None);
            assert!(table.resident_increment_bytes() >= Some(32 << 20));
            assert!(table.rows.iter().all(|row| row.owned.is_none()));
            println!("told");
        });
        profiled();
    });

    assert!(program.stdout().contains("told"));
}

#[tokio::test]
async fn the_endpoints_say_that_nothing_is_counted() {
    let get = async |path: &str| {
        let request = Request::get(path).header("host", "localhost");
        let answer = memprof::web::debug_routes()
            .oneshot(request.body(()).unwrap())
            .await;
        let (head, body) = answer.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status.as_u16(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    };
    let why = "Nothing is counted: the global allocator is not `memprof::CountingAlloc`.";
    let (status, page) = get("/debug/memprof/").await;
    assert_eq!(status, 200);
    assert!(page.contains(&format!("<p>{why}</p>")), "{page}");
    let resident = "<p>Resident memory of the process: ";
    assert!(page.contains(resident), "{page}");
    assert!(!page.contains("<table"), "{page}");
    for path in [
        "/debug/pprof/heap",
        "/debug/pprof/allocs?seconds=1",
        "/debug/memprof/report.json",
    ] {
        assert_eq!(get(path).await, (501, format!("{why}\n")), "{path}");
    }
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("\nprocess_resident_memory_bytes "),
        "{metrics}"
    );
    assert!(metrics.ends_with(&format!("\n# {why}\n")), "{metrics}");
    assert!(!metrics.contains("memprof_"), "{metrics}");
}
