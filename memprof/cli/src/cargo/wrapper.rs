//! The command as the compiler's wrapper: it compiles crates of the program from edited sources.
//!
//! # What is compiled
//!
//! Crates of the packages in the [`Plan`] are compiled from a [mirror](crate::cargo::mirror) of the
//! source tree, with `--remap-path-prefix`, so that the compiler names all files as it does without
//! us. Every other call of the compiler is handed on unchanged.
//!
//! # When that fails
//!
//! If a crate doesn't compile in its edited form, it is compiled plain. If that fails, too, the
//! program doesn't compile, and the user gets those messages. Otherwise the functions, then the
//! files, that the errors are about are left out, up to [`MOST_TRIALS`] times; after that, the crate
//! is left plain. A warning says what was left out and why.
//!
//! Until the compiler has checked a crate, its messages are held back, since they may be about an
//! edited form that isn't the last one. From then on they go to cargo at once, which may begin to
//! compile other crates.

use crate::cargo::diagnostics::{self, CompileError};
use crate::cargo::plan::{self, KEY, Package, Plan};
use crate::cargo::rustc_args::RustcArgs;
use crate::cargo::selection::Selection;
use crate::cargo::sources::{self, LeftOut, Request, Sources};
use crate::cargo::workspace::{canonical, inside};
use crate::cargo::{dep_info, mirror};
use crate::status;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

/// How often a crate is compiled with more and more left out.
const MOST_TRIALS: usize = 6;

