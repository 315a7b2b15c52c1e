//! `CountingAlloc::counting`, which doesn't record which line allocated each block: numbers that
//! need owners of blocks aren't shown, and all others are right.

use memprof::leak::{Epochs, growth, leaks};
use memprof::report::{Format, Quantity, Report};
use memprof::{CountingAlloc, Scope, assert_alloc, assert_no_leak, measure, memprofile, report};
use memprof_tests::{Program, block, line, run};
#[cfg(unix)]
use memprof_tests::{alone, on_a_c_thread};
use std::alloc::System;
use std::hint::black_box;
use std::panic::catch_unwind;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc::counting(System);

#[memprofile(columns = "hits, allocated, freed, net, peak, count")]
fn keeps_and_drops(kept: &mut Vec<Vec<u8>>) {
    drop(block(1000)); // dropped
    kept.push(block(64)); // kept
    kept.clear();
    kept.push(block(200)); // last
}

#[test]
fn a_table_has_all_numbers() {
    let tables = run(|| keeps_and_drops(&mut Vec::with_capacity(4)));
    let table = &tables[0];
    let numbers = |words| {
        ["Allocated", "Freed", "Net", "Peak", "Count"].map(|name| table.row(words).number(name))
    };
    assert_eq!(numbers("// dropped"), [1000, 1000, 0, 1000, 1].map(Some));
    assert_eq!(numbers("// kept"), [64, 0, 64, 64, 1].map(Some));
    assert_eq!(numbers("clear()"), [0, 64, -64, 0, 0].map(Some));
    assert_eq!(numbers("// last"), [200, 0, 200, 200, 1].map(Some));
}

#[test]
fn measures_scopes_and_budgets_count_as_ever() {
    let (kept, usage) = measure(|| {
        let mut kept = block(100);
        kept.resize(300, 0);
        kept.shrink_to(300);
        drop(block(50));
        kept
    });
    assert_eq!(
        [usage.net_bytes(), usage.peak_bytes.cast_signed()],
        [300, 350]
    );
    assert_eq!([usage.allocation_count, usage.deallocation_count], [2, 1]);

    let scope = Scope::new("mine");
    let inside = scope.run(|| block(70));
    scope.run(|| drop(kept));
    assert_eq!(scope.usage().allocated_bytes, 70);
    assert_eq!(scope.usage().freed_bytes, 300);
    assert_alloc!(allocated_bytes == 10, net_bytes == 0, { drop(block(10)) });
    assert_no_leak!({ drop(block(10)) });
    drop(inside);
}

#[test]
fn what_is_alive_in_all_is_known_whoever_frees_it() {
    run(|| {
        // Let one-time allocations happen before.
        drop(report());
        let before = report().total;
        let blocks: Vec<Vec<u8>> = (1..=100).map(block).collect();
        let after = report().total;
        let room = 100 * size_of::<Vec<u8>>();
        assert_eq!(
            after.live_bytes() - before.live_bytes(),
            5050 + i64::try_from(room).unwrap()
        );
        assert_eq!(after.live_count() - before.live_count(), 101);
        drop(blocks);
        assert_eq!(report().total.live_bytes(), before.live_bytes());
        assert!(report().total.bytes_at_peak >= 5050);
        assert_eq!(report().tag_bytes, Some(0));
    });
}

#[test]
#[cfg(unix)]
fn threads_that_free_each_others_blocks_leave_nothing() {
    run(|| {
        alone(|| {
            let mut made = None;
            let before = report().total.live_bytes();
            on_a_c_thread(|| made = Some(block(1000)), || {});
            assert_eq!(report().total.live_bytes(), before + 1000);
            // Blocks are freed as the first and as the last action of a thread.
            let mut at_last = None;
            on_a_c_thread(|| drop(made.take()), || at_last = Some(block(500)));
            assert_eq!(report().total.live_bytes(), before + 500);
            on_a_c_thread(|| drop(block(10)), || drop(at_last.take()));
            assert_eq!(report().total.live_bytes(), before);
        });
    });
}

#[test]
fn a_line_has_what_it_allocated() {
    run(|| {
        let mut kept = Vec::with_capacity(4);
        keeps_and_drops(&mut kept);
        let report = report();
        assert!(report.owners_are_unknown);
        let made = line(&report, "keeps_and_drops", "// dropped").own;
        assert_eq!([made.allocated_bytes, made.allocation_count], [1000, 1]);
        let made = line(&report, "keeps_and_drops", "clear()").own;
        assert_eq!(made, memprof::report::Allocations::default());
    });
}

/// The report in a format, as text.
fn written(report: &Report, format: Format) -> String {
    let mut text = Vec::new();
    report.write_to(format, &mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn what_is_not_known_is_no_zero_in_any_format() {
    run(|| {
        let mut kept = Vec::with_capacity(4);
        keeps_and_drops(&mut kept);
        let report = report();

        let json: serde_json::Value =
            serde_json::from_str(&written(&report, Format::Json)).unwrap();
        assert_eq!(json["process"]["owners_are_unknown"], true);
        assert!(json["process"]["live_bytes"].is_i64());
        let line = json["functions"][0]["lines"][1].as_object().unwrap();
        assert!(line.contains_key("allocated_bytes"));
        for name in [
            "freed_bytes",
            "live_bytes",
            "live_count",
            "bytes_at_peak",
            "temporary_count",
        ] {
            assert!(!line.contains_key(name), "{name}");
            assert!(
                !json["untracked"].as_object().unwrap().contains_key(name),
                "{name}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);

        let csv = written(&report, Format::Csv);
        let row = csv.lines().find(|row| row.contains("// kept")).unwrap();
        assert!(row.contains(",1,64,1,,,,,,,,,0,64,,"), "{row}");
        let markdown = written(&report, Format::Markdown);
        assert!(markdown.contains(Report::OWNERS_ARE_UNKNOWN), "{markdown}");
        let speedscope = written(&report, Format::Speedscope);
        assert!(!speedscope.contains("alive") && !speedscope.contains("at the peak"));
        assert!(written(&report, Format::Html).contains("id=\"unknown\""));
        for quantity in [
            Quantity::LiveBytes,
            Quantity::BytesAtPeak,
            Quantity::TemporaryCount,
        ] {
            assert!(report.write_folded(quantity, Vec::new()).is_err());
        }
        assert!(
            report
                .write_folded(Quantity::AllocatedBytes, Vec::new())
                .is_ok()
        );
        black_box(&kept);
    });
}

/// The message of a panic.
fn panic_of(act: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = catch_unwind(act).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast_ref::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn what_needs_owners_says_that_there_are_none() {
    let needs = "which line allocated each block";
    assert!(panic_of(|| _ = leaks(&report(), &report())).contains(needs));
    assert!(panic_of(|| _ = growth(16, || {})).contains(needs));
    assert!(panic_of(|| _ = Epochs::new().begin()).contains(needs));
    let said = panic_of(|| {
        assert_no_leak!({
            std::mem::forget(block(10));
        });
    });
    assert!(
        said.contains("measured 10") && said.contains(needs),
        "{said}"
    );
}

#[test]
fn a_report_at_the_end_says_so() {
    let mut program = Program::new(|| keeps_and_drops(&mut Vec::with_capacity(4)));
    let (_folder, path) = program.report_as("report.md");
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(Report::OWNERS_ARE_UNKNOWN), "{text}");
}
