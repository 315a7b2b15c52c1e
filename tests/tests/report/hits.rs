//! Calls and executions of lines in functions that print no table: counted if asked for, and never
//! shown as zero.

use memprof::report::{Format, FunctionReport, Report};
use memprof::{Scope, memprofile, report};
use memprof_tests::{Program, block, line, run};
use std::io;

#[memprofile(print = "never")]
fn fills(count: usize) -> Vec<Vec<u8>> {
    let mut filled = Vec::with_capacity(count);
    for _ in 0..count {
        filled.push(makes()); // filled
    }
    filled
}

#[memprofile(print = "never")]
fn makes() -> Vec<u8> {
    block(10) // made
}

#[memprofile(print = "never", hits = true)]
fn counts() -> Vec<u8> {
    block(20) // counted
}

#[memprofile(print = "never", hits = false)]
async fn waits() {
    memprof_tests::pause().await;
    drop(block(30)); // waited
}

fn text(report: &Report, format: Format) -> String {
    let mut text = Vec::new();
    report.write_to(format, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn function<'a>(report: &'a Report, name: &str) -> &'a FunctionReport {
    let mut functions = report.functions.iter();
    functions.find(|found| found.path.ends_with(name)).unwrap()
}

/// The report that a program has written at its end.
fn written(program: &mut Program) -> Report {
    let (_folder, path) = program.report_as("report.json");
    Report::read(path).unwrap()
}

#[test]
fn what_was_not_counted_is_unknown_in_the_report() {
    run(|| {
        let kept = fills(3);
        let first = report();
        assert!(!first.has_hits());
        let found = first.functions.iter();
        assert!(found.clone().all(|found| found.call_count.is_none()));
        let lines = found.flat_map(|found| &found.lines);
        assert!(lines.clone().all(|line| line.hits.is_none()));
        assert_eq!(first.callers_left_out, 0);

        // Lines of calls are there for their allocations, and so are their callers.
        let [fills_call, makes_call] = &first.calls[..] else {
            panic!("two functions have run");
        };
        let counts = [fills_call.call_count, makes_call.call_count];
        assert_eq!(counts, [None, None]);
        let made: Vec<_> = makes_call.lines.iter().map(|line| line.number).collect();
        assert_eq!(made, [line(&first, "makes", "// made").number]);
        let caller = makes_call.caller.unwrap();
        assert_eq!(caller.line, line(&first, "fills", "// filled").number);
        assert_eq!(
            line(&first, "fills", "// filled").inclusive.live_bytes(),
            30
        );

        drop(fills(2));
        let later = report().since(&first);
        assert_eq!(function(&later, "makes").call_count, None);
        assert_eq!(line(&later, "makes", "// made").hits, None);
        assert_eq!(line(&later, "makes", "// made").own.allocation_count, 2);
        drop(kept);
    });
}

