//! Baselines: comparing what functions allocate with committed files.

use memprof::baseline::Baseline;
use memprof::report::{Quantity, Report};
use memprof::{Scope, memprofile};
use memprof_tests::{Program, block};
use std::env;
use std::fs;
use std::path::Path;

#[memprofile(print = "never")]
fn grows(bytes: usize, blocks: usize) {
    drop(block(100)); // the same
    for _ in 0..blocks {
        drop(block(bytes)); // more
    }
}

#[memprofile(print = "never")]
fn keeps(bytes: usize) -> Vec<u8> {
    block(bytes) // kept
}

fn report(bytes: usize, blocks: usize) -> Report {
    let scope = Scope::new("work");
    scope.run(|| grows(bytes, blocks));
    scope.report()
}

fn check(folder: &Path, report: &Report) -> Result<(), String> {
    let baseline = Baseline::new("work").folder(folder);
    baseline.check(report).map_err(|error| error.to_string())
}

#[test]
fn the_first_run_writes_what_later_ones_are_held_against() {
    Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), &report(10, 2)).unwrap();

        let text = fs::read_to_string(folder.path().join("work.json")).unwrap();
        assert_eq!(
            text,
            r#"{"format": "memprof baseline", "version": 2, "lines": [
{"function":"budget::baselines::grows","line":"drop(block(100)); // the same","allocated_bytes":100,"allocation_count":1,"live_bytes":0,"live_count":0},
{"function":"budget::baselines::grows","line":"drop(block(bytes)); // more","allocated_bytes":20,"allocation_count":2,"live_bytes":0,"live_count":0}
]}
"#
        );
        check(folder.path(), &report(10, 2)).unwrap();
        // Fewer allocations pass, and don't change the file.
        check(folder.path(), &report(9, 2)).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("work.json")).unwrap(),
            text
        );

        let said = check(folder.path(), &report(15, 3)).unwrap_err();
        let remark = "\n\nbudget::baselines::grows allocates 145 B, up from 120 B:\n    \
                      +25 B  drop(block(bytes)); // more\n\
                      budget::baselines::grows allocates 4 blocks, up from 3 blocks:\n    \
                      +1 block  drop(block(bytes)); // more\n\n\
                      If this is intended, run this once with MEMPROF_BLESS=1, and commit the file.";
        assert!(said.starts_with("`work` takes more memory than "), "{said}");
        assert!(said.ends_with(remark), "{said}");
    })
    .stdout();
}

#[memprofile(print = "never")]
fn takes_over(list: &mut Vec<u8>) {
    list.reserve_exact(1000); // more alive than it allocated
}

#[test]
fn a_line_that_takes_a_block_over_is_held_to_what_it_kept() {
    Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let report = |bytes| {
            let mut list = block(bytes);
            let scope = Scope::new("work");
            scope.run(|| takes_over(&mut list));
            scope.report()
        };
        check(folder.path(), &report(100)).unwrap();
        let text = fs::read_to_string(folder.path().join("work.json")).unwrap();
        let numbers = "\"allocated_bytes\":900,\"allocation_count\":0,\"live_bytes\":1000,\
                       \"live_count\":1,\"transferred_bytes\":100,\"transferred_count\":1}";
        assert!(text.contains(numbers), "{text}");
        check(folder.path(), &report(100)).unwrap();
        let said = check(folder.path(), &report(50)).unwrap_err();
        assert!(said.contains("allocates 950 B, up from 900 B"), "{said}");
    })
    .stdout();
}

#[test]
fn tolerances_are_per_quantity_and_to_the_byte() {
    Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), &report(100, 1)).unwrap();
        let baseline = Baseline::new("work").folder(folder.path());
        let baseline = baseline.allow(Quantity::AllocatedBytes, 10);

        baseline.check(&report(120, 1)).unwrap();
        let said = baseline.check(&report(121, 1)).unwrap_err().to_string();
        assert!(
            said.contains("allocates 221 B, up from 200 B (10 % more is allowed):"),
            "{said}"
        );
        let said = baseline.check(&report(10, 3)).unwrap_err().to_string();
        assert!(
            said.contains("allocates 4 blocks, up from 2 blocks:"),
            "{said}"
        );
    })
    .stdout();
}

