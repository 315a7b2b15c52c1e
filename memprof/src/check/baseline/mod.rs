//! Baselines: what a test's functions did to memory when somebody last looked, in a file
//! that is reviewed and committed; and what is said when they do more.

mod compare;
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
use file::Row;
use std::env;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where files are, in the folder that a test runs in: that of its package.
const FOLDER: &str = "memprof-baselines";

/// What functions may do, as `memprof-baselines/name.json` says.
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
/// A file has a row for each line of a profiled function that made blocks: its function and
/// text, bytes and blocks allocated, and bytes and blocks alive. There is nothing of the
/// machine in it, and no line number, so that it changes when the numbers do. What no
/// profiled function made isn't in it.
#[derive(Clone, Debug)]
pub struct Baseline {
    name: String,
    folder: PathBuf,
    tolerances: Vec<(Quantity, u32)>,
}

impl Baseline {
    /// The one of that name: letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            folder: FOLDER.into(),
            tolerances: Vec::new(),
        }
    }

    /// Has the file be in this folder, and not in `memprof-baselines`.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Allows a function so many percent more of something than the file says; none is the
    /// default. Bytes at the peak and temporary blocks are in no file: nothing limits them.
    #[must_use]
    pub fn allow(mut self, quantity: Quantity, percent: u32) -> Self {
        self.tolerances.push((quantity, percent));
        self
    }

    /// Holds a report against the file, function by function.
    ///
    /// A function that does less than it did is welcome, and the file stays; one that is in the
    /// file and didn't run is not. Where there is no file, or `MEMPROF_BLESS` is `1` (or `true`,
    /// `yes`, `on`), it is written from the report; but in CI, where `CI` is set to something else
    /// than `false` or `0`, a file that isn't there is an error: nobody would commit what was
    /// written. Take the report of a [`Scope`](crate::Scope), or what other tests do at the same
    /// time is in it.
    ///
    /// With `MEMPROF_SUMMARY`, or else `GITHUB_STEP_SUMMARY`, naming a file, what has changed
    /// is appended to it in Markdown. A relative path is taken from the folder that the test runs
    /// in, which under cargo is its package's. With the feature `off` there is nothing to compare,
    /// and no file is read or written.
    ///
    /// # Errors
    ///
    /// If a function does more than it may, with the lines that it is; if one that is in the file
    /// didn't run, or no profiled function did, or the global allocator isn't a
    /// [`CountingAlloc`](crate::CountingAlloc), so that there is nothing to compare; if the name
    /// isn't one, a file can't be read or written, or there is none in CI; if `MEMPROF_BLESS` is
    /// no word for yes or no.
    pub fn check(&self, report: &Report) -> Result<(), BaselineError> {
        if cfg!(feature = "off") {
            return Ok(());
        }
        let check = || this_thread::without_peak(|| self.try_check(report));
        // All of it is the profiler's, but for what is given back.
        let (checked, _) = uncounted::during(false, check);
        checked.map_err(|own| {
            let error = BaselineError(own.as_str().to_owned());
            uncounted::during(false, || drop(own));
            error
        })
    }

    fn try_check(&self, report: &Report) -> Result<(), String> {
        let path = self.path()?;
        if report.lines_are_unknown {
            return Err(format!(
                "there were too many scopes at once to know of the one for `{}` which lines it was, and \
                 there is nothing to compare",
                self.name
            ));
        }
        if report.functions.is_empty() {
            return Err(format!(
                "no profiled function ran in the report for `{}`, and there is nothing to compare: put \
                 `#[memprofile(print = \"never\")]` on those in question, and not under `cfg(test)` if the \
                 test is in a file of `tests/`",
                self.name
            ));
        }
        if !requirements::are_counted(report) {
            return Err(format!(
                "the report for `{}` has zeroes only: {}",
                self.name,
                requirements::NOBODY_COUNTS
            ));
        }
        if report.owners_are_unknown {
            return Err(format!(
                "the report for `{}` doesn't know what lines have alive: {}",
                self.name,
                requirements::NOBODY_NOTES
            ));
        }
        let is_blessed = is_blessed()?;
        let text = match fs::read(&path) {
            Err(error) if !is_blessed && error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{} can't be read: {error}", shown(&path)));
            }
            Err(_) if !is_blessed && is_in_ci() => {
                return Err(format!(
                    "there is no {}: run this once outside of CI, or with MEMPROF_BLESS=1, and commit the file",
                    shown(&path)
                ));
            }
            text => text.ok(),
        };
        match text {
            Some(text) if !is_blessed => self.compare(&path, &text, report),
            text => self.write(&path, text, file::rows(report)),
        }
    }

    fn compare(&self, path: &Path, text: &[u8], report: &Report) -> Result<(), String> {
        let before = file::read(text).map_err(|problem| {
            let path = shown(path);
            format!("{path} is no baseline: {problem}; MEMPROF_BLESS=1 has it written anew")
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
            return Err(format!(
                "{} is in {} and didn't run: nothing holds it to what is there. If it has lost its \
                 `#[memprofile]`, give it one; if it is gone, run this once with MEMPROF_BLESS=1, and commit \
                 the file.",
                printable(&gone.path, ' '),
                shown(path)
            ));
        }
        match compare::remark(&functions, &self.tolerances) {
            Some(remark) => Err(format!(
                "`{}` takes more memory than {} says.\n\n{remark}\nIf that is meant, run this once with \
                 MEMPROF_BLESS=1, and commit the file.",
                self.name,
                shown(path)
            )),
            None => Ok(()),
        }
    }

    /// Reads a file as a report that has its lines, without their numbers and without
    /// anything else.
    ///
    /// # Errors
    ///
    /// If it can't be read, or isn't a baseline.
    pub fn read(path: impl AsRef<Path>) -> Result<Report, BaselineError> {
        let path = path.as_ref();
        let text = Input::open(path).and_then(Input::json);
        let text =
            text.map_err(|error| BaselineError(format!("{} can't be read: {error}", shown(path))))?;
        let rows = file::read(&text).map_err(|problem| {
            BaselineError(format!("{} is no baseline: {problem}", shown(path)))
        })?;
        Ok(file::report(rows))
    }

    fn path(&self) -> Result<PathBuf, String> {
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(is_plain) {
            return Err(format!(
                "{:?} is no name for a baseline: it has letters, digits, `-`, `_` and `.`, and doesn't begin \
                 with a dot",
                self.name
            ));
        }
        Ok(self.folder.join(format!("{}.json", self.name)))
    }

    /// Writes the file, in the place of one that may have been there.
    fn write(&self, path: &Path, text: Option<Vec<u8>>, rows: Vec<Row>) -> Result<(), String> {
        let write = || {
            fs::create_dir_all(&self.folder)?;
            os::without_signals_of_writing(|| replace(path, |out| file::write(&rows, out)))
        };
        write().map_err(|error| format!("{} can't be written: {error}", shown(path)))?;
        crate::sys::output::say(&format!("{} is written; commit it", shown(path)));
        let before = text.and_then(|text| file::read(&text).ok());
        self.summarise(&compare::functions(before.unwrap_or_default(), rows), true)
    }

    fn summarise(&self, functions: &[compare::Function], is_written: bool) -> Result<(), String> {
        let names = ["MEMPROF_SUMMARY", "GITHUB_STEP_SUMMARY"];
        let path = names.iter().find_map(|name| environment::get(name));
        let Some(path) = path.map(PathBuf::from) else {
            return Ok(());
        };
        summary::append(&path, &self.name, functions, is_written)
            .map_err(|error| format!("the summary can't be written to {}: {error}", shown(&path)))
    }
}

