//! Fetches, builds and tests packages with cargo.

use crate::{Failure, PublishedCrate};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, SectionKind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

/// The library's folder, on which the copied crates depend.
const MEMPROF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../memprof");

/// The source folders of the crates. Cargo fetches missing ones as dependencies of a dummy
/// package.
pub fn sources(folder: &Path, crates: &[PublishedCrate]) -> Result<Vec<PathBuf>, Failure> {
    let mut manifest = String::from(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n",
    );
    for PublishedCrate { name, version, .. } in crates {
        manifest += &format!("{name} = {{ version = \"={version}\", default-features = false }}\n");
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let output = cargo(folder)
        .args(["metadata", "--format-version=1"])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let source = |published: &PublishedCrate| {
        let package = packages.iter().find(|package| {
            package["name"] == published.name && package["version"] == published.version
        });
        let manifest = package.and_then(|package| package["manifest_path"].as_str());
        let manifest = manifest.ok_or_else(|| format!("{} is not there", published.name))?;
        Ok(Path::new(manifest).with_file_name(""))
    };
    crates.iter().map(source).collect()
}

/// A copy of a published crate that depends on memprof.
pub struct Package<'a> {
    folder: PathBuf,
    target: &'a Path,
    features: &'a [&'a str],
}

/// The result of building and running a crate's tests.
#[derive(Default)]
pub struct Tested {
    pub is_built: bool,
    pub passed: usize,
    pub failed: usize,
    /// Warnings about the crate itself, each with how often it occurred.
    pub warnings: BTreeMap<String, usize>,
    /// The source files that the compiler read, as absolute paths.
    pub files: BTreeSet<PathBuf>,
    /// Error messages, and the names of failed tests.
    pub said: String,
}

