//! However a program ends, its tables are printed, and say how they were cut
//! short.

use memprof::memprofile;
use memprof_tests::{Program, Table, run};
use std::hint::black_box;
use std::panic::catch_unwind;
use std::process::exit;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

fn block(bytes: usize) -> Vec<u8> {
    black_box(Vec::with_capacity(bytes))
}

#[memprofile(columns = "hits, allocated, freed")]
fn fails(how: &str) {
    let held = block(100);
    match how {
        "panic" => panic!("on purpose"),
        "exit" => exit(3),
        _ => {}
    }
    drop(held);
}

#[memprofile(columns = "hits, allocated")]
fn calls(how: &str) {
    let held = block(10);
    fails(how);
    drop(held);
}

#[test]
fn a_panic_closes_the_tables_of_all_the_calls_it_goes_through() {
    let tables = run(|| {
        assert!(catch_unwind(|| calls("panic")).is_err());
    });

    let [fails, calls] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let line = fails.row("\"panic\" =>").number;
    assert!(
        fails
            .summary
            .ends_with(&format!("; cut short in line {line} by a panic"))
    );
    assert_eq!(fails.row("let held").number("Allocated"), Some(100));
    assert_eq!(fails.row("drop(held)").number("Hits"), None);
    let line = calls.row("fails(how)").number;
    assert!(
        calls
            .summary
            .ends_with(&format!("; cut short in line {line} by a panic"))
    );
}

#[test]
fn an_exit_in_the_middle_prints_the_tables_of_the_calls_it_is_in() {
    let mut program = Program::new(|| calls("exit"));
    let output = program.output();

    assert_eq!(output.status.code(), Some(3));
    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    let [fails, calls] = &tables[..] else {
        panic!("{tables:#?}")
    };
    let line = fails.row("\"exit\" =>").number;
    let ending = format!("; cut short in line {line} as the process exited");
    assert!(fails.summary.ends_with(&ending), "{}", fails.summary);
    let line = calls.row("fails(how)").number;
    let ending = format!("; cut short in line {line} as the process exited");
    assert!(calls.summary.ends_with(&ending), "{}", calls.summary);
}

#[memprofile(print = "exit", columns = "all")]
fn often(bytes: usize) -> Vec<u8> {
    let temporary = block(2 * bytes);
    if bytes == 3 {
        panic!("on purpose");
    }
    drop(temporary);
    block(bytes)
}

#[memprofile(print = "exit", columns = "hits, allocated, freed, net")]
fn recursive(depth: usize) -> usize {
    let held = block(10);
    if depth == 0 {
        return held.len();
    }
    held.len() + recursive(depth - 1)
}

#[test]
fn the_table_at_exit_adds_up_all_calls() {
    let tables = run(|| {
        let kept: Vec<Vec<u8>> = (0..3).map(often).collect();
        assert!(catch_unwind(|| often(3)).is_err());
        recursive(4);
        recursive(4);
        black_box(kept);
    });

    let [often, recursive] = &tables[..] else {
        panic!("{tables:#?}")
    };
    assert!(
        often.summary.contains("often, 4 calls: "),
        "{}",
        often.summary
    );
    let line = often.row("panic!").number;
    let ending = format!("; 1 cut short, the last in line {line} by a panic");
    assert!(often.summary.ends_with(&ending), "{}", often.summary);
    let temporary = often.row("let temporary");
    assert_eq!(temporary.number("Hits"), Some(4));
    assert_eq!(temporary.number("Allocated"), Some(2 + 4 + 6));
    assert_eq!(temporary.number("Peak"), Some(6));
    assert_eq!(often.row("    block(bytes)").number("Net"), Some(3));

    assert!(recursive.summary.contains("recursive, 10 calls: "));
    assert_eq!(recursive.total("allocated"), 2 * 5 * 10);
    assert_eq!(recursive.row("let held").number("Hits"), Some(10));
    assert_eq!(recursive.row("let held").number("Allocated"), Some(2 * 10));
    assert_eq!(
        recursive.row("depth - 1").number("Allocated"),
        Some(2 * 4 * 10)
    );
    assert_eq!(recursive.sum("Net"), 0);
}

#[test]
fn the_table_at_exit_comes_after_an_exit() {
    let tables = run(|| {
        drop(often(1));
        exit(0);
    });

    assert_eq!(tables[0].total("allocated"), 3);
}

#[test]
fn the_table_at_exit_comes_after_a_panic() {
    let mut program = Program::new(|| {
        drop(often(1));
        panic!("on purpose");
    });
    let output = program.output();

    assert!(!output.status.success());
    let tables = Table::all_in(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(tables[0].total("allocated"), 3);
}

#[memprofile(print = "never")]
fn never(bytes: usize) -> usize {
    let held = block(bytes);
    held.capacity()
}

#[memprofile(columns = "allocated")]
fn calls_never() -> usize {
    let first = never(5);
    first + never(7)
}

#[test]
fn a_function_that_is_never_printed_is_still_in_its_callers_lines() {
    let tables = run(|| {
        calls_never();
    });

    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].row("let first").number("Allocated"), Some(5));
    assert_eq!(tables[0].row("first + ").number("Allocated"), Some(7));
}
