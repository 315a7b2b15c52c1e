//! Attributes of other crates, above and below `#[memprofile]`: rows are the lines of the source,
//! and code added by another attribute is counted on the first line.

use async_trait::async_trait;
use memprof::{memprofile, report};
use memprof_tests::{Table, block, made, pause, run};
use std::future::Future;
use std::panic::Location;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// Asserts that the tables are those of `functions`, with one row for each statement.
#[track_caller]
fn assert_pages(tables: &[Table], functions: &[&str]) {
    let found: Vec<&str> = tables.iter().map(Table::function).collect();
    assert_eq!(found, functions);
    for table in tables {
        table.assert_heap(&[
            ("let page", [1, 55, 0, 55, 55, 1]),
            ("pause()", [1, 0, 0, 0, 0, 0]),
            ("page.capacity()", [1, 0, 0, 0, 0, 0]),
            ("}", [1, 0, 55, -55, 0, 0]),
        ]);
    }
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[tokio::main(flavor = "current_thread")]
async fn above_tokio_main() -> usize {
    let page = block(55);
    pause().await;
    page.capacity()
}

#[test]
fn a_main_of_tokio_is_its_lines_alone() {
    let tables = run(|| {
        assert_eq!(above_tokio_main(), 55);
    });

    assert_pages(&tables, &["above_tokio_main"]);
}

#[tokio::main(flavor = "current_thread")]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn below_tokio_main() -> usize {
    let page = block(55);
    pause().await;
    page.capacity()
}

#[test]
fn the_runtime_that_tokio_puts_into_a_function_is_on_its_first_row() {
    let tables = run(|| {
        assert_eq!(below_tokio_main(), 55);
    });

    let table = &tables[0];
    let runtime = table.row("#[memprofile");
    assert_eq!(runtime.number("Hits"), None);
    let bytes = table.total("allocated") - 55;
    assert!(bytes > 1000, "{table:#?}");
    assert_eq!(runtime.number("Allocated"), Some(bytes));
    assert_eq!(table.row("let page").number("Allocated"), Some(55));
    let hits: Vec<_> = table.rows.iter().map(|row| row.number("Hits")).collect();
    let [.., page, pause, capacity, close] = hits[..] else {
        panic!("{table:#?}")
    };
    assert_eq!([page, pause, capacity, close], [Some(1); 4]);
}

/// The numbers of a line of a function that is still running.
fn page_of(function: &str) -> [i64; 4] {
    made(&report(), function, "let page =")
}

#[tokio::test]
#[memprofile(print = "never")]
async fn a_test_of_tokio_has_lines_below() {
    let page = block(55);
    pause().await;
    assert_eq!(page_of("a_test_of_tokio_has_lines_below"), [55, 1, 55, 1]);
    drop(page);
}

#[memprofile(print = "never")]
#[tokio::test]
async fn a_test_of_tokio_has_lines_above() {
    let page = block(55);
    pause().await;
    assert_eq!(page_of("a_test_of_tokio_has_lines_above"), [55, 1, 55, 1]);
    drop(page);
}

#[test]
#[memprofile(print = "never")]
fn a_test_has_lines_below() {
    let page = block(55);
    assert_eq!(page_of("a_test_has_lines_below"), [55, 1, 55, 1]);
    drop(page);
}

#[memprofile(print = "never")]
#[test]
fn a_test_has_lines_above() {
    let page = block(55);
    assert_eq!(page_of("a_test_has_lines_above"), [55, 1, 55, 1]);
    drop(page);
}

struct Inside;
struct Above;
struct Below;

#[async_trait]
trait Handle {
    async fn handle(&self, bytes: usize) -> usize;

    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    async fn provided(&self, bytes: usize) -> usize {
        let page = block(bytes);
        pause().await;
        page.capacity()
    }
}

