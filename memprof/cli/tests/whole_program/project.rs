//! Cargo projects in temporary folders, and `cargo memprof` on them.

use memprof::report::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;
use std::{env, fs};
use tempfile::TempDir;

/// A project with its own folder for sources. All projects share one target folder, so that memprof
/// itself is built once.
pub(crate) struct Project {
    folder: TempDir,
    /// The folder for its report: other projects have theirs at the same time.
    report: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// A project of these files, by their paths.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
            report: tempfile::tempdir().unwrap(),
        };
        for (path, text) in files {
            project.write(path, text);
        }
        // As most have it. Cargo would write it to the project otherwise.
        let locked = project.cargo(&["generate-lockfile", "--offline"]);
        assert_eq!(locked.code, Some(0), "{}", locked.stderr);
        project
    }

    /// A package without dependencies, with this program.
    pub(crate) fn program(name: &str, source: &str) -> Self {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n"
        );
        Self::new(&[("Cargo.toml", &manifest), ("src/main.rs", source)])
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The target folder without us.
    fn target() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole_program")
    }

    /// A file that the command has written.
    pub(crate) fn written(path: &str) -> PathBuf {
        Self::target().join("memprof").join(path)
    }

    /// Runs plain cargo.
    pub(crate) fn cargo(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words);
        self.ended(&mut command)
    }

    /// Runs `cargo memprof` with these words. [`report`](Self::report) returns its report.
    pub(crate) fn memprof(&self, words: &[&str]) -> Ended {
        let [subcommand, words @ ..] = words else {
            panic!("a subcommand comes first");
        };
        let mut command = Self::memprof_command();
        command
            .arg(subcommand)
            .arg("--output")
            .arg(self.report.path().join("report.json"));
        self.ended(command.args(words))
    }

    pub(crate) fn memprof_command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-memprof"));
        command.arg("memprof");
        command
    }

    pub(crate) fn ended(&self, command: &mut Command) -> Ended {
        let output = self.prepared(command).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        Ended {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// The command, without what the cargo that runs these tests has set for them.
    pub(crate) fn prepared<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let of_outer_cargo = |name: &str| {
            let kept = ["CARGO", "CARGO_HOME"];
            (name.starts_with("CARGO") || name.starts_with("MEMPROF")) && !kept.contains(&name)
        };
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(of_outer_cargo) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", Self::target())
            .env("CARGO_NET_OFFLINE", "true")
    }

    /// The path of the report that [`memprof`](Self::memprof) has written.
    pub(crate) fn report_path(&self) -> PathBuf {
        self.report.path().join("report.json")
    }

    /// The report of the last run.
    pub(crate) fn report(&self) -> Report {
        Report::read(self.report_path()).unwrap()
    }

    /// Every file of the sources, with its text and the time of its last change.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let changed = fs::metadata(&path).unwrap().modified().unwrap();
                    files.insert(path.clone(), (fs::read(&path).unwrap(), changed));
                }
            }
        }
        files
    }
}

/// Fails unless a command has exited with 0.
pub(crate) fn assert_ran(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// The allocated bytes of the line whose text ends with `end`, by file.
pub(crate) fn allocated(report: &Report, end: &str) -> Vec<(String, u64)> {
    let lines = report.functions.iter().flat_map(|function| {
        let lines = function.lines.iter();
        lines.map(|line| (function.file.to_string(), line))
    });
    lines
        .filter(|(_, line)| line.source.trim_end().ends_with(end))
        .map(|(file, line)| (file, line.own.allocated_bytes))
        .collect()
}