impl<'a> Package<'a> {
    /// Copies the crate from `source` to `folder`. An existing lock file in `folder` is kept.
    pub fn copied(
        source: &Path,
        folder: PathBuf,
        target: &'a Path,
        features: &'a [&'a str],
    ) -> Result<Self, Failure> {
        let lock = fs::read(folder.join("Cargo.lock"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        copy(source, &folder)?;
        if let Ok(lock) = lock {
            fs::write(folder.join("Cargo.lock"), lock)?;
        }
        let manifest = folder.join("Cargo.toml");
        let mut text = String::new();
        let mut is_left_out = false;
        for line in fs::read_to_string(&manifest)?.lines() {
            if line.starts_with('[') {
                // Benchmarks aren't run, and criterion takes longer to build than most crates.
                is_left_out = line.starts_with("[dev-dependencies.criterion");
            }
            if !is_left_out {
                text += line;
                text.push('\n');
            }
        }
        // Optimised probes, as the README recommends.
        writeln!(
            text,
            "\n[workspace]\n\n[dependencies.memprof]\npath = {MEMPROF:?}\n\n\
             [profile.dev.package.memprof]\nopt-level = 3"
        )?;
        fs::write(manifest, text)?;
        Ok(Self {
            folder,
            target,
            features,
        })
    }

    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.join(file)
    }

    /// Runs the crate's tests that the arguments `tests` select.
    pub fn test(&self, tests: &[&str]) -> Result<Tested, Failure> {
        self.tested(&[], tests)
    }

    /// Builds the tests without running them.
    pub fn build_tests(&self, tests: &[&str]) -> Result<Tested, Failure> {
        self.tested(&["--no-run"], tests)
    }

    fn tested(&self, how: &[&str], tests: &[&str]) -> Result<Tested, Failure> {
        let output = cargo(&self.folder)
            .args(["test", "--no-fail-fast", "--message-format=json"])
            .args(how)
            .args(self.features)
            .arg("--target-dir")
            .arg(self.target)
            .args(tests)
            .stdin(Stdio::null())
            .output()?;
        let mut tested = Tested {
            is_built: true,
            ..Tested::default()
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if line.starts_with("{\"reason\"") {
                self.message(&serde_json::from_str(line)?, &mut tested)?;
            } else if let Some((_, counts)) = line.split_once("test result: ") {
                tested.passed += count_before(counts, "passed");
                tested.failed += count_before(counts, "failed");
            } else if line.starts_with("test ") && line.ends_with("FAILED") {
                tested.said += line;
                tested.said.push('\n');
            }
        }
        if !tested.is_built || tested.files.is_empty() {
            tested.is_built = false;
            tested.said += &String::from_utf8_lossy(&output.stderr);
        }
        Ok(tested)
    }

    fn message(&self, message: &Value, tested: &mut Tested) -> Result<(), Failure> {
        let manifest = message["manifest_path"].as_str();
        let is_ours =
            manifest.is_some_and(|manifest| Path::new(manifest).starts_with(&self.folder));
        match message["reason"].as_str() {
            Some("compiler-message") if is_ours => {
                let message = &message["message"];
                let rendered = message["rendered"].as_str().unwrap_or_default();
                match message["level"].as_str() {
                    Some("warning") => {
                        // Warnings are compared without columns, which the attribute shifts, and
                        // without their text, which may call a closure's value that of a block.
                        let span = &message["spans"][0];
                        let warning = format!(
                            "{}:{}: {}",
                            span["file_name"], span["line_start"], message["code"]["code"]
                        );
                        // The final message with the number of warnings has no span.
                        if span.is_object() {
                            *tested.warnings.entry(warning).or_default() += 1;
                        }
                    }
                    Some("error") => tested.said += rendered,
                    _ => {}
                }
            }
            Some("compiler-artifact")
                if is_ours && message["target"]["kind"][0] != "custom-build" =>
            {
                let outputs = message["filenames"].as_array().into_iter().flatten();
                for output in outputs.filter_map(Value::as_str) {
                    self.files(Path::new(output), &mut tested.files)?;
                }
            }
            Some("build-finished") => tested.is_built = message["success"] == true,
            _ => {}
        }
        Ok(())
    }

    /// Adds the source files of `output`, which the compiler lists in a `.d` file beside it.
    fn files(&self, output: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
        let name = output.file_stem().and_then(|name| name.to_str());
        let name = name.ok_or("an artifact without a name")?;
        let names = [name, name.strip_prefix("lib").unwrap_or(name)];
        let lists = names.map(|name| output.with_file_name(format!("{name}.d")));
        let Some(list) = lists.iter().find(|list| list.exists()) else {
            return Ok(());
        };
        for file in fs::read_to_string(list)?.split_ascii_whitespace() {
            let file = file.trim_end_matches(':');
            let file = Path::new(file)
                .strip_prefix(&self.folder)
                .unwrap_or(Path::new(file));
            let is_source = file.extension().is_some_and(|extension| extension == "rs");
            if is_source && file.is_relative() && self.folder.join(file).exists() {
                files.insert(self.folder.join(file).canonicalize()?);
            }
        }
        Ok(())
    }

    /// Rebuilds the whole library, and measures the time.
    pub fn build_again(&self, is_release: bool) -> Result<Duration, Failure> {
        fs::File::options()
            .append(true)
            .open(self.path("src/lib.rs"))?
            .set_modified(SystemTime::now())?;
        let start = Instant::now();
        let output = self.build(is_release).output()?;
        if !output.status.success() {
            return Err("it does not build".into());
        }
        Ok(start.elapsed())
    }

    /// The size of the optimised library's code, in bytes.
    pub fn text_bytes(&self) -> Result<u64, Failure> {
        // Rebuild: the library of the other copy has the same file name.
        self.build_again(true)?;
        let output = self.build(true).output()?;
        let mut bytes = 0;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line)?;
            let manifest = message["manifest_path"].as_str();
            if manifest == self.path("Cargo.toml").to_str() {
                let files = message["filenames"].as_array().into_iter().flatten();
                let files = files.filter_map(Value::as_str);
                for file in files.filter(|file| file.ends_with(".rlib")) {
                    bytes += text_bytes_of(&fs::read(file)?)?;
                }
            }
        }
        Ok(bytes)
    }

    /// Runs an optimised program that uses the library and prints times in nanoseconds, with these
    /// variables set.
    pub fn times_in_use(
        &self,
        name: &str,
        program: &str,
        variables: &[(&str, &str)],
    ) -> Result<Vec<f64>, Failure> {
        let folder = self.path("in_use");
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("src/main.rs"), program)?;
        fs::write(
            folder.join("Cargo.toml"),
            format!(
                "[package]\nname = \"in_use\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n\
                 {name} = {{ path = \"..\" }}\nmemprof = {{ path = {MEMPROF:?} }}\n"
            ),
        )?;
        let output = cargo(&folder)
            .args(["run", "--release", "--quiet", "--target-dir"])
            .arg(self.target.join("in_use"))
            .envs(variables.iter().copied())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let times = text.split_whitespace().map(str::parse);
        Ok(times.collect::<Result<_, _>>()?)
    }

    fn build(&self, is_release: bool) -> Command {
        let mut build = cargo(&self.folder);
        build
            .args(["build", "--lib", "--offline", "--message-format=json"])
            .args(self.features)
            .arg("--target-dir")
            .arg(self.target)
            .args(is_release.then_some("--release"))
            // An incremental build would only compile what changed.
            .env("CARGO_INCREMENTAL", "0");
        build
    }
}

/// The size of the code in a library, in bytes.
fn text_bytes_of(library: &[u8]) -> Result<u64, Failure> {
    let archive = ArchiveFile::parse(library)?;
    let mut bytes = 0;
    for member in archive.members() {
        // One of the members is metadata of the compiler and not an object file.
        if let Ok(object) = object::File::parse(member?.data(library)?) {
            let sections = object.sections();
            let code = sections.filter(|section| section.kind() == SectionKind::Text);
            bytes += code.map(|section| section.size()).sum::<u64>();
        }
    }
    Ok(bytes)
}

/// The number before `word` in a line of test results.
fn count_before(counts: &str, word: &str) -> usize {
    let mut words = counts.split([' ', ';']).rev();
    words.find(|candidate| *candidate == word);
    words
        .next()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