#[async_trait]
impl Handle for Inside {
    #[memprofile(columns = "hits, allocated, freed, net, peak, count")]
    async fn handle(&self, bytes: usize) -> usize {
        let page = block(bytes);
        pause().await;
        page.capacity()
    }
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[async_trait]
impl Handle for Above {
    async fn handle(&self, bytes: usize) -> usize {
        let page = block(bytes);
        pause().await;
        page.capacity()
    }
}

#[async_trait]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
impl Handle for Below {
    async fn handle(&self, bytes: usize) -> usize {
        let page = block(bytes);
        pause().await;
        page.capacity()
    }
}

#[test]
fn the_methods_of_async_trait_are_their_lines_alone() {
    let tables = run(|| {
        let handlers: [&dyn Handle; 3] = [&Inside, &Above, &Below];
        for handler in handlers {
            assert_eq!(block_on(handler.handle(55)), 55);
        }
        assert_eq!(block_on(Inside.provided(55)), 55);
    });

    let paths = [
        "Inside as attribute::options::Handle>::handle",
        "Above as attribute::options::Handle>::handle",
        "Below as attribute::options::Handle>::handle",
        "Handle::provided",
    ];
    assert_pages(&tables, &paths);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[tracing::instrument]
async fn above_tracing(bytes: usize) -> usize {
    let page = block(bytes);
    pause().await;
    page.capacity()
}

#[tracing::instrument]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn below_tracing(bytes: usize) -> usize {
    let page = block(bytes);
    pause().await;
    page.capacity()
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[tracing::instrument(ret, err)]
fn above_tracing_of_results(bytes: usize) -> Result<usize, String> {
    let page = block(bytes);
    drop(pause());
    Ok(page.capacity())
}

#[tracing::instrument(skip_all, ret, err)]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn below_tracing_of_results(bytes: usize) -> Result<usize, String> {
    let page = block(bytes);
    drop(pause());
    Ok(page.capacity())
}

#[test]
fn an_instrumented_function_is_its_lines_alone() {
    let tables = run(|| {
        assert_eq!(block_on(above_tracing(55)), 55);
        assert_eq!(block_on(below_tracing(55)), 55);
        assert_eq!(above_tracing_of_results(55), Ok(55));
        assert_eq!(below_tracing_of_results(55), Ok(55));
    });

    let paths = [
        "above_tracing",
        "below_tracing",
        "above_tracing_of_results",
        "below_tracing_of_results",
    ];
    assert_pages(&tables, &paths);
}

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[axum::debug_handler]
async fn above_debug_handler(page: String) -> String {
    let page = block(page.len());
    pause().await;
    String::with_capacity(page.capacity() - 55)
}

#[axum::debug_handler]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
async fn below_debug_handler(page: String) -> String {
    let page = block(page.len());
    pause().await;
    String::with_capacity(page.capacity() - 55)
}

#[test]
fn a_handler_under_debug_is_one() {
    let tables = run(|| {
        let above = axum::routing::post::<_, _, ()>(above_debug_handler);
        drop(above.put(below_debug_handler));
        // The argument is allocated outside of the function, and freed in it.
        let page = || std::mem::take(&mut String::from_utf8(vec![b'a'; 55]).unwrap());
        assert_eq!(block_on(above_debug_handler(page())), "");
        assert_eq!(block_on(below_debug_handler(page())), "");
    });

    for table in &tables {
        assert_eq!(table.row("let page").number("Allocated"), Some(55));
        assert_eq!(table.rows.last().unwrap().number("Freed"), Some(110));
        assert_eq!(table.sum("Hits"), 4);
    }
    assert_eq!(tables.len(), 2);
}

#[cfg_attr(all(), must_use, inline)]
#[cfg_attr(
    all(),
    memprofile(columns = "hits, allocated, freed, net, peak, count"),
    cold
)]
#[cfg_attr(any(), never_seen)]
fn in_cfg_attr() -> usize {
    let page = block(55);
    drop(pause());
    page.capacity()
}

#[inline(never)]
#[must_use]
#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
#[cold]
fn between_others() -> usize {
    let page = block(55);
    drop(pause());
    page.capacity()
}

#[test]
fn a_table_begins_with_the_first_attribute() {
    let tables = run(|| {
        assert_eq!(in_cfg_attr() + between_others(), 110);
    });

    assert_pages(&tables, &["in_cfg_attr", "between_others"]);
    assert_eq!(
        tables[0].rows[0].source,
        "#[cfg_attr(all(), must_use, inline)]"
    );
    assert_eq!(tables[1].rows[0].source, "#[inline(never)]");
}

#[memprofile(print = "never")]
#[track_caller]
fn above_track_caller() -> [&'static Location<'static>; 2] {
    let here = Location::caller();
    [here, below_track_caller()]
}

#[track_caller]
#[memprofile(print = "never")]
fn below_track_caller() -> &'static Location<'static> {
    let look = || Location::caller();
    let inside = look();
    assert_eq!(inside.line(), line!() - 2);
    Location::caller()
}

#[test]
fn a_location_is_the_callers_all_the_way() {
    let [above, through_it] = above_track_caller();
    assert_eq!((above.file(), above.line()), (file!(), line!() - 1));
    assert_eq!(through_it, above);
}

#[cached::macros::cached]
#[memprofile(columns = "hits, allocated")]
fn below_a_cache(bytes: usize) -> usize {
    let page = block(bytes);
    page.capacity()
}

#[memprofile(columns = "hits, allocated")]
#[cached::macros::cached]
fn above_a_cache(bytes: usize) -> usize {
    let page = block(bytes);
    page.capacity()
}

#[test]
fn where_another_attribute_has_replaced_the_lines_that_is_said() {
    let tables = run(|| {
        for _ in 0..2 {
            assert_eq!(below_a_cache(55), 55);
            assert_eq!(above_a_cache(66), 66);
        }

        let report = report();
        for function in &report.functions {
            let notes: Vec<_> = function.notes.iter().map(AsRef::as_ref).collect();
            if function.path.ends_with("::below_a_cache") {
                assert_eq!(notes, [REPLACED], "{}", function.path);
            } else {
                assert!(notes.is_empty(), "{}", function.path);
            }
        }
        let written = |format| {
            let mut text = Vec::new();
            report.write_to(format, &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let json = written(memprof::report::Format::Json);
        assert_eq!(json.matches(REPLACED).count(), 1, "{json}");
        let markdown = written(memprof::report::Format::Markdown);
        let paragraph = format!("\n`attribute::options::below_a_cache`: {REPLACED}\n");
        assert!(markdown.ends_with(&paragraph), "{markdown}");
        assert!(written(memprof::report::Format::Html).contains("id=\"notes\""));
    });

    let [seen, replaced] = ["above_a_cache_no_cache: ", "::below_a_cache: "].map(|name| {
        let of_name = |table: &&Table| table.summary.contains(name);
        tables.iter().find(of_name).expect("a table of it")
    });
    assert_eq!(seen.row("let page").number("Allocated"), Some(66));
    assert_eq!(seen.note(), None);
    assert_eq!(replaced.note(), Some(REPLACED), "{tables:#?}");
}

/// The note on a function whose lines can't be shown.
const REPLACED: &str = "The lines of this function can't be shown: an attribute above \
                        `#[memprofile]` has replaced its body. Put `#[memprofile]` above that \
                        attribute.";
