//! `cargo memprof run`, `test`, `bench` and `build`: calls cargo with this command as the compiler's
//! wrapper and as the runner, and shows the reports at the end.
//!
//! All files are in `memprof` inside of the target folder: what cargo builds, edited sources in
//! `sources`, memprof itself in `library`, and the last report as `report.json` and `report.html`.

use crate::cargo::args::{Action, Args};
use crate::cargo::library::Build;
use crate::cargo::plan::{KEY, Library, PLAN, Plan};
use crate::cargo::reports::{self, Ran, Reports};
use crate::cargo::runner::{self, OUTER_WRAPPER};
use crate::cargo::selection::Selection;
use crate::cargo::summary;
use crate::cargo::workspace::Workspace;
use crate::signals::Caught;
use crate::status;
use cargo_config2::Config;
use std::error::Error;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, ExitCode, ExitStatus};
use std::{env, fs, io};
use tempfile::TempDir;

/// Runs the command with these arguments.
pub(crate) fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    Selection::new(&args.patterns())?;
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let workspace = Workspace::read(args, &cargo)?;
    let session = Session::new(args, &cargo, &workspace)?;
    let caught = Caught::begin()?;
    let mut child = session
        .cargo_command()?
        .spawn()
        .map_err(|error| format!("cargo can't be started: {error}"))?;
    caught.send_to(child.id());
    let status = child.wait()?;
    session.show(status)?;
    Ok(ExitCode::from(status::code(status)))
}

/// What is known before cargo is called.
struct Session<'a> {
    args: &'a Args,
    cargo: &'a Path,
    exe: PathBuf,
    /// The folder of everything that the command writes.
    folder: PathBuf,
    /// The folder that cargo builds in.
    build_folder: PathBuf,
    /// The folder for the reports of this run.
    run_folder: TempDir,
    plan: Plan,
    /// The triple whose runner is set.
    triple: String,
    outer_runner: Vec<OsString>,
    /// The feature that has the program's own memprof write reports.
    export: Option<String>,
}

impl<'a> Session<'a> {
    fn new(args: &'a Args, cargo: &'a Path, workspace: &Workspace) -> Result<Self, Box<dyn Error>> {
        let config = Config::load()?;
        let targets = config.build_target_for_cli(args.values("--target"))?;
        let target = match &targets[..] {
            [] => None,
            [target] => Some(target.clone()),
            _ => return Err("more than one `--target` is given; profile one at a time".into()),
        };
        let triple = target
            .clone()
            .map_or_else(|| config.host_triple().map(str::to_owned), Ok)?;
        refuse_target(&triple)?;
        let target_folder = match args.values("--target-dir").pop() {
            Some(folder) => absolute(folder)?,
            None => workspace.target_folder().to_owned(),
        };
        let folder = target_folder.join("memprof");
        let run_folder = create_run_folder(&folder).map_err(|error| {
            format!(
                "{} can't be written: {error}; name another folder with `--target-dir`",
                folder.display()
            )
        })?;
        let exe = env::current_exe()?;
        let (packages, left_plain) = workspace.packages(&args.options.deps)?;
        if !left_plain.is_empty() {
            eprintln!(
                "memprof: compiled without line numbers of memory: {}; the program has a memprof of its own, \
                 so add it to the dependencies of these packages, too",
                left_plain.join(", ")
            );
        }
        let outer_wrapper = config.build.rustc_wrapper.clone();
        let needs_library = packages.iter().any(|package| package.own_memprof.is_none());
        let library = if needs_library {
            let build = Build {
                args,
                cargo,
                exe: &exe,
                folder: &folder.join("library"),
                target: target.as_deref(),
                outer_wrapper: outer_wrapper.as_deref(),
            };
            build.build()?
        } else {
            Library::default()
        };
        let outer_runner = config.runner(&*triple)?.map_or_else(Vec::new, |runner| {
            let path = OsString::from(runner.path);
            [path].into_iter().chain(runner.args).collect()
        });
        let plan = Plan {
            outer_wrapper,
            target,
            sources: folder.join("sources"),
            patterns: args.patterns(),
            library,
            packages,
        };
        Ok(Self {
            args,
            cargo,
            build_folder: build_folder(&folder, args, &plan),
            exe,
            folder,
            run_folder,
            plan,
            triple,
            outer_runner,
            export: workspace.export_feature(args),
        })
    }

