//! Baselines: files with the expected memory numbers of a test's functions. You review and commit
//! them; a test fails when its functions allocate or keep more.

mod compare;
mod error;
mod file;
mod summary;

use crate::check::requirements;
use crate::count::environment;
use crate::count::{this_thread, uncounted};
use crate::model::printable::printable;
use crate::model::report::Report;
use crate::report::Quantity;
use crate::sys::os;
use crate::sys::read_file::Input;
use crate::sys::replace_file::replace;
pub use error::BaselineError;
use error::{Kind, shown};
use file::Row;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the files, inside the folder that a test runs in, which is that of its package.
const FOLDER: &str = "memprof-baselines";

/// Compares reports with the numbers in `memprof-baselines/name.json`.
///
/// ```
/// use memprof::baseline::Baseline;
/// use memprof::report::Quantity;
/// use memprof::{Scope, memprofile};
///
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// #[memprofile(print = "never")]
/// fn shout(words: &[&str]) -> String {
///     words.concat().to_uppercase()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if std::env::var_os("CI").is_some() {
/// #     return Ok(()); // It would be an error there.
/// # }
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let scope = Scope::new("shout");
/// scope.run(|| shout(&["a", "b"]));
///
/// // The first time, this writes the file; later, it compares.
/// Baseline::new("shout")
///     .folder(folder)
///     .allow(Quantity::AllocatedBytes, 10)
///     .check(&scope.report())?;
/// # let text = std::fs::read_to_string(folder.join("shout.json"))?;
/// # assert!(text.contains("shout"));
/// # Baseline::new("shout").folder(folder).check(&scope.report())?;
/// # Ok(())
/// # }
/// ```
///
/// A file has a row for each line of a profiled function that allocated: function and source text,
/// bytes and blocks allocated, bytes and blocks alive. It has no line numbers and nothing that
/// depends on the machine, so it changes only when the numbers do. Untracked blocks aren't in it.
#[derive(Clone, Debug)]
pub struct Baseline {
    name: String,
    folder: PathBuf,
    tolerances: Vec<(Quantity, u32)>,
}

