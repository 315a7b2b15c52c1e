//! Compares the demo's output with `demo.txt`, in which measured numbers are masked.

use std::process::Command;
use tempfile::TempDir;

/// The output of `blog demo`.
fn demo() -> String {
    let directory = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_blog"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MEMPROF")) {
        command.env_remove(name);
    }
    let output = command
        .arg("demo")
        .current_dir(&directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Replaces each number with a unit by a `#` at the number's end, so that columns stay aligned.
fn mask(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let is_row = line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let mut rest = line;
        while let Some(unit) = rest.find(" MiB").or(rest.find(" B")) {
            let is_text = |c: char| !c.is_ascii_digit() && !"-.,".contains(c);
            let number = rest[..unit].rfind(is_text).map_or(0, |last| last + 1);
            masked += &rest[..number];
            let blanks = if is_row { unit - number - 1 } else { 0 };
            masked += &" ".repeat(blanks);
            masked += "# ";
            rest = &rest[unit + 1..];
        }
        masked += rest;
        masked.push('\n');
    }
    masked
}

#[test]
fn the_demo_prints_the_tables_of_both_functions_twice() {
    let expected = include_str!("demo.txt");

    let masked = mask(&demo());

    assert_eq!(masked, expected, "\n{masked}");
}

#[test]
fn a_million_squares_show_in_their_line_and_nowhere_else_to_the_byte() {
    let printed = demo();
    let (_, with_squares) = printed.split_once("--squares 1000000").unwrap();
    let (_, table) = with_squares.split_once("Filename").unwrap();

    let line = table
        .lines()
        .find(|line| line.contains("let squares"))
        .unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    let [_, _, "MiB", increment, "MiB", "8,000,000", "B", ..] = cells[..] else {
        panic!("{line}")
    };
    let increment: f64 = increment.parse().unwrap();
    assert!((7.6..8.0).contains(&increment), "{line}");
    assert_eq!(
        table
            .lines()
            .filter(|line| line.contains("8,000,000 B"))
            .count(),
        1
    );
}