#[test]
fn a_line_that_is_new_is_said_to_be_and_what_is_left_alive_is_too() {
    Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), &report(10, 2)).unwrap();
        let scope = Scope::new("work");
        let kept = scope.run(|| {
            grows(10, 2);
            keeps(30)
        });

        let said = check(folder.path(), &scope.report()).unwrap_err();
        assert!(said.contains("budget::baselines::keeps leaves alive 30 B, up from 0 B:\n    +30 B  block(bytes) // kept  (new)"), "{said}");
        drop(kept);
    })
    .stdout();
}

#[test]
fn a_file_that_is_no_baseline_and_a_name_that_is_none_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("work.json");
    for (text, problem) in [
        ("", "EOF while parsing"),
        (
            "{\"format\": \"memprof report\", \"version\": 1, \"lines\": []}",
            "its `format` is not `memprof baseline`",
        ),
        (
            "{\"format\": \"memprof baseline\", \"version\": 9, \"lines\": []}",
            "a newer memprof wrote it",
        ),
        (
            "{\"format\": \"memprof baseline\", \"version\": 1, \"lines\": [{\"function\": 1}]}",
            "invalid type",
        ),
        (
            "{\"format\": \"memprof baseline\", \"version\": 1, \"lines\": [{\"function\": \"f\", \"line\": \"\", \
             \"allocated_bytes\": 1, \"allocation_count\": 1, \"live_bytes\": 2, \"live_count\": 0}]}",
            "the numbers of a line of `f` are impossible",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let said = check(folder.path(), &report(1, 1)).unwrap_err();
        assert!(
            said.contains(problem) && said.ends_with("MEMPROF_BLESS=1 overwrites it"),
            "{said}"
        );
    }
    for name in ["", "..", "a/b", "a b", ".hidden"] {
        let error = Baseline::new(name).check(&report(1, 1)).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("is not a valid name for a baseline"),
            "{error}"
        );
    }
}

#[test]
fn a_report_without_a_profiled_function_keeps_to_no_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let scope = Scope::new("nothing profiled");
    scope.run(|| drop(block(10)));
    let said = check(folder.path(), &scope.report()).unwrap_err();
    assert!(
        said.starts_with("no profiled function ran in the report for `work`,"),
        "{said}"
    );
    assert!(!folder.path().join("work.json").exists());
}

#[test]
fn what_a_file_has_in_it_gives_a_terminal_no_commands() {
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"format\": \"memprof baseline\", \"version\": 1, \"lines\": []}";
    fs::write(folder.path().join("work.json"), text).unwrap();
    let mut report = report(1, 1);
    report.functions[0].path = "\u{1b}[31mred".into();
    let said = check(folder.path(), &report).unwrap_err();
    assert!(!said.contains('\u{1b}'), "{said:?}");
}

/// The program of the next two tests.
fn check_work() {
    env::set_current_dir(env::var_os("FOLDER").unwrap()).unwrap();
    let bytes = env::var("BYTES").unwrap().parse().unwrap();
    memprof::baseline::check_baseline("work", &report(bytes, 1));
}

#[test]
fn a_check_fails_until_it_is_blessed_and_the_summary_has_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    let run = |bytes: usize, variables: &[(&str, &Path)]| {
        let mut program = Program::new(|| {
            check_work();
        });
        program
            .env("FOLDER", folder.path())
            .env("BYTES", bytes.to_string());
        for (name, value) in variables {
            program.env(name, value);
        }
        program.output()
    };

    let output = run(10, &[]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("memprof: memprof-baselines/work.json was written; commit it"),
        "{said}"
    );

    assert!(run(10, &[("MEMPROF_SUMMARY", &summary)]).status.success());
    assert!(
        !run(30, &[("GITHUB_STEP_SUMMARY", &summary)])
            .status
            .success()
    );
    assert_eq!(
        fs::read_to_string(&summary).unwrap(),
        "### Memory of `work`\n\nNo changes.\n\n\
         ### Memory of `work`\n\n\
         | Function | Allocated | Blocks | Alive | Blocks alive |\n|---|--:|--:|--:|--:|\n\
         | `budget::baselines::grows` | 130 B (+20 B) | 2 blocks | 0 B | 0 blocks |\n\n"
    );
    assert!(
        run(30, &[("MEMPROF_BLESS", Path::new("1"))])
            .status
            .success()
    );
    assert!(run(30, &[]).status.success());
}