impl Baseline {
    /// Creates a baseline with a name of letters, digits, `-`, `_` and `.`, which is the file's.
    /// [`check`](Self::check) rejects other names, and names that begin with a dot.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            folder: FOLDER.into(),
            tolerances: Vec::new(),
        }
    }

    /// Sets the folder of the file. The default is `memprof-baselines`.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Allows each function to exceed the file's number for a quantity by `percent` percent. The
    /// default is 0. Bytes at the peak and temporary blocks aren't in the file and have no limit.
    #[must_use]
    pub fn allow(mut self, quantity: Quantity, percent: u32) -> Self {
        self.tolerances.push((quantity, percent));
        self
    }

    /// Compares a report with the file, function by function.
    ///
    /// Pass the report of a [`Scope`](crate::Scope): a report of the process includes what other
    /// tests do at the same time. A function with smaller numbers passes and leaves the file as it
    /// is.
    ///
    /// The file is written from the report if it doesn't exist, or if `MEMPROF_BLESS` is `1`,
    /// `true`, `yes` or `on`. In CI, where `CI` is set to anything but `false` or `0`, a missing
    /// file is an error instead, since it wouldn't be committed there.
    ///
    /// If `MEMPROF_SUMMARY` or else `GITHUB_STEP_SUMMARY` names a file, the changes are appended to
    /// it as Markdown. A relative path starts from the folder that the test runs in, which under
    /// cargo is its package's.
    ///
    /// With the feature `off`, nothing is compared, read or written.
    ///
    /// # Errors
    ///
    /// - If a function exceeds its numbers; the error names the lines that have grown.
    /// - If a function in the file didn't run, or no profiled function did.
    /// - If the global allocator isn't a [`CountingAlloc`](crate::CountingAlloc), or is one that
    ///   only [counts](crate::CountingAlloc::counting), or the report's scope began when 4,096
    ///   were in use already: there is nothing to compare then.
    /// - If the name isn't valid, a file can't be read or written, or the file is missing in CI.
    /// - If `MEMPROF_BLESS` has any other value than `1`, `true`, `yes`, `on`, `0`, `false`, `no`
    ///   and `off`.
    pub fn check(&self, report: &Report) -> Result<(), BaselineError> {
        if cfg!(feature = "off") {
            return Ok(());
        }
        let check = || this_thread::without_peak(|| self.try_check(report));
        // Nothing here counts as the program's, except the returned error.
        let (checked, _) = uncounted::during(false, check);
        checked.map_err(|own| {
            let error = BaselineError::new(own.kind, own.message.as_str());
            uncounted::during(false, || drop(own));
            error
        })
    }

    fn try_check(&self, report: &Report) -> Result<(), BaselineError> {
        let path = self.path()?;
        if let Some(why) = self.why_incomparable(report) {
            return Err(BaselineError::new(Kind::Incomparable, why));
        }
        let is_blessed = is_blessed()?;
        let text = match fs::read(&path) {
            Err(error) if !is_blessed && error.kind() != io::ErrorKind::NotFound => {
                return Err(BaselineError::of_file(&path, "read", &error));
            }
            Err(_) if !is_blessed && is_in_ci() => {
                let message = format!(
                    "there is no {}: run this once outside of CI, or with MEMPROF_BLESS=1, and \
                     commit the file",
                    shown(&path)
                );
                return Err(BaselineError::new(Kind::Missing, message));
            }
            text => text.ok(),
        };
        match text {
            Some(text) if !is_blessed => self.compare(&path, &text, report),
            text => self.write(&path, text, file::rows(report)),
        }
    }

    /// Why there is nothing to compare in a report, if that is so.
    fn why_incomparable(&self, report: &Report) -> Option<String> {
        let name = &self.name;
        if report.lines_are_unknown {
            Some(format!(
                "there were too many scopes at once to record the lines of the one for `{name}`, so \
                 there is nothing to compare"
            ))
        } else if report.functions.is_empty() {
            Some(format!(
                "no profiled function ran in the report for `{name}`, so there is nothing to \
                 compare: put `#[memprofile(print = \"never\")]` on functions in question, and not \
                 under `cfg(test)` if the test is in a file of `tests/`"
            ))
        } else if !requirements::are_counted(report) {
            let why = requirements::NOT_COUNTED;
            Some(format!("the report for `{name}` is all zeroes: {why}"))
        } else if report.owners_are_unknown {
            let why = requirements::OWNERS_NOT_RECORDED;
            Some(format!(
                "the report for `{name}` has no live bytes by line: {why}"
            ))
        } else {
            None
        }
    }

    fn compare(&self, path: &Path, text: &[u8], report: &Report) -> Result<(), BaselineError> {
        let before = file::read(text).map_err(|problem| {
            let path = shown(path);
            let message =
                format!("{path} is not a baseline: {problem}; MEMPROF_BLESS=1 overwrites it");
            BaselineError::new(Kind::NotABaseline, message)
        })?;
        let functions = compare::functions(before, file::rows(report));
        self.summarise(&functions, false)?;
        let has_run = |path: &str| {
            report
                .functions
                .iter()
                .any(|function| function.path == path)
        };
        if let Some(gone) = functions.iter().find(|function| !has_run(&function.path)) {
            let message = format!(
                "{} is in {} and didn't run: there is nothing to compare. If it has lost its \
                 `#[memprofile]`, put it back; if the function is gone, run this once with \
                 MEMPROF_BLESS=1, and commit the file.",
                printable(&gone.path, ' '),
                shown(path)
            );
            return Err(BaselineError::new(Kind::Incomparable, message));
        }
        match compare::remark(&functions, &self.tolerances) {
            Some(remark) => {
                let message = format!(
                    "`{}` takes more memory than {} says.\n\n{remark}\nIf this is intended, run \
                     this once with MEMPROF_BLESS=1, and commit the file.",
                    self.name,
                    shown(path)
                );
                Err(BaselineError::new(Kind::Exceeded, message))
            }
            None => Ok(()),
        }
    }

    /// Reads a baseline file as a report, which has the lines of the file, with line number 0, and
    /// nothing else.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or isn't a baseline.
    pub fn read(path: impl AsRef<Path>) -> Result<Report, BaselineError> {
        let path = path.as_ref();
        let text = Input::open(path).and_then(Input::json);
        let text = text.map_err(|error| BaselineError::of_file(path, "read", &error))?;
        let rows = file::read(&text).map_err(|problem| {
            let message = format!("{} is not a baseline: {problem}", shown(path));
            BaselineError::new(Kind::NotABaseline, message)
        })?;
        Ok(file::report(rows))
    }

    fn path(&self) -> Result<PathBuf, BaselineError> {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(is_plain) {
            let message = format!(
                "{:?} is not a valid name for a baseline: use letters, digits, `-`, `_` and `.`, \
                 and don't begin with a dot",
                self.name
            );
            return Err(BaselineError::new(Kind::Setting, message));
        }
        Ok(self.folder.join(format!("{}.json", self.name)))
    }

    /// Writes the file, replacing an existing one.
    fn write(
        &self,
        path: &Path,
        text: Option<Vec<u8>>,
        rows: Vec<Row>,
    ) -> Result<(), BaselineError> {
        let write = || {
            fs::create_dir_all(&self.folder)?;
            os::without_signals_of_writing(|| replace(path, |out| file::write(&rows, out)))
        };
        write().map_err(|error| BaselineError::of_file(path, "written", &error))?;
        crate::sys::output::say(&format!("{} was written; commit it", shown(path)));
        let before = text.and_then(|text| file::read(&text).ok());
        self.summarise(&compare::functions(before.unwrap_or_default(), rows), true)
    }

    fn summarise(
        &self,
        functions: &[compare::Function],
        is_written: bool,
    ) -> Result<(), BaselineError> {
        let names = ["MEMPROF_SUMMARY", "GITHUB_STEP_SUMMARY"];
        let path = names.iter().find_map(|name| environment::get(name));
        let Some(path) = path.map(PathBuf::from) else {
            return Ok(());
        };
        summary::append(&path, &self.name, functions, is_written).map_err(|error| {
            let message = format!("the summary can't be written to {}: {error}", shown(&path));
            BaselineError::new(Kind::File, message)
        })
    }
}

/// Compares a report with the file `memprof-baselines/name.json`, like [`Baseline::check`] without
/// tolerances.
///
/// # Panics
///
/// In all cases in which [`Baseline::check`] returns an error.
#[track_caller]
pub fn check_baseline(name: &str, report: &Report) {
    if let Err(error) = Baseline::new(name).check(report) {
        panic!("{error}");
    }
}

/// Whether baselines are to be overwritten.
fn is_blessed() -> Result<bool, BaselineError> {
    let word = environment::get("MEMPROF_BLESS").unwrap_or_default();
    let word = word.to_string_lossy();
    let is_one_of = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    if is_one_of(&["1", "true", "yes", "on"]) {
        Ok(true)
    } else if is_one_of(&["", "0", "false", "no", "off"]) {
        Ok(false)
    } else {
        Err(BaselineError::new(
            Kind::Setting,
            format!(
                "MEMPROF_BLESS is {word:?}: use 1 to overwrite baselines, 0 to compare with them"
            ),
        ))
    }
}

/// Whether the test runs in CI, where a new file wouldn't be committed.
fn is_in_ci() -> bool {
    env::var_os("CI").is_some_and(|word| !["", "0", "false"].iter().any(|no| word == *no))
}