#[test]
fn no_file_has_a_zero_for_what_was_not_counted() {
    run(|| {
        let kept = fills(3);
        let report = report();

        let json = text(&report, Format::Json);
        let document: serde_json::Value = serde_json::from_str(&json).unwrap();
        let makes = &document["functions"][1];
        assert!(makes["path"].as_str().unwrap().ends_with("makes"));
        assert!(makes["call_count"].is_null());
        assert!(document["calls"][1]["call_count"].is_null());
        let lines = ["functions", "calls"].map(|list| document[list][1]["lines"].clone());
        for line in lines.iter().flat_map(|lines| lines.as_array().unwrap()) {
            assert!(line["hits"].is_null(), "{line}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        std::fs::write(&path, &json).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
        // Null isn't the same as nothing at all.
        std::fs::write(&path, json.replacen("\"hits\":null,", "", 1)).unwrap();
        assert!(Report::read(&path).is_err());

        let csv = text(&report, Format::Csv);
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        let place = rows.headers().unwrap().iter().position(|it| it == "hits");
        for row in rows.records() {
            assert_eq!(&row.unwrap()[place.unwrap()], "");
        }
        let markdown = text(&report, Format::Markdown);
        assert!(!markdown.contains("Hits"), "{markdown}");
        let error = report.write_to(Format::Pstats, io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let said = error.to_string();
        for way in ["`hits = true`", "`MEMPROF_HITS=on`", "a scope"] {
            assert!(said.contains(way), "{said}");
        }
        for format in [
            Format::Folded,
            Format::Speedscope,
            Format::Pprof,
            Format::Html,
        ] {
            report.write_to(format, io::sink()).unwrap();
        }
        drop(kept);
    });
}

#[test]
fn a_function_with_the_option_is_counted_beside_others_that_are_not() {
    run(|| {
        let kept = (counts(), counts(), makes());
        let report = report();
        assert!(report.has_hits());
        assert_eq!(function(&report, "counts").call_count, Some(2));
        assert_eq!(line(&report, "counts", "// counted").hits, Some(2));
        assert_eq!(function(&report, "makes").call_count, None);

        let markdown = text(&report, Format::Markdown);
        let row = |words: &str| {
            let row = markdown.lines().find(|row| row.contains(words)).unwrap();
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            cells[6].to_owned()
        };
        let cells = ["Hits", "// counted", "// made"].map(row);
        assert_eq!(cells, ["Hits", "2", ""], "{markdown}");

        // Only the functions with calls are in a file about calls.
        let mut file = Vec::new();
        report.write_to(Format::Pstats, &mut file).unwrap();
        let file = String::from_utf8_lossy(&file);
        assert!(file.contains("hits::counts"));
        assert!(!file.contains("hits::makes"));
        drop(kept);
    });
}

#[test]
fn the_variable_has_all_functions_counted() {
    let mut program = Program::new(|| std::mem::forget(fills(3)));
    let report = written(program.env("MEMPROF_HITS", "on"));

    assert_eq!(function(&report, "fills").call_count, Some(1));
    assert_eq!(function(&report, "makes").call_count, Some(3));
    assert_eq!(report.calls[1].call_count, Some(3));
    assert_eq!(line(&report, "fills", "for _").hits, Some(4));
    assert_eq!(line(&report, "makes", "// made").hits, Some(3));
}

#[test]
fn the_variable_goes_before_the_option() {
    let mut program = Program::new(|| std::mem::forget((counts(), makes())));
    let report = written(program.env("MEMPROF_HITS", "off"));

    assert!(!report.has_hits());
}

#[test]
fn columns_with_hits_ask_for_them_unless_the_option_says_no() {
    #[memprofile(print = "never", columns = "hits, allocated")]
    fn asks() -> Vec<u8> {
        block(1)
    }
    #[memprofile(print = "never", columns = "all", hits = false)]
    fn does_not_ask() -> Vec<u8> {
        block(1)
    }

    run(|| {
        std::mem::forget((asks(), does_not_ask(), makes()));
        let report = report();
        assert_eq!(function(&report, "::asks").call_count, Some(1));
        assert_eq!(function(&report, "does_not_ask").call_count, None);
        assert_eq!(function(&report, "makes").call_count, None);
    });
}

#[test]
fn the_option_of_a_module_holds_for_its_functions() {
    #[memprofile(print = "never", hits = true)]
    mod counted {
        pub(super) fn one() -> Vec<u8> {
            super::block(1)
        }

        #[memprofile(hits = false)]
        pub(super) fn other() -> Vec<u8> {
            super::block(1)
        }
    }

    run(|| {
        std::mem::forget((counted::one(), counted::other()));
        let report = report();
        assert_eq!(function(&report, "one").call_count, Some(1));
        assert_eq!(function(&report, "other").call_count, None);
    });
}

#[test]
fn a_function_with_a_table_is_counted_in_any_case() {
    #[memprofile(print = "exit", hits = false)]
    fn shown() -> Vec<u8> {
        block(1)
    }

    let mut program = Program::new(|| std::mem::forget(shown()));
    let report = written(program.env("MEMPROF_HITS", "off"));
    assert_eq!(function(&report, "shown").call_count, Some(1));
}

#[test]
fn a_scope_counts_what_is_called_in_it() {
    run(|| {
        drop(makes());
        let scope = Scope::new("mine");
        scope.run(|| drop(fills(3)));

        let of_scope = scope.report();
        assert_eq!(function(&of_scope, "fills").call_count, Some(1));
        assert_eq!(function(&of_scope, "makes").call_count, Some(3));
        assert_eq!(line(&of_scope, "fills", "for _").hits, Some(4));
        of_scope.write_to(Format::Pstats, io::sink()).unwrap();
        assert!(!report().has_hits());
    });
}

#[test]
fn a_scope_does_not_know_calls_that_began_outside_of_it() {
    run(|| {
        let mut future = std::pin::pin!(waits());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        let scope = Scope::new("mine");
        scope.run(|| assert!(future.as_mut().poll(&mut context).is_ready()));

        let report = scope.report();
        assert_eq!(function(&report, "waits").call_count, None);
        let waited = line(&report, "waits", "// waited");
        assert_eq!((waited.hits, waited.own.allocation_count), (None, 1));
        // It has a time, so that it isn't left out.
        let mut file = Vec::new();
        report.write_to(Format::Pstats, &mut file).unwrap();
        assert!(String::from_utf8_lossy(&file).contains("hits::waits"));
    });
}
