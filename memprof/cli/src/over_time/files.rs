//! The files of `memprof run` in the current folder, which commands accept by name or number.

use crate::lines::text;
use clap::Args;
use jiff::Zoned;
use jiff::civil::DateTime;
use memprof::timeline::MemoryTimeline;
use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "mprofile_";
const TIME: &str = "%Y%m%d%H%M%S";

/// Creates a new file named after the current time. If that name is taken, a later second is
/// used.
pub(crate) fn create() -> io::Result<(PathBuf, File)> {
    let now = Zoned::now().datetime();
    for seconds in 0..3600_i64 {
        let later = now.saturating_add(jiff::Span::new().seconds(seconds));
        let path = PathBuf::from(format!("{PREFIX}{}.dat", later.strftime(TIME)));
        match File::options().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (path, file)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The creation time in a file name; `None` if `run` didn't choose the name.
fn time(name: &str) -> Option<DateTime> {
    let time = name.strip_prefix(PREFIX)?.strip_suffix(".dat")?;
    let is_time = time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit());
    DateTime::strptime(TIME, time).ok().filter(|_| is_time)
}

/// The files in the current folder, oldest first.
fn all() -> io::Result<Vec<(String, DateTime)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(".")? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(time) = time(name) {
            files.push((name.to_owned(), time));
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn list(out: &mut impl Write) -> io::Result<()> {
    for (number, (name, time)) in all()?.iter().enumerate() {
        writeln!(
            out,
            "{number} {name} {}",
            time.strftime("%H:%M:%S %d/%m/%Y")
        )?;
    }
    Ok(())
}

/// The files with these names or numbers, without repetitions; the latest if there are none.
pub(crate) fn chosen(words: &[OsString]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let names = all()?;
    if words.is_empty() {
        let latest = names.last().ok_or(
            "this folder has no mprofile_*.dat file, as `memprof run` writes; name a file",
        )?;
        return Ok(vec![PathBuf::from(&latest.0)]);
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for word in words {
        let file = if Path::new(word).exists() {
            Path::new(word)
        } else {
            Path::new(numbered(&word.to_string_lossy(), &names)?)
        };
        if !files.iter().any(|other| other == file) {
            files.push(file.into());
        }
    }
    Ok(files)
}

/// The file with a number; -1 is the latest.
fn numbered<'a>(word: &str, names: &'a [(String, DateTime)]) -> Result<&'a str, String> {
    let number: i64 = word.parse().map_err(|_| {
        format!("there is no file {word:?}, and it isn't a number that `memprof list` shows")
    })?;
    let place = match usize::try_from(number) {
        Ok(place) => Some(place),
        Err(_) => usize::try_from(number.unsigned_abs())
            .ok()
            .and_then(|from_end| names.len().checked_sub(from_end)),
    };
    let file = place.and_then(|place| names.get(place));
    file.map(|(name, _)| &**name).ok_or_else(|| {
        format!(
            "there is no file with the number {number}: this folder has {}",
            names.len()
        )
    })
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Show what would be removed
    #[arg(long)]
    dry_run: bool,

    /// File names, or numbers as `list` shows them; -1 is the latest
    #[arg(required = true, allow_negative_numbers = true)]
    files: Vec<OsString>,
}

impl Rm {
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let files = chosen(&self.files)?;
        for file in &files {
            // `run -o` accepts any name, so the content decides if the extension isn't .dat.
            let is_dat = file.extension().is_some_and(|ending| ending == "dat");
            let is_ours = || is_dat || MemoryTimeline::read(file).is_ok();
            if !file.is_file() || !is_ours() {
                let name = file.display().to_string();
                return Err(format!(
                    "{name:?} isn't removed: it should be a file of `memprof run`, or have a name \
                     that ends in .dat"
                )
                .into());
            }
        }
        Ok(remove(files, self.dry_run, out)?)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Clean {
    /// Show what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Clean {
    pub(crate) fn run(&self, out: &mut impl Write) -> io::Result<()> {
        let files = all()?.into_iter().map(|(name, _)| name.into());
        remove(files.collect(), self.dry_run, out)
    }
}

/// Removes files, and the `_ts.dat` files that mprof may have written beside them.
fn remove(mut files: Vec<PathBuf>, dry_run: bool, out: &mut impl Write) -> io::Result<()> {
    let beside = |file: &PathBuf| {
        let stem = file.file_stem()?.to_str()?;
        let beside = file.with_file_name(format!("{stem}_ts.dat"));
        beside.is_file().then_some(beside)
    };
    let others: Vec<PathBuf> = files.iter().filter_map(beside).collect();
    files.extend(others);
    // Two paths may name the same file. Links are removed themselves, so only the folder is
    // resolved.
    let mut seen = HashSet::new();
    files.retain(|file| {
        let folder = file
            .parent()
            .map(|folder| fs::canonicalize(Path::new(".").join(folder)));
        let place = folder.and_then(Result::ok);
        seen.insert((place, file.file_name().map(ToOwned::to_owned)))
    });
    if dry_run {
        writeln!(out, "Files to be removed: ")?;
    }
    for file in files {
        if dry_run {
            writeln!(out, "{}", text(&file.display().to_string()))?;
        } else {
            fs::remove_file(file)?;
        }
    }
    Ok(())
}
