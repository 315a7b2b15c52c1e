//! README's budgets, as a library of its own, under the runners of tests: one that has all
//! tests in a process, and one that has a process for each.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const README: &str = include_str!("../../README.md");

/// The first listing in that language of README's section about budgets.
fn listing(language: &str) -> &'static str {
    let section = README.split_once("\n## Budgets\n").unwrap().1;
    let fence = format!("\n```{language}\n");
    let listing = section.split_once(&fence).unwrap().1;
    listing.split_once("\n```\n").unwrap().0
}

/// Writes the library, as its author has it.
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
    // The versions that are here already.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// Runs cargo on the library, and says what it said.
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

/// Has README's first test have passed, and the second one failed as README says.
fn assert_as_in_readme(output: &Output, said: &str) {
    assert!(!output.status.success(), "{said}");
    // A runner may indent it.
    for line in listing("text").lines() {
        assert!(said.contains(line), "{line}\n\n{said}");
    }
}

#[test]
fn tests_of_one_process_keep_to_their_budgets() {
    let (output, said) = cargo(&["test"]);
    assert_as_in_readme(&output, &said);
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
    assert_as_in_readme(&output, &said);
    assert!(
        said.contains("2 tests run: 1 passed, 1 failed, 0 skipped"),
        "{said}"
    );
}
