//! Builds memprof for programs that don't depend on it.
//!
//! Cargo builds it as the dependency of an empty package in the target folder, with the toolchain,
//! the configuration and the target of the program. The source is the checkout that the command was
//! built from, or the release of the same version if that checkout is gone.
//!
//! A program may have dependencies in common with memprof. The two copies don't meet: they are built
//! in a profile that no program has, so cargo gives the crates other names, and the compiler takes
//! them for different crates.

use crate::cargo::args::Args;
use crate::cargo::plan::Library;
use crate::cargo::wrapper::LIBRARY;
use cargo_metadata::{Message, TargetKind};
use std::ffi::OsString;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The profile of memprof. It has a name of its own, since the user may have changed `release`.
const PROFILE: &str = "memprof-library";

/// What is needed to build.
pub(crate) struct Build<'a> {
    pub(crate) args: &'a Args,
    pub(crate) cargo: &'a Path,
    pub(crate) exe: &'a Path,
    /// The folder of the empty package.
    pub(crate) folder: &'a Path,
    pub(crate) target: Option<&'a str>,
    pub(crate) outer_wrapper: Option<&'a Path>,
}

impl Build<'_> {
    pub(crate) fn build(&self) -> Result<Library, String> {
        self.write_package()
            .map_err(|error| format!("{} can't be written: {error}", self.folder.display()))?;
        let mut command = Command::new(self.cargo);
        command
            .args([
                "build",
                "--profile",
                PROFILE,
                "--package=memprof",
                "--message-format=json-render-diagnostics",
            ])
            .arg("--manifest-path")
            .arg(self.folder.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(self.folder.join("target"));
        if self.args.has(&["--offline", "--frozen"]) {
            command.arg("--offline");
        }
        if self.folder.join("target").exists() || self.args.has(&["--quiet", "-q"]) {
            command.arg("--quiet");
        } else {
            eprintln!(
                "memprof: building itself, once for this folder, to be linked to the program"
            );
        }
        for name in ["--config", "-Z"] {
            for value in self.args.values(name) {
                command.args([name.to_owned(), value]);
            }
        }
        if let Some(target) = self.target {
            command.args(["--target", target]);
        }
        let outer: OsString = self.outer_wrapper.map(Into::into).unwrap_or_default();
        let mut child = command
            .env("RUSTC_WRAPPER", self.exe)
            .env(LIBRARY, outer)
            .env_remove("CARGO_TARGET_DIR")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cargo can't be started: {error}"))?;
        let mut library = Library::default();
        if let Some(messages) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(messages)).flatten() {
                if let Message::CompilerArtifact(artifact) = message {
                    add(&mut library, &artifact);
                }
            }
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        if !status.success() || library.memprof.as_os_str().is_empty() {
            return Err(format!(
                "memprof itself can't be built for this program (see above): it needs Rust {} or later{}",
                env!("CARGO_PKG_RUST_VERSION"),
                self.target.map_or_else(String::new, |target| {
                    format!(", and the standard library for {target}")
                }),
            ));
        }
        Ok(library)
    }

    /// Writes the empty package.
    fn write_package(&self) -> std::io::Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let checkout = checkout.filter(|folder| folder.join("Cargo.toml").is_file());
        let source = match checkout {
            Some(folder) => format!("path = {:?}", folder.display().to_string()),
            None => format!("version = \"={version}\""),
        };
        let manifest = format!(
            "# Written by `cargo memprof`.\n\
             [package]\nname = \"memprof-library\"\nversion = \"{version}\"\nedition = \"2024\"\npublish = false\n\n\
             [lib]\npath = \"lib.rs\"\n\n[workspace]\n\n\
             [dependencies]\nmemprof = {{ {source}, features = [\"export\"] }}\n\n\
             [profile.{PROFILE}]\ninherits = \"release\"\nopt-level = 3\nlto = false\npanic = \"unwind\"\n\
             debug = \"line-tables-only\"\nstrip = \"none\"\n\
             # A number that programs don't have, so that the names of crates differ from theirs.\n\
             codegen-units = 13\n"
        );
        fs::create_dir_all(self.folder)?;
        write_if_new(&self.folder.join("Cargo.toml"), manifest.as_bytes())?;
        write_if_new(&self.folder.join("lib.rs"), b"")?;
        // The versions that the checkout was tested with, which this machine has already.
        let lock = checkout.and_then(|folder| fs::read(folder.parent()?.join("Cargo.lock")).ok());
        let own = self.folder.join("Cargo.lock");
        match lock {
            Some(lock) if !own.exists() => fs::write(own, lock),
            _ => Ok(()),
        }
    }
}

fn write_if_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text)
}

/// Adds what cargo has built to the library's files.
fn add(library: &mut Library, artifact: &cargo_metadata::Artifact) {
    let is_library = |kind: &TargetKind| {
        matches!(
            kind,
            TargetKind::Lib | TargetKind::RLib | TargetKind::ProcMacro
        )
    };
    if !artifact.target.kind.iter().any(is_library) {
        return;
    }
    let linked = ["rlib", "so", "dylib", "dll"];
    for file in &artifact.filenames {
        let file = PathBuf::from(file.as_std_path());
        let ending = file.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| linked.contains(&ending)) {
            if artifact.target.name == "memprof" {
                library.memprof.clone_from(&file);
            }
            library.files.push(file);
        }
    }
}
