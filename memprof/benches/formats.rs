//! Measures reading a report, and writing it in each format, for a report of 10,000 lines and one
//! of a million calls.

use memprof::report::Report;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

const NAMES: [&str; 8] = [
    "json",
    "html",
    "csv",
    "md",
    "pb.gz",
    "speedscope.json",
    "folded",
    "prof",
];

const BLOCKS: &str = r#""allocated_bytes": 640, "allocation_count": 10, "freed_bytes": 64,
    "deallocation_count": 1, "bytes_at_peak": 576, "temporary_count": 1, "moved_bytes": 0"#;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only checks that the benchmark runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let part = if is_bench { 1 } else { 1000 };
    let path = std::env::temp_dir().join(format!("memprof-formats-{}.json", std::process::id()));
    let lines = time("10,000 lines", &path, 10_000 / part, 1000 / part.min(1000));
    let calls =
        lines.and_then(|()| time("a million calls", &path, 10_000 / part, 1_000_000 / part));
    fs::remove_file(path)?;
    calls
}

/// Reads and writes a report with this many lines, in functions of ten, and this many calls.
fn time(
    what: &str,
    path: &Path,
    line_count: usize,
    call_count: usize,
) -> Result<(), Box<dyn Error>> {
    fs::write(path, text(line_count / 10, call_count)?)?;
    println!("{what}, seconds");
    let start = Instant::now();
    let report = Report::read(path)?;
    println!("    {:<20} {:>8.3}", "read", start.elapsed().as_secs_f64());
    for name in NAMES {
        let mut out = Vec::new();
        let format = name.parse()?;
        let start = Instant::now();
        report.write_to(format, &mut out)?;
        let (seconds, mebibytes) = (start.elapsed().as_secs_f64(), out.len() >> 20);
        println!("    {name:<20} {seconds:>8.3} {mebibytes:>8} MiB");
    }
    Ok(())
}

/// A report as JSON. All calls but the first have a caller, and a caller makes up to ten calls.
fn text(function_count: usize, call_count: usize) -> Result<String, std::fmt::Error> {
    let function_count = function_count.max(1);
    let mut text = format!(
        r#"{{"format": "memprof report", "version": 4, "process": {{{BLOCKS},
        "peak_error_bytes": 0, "resident_bytes": 0, "resident_is_exact": true,
        "callers_left_out": 0}}, "untracked": {{{BLOCKS}}}, "functions": ["#
    );
    for function in 0..function_count {
        let comma = if function > 0 { "," } else { "" };
        write!(
            text,
            r#"{comma}{{"path": "app::module_{}::function_{function}", "file": "src/app.rs",
            "line": 1, "call_count": 1, "own_ns": 1, "inclusive_ns": 2, "lines": ["#,
            function % 100
        )?;
        for line in 1..=10 {
            let comma = if line > 1 { "," } else { "" };
            write!(
                text,
                r#"{comma}{{"line": {line}, "source": "    let value_{line} = make({function});",
                "hits": 1, {BLOCKS}, "inclusive": {{{BLOCKS}}}, "while_running": null}}"#
            )?;
        }
        text.push_str("]}");
    }
    text.push_str(r#"], "calls": ["#);
    for call in 0..call_count {
        let comma = if call > 0 { "," } else { "" };
        let caller = match call.checked_sub(1) {
            Some(before) => format!(r#"{{"call": {}, "line": {}}}"#, before / 10, call % 10 + 1),
            None => "null".to_owned(),
        };
        write!(
            text,
            r#"{comma}{{"function": {}, "caller": {caller}, "call_count": 1, "own_ns": 1,
            "inclusive_ns": 2, "lines": [{{"line": 3, "hits": 1, "own": {{{BLOCKS}}}}}]}}"#,
            call % function_count
        )?;
    }
    text.push_str("]}");
    Ok(text)
}
