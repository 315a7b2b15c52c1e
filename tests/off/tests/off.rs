//! With the feature `off`, memprof changes nothing in a program.

use http::Request;
use http_body_util::BodyExt as _;
use memprof::report::Report;
use memprof::{CountingAlloc, Usage, memprofile};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use tower::ServiceExt as _;

thread_local! {
    /// The last layout that was requested from the inner allocator.
    static ASKED: Cell<Option<Layout>> = const { Cell::new(None) };
}

/// The system's allocator, which records the layout of each request.
struct Notes;

// SAFETY: both methods forward their arguments to `System` unchanged.
unsafe impl GlobalAlloc for Notes {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(Some(layout));
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of this method, which is that of `System`.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOC: CountingAlloc<Notes> = CountingAlloc::new(Notes);

#[memprofile]
fn profiled() -> Vec<u8> {
    Vec::with_capacity(1000)
}

#[memprofile]
async fn waits() -> usize {
    profiled().len()
}

struct Thing;

#[memprofile(print = "exit")]
impl Thing {
    fn makes(&self) -> Vec<u8> {
        Vec::with_capacity(10)
    }

    #[memprofile(skip)]
    fn is_left_out(&self) -> Vec<u8> {
        self.makes()
    }
}

#[test]
fn blocks_are_what_the_program_asked_for() {
    let kept = profiled();
    assert_eq!(ASKED.get(), Layout::from_size_align(1000, 1).ok());
    drop(kept);
    drop(Thing.is_left_out());
}

#[test]
fn an_async_function_is_as_large_as_without() {
    async fn plain() -> usize {
        profiled().len()
    }
    assert_eq!(size_of_val(&waits()), size_of_val(&plain()));
}

#[test]
fn there_are_no_numbers() {
    let (kept, usage) = memprof::measure(profiled);
    assert_eq!(usage, Usage::default());
    let mut report = memprof::report();
    report.resident_is_exact = None;
    assert_eq!(report, Report::default());
    drop(kept);
}

#[test]
fn a_program_prints_nothing_and_has_nothing_of_ours_in_it() {
    let program = env!("CARGO_BIN_EXE_memprof-off");
    let output = Command::new(program).output().expect("the program runs");
    assert_eq!(output.stdout, b"332833500\n");
    assert_eq!(output.stderr, b"");

    if cfg!(debug_assertions) {
        // An unoptimised program also contains code that it doesn't call.
        return;
    }
    let program = std::fs::read(program).expect("the program can be read");
    let names = [
        "5count11this_thread",
        "7runtime4call",
        "comfy_table",
        "MEMPROF_PRINT",
    ];
    for name in names {
        let is_there = program
            .windows(name.len())
            .any(|bytes| bytes == name.as_bytes());
        assert!(!is_there, "{name}");
    }
}

#[memprof::test(max_allocation_count = 0, runs = 2)]
fn a_test_has_no_budget() {
    drop(profiled());
}

#[memprofile(max_peak_bytes = 0, on_exceed = "panic")]
fn guarded() -> usize {
    profiled().capacity()
}

#[test]
fn assertions_run_their_code_and_look_at_no_limit() {
    assert_eq!(guarded(), 1000);
    assert_eq!(
        memprof::assert_alloc!(allocation_count == 7, { profiled() }).capacity(),
        1000
    );
    memprof::assert_no_alloc!(drop(profiled()));
    let mut kept = Vec::new();
    memprof::assert_no_leak!(kept = profiled());
    memprof::assert_no_growth(20, || kept.extend(profiled()));
    let mut epochs = memprof::leak::Epochs::new();
    (0..5000).for_each(|_| kept.extend(epochs.begin().run(profiled)));
    assert_eq!(epochs.leaks(0), []);
}

#[tokio::test]
async fn the_endpoints_say_that_nothing_is_counted() {
    let get = async |path: &str| {
        let request = Request::get(path).header("host", "localhost").body(());
        let answer = memprof::web::debug_routes()
            .oneshot(request.expect("it is one"))
            .await;
        let (head, body) = answer.expect("it never fails").into_parts();
        let body = body.collect().await.expect("it never fails").to_bytes();
        (
            head.status.as_u16(),
            String::from_utf8_lossy(&body).into_owned(),
        )
    };
    let why = "Nothing is counted: this program is built with memprof&#x27;s feature `off`.";
    let (status, page) = get("/debug/memprof/").await;
    assert_eq!(status, 200);
    assert!(page.contains(why), "{page}");
    assert_eq!(get("/debug/pprof/heap").await.0, 501);
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    assert!(!metrics.contains("memprof_"), "{metrics}");
}

/// Compiles the sample to optimised assembly.
fn assembly(folder: &Path, cfg: &[&str]) -> String {
    // In the same target folder, so that dependencies are built once.
    let program = Path::new(env!("CARGO_BIN_EXE_memprof-off"));
    let target = program.ancestors().nth(2).expect("a target folder");
    let file = folder.join("sample.s");
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--release", "--offline", "--example=sample"])
        .arg("--target-dir")
        .arg(target)
        .args(["--", "-Ccodegen-units=1", "-Cdebuginfo=0"])
        .arg(format!("--emit=asm={}", file.display()))
        .args(cfg)
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let assembly = std::fs::read_to_string(&file).expect("it is there");
    std::fs::remove_file(file).expect("it can be replaced");
    assembly
}

#[test]
fn functions_with_the_attribute_have_the_assembly_of_those_without() {
    let folder = tempfile::tempdir().expect("there is a place for it");

    let plain = assembly(folder.path(), &[]);
    let profiled = assembly(folder.path(), &["--cfg=profiled"]);

    for name in ["described", "waits", "takes"] {
        // With the length, as in a mangled name, so that `waits_in_a_box` doesn't match `waits`.
        let mangled = format!("{}{name}", name.len());
        assert!(plain.contains(&mangled), "{name}");
    }
    assert!(plain == profiled, "{plain}\n\n{profiled}");
}