    /// The call of cargo.
    fn cargo_command(&self) -> Result<Command, Box<dyn Error>> {
        let plan = self.run_folder.path().join("plan");
        fs::write(&plan, serde_json::to_vec(&self.plan)?)?;
        let mut command = Command::new(self.cargo);
        command.arg(self.args.action.name());
        let has_profile =
            self.args.has(&["--release", "-r"]) || !self.args.values("--profile").is_empty();
        if !has_profile && self.args.action != Action::Bench {
            command.arg("--release");
        }
        command.args(without_target_folder(&self.args.cargo));
        command.arg("--target-dir").arg(&self.build_folder);
        for setting in ["debug=\"line-tables-only\"", "strip=\"none\""] {
            command
                .arg("--config")
                .arg(format!("profile.release.{setting}"));
        }
        if let Some(feature) = &self.export {
            command.args(["--features", feature]);
        }
        if self.args.action != Action::Build {
            let words = runner::words(
                self.exe.clone().into(),
                self.run_folder.path(),
                &self.outer_runner,
            );
            let words: Vec<String> = words
                .iter()
                .map(|word| toml_text(&word.to_string_lossy()))
                .collect();
            let runner = format!("target.{}.runner=[{}]", self.triple, words.join(","));
            command.arg("--config").arg(runner);
            // It would take precedence over the option.
            let variable = self.triple.to_uppercase().replace(['-', '.'], "_");
            command.env_remove(format!("CARGO_TARGET_{variable}_RUNNER"));
        }
        if !self.args.program.is_empty() {
            command.arg("--").args(&self.args.program);
        }
        if let Some(outer) = env::var_os("RUSTC_WRAPPER") {
            command.env(OUTER_WRAPPER, outer);
        }
        command
            .env("RUSTC_WRAPPER", &self.exe)
            .env(PLAN, plan)
            .env(KEY, self.key()?);
        Ok(command)
    }

