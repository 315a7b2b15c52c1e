//! Reports with known numbers, for the tests of the page.

use memprof::report::Report;
use serde_json::{Value, json};
use std::fs;

const MIB: u64 = 1 << 20;

/// A name that would be a script if it weren't escaped.
pub(crate) const HOSTILE: &str = "blog::</script><script>window.hacked=1</script>\
    <img src=x onerror=\"window.hacked=1\"><!--<script>\u{2028}\u{202e}\u{1b}";

pub(crate) const NAMES: [&str; 3] = ["blog::posts::list", "blog::db::query", HOSTILE];

fn blocks(allocated: u64, live: u64, count: u64) -> Value {
    json!({
        "allocated_bytes": allocated, "allocation_count": count, "freed_bytes": allocated - live,
        "deallocation_count": 0, "bytes_at_peak": live, "temporary_count": 0, "moved_bytes": 0,
    })
}

/// A line of a call.
fn row(number: u32, made: &Value) -> Value {
    json!({ "line": number, "hits": 7, "own": made })
}

/// A line of a function that allocated `made`, without callees.
fn line(number: u32, source: &str, made: &Value) -> Value {
    let mut line = made.clone();
    line["line"] = number.into();
    line["source"] = source.into();
    line["hits"] = 7.into();
    line["inclusive"] = made.clone();
    line
}

/// `list` allocates 1 MiB itself, and calls `query`, which allocates `queried` MiB there and 2 MiB
/// without a caller. A function with a hostile name allocates half a MiB.
pub(crate) fn report(queried: u64, names: [&str; 3]) -> Report {
    read(&document(queried, names))
}

/// The same for a scope, with times: `list` took 3 ms itself, `query` 1 ms when `list` called it
/// and 4 ms without a caller.
pub(crate) fn timed() -> Report {
    let mut document = document(4, NAMES);
    for (call, milliseconds) in [(0, 3), (1, 1), (2, 4)] {
        document["calls"][call]["own_ns"] = (milliseconds * 1_000_000).into();
    }
    for (function, milliseconds) in [(0, 3), (1, 5)] {
        document["functions"][function]["own_ns"] = (milliseconds * 1_000_000).into();
    }
    read(&document)
}

fn document(queried: u64, names: [&str; 3]) -> Value {
    let own = blocks(3 * MIB, MIB, 10);
    let none = blocks(0, 0, 0);
    let in_list = blocks(queried * MIB, queried * MIB, 5);
    let alone = blocks(2 * MIB, 2 * MIB, 2);
    let both = blocks((queried + 2) * MIB, (queried + 2) * MIB, 7);
    let hostile = blocks(MIB, MIB / 2, 1);
    let function = |name: &str, file: &str, lines: Value| {
        json!({
            "path": name, "file": file, "line": lines[0]["line"], "call_count": 3, "own_ns": 0,
            "inclusive_ns": 0, "lines": lines,
        })
    };
    let mut asks = line(11, "    let rows = db.query();", &none);
    asks["inclusive"] = in_list.clone();
    let process = process((queried + 6) * MIB, (queried + 3) * MIB + MIB / 2, 18);
    json!({
        "format": "memprof report", "version": 3, "process": process, "untracked": none,
        "functions": [
            function(names[0], "src/posts.rs", json!([
                line(10, "    let mut page = String::with_capacity(1 << 20);", &own),
                asks,
            ])),
            function(names[1], "src/db.rs", json!([
                line(20, "    let mut rows = Vec::new();", &none),
                line(21, "    rows.push(row);", &both),
            ])),
            function(names[2], "src/odd.rs", json!([line(30, HOSTILE, &hostile)])),
        ],
        "calls": [
            call(0, &Value::Null, &json!([row(10, &own)])),
            call(1, &json!({ "call": 0, "line": 11 }), &json!([row(21, &in_list)])),
            call(1, &Value::Null, &json!([row(21, &alone)])),
            call(2, &Value::Null, &json!([row(30, &hostile)])),
        ],
    })
}

/// The same as [`report`], without calls and hits of the functions from this one on.
pub(crate) fn uncounted_from(first: usize) -> Report {
    let mut report = report(4, NAMES);
    for function in &mut report.functions[first..] {
        function.call_count = None;
        function.lines.iter_mut().for_each(|line| line.hits = None);
    }
    report
}

/// `count` functions that each allocate a MiB, of which `live` bytes are alive.
pub(crate) fn equals(count: u64, live: u64) -> Report {
    let made = blocks(MIB, live, 1);
    let functions = (0..count).map(|place| {
        json!({
            "path": format!("many::f{place:05}"), "file": "src/many.rs", "line": 1, "call_count": 1,
            "own_ns": 0, "inclusive_ns": 0, "lines": [line(1, "Box::new(0)", &made)],
        })
    });
    let functions: Vec<Value> = functions.collect();
    let calls = (0..count).map(|place| call(place, &Value::Null, &json!([row(1, &made)])));
    let calls: Vec<Value> = calls.collect();
    read(&json!({
        "format": "memprof report", "version": 3, "untracked": blocks(0, 0, 0),
        "process": process(count * MIB, count * live, count), "functions": functions, "calls": calls,
    }))
}

fn call(function: u64, caller: &Value, lines: &Value) -> Value {
    json!({
        "function": function, "caller": caller, "call_count": 1, "own_ns": 0, "inclusive_ns": 0,
        "lines": lines,
    })
}

fn process(allocated: u64, live: u64, count: u64) -> Value {
    let mut process = blocks(allocated, live, count);
    process["peak_error_bytes"] = 0.into();
    process["resident_bytes"] = 0.into();
    process["resident_is_exact"] = true.into();
    process["callers_left_out"] = 0.into();
    process
}

fn read(document: &Value) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    fs::write(&path, document.to_string()).unwrap();
    Report::read(path).unwrap()
}
