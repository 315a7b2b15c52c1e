//! A program under profile, as a process of its own.

use crate::Table;
use std::any::type_name;
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, exit};
use tempfile::TempDir;

/// Says to a child which program it is to be.
const CHILD: &str = "TESTED_PROGRAM";

/// A program to be run in a process of its own: a closure in a test.
#[derive(Debug)]
pub struct Program {
    command: Command,
}

impl Program {
    /// The program that consists of `main`, a closure written in the test that
    /// calls this.
    ///
    /// In the child, which comes to the same place, this runs `main` and exits. It
    /// knows the place by the test's name, so that a test can have one program.
    ///
    /// # Panics
    ///
    /// If the path of the test's binary isn't known.
    pub fn new<F: FnOnce()>(main: F) -> Self {
        // `binary::test::{{closure}}`, and of `async` tests and modules more.
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
        // Nor is it in CI, wherever the test is.
        for name in ["CI", "GITHUB_STEP_SUMMARY"] {
            command.env_remove(name);
        }
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("MEMPROF") {
                command.env_remove(name);
            }
        }
        command.env(CHILD, path);
        Self { command }
    }

    /// Sets a variable of its environment.
    pub fn env(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// The command that starts it, for other streams.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs it, whatever becomes of it.
    ///
    /// # Panics
    ///
    /// If it can't be started.
    pub fn output(&mut self) -> Output {
        self.command
            .output()
            .expect("the test binary can be started again")
    }

    /// Runs it; its standard output.
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

    /// Runs it, and has its report written to a file of that name, which is there for as
    /// long as its folder is.
    ///
    /// # Panics
    ///
    /// If it doesn't exit with success, or there is no place for files.
    pub fn report_as(&mut self, name: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        let path = folder.path().join(name);
        self.env("MEMPROF_OUTPUT", &path).stdout();
        (folder, path)
    }

    /// Runs it, and reads the tables on its standard output.
    ///
    /// # Panics
    ///
    /// If it doesn't exit with success.
    pub fn tables(&mut self) -> Vec<Table> {
        Table::all_in(&self.stdout())
    }
}

/// Runs the program that consists of `main` in a process of its own, and reads
/// the tables it prints.
pub fn run<F: FnOnce()>(main: F) -> Vec<Table> {
    Program::new(main).tables()
}