/// Compiles a crate with this command line, from the compiler's name on.
pub(crate) fn run(plan: Result<Plan, String>, words: &[OsString]) -> ExitCode {
    let result = plan.and_then(|plan| {
        let unit = RustcArgs::read(words).and_then(|args| Unit::new(&plan, args));
        match unit {
            Some(unit) => unit.compile(),
            None => hand_over(&plan.with_outer_wrapper(words)),
        }
    });
    match result {
        Ok(status) => ExitCode::from(status::code(status)),
        Err(error) => {
            eprintln!("memprof: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Compiles a part of memprof itself, for linking to any program: code without embedded bitcode
/// can't be linked to a program with link-time optimisation.
pub(crate) fn run_for_library(outer_wrapper: OsString, words: &[OsString]) -> ExitCode {
    let mut line: Vec<OsString> = Vec::new();
    if !outer_wrapper.is_empty() {
        line.push(outer_wrapper);
    }
    for word in words {
        if word == "embed-bitcode=no" {
            line.push("embed-bitcode=yes".into());
        } else {
            line.push(word.clone());
        }
    }
    match hand_over(&line) {
        Ok(status) => ExitCode::from(status::code(status)),
        Err(error) => {
            eprintln!("memprof: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lets the compiler take the place of this process.
#[cfg(unix)]
fn hand_over(words: &[OsString]) -> Result<ExitStatus, String> {
    use std::os::unix::process::CommandExt;
    let error = command(words)?.exec();
    Err(cannot_start(words, &error))
}

/// Runs the compiler, and returns how it ended.
#[cfg(not(unix))]
fn hand_over(words: &[OsString]) -> Result<ExitStatus, String> {
    let status = command(words)?.status();
    status.map_err(|error| cannot_start(words, &error))
}

fn command(words: &[OsString]) -> Result<Command, String> {
    let [program, rest @ ..] = words else {
        return Err("the compiler's name is missing".to_owned());
    };
    let mut command = Command::new(program);
    command.args(rest);
    Ok(command)
}

fn cannot_start(words: &[OsString], error: &io::Error) -> String {
    let program = words
        .first()
        .map(|word| word.to_string_lossy().into_owned());
    format!("{} can't be started: {error}", program.unwrap_or_default())
}

/// One crate that is compiled from edited sources.
struct Unit<'a> {
    plan: &'a Plan,
    package: &'a Package,
    args: RustcArgs,
    /// The absolute path of its root file.
    root: PathBuf,
    /// The folder in which cargo has started the compiler.
    folder: PathBuf,
    mirror: PathBuf,
}

/// How the compiler ended.
struct Outcome {
    status: ExitStatus,
    /// Its messages, unless they have been handed on already.
    held: Vec<String>,
}

impl<'a> Unit<'a> {
    /// `None` if the crate is none that is edited.
    fn new(plan: &'a Plan, args: RustcArgs) -> Option<Self> {
        let named = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
        let package = plan.package(&canonical(&named))?;
        // With a `--target`, crates without one are for build scripts and procedural macros.
        if args.target != plan.target {
            return None;
        }
        // A library doesn't have the dependencies of its tests.
        if let Some(own) = &package.own_memprof
            && !args.has_crate(own)
        {
            return None;
        }
        let folder = env::current_dir().ok()?;
        let root = inside(&folder.join(args.input()), &named, &package.folder);
        package.roots.contains(&root).then(|| Self {
            mirror: plan.sources.join(args.unit_name()),
            plan,
            package,
            args,
            root,
            folder,
        })
    }

    /// The name under which the crate has memprof.
    fn library(&self) -> &str {
        self.package.own_memprof.as_deref().unwrap_or("__memprof")
    }

    fn compile(&self) -> Result<ExitStatus, String> {
        let selection = Selection::new(&self.plan.patterns)?;
        let mut left_out = LeftOut::default();
        let mut sources = self.edited(&selection, &left_out);
        let mut outcome = self.attempt(&sources)?;
        if sources.has_allocator && is_about_allocators(&outcome) {
            left_out.allocator = true;
            sources = self.edited(&selection, &left_out);
            outcome = self.attempt(&sources)?;
        }
        if outcome.status.success() || sources.files.is_empty() {
            return self.finish(&sources, &outcome, &[]);
        }
        let errors = diagnostics::errors(&outcome.held);
        // Whether the program compiles at all.
        let plain = self.plain(false)?;
        if !plain.status.success() {
            return self.finish(&Sources::default(), &plain, &[]);
        }
        let reason = errors.first().map_or_else(
            || "the compiler failed without a message".to_owned(),
            |error| error.text.clone(),
        );
        let mut notes = Vec::new();
        let mut errors = errors;
        for _ in 0..MOST_TRIALS {
            let Some(more) = self.leave_out(&sources, &errors, &mut left_out) else {
                break;
            };
            notes.extend(more);
            sources = self.edited(&selection, &left_out);
            let outcome = self.attempt(&sources)?;
            if outcome.status.success() {
                return self.finish(&sources, &outcome, &notes);
            }
            errors = diagnostics::errors(&outcome.held);
        }
        let note = format!(
            "{} is compiled without line numbers of memory, since with them it doesn't compile: {reason}",
            self.args.crate_name
        );
        let plain = self.plain(true)?;
        self.finish(&Sources::default(), &plain, &[note])
    }

    fn edited(&self, selection: &Selection, left_out: &LeftOut) -> Sources {
        let request = Request {
            root: &self.root,
            crate_name: &self.args.crate_name,
            library: self.library(),
            selection,
            is_program: self.args.is_program,
            needs_declaration: self.args.is_2015 && self.package.own_memprof.is_none(),
        };
        sources::edited(&request, left_out)
    }

    /// Compiles the crate from edited sources.
    fn attempt(&self, sources: &Sources) -> Result<Outcome, String> {
        let texts: BTreeMap<PathBuf, &str> = sources
            .files
            .iter()
            .map(|(path, source)| (path.clone(), &*source.text))
            .collect();
        let prepared = mirror::update(&self.mirror, &self.package.tree, &texts)
            .and_then(|()| self.link_library());
        prepared.map_err(|error| {
            let folder = self.mirror.display();
            format!("{folder} can't be written: {error}; it has the edited sources")
        })?;
        let inside = self.root.strip_prefix(&self.package.tree);
        let input = self.mirror.join(inside.unwrap_or(&self.root));
        let mut options: Vec<OsString> = Vec::new();
        // Of several that fit, the compiler takes the last.
        for (from, to) in self.replacements().iter().rev() {
            let mut option = OsString::from("--remap-path-prefix=");
            option.push(format!("{}={to}", from.trim_end_matches('/')));
            options.push(option);
        }
        if self.package.own_memprof.is_none() {
            let memprof = self.plan.library.memprof.file_name().unwrap_or_default();
            let mut option = OsString::from("__memprof=");
            option.push(self.args.out_dir.join(memprof));
            let mut search = OsString::from("dependency=");
            search.push(&self.args.out_dir);
            options.extend(["--extern".into(), option, "-L".into(), search]);
        }
        self.compiler(&self.args.with_input(&input, options), true)
    }

    /// Compiles the crate as it is. Messages are handed on when it is checked, if `is_final`.
    fn plain(&self, is_final: bool) -> Result<Outcome, String> {
        self.compiler(self.args.words(), is_final)
    }

    /// What the mirror's paths are called: by their beginnings, which end in a slash. The first
    /// that fits holds.
    fn replacements(&self) -> Vec<(String, String)> {
        let tree = &self.package.tree;
        let with_slash = |path: &Path| {
            let path = path.to_string_lossy();
            format!("{}/", path.trim_end_matches('/'))
        };
        let mut replacements = Vec::new();
        // Cargo names files of the workspace relative to its folder.
        if self.args.input().is_relative()
            && let Ok(inside) = self.folder.strip_prefix(tree)
        {
            replacements.push((with_slash(&self.mirror.join(inside)), String::new()));
        }
        replacements.push((with_slash(&self.mirror), with_slash(tree)));
        replacements
    }

    /// Has memprof and its dependencies beside those of the program, where the compiler, linkers
    /// and rustdoc look for them.
    fn link_library(&self) -> io::Result<()> {
        if self.package.own_memprof.is_some() {
            return Ok(());
        }
        for file in &self.plan.library.files {
            let to = self.args.out_dir.join(file.file_name().unwrap_or_default());
            let is_same = |there: fs::Metadata| {
                fs::metadata(file).is_ok_and(|from| {
                    from.len() == there.len() && from.modified().ok() == there.modified().ok()
                })
            };
            if fs::metadata(&to).is_ok_and(is_same) {
                continue;
            }
            // Another crate may be doing the same at this moment.
            let name = format!("{}.{}", self.args.unit_name(), std::process::id());
            let new = to.with_extension(name);
            if fs::hard_link(file, &new).is_err() {
                fs::copy(file, &new)?;
                let modified = fs::metadata(file)?.modified()?;
                fs::File::options()
                    .write(true)
                    .open(&new)?
                    .set_modified(modified)?;
            }
            fs::rename(&new, &to)?;
        }
        Ok(())
    }

    /// Runs the compiler. Its messages are handed on from when the crate is checked, if
    /// `is_streamed`.
    fn compiler(&self, words: &[OsString], is_streamed: bool) -> Result<Outcome, String> {
        let words = self.plan.with_outer_wrapper(words);
        let mut child = command(&words)?
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| cannot_start(&words, &error))?;
        let mut held = Vec::new();
        let mut is_checked = false;
        if let Some(messages) = child.stderr.take() {
            for line in BufReader::new(messages).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                if is_streamed && !is_checked && diagnostics::is_checked(&line) {
                    is_checked = true;
                    hand_on(&held);
                    held.clear();
                }
                if is_checked {
                    hand_on(&[line]);
                } else {
                    held.push(line);
                }
            }
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        Ok(Outcome { status, held })
    }

    /// Leaves out what the errors are about. Returns what to tell about it, or `None` if there is
    /// nothing more to leave out.
    fn leave_out(
        &self,
        sources: &Sources,
        errors: &[CompileError],
        left_out: &mut LeftOut,
    ) -> Option<Vec<String>> {
        let before = left_out.clone();
        let mut notes = Vec::new();
        for error in errors {
            let places = error.places.iter().map(|(file, line)| {
                let path = sources::normal(&self.folder.join(file));
                (path, *line)
            });
            let Some((path, line)) = places
                .into_iter()
                .find(|(path, _)| sources.files.contains_key(path))
            else {
                continue;
            };
            let annotated = &sources.files[&path].annotated;
            let around = annotated
                .iter()
                .filter(|annotated| annotated.lines.contains(&line));
            let innermost = around.min_by_key(|annotated| annotated.lines.len());
            let lines = left_out.lines.entry(path.clone()).or_default();
            let shown = path.strip_prefix(&self.folder).unwrap_or(&path).display();
            let what = match innermost {
                Some(function) if !lines.contains(&line) => {
                    lines.push(line);
                    format!("{} in {shown}", function.name)
                }
                _ if left_out.files.insert(path.clone()) => shown.to_string(),
                _ => continue,
            };
            notes.push(format!(
                "{what} is compiled without line numbers of memory, since with them it doesn't compile: {}",
                error.text
            ));
        }
        (*left_out != before).then_some(notes)
    }

    /// Hands on the messages, tells cargo which files the crate depends on, and says what was left
    /// out.
    fn finish(
        &self,
        sources: &Sources,
        outcome: &Outcome,
        notes: &[String],
    ) -> Result<ExitStatus, String> {
        hand_on(&outcome.held);
        if outcome.status.success() {
            let unread = sources.unread.iter().map(|(path, reason)| {
                let shown = path.strip_prefix(&self.folder).unwrap_or(path).display();
                format!("{shown} is compiled without line numbers of memory, since it can't be read: {reason}")
            });
            let notes = notes.iter().cloned().chain(unread);
            let notes: Vec<String> = notes.map(|note| diagnostics::warning(&note)).collect();
            hand_on(&notes);
            let key = env::var(KEY).unwrap_or_default();
            let dep_info = self.args.dep_info();
            dep_info::rewrite(&dep_info, &self.replacements(), &key)
                .map_err(|error| format!("{} can't be written: {error}", dep_info.display()))?;
        }
        Ok(outcome.status)
    }
}

/// Whether the compiler refused memprof's allocator beside another one.
fn is_about_allocators(outcome: &Outcome) -> bool {
    let about = |error: &CompileError| {
        let text = &error.text;
        text.contains("global_allocator") || text.contains("global allocator")
    };
    !outcome.status.success() && diagnostics::errors(&outcome.held).iter().any(about)
}

/// Hands messages on to cargo.
fn hand_on(lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        // Cargo has ended.
        if writeln!(stderr, "{line}").is_err() {
            return;
        }
    }
}

/// Whether this process was started as the compiler's wrapper, and for what.
pub(crate) fn role() -> Option<Role> {
    if let Some(outer) = env::var_os(LIBRARY) {
        return Some(Role::OfLibrary(outer));
    }
    let plan = plan::Plan::of_this_build()?;
    Some(Role::OfProgram(plan))
}

/// The variable that has the compiler's wrapper compile memprof itself. Its value is the wrapper
/// that the user has set, or empty.
pub(crate) const LIBRARY: &str = "CARGO_MEMPROF_LIBRARY";

/// What the compiler's wrapper compiles.
pub(crate) enum Role {
    OfLibrary(OsString),
    OfProgram(Result<Plan, String>),
}
