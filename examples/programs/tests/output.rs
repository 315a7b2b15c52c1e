//! Each program prints what its file in `output` says. Numbers with a unit of time or of
//! resident memory differ from run to run: there, the file has a `#`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Runs a program; what it prints, on both streams.
fn output_of(program: &str) -> String {
    let mut command = Command::new(program);
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("MEMPROF")) {
        command.env_remove(name);
    }
    let output = command
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("it can be started");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("it is text")
}

/// With a `#` for each number that differs from run to run.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        if line.starts_with("untracked ") {
            // What the system's calls take, such as for the name of a file.
            masked += "untracked #\n";
            continue;
        }
        let mut rest = line;
        while let Some(unit) = [" MiB", " ms"]
            .iter()
            .filter_map(|unit| rest.find(unit))
            .min()
        {
            let is_text = |c: char| !c.is_ascii_digit() && !"-.,".contains(c);
            let start = rest[..unit].rfind(is_text).map_or(0, |last| last + 1);
            masked += rest[..start].trim_end();
            masked += if start == 0 { "#" } else { " #" };
            rest = &rest[unit..];
            let end = rest[1..]
                .find(|c: char| !c.is_alphabetic())
                .map_or(rest.len(), |at| at + 1);
            masked += &rest[..end];
            rest = &rest[end..];
        }
        masked += rest;
        masked.push('\n');
    }
    masked
}

fn check(name: &str, program: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("output")
        .join(name)
        .with_extension("txt");
    let printed = output_of(program);
    if env::var_os("MEMPROF_EXAMPLES_BLESS").is_some() {
        fs::write(&path, &printed).expect("it can be written");
    }
    let expected = fs::read_to_string(&path).expect("there is a file for each program");
    assert_eq!(masked(&printed), masked(&expected), "\n{printed}");
}

macro_rules! programs {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            check(stringify!($name), env!(concat!("CARGO_BIN_EXE_", stringify!($name))));
        }
    )* };
}

/// Its times have no unit beside them.
#[test]
fn axum_profiler() {
    let printed = output_of(env!("CARGO_BIN_EXE_axum_profiler"));

    assert!(printed.contains("GET \"/\": 200 OK\n"), "{printed}");
    assert!(printed.contains("(axum_profiler::index)\n"), "{printed}");
}

/// How many samples there are, and in which order the lines are, differs from run to run.
#[cfg(target_os = "linux")]
#[test]
fn time_by_line() {
    let printed = output_of(env!("CARGO_BIN_EXE_time_by_line"));

    for part in [" samples of ", "Own time", "time_by_line::import:"] {
        assert!(printed.contains(part), "{printed}");
    }
}

programs! {
    async_task
    custom_allocator
    debug_toolbar
    find_a_leak
    first_table
    memory_over_time
    report_file
    request_scope
    test_budget
}