/// Holds a report against the file `memprof-baselines/name.json`, as [`Baseline::check`] does
/// without tolerances.
///
/// # Panics
///
/// Where that has an error.
#[track_caller]
pub fn check_baseline(name: &str, report: &Report) {
    if let Err(error) = Baseline::new(name).check(report) {
        panic!("{error}");
    }
}

/// Why a report doesn't go with its [`Baseline`].
///
/// `Debug` writes what `Display` does: it is a remark of several lines, and what `unwrap` and a
/// test that ends with `?` show is that.
pub struct BaselineError(String);

impl fmt::Debug for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BaselineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BaselineError {}

/// Whether the files are to be written anew.
fn is_blessed() -> Result<bool, String> {
    let word = environment::get("MEMPROF_BLESS").unwrap_or_default();
    let word = word.to_string_lossy();
    let is_one_of = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    if is_one_of(&["1", "true", "yes", "on"]) {
        Ok(true)
    } else if is_one_of(&["", "0", "false", "no", "off"]) {
        Ok(false)
    } else {
        Err(format!(
            "MEMPROF_BLESS is {word:?}: 1 has baselines written anew, 0 has not"
        ))
    }
}

/// Whether nobody is there to commit a file.
fn is_in_ci() -> bool {
    env::var_os("CI").is_some_and(|word| !["", "0", "false"].iter().any(|no| word == *no))
}

/// A path as it can be said: it may have anything in it.
fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), ' ')
}
