//! How the program runs: its environment, how it ends, and what is said if nothing can be done.

use crate::project::{Project, allocated, assert_ran};
#[cfg(unix)]
use std::io::{BufRead, BufReader};
#[cfg(unix)]
use std::process::Stdio;

#[test]
fn the_program_has_the_environment_that_cargo_gives_it() {
    let source = r#"
fn main() {
    let kept = |name: &str| name.contains("WRAPPER") || name.starts_with("CARGO_MEMPROF_") || name == "GIVEN";
    let found: Vec<_> = std::env::vars().filter(|(name, _)| kept(name)).collect();
    println!("{found:?}");
}
"#;
    let project = Project::program("environment", source);
    let ended = project.memprof(&["run"]);
    assert_ran(&ended);
    assert_eq!(ended.stdout, "[]\n");

    // The user's own runner and wrapper are in use.
    let config = "[build]\nrustc-wrapper = \"./wrapper\"\n[target.'cfg(unix)']\nrunner = [\"env\", \"GIVEN=1\"]\n";
    project.write(".cargo/config.toml", config);
    project.write("wrapper", "#!/bin/sh\necho \"$@\" >>wrapped\nexec \"$@\"\n");
    let made = std::process::Command::new("chmod")
        .arg("+x")
        .arg(project.path("wrapper"))
        .status();
    assert!(made.unwrap().success());
    project.write("src/main.rs", &(source.to_owned() + "\n"));
    let ended = project.memprof(&["run"]);
    assert_ran(&ended);
    assert_eq!(ended.stdout, "[(\"GIVEN\", \"1\")]\n");
    let wrapped = std::fs::read_to_string(project.path("wrapped")).unwrap();
    assert!(wrapped.contains("--crate-name environment"), "{wrapped}");
}

#[test]
#[cfg(unix)]
fn an_interrupted_program_leaves_its_report() {
    let source = r#"
fn main() {
    std::mem::forget(vec![1_u8; 4000]); // kept
    println!("ready");
    loop { std::thread::park(); }
}
"#;
    let project = Project::program("interrupted", source);
    assert_ran(&project.memprof(&["build"]));
    let mut command = Project::memprof_command();
    let report = project.report_path();
    command
        .args(["run", "--output"])
        .arg(report)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = project.prepared(&mut command).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");

    // The command isn't in the foreground of a terminal, so it hands the signal on.
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(128 + 2));
    let expected = ("src/main.rs".to_owned(), 4000);
    assert_eq!(allocated(&project.report(), "// kept"), [expected]);
}

#[test]
fn what_cannot_be_done_is_one_sentence() {
    let project = Project::program("refused", "fn main() {}\n");
    let said = |words: &[&str]| {
        let ended = project.memprof(words);
        assert_eq!(ended.code, Some(101), "{}", ended.stderr);
        ended.stderr
    };
    let error = said(&["run", "--manifest-path", "elsewhere/Cargo.toml"]);
    assert!(error.contains("elsewhere/Cargo.toml"), "{error}");
    let error = said(&["run", "--functions", "("]);
    assert!(
        error.starts_with("memprof: --functions takes a regular expression: "),
        "{error}"
    );
    let error = said(&["run", "--deps", "nothing"]);
    assert!(
        error.contains("no package \"nothing\" is among the dependencies"),
        "{error}"
    );
    let error = said(&["run", "--target", "wasm32-unknown-unknown"]);
    assert!(
        error.contains("wasm32-unknown-unknown doesn't have"),
        "{error}"
    );
    let error = said(&["run", "--target-dir", "Cargo.toml"]);
    assert!(error.contains("can't be written"), "{error}");

    let ended = project.memprof(&["fly"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("unrecognized subcommand 'fly'"),
        "{}",
        ended.stderr
    );
}

#[test]
#[cfg(unix)]
fn a_killed_program_has_its_exit_code_and_no_report() {
    let source = r#"
fn main() {
    let id = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
    loop { std::thread::park(); }
}
"#;
    let project = Project::program("killed", source);
    let ended = project.memprof(&["run"]);
    // A shell sees a signal as 128 plus its number.
    assert_eq!(ended.code, Some(128 + 9));
    assert!(
        ended.stderr.contains("memprof: killed wrote no report"),
        "{}",
        ended.stderr
    );
}
