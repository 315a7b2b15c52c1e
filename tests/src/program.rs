//! Runs a closure of a test as a program in a child process.

use crate::Table;
use std::any::type_name;
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, exit};
use tempfile::TempDir;

/// The environment variable that tells a child process which program to run.
const CHILD: &str = "TESTED_PROGRAM";

/// A closure of a test, to be run in a child process.
#[derive(Debug)]
pub struct Program {
    command: Command,
}

impl Program {
    /// A program that runs `main`, a closure written in the test that calls this function.
    ///
    /// The child is the same test binary, and runs the same test. When it calls this function, it
    /// runs `main` and exits. Programs are told apart by the name of the test, so a test can have
    /// only one.
    ///
    /// # Panics
    ///
    /// If the path of the test's binary isn't known.
    pub fn new<F: FnOnce()>(main: F) -> Self {
        // The name is `binary::test::{{closure}}`; `async` tests and modules add more parts.
        let path = type_name::<F>();
        let test = path.split_once("::").map_or(path, |(_, test)| test);
        let test = test
            .split_once("::{{closure}}")
            .map_or(test, |(test, _)| test);
        if env::var(CHILD).is_ok_and(|program| program == path) {
            main();
            exit(0);
        }
        let binary = env::current_exe().expect("a test knows its binary");
        let mut command = Command::new(binary);
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
        // The program doesn't run in CI, even if the test does.
        for name in ["CI", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("MEMPROF") {
                command.env_remove(name);
            }
        }
        command.env(CHILD, path);
        #[cfg(unix)]
        with_default_signals(&mut command);
        Self { command }
    }

    /// Sets a variable in the program's environment.
    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// The command that starts the program, for example to redirect its streams.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs the program, and returns its output and exit status.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    pub fn output(&mut self) -> Output {
        self.command
            .output()
            .expect("the test binary can be started again")
    }

    /// Runs the program, and returns its standard output.
    ///
    /// # Panics
    ///
    /// If it doesn't exit with success.
    pub fn stdout(&mut self) -> String {
        let output = self.output();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}\n{stdout}\n{stderr}",
            output.status
        );
        stdout
    }

    /// Runs the program, which writes its report to a file with this name. The file exists as long
    /// as the returned folder.
    ///
    /// # Panics
    ///
    /// If it doesn't exit with success, or the folder can't be created.
    pub fn report_as(&mut self, name: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = folder.path().join(name);
        self.env("MEMPROF_OUTPUT", &path).stdout();
        (folder, path)
    }

    /// Runs the program, and parses the tables on its standard output.
    ///
    /// # Panics
    ///
    /// If it doesn't exit with success.
    pub fn tables(&mut self) -> Vec<Table> {
        Table::all_in(&self.stdout())
    }
}

/// Runs `main` in a child process, and parses the tables that it prints.
pub fn run<F: FnOnce()>(main: F) -> Vec<Table> {
    Program::new(main).tables()
}

/// Restores the default action for signals that end a program. They are ignored if a shell started
/// the tests in the background, or with `nohup`.
#[cfg(unix)]
fn with_default_signals(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let reset = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            // SAFETY: `signal` is async-signal-safe, so it may be called between fork and exec.
            // `SIG_DFL` is a valid action.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec, the closure only makes async-signal-safe calls, and it
    // doesn't allocate.
    unsafe { command.pre_exec(reset) };
}