    /// A number for everything that edited sources depend on, besides the sources themselves.
    fn key(&self) -> Result<String, Box<dyn Error>> {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&self.plan.patterns)?.hash(&mut hasher);
        for package in &self.plan.packages {
            package.own_memprof.hash(&mut hasher);
        }
        let files = [&self.exe, &self.plan.library.memprof];
        for file in files
            .into_iter()
            .filter(|file| !file.as_os_str().is_empty())
        {
            let there = fs::metadata(file)?;
            (file, there.len(), there.modified()?).hash(&mut hasher);
        }
        Ok(format!("{:016x}", hasher.finish()))
    }

    /// Shows the reports, and writes them to their places.
    fn show(&self, status: ExitStatus) -> Result<(), Box<dyn Error>> {
        if self.args.action == Action::Build {
            if status.success() {
                eprintln!(
                    "memprof: built in {}; with MEMPROF_OUTPUT=report.json in its environment, a program \
                     writes its report when it exits",
                    shown(&self.build_folder)
                );
            }
            return Ok(());
        }
        let found = reports::read(self.run_folder.path())?;
        // A doc test has no allocator that counts.
        let is_one = found.programs.len() == 1;
        let counts = |ran: &&Ran| {
            let report = ran.report.as_ref();
            report.is_some_and(|report| is_one || report.total.allocation_count > 0)
        };
        let with_report: Vec<&Ran> = found.programs.iter().filter(counts).collect();
        if with_report.is_empty() {
            say_missing(&found);
            return Ok(());
        }
        let all: Vec<_> = with_report
            .iter()
            .filter_map(|ran| Some((&*ran.name, ran.report.as_ref()?)))
            .collect();
        let mut out = anstream::stderr().lock();
        io::Write::write_all(&mut out, b"\n")?;
        summary::show(&all, self.args.options.top, &mut out)?;
        drop(out);
        if found.other_count > 0 {
            eprintln!(
                "memprof: {} more processes, which the program started, aren't in this table",
                found.other_count
            );
        }
        let mut page = None;
        for ran in &with_report {
            let Some(report) = &ran.report else { continue };
            let stem = match &with_report[..] {
                [_] => self.folder.join("report"),
                _ => {
                    let folder = self.folder.join("reports");
                    fs::create_dir_all(&folder)?;
                    folder.join(&ran.name)
                }
            };
            let [json, html] = reports::write(report, &stem)?;
            eprintln!("memprof: {} and {}", shown(&json), shown(&html));
            self.write_more(report, &stem)?;
            page.get_or_insert(html);
        }
        if let Some(page) = page.filter(|_| self.args.options.open) {
            open::that(page)?;
        }
        Ok(())
    }

    /// Writes what `--format` and `--output` ask for.
    fn write_more(
        &self,
        report: &memprof::report::Report,
        stem: &Path,
    ) -> Result<(), Box<dyn Error>> {
        let options = &self.args.options;
        match (&options.format, &options.output) {
            (None, None) => {}
            (None, Some(output)) => report.write(output)?,
            (Some(format), Some(output)) => report.write_as(format.parse()?, output)?,
            (Some(format), None) => {
                let mut path = stem.as_os_str().to_owned();
                path.push(format!(".{format}"));
                report.write_as(format.parse()?, &path)?;
                eprintln!("memprof: {}", shown(Path::new(&path)));
            }
        }
        Ok(())
    }
}

/// Says why there is no report, if a program was started at all.
fn say_missing(found: &Reports) {
    let Some(ran) = found.programs.first() else {
        return;
    };
    if let Some(path) = env::var_os("MEMPROF_OUTPUT") {
        eprintln!(
            "memprof: {} writes its report to {}, as MEMPROF_OUTPUT says; `memprof show` shows it",
            ran.name,
            path.to_string_lossy()
        );
    } else {
        eprintln!(
            "memprof: {} wrote no report: none of its functions was profiled, or it was killed",
            ran.name
        );
    }
}

/// The folder for the reports of one run.
fn create_run_folder(folder: &Path) -> io::Result<TempDir> {
    let runs = folder.join("runs");
    fs::create_dir_all(&runs)?;
    // Cargo marks its target folder in this way, for backups.
    tempfile::tempdir_in(runs)
}

/// Cargo takes a dependency from the registry as unchanged, whatever it is edited to, so each choice
/// of `--deps` has a folder of its own.
fn build_folder(folder: &Path, args: &Args, plan: &Plan) -> PathBuf {
    if args.options.deps.is_empty() {
        return folder.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    (&args.options.deps, format!("{:?}", plan.patterns)).hash(&mut hasher);
    folder.join(format!("deps-{:08x}", hasher.finish() >> 32))
}

/// Cargo's options without `--target-dir`, which is given once only.
fn without_target_folder(words: &[OsString]) -> Vec<&OsString> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--target-dir" {
            words.next();
        } else if !word.to_string_lossy().starts_with("--target-dir=") {
            kept.push(word);
        }
    }
    kept
}

/// Refuses targets on which memprof doesn't run.
fn refuse_target(triple: &str) -> Result<(), String> {
    if triple.starts_with("wasm") || triple.contains("-none") {
        return Err(format!(
            "memprof needs threads and files, which {triple} doesn't have; profile the program on \
             another target"
        ));
    }
    Ok(())
}

/// A path as it is shown: relative to this folder, if it is inside.
fn shown(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// A text as a TOML string.
fn toml_text(text: &str) -> String {
    // JSON strings are TOML strings.
    serde_json::Value::from(text).to_string()
}
