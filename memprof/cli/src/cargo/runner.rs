//! The command as the runner that cargo starts programs with: it sets the variables by which the
//! program writes its report, and removes those that were for cargo.

use crate::cargo::plan::{KEY, PLAN};
#[cfg(not(unix))]
use crate::status;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The first argument of the runner.
pub(crate) const NAME: &str = "memprof-runner";

/// The variable with the user's own `RUSTC_WRAPPER`, if it was set.
pub(crate) const OUTER_WRAPPER: &str = "CARGO_MEMPROF_OUTER_WRAPPER";

/// The words of the runner, before those of the program: `folder` is where reports are written, and
/// `outer` the runner that the user has set.
pub(crate) fn words(exe: OsString, folder: &Path, outer: &[OsString]) -> Vec<OsString> {
    let fixed = [
        exe,
        NAME.into(),
        folder.into(),
        outer.len().to_string().into(),
    ];
    fixed.into_iter().chain(outer.iter().cloned()).collect()
}

/// Runs a program: `words` are those after [`NAME`].
pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let [folder, outer_count, line @ ..] = words else {
        return refused("its arguments are missing");
    };
    let outer_count = outer_count
        .to_str()
        .and_then(|count| count.parse::<usize>().ok());
    let (Some(outer_count), [program, arguments @ ..]) = (outer_count, line) else {
        return refused("its arguments are missing");
    };
    let folder = Path::new(folder);
    let executable = line
        .get(outer_count)
        .map_or(OsStr::new(""), OsString::as_os_str);
    let mut command = Command::new(program);
    command.args(arguments);
    for name in [PLAN, KEY, OUTER_WRAPPER] {
        command.env_remove(name);
    }
    match env::var_os(OUTER_WRAPPER) {
        Some(outer) => command.env("RUSTC_WRAPPER", outer),
        None => command.env_remove("RUSTC_WRAPPER"),
    };
    // memprof needn't say that there is no report: the command does.
    command.env("CARGO_MEMPROF", "1");
    // The user may have asked for a report of their own.
    if env::var_os("MEMPROF_OUTPUT").is_none() {
        command.env("MEMPROF_OUTPUT", folder.join("%p.json"));
    }
    // On Unix, the program gets this process's number.
    let id = std::process::id();
    let _ = fs::write(
        folder.join(format!("{id}.program")),
        executable.as_encoded_bytes(),
    );
    start(command)
}

#[cfg(unix)]
fn start(mut command: Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    refused(&error.to_string())
}

#[cfg(not(unix))]
fn start(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status::code(status)),
        Err(error) => refused(&error.to_string()),
    }
}

fn refused(why: &str) -> ExitCode {
    eprintln!("memprof: the program can't be started: {why}");
    ExitCode::from(127)
}