#[test]
fn the_summary_has_the_first_run_and_a_blessed_one_and_bless_takes_words() {
    let folder = tempfile::tempdir().unwrap();
    let run = |bytes: usize, bless: &str| {
        let mut program = Program::new(|| {
            check_work();
        });
        program
            .env("FOLDER", folder.path())
            .env("BYTES", bytes.to_string())
            .env("MEMPROF_BLESS", bless)
            .env("MEMPROF_SUMMARY", "summary.md");
        program.output()
    };
    assert!(run(10, "0").status.success());
    assert!(run(30, "yes").status.success());
    assert_eq!(
        fs::read_to_string(folder.path().join("summary.md")).unwrap(),
        "### Memory of `work`\n\n\
         | Function | Allocated | Blocks | Alive | Blocks alive |\n|---|--:|--:|--:|--:|\n\
         | `budget::baselines::grows` | 110 B (+110 B) | 2 blocks (+2 blocks) | 0 B | 0 blocks |\n\n\
         The baseline was written from this.\n\n\
         ### Memory of `work`\n\n\
         | Function | Allocated | Blocks | Alive | Blocks alive |\n|---|--:|--:|--:|--:|\n\
         | `budget::baselines::grows` | 130 B (+20 B) | 2 blocks | 0 B | 0 blocks |\n\n\
         The baseline was written from this.\n\n"
    );
    let output = run(40, "please");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(
            "MEMPROF_BLESS is \"please\": use 1 to overwrite baselines, 0 to compare with them"
        ),
        "{said}"
    );
}

#[test]
fn a_function_that_is_in_the_file_has_to_run() {
    Program::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let scope = Scope::new("both");
        let kept = scope.run(|| {
            grows(10, 1);
            keeps(30)
        });
        check(folder.path(), &scope.report()).unwrap();
        drop(kept);

        let said = check(folder.path(), &report(10, 1)).unwrap_err();
        assert!(
            said.starts_with("budget::baselines::keeps is in "),
            "{said}"
        );
        assert!(said.contains("work.json and didn't run: "), "{said}");
        // A function that runs and allocates nothing passes.
        let scope = Scope::new("both");
        scope.run(|| {
            grows(10, 1);
            keeps(0)
        });
        check(folder.path(), &scope.report()).unwrap();
    })
    .stdout();
}

#[test]
fn an_error_that_is_unwrapped_has_its_lines() {
    let error = Baseline::new("no name").check(&report(1, 1)).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn in_ci_a_baseline_that_nobody_has_committed_is_an_error_and_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let mut program = Program::new(|| {
            env::set_current_dir(env::var_os("FOLDER").unwrap()).unwrap();
            memprof::baseline::check_baseline("work", &report(10, 1));
        });
        program.env("FOLDER", folder.path());
        for (name, value) in variables {
            program.env(name, value);
        }
        program.output()
    };
    let path = folder.path().join("memprof-baselines/work.json");

    let output = run(&[("CI", "true")]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    let sentence = "there is no memprof-baselines/work.json: run this once outside of CI, or with \
                    MEMPROF_BLESS=1, and commit the file";
    assert!(said.contains(sentence), "{said}");
    assert!(!path.exists());

    for outside in [&[("CI", "")][..], &[("CI", "false")], &[("CI", "0")]] {
        assert!(run(outside).status.success());
        fs::remove_file(&path).unwrap();
    }
    assert!(
        run(&[("CI", "true"), ("MEMPROF_BLESS", "1")])
            .status
            .success()
    );
    assert!(run(&[("CI", "true")]).status.success());
}
