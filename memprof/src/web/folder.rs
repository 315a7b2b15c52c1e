//! The folder that profiles are written to, and its limits.

use super::file_name;
use crate::model::report::Report;
use crate::report::Format;
use crate::sys::identity::Identity;
use crate::sys::output::say;
use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::mem;
use std::path::{Path, PathBuf};

/// How many numbers are tried for a name that is taken.
const MOST_TRIES: u64 = 100_000;

/// For how many names the number of the last file is remembered.
const MOST_NAMES: usize = 1024;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    max_files: Option<usize>,
    max_bytes: Option<u64>,
    /// The files written so far, oldest first. Empty if there are no limits.
    written: VecDeque<Written>,
    bytes: u64,
    /// The number of the last file of each name.
    numbers: HashMap<String, u64>,
    /// Files written since [`Folder::forget_removed`] last checked which files still exist.
    since_look: usize,
    /// Consecutive reports that could not be written.
    unwritten: u64,
}

#[derive(Debug)]
struct Written {
    path: PathBuf,
    /// Another program may have put its own file there meanwhile, which must not be removed.
    identity: Identity,
    size: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, max_files: Option<usize>, max_bytes: Option<u64>) -> Self {
        Self {
            path,
            max_files,
            max_bytes,
            written: VecDeque::new(),
            bytes: 0,
            numbers: HashMap::new(),
            since_look: 0,
            unwritten: 0,
        }
    }

    /// Counts existing files as written: those with `ending`, or with any ending of reports.
    pub(super) fn adopt(&mut self, ending: Option<&str>) {
        let is_ours = |name: &str| match Format::ending_of(name) {
            Some(found) => ending.is_none_or(|ending| ending == found),
            None => false,
        };
        let Ok(files) = fs::read_dir(&self.path) else {
            // The first file creates the folder.
            return;
        };
        let mut found: Vec<_> = files
            .filter_map(|file| {
                let file = file.ok()?;
                let about = file.metadata().ok().filter(fs::Metadata::is_file)?;
                let identity = Identity::of(&about);
                is_ours(file.file_name().to_str()?).then_some((
                    about.modified().ok()?,
                    file.path(),
                    identity,
                    about.len(),
                ))
            })
            .collect();
        found.sort();
        for (_, path, identity, size) in found {
            self.count(Written {
                path,
                identity,
                size,
            });
        }
    }

    fn count(&mut self, written: Written) {
        if self.max_files.is_some() || self.max_bytes.is_some() {
            self.bytes += written.size;
            self.written.push_back(written);
        }
    }

    /// Reports why a profile wasn't written. Further failures in a row are only counted.
    pub(super) fn say_unwritten(&mut self, name: &str, error: &io::Error) {
        if self.unwritten == 0 {
            say(&format!(
                "the profile of a request is not written to {name:?}: {error}"
            ));
        }
        self.unwritten += 1;
    }

    fn say_how_many(&mut self) {
        let count = mem::take(&mut self.unwritten);
        if count > 1 {
            say(&format!(
                "{count} profiles of requests in a row were not written to {}",
                self.path.display()
            ));
        }
    }

    /// Writes a report to a file of this name, or with a number in its name if that is taken. Then
    /// removes the oldest files beyond the limits.
    pub(super) fn write(&mut self, name: &str, report: &Report) -> io::Result<()> {
        let name = file_name::of_a_file(name);
        let Some(format) = Format::from_path(&name) else {
            let message = format!(
                "the name {name:?} ends in no format of reports; the endings are {}",
                Format::endings()
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        };
        // Format the whole report first, so that the file is written at once.
        let mut text = Vec::new();
        report.write_to(format, &mut text)?;
        let written = self.write_new(name, &text)?;
        self.say_how_many();
        self.count(written);
        self.remove_oldest();
        Ok(())
    }

    /// Writes a new file. If that fails midway, the partial file is removed.
    fn write_new(&mut self, name: String, text: &[u8]) -> io::Result<Written> {
        // The number goes before the whole ending: `a.2.speedscope.json`.
        let ending = Format::ending_of(&name).unwrap_or_default();
        let stem = name.strip_suffix(ending).unwrap_or(&name);
        // Continue after the last number, since there may be thousands of files.
        let first = self.numbers.get(&name).map_or(1, |last| last + 1);
        for number in first..first + MOST_TRIES {
            let path = match number {
                1 => self.path.join(&name),
                _ => self.path.join(format!("{stem}.{number}{ending}")),
            };
            let mut file = match self.create(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let identity = Identity::of(&file.metadata()?);
            if let Err(error) = file.write_all(text) {
                identity.remove_from(&path);
                return Err(error);
            }
            self.note(name, number);
            return Ok(Written {
                path,
                identity,
                size: text.len() as u64,
            });
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Creates a file, and the folder if it doesn't exist.
    fn create(&self, path: &Path) -> io::Result<File> {
        match File::create_new(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.path)?;
                File::create_new(path)
            }
            created => created,
        }
    }

    fn note(&mut self, name: String, number: u64) {
        if self.numbers.len() >= MOST_NAMES && !self.numbers.contains_key(&name) {
            self.numbers.clear();
        }
        self.numbers.insert(name, number);
    }

    fn is_too_much(&self) -> bool {
        self.max_files.is_some_and(|most| self.written.len() > most)
            || self.max_bytes.is_some_and(|most| self.bytes > most)
    }

    /// Stops counting files that others have removed.
    fn forget_removed(&mut self) {
        /// Checking all files for each written one would take longer than writing it. So they are
        /// checked once per this fraction of their number.
        const PART: usize = 16;
        self.since_look += 1;
        if self.since_look > self.written.len() / PART {
            self.since_look = 0;
            self.written.retain(|written| written.path.exists());
            self.bytes = self.written.iter().map(|written| written.size).sum();
        }
    }

    fn remove_oldest(&mut self) {
        if self.is_too_much() {
            self.forget_removed();
        }
        while self.is_too_much()
            && let Some(oldest) = self.written.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(oldest.size);
            // The file may be gone already.
            oldest.identity.remove_from(&oldest.path);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.say_how_many();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &mut Folder, name: &str) {
        folder.write(name, &Report::default()).unwrap();
    }

    #[test]
    fn a_name_that_repeats_is_not_tried_from_the_first_number_again() {
        let path = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(path.path().to_owned(), None, None);
        (0..3).for_each(|_| write(&mut folder, "a.speedscope.json"));
        fs::remove_file(path.path().join("a.2.speedscope.json")).unwrap();

        write(&mut folder, "a.speedscope.json");

        assert!(path.path().join("a.4.speedscope.json").exists());
        assert!(!path.path().join("a.2.speedscope.json").exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_another_program_has_put_in_the_place_of_the_oldest_stays() {
        let path = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(path.path().to_owned(), Some(1), None);
        let first = path.path().join("a.json");
        write(&mut folder, "a.json");
        fs::rename(&first, path.path().join("moved")).unwrap();
        fs::write(&first, "theirs").unwrap();
        write(&mut folder, "b.json");

        assert_eq!(fs::read_to_string(&first).unwrap(), "theirs");
    }

    #[test]
    fn what_is_known_of_names_and_files_takes_no_more_than_it_may() {
        let path = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(path.path().to_owned(), None, None);
        for number in 0..=MOST_NAMES {
            write(&mut folder, &format!("{number}.json"));
        }

        assert_eq!(folder.numbers.len(), 1);
        assert!(folder.written.is_empty());
    }
}
