//! The guide's example of budgets as a separate library, with two test runners: one runs all tests
//! in one process, the other each test in its own process.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const GUIDE: &str = include_str!("../../../memprof/src/guide/testing.md");

/// The first listing in this language in the guide's section about budgets.
fn listing(language: &str) -> &'static str {
    let section = GUIDE.split_once("\n# Budgets\n").unwrap().1;
    let fence = format!("\n```{language}\n");
    let listing = section.split_once(&fence).unwrap().1;
    listing.split_once("\n```\n").unwrap().0
}

/// Writes the library's files.
fn write_library(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"names\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dev-dependencies]\nmemprof = {{ path = '{}' }}\n\n[workspace]\n",
        root.join("memprof").display()
    );
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), listing("rust")).unwrap();
    // Use the versions that are already downloaded.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// Runs cargo on the library, and returns its output, also as one text.
fn cargo(arguments: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    write_library(folder.path());
    let mut command = Command::new(env!("CARGO"));
    command
        .args(arguments)
        .arg("--offline")
        .arg("--target-dir")
        .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/runners"))
        .current_dir(folder.path())
        .env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let said = [&output.stdout[..], &output.stderr].concat();
    (output, String::from_utf8_lossy(&said).into_owned())
}

/// Asserts that the first test passed, and that the second one failed with the message in the
/// guide.
fn assert_as_in_guide(output: &Output, said: &str) {
    assert!(!output.status.success(), "{said}");
    // Line by line, since a runner may indent the message.
    for line in listing("text").lines() {
        assert!(said.contains(line), "{line}\n\n{said}");
    }
}

#[test]
fn tests_of_one_process_keep_to_their_budgets() {
    let (output, said) = cargo(&["test"]);
    assert_as_in_guide(&output, &said);
    assert!(
        said.contains("test result: FAILED. 1 passed; 1 failed;"),
        "{said}"
    );
}

#[test]
fn tests_that_are_each_a_process_keep_to_their_budgets() {
    let nextest = Command::new(env!("CARGO"))
        .args(["nextest", "--version"])
        .output();
    if !nextest.is_ok_and(|output| output.status.success()) {
        println!("skipped: there is no cargo-nextest");
        return;
    }
    let (output, said) = cargo(&["nextest", "run", "--no-fail-fast"]);
    assert_as_in_guide(&output, &said);
    assert!(
        said.contains("2 tests run: 1 passed, 1 failed, 0 skipped"),
        "{said}"
    );
}
