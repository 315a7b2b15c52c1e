//! The folder that profiles are written to, and how much may be in it.

use super::file_name;
use crate::recorded::Report;
use crate::report::Format;
use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

/// How often another name is tried for a file whose name is taken.
const MOST_OF_ONE_NAME: u32 = 100_000;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    max_files: Option<usize>,
    max_bytes: Option<u64>,
    /// What has been written, with its size, the oldest first.
    written: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, max_files: Option<usize>, max_bytes: Option<u64>) -> Self {
        Self {
            path,
            max_files,
            max_bytes,
            written: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Writes a report to a file of that name, or, where there is one, of a name with a
    /// number in it; and removes the oldest where they are too many.
    pub(super) fn write(&mut self, name: &str, report: &Report) -> io::Result<()> {
        let name = file_name::of_a_file(name);
        let Some(format) = Format::of_path(&name) else {
            let message = format!(
                "the name {name:?} ends in no format of reports: there are {}",
                Format::endings()
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        };
        fs::create_dir_all(&self.path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".memprof-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut out = BufWriter::new(builder.tempfile_in(&self.path)?);
        report.write_to(format, &mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let size = file.as_file().metadata()?.len();
        let path = persist(file, &self.path, &name)?;
        self.written.push_back((path, size));
        self.bytes += size;
        self.remove_oldest();
        Ok(())
    }

    fn remove_oldest(&mut self) {
        let is_too_much = |folder: &Self| {
            folder
                .max_files
                .is_some_and(|most| folder.written.len() > most)
                || folder.max_bytes.is_some_and(|most| folder.bytes > most)
        };
        while is_too_much(self)
            && let Some((path, size)) = self.written.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(size);
            // It may be gone already.
            let _ = fs::remove_file(path);
        }
    }
}

/// Gives a file a name that no other has; its path.
fn persist(file: tempfile::NamedTempFile, folder: &Path, name: &str) -> io::Result<PathBuf> {
    // `a.2.speedscope.json`: its ending is all that is after the first dot of an ending.
    let ending = Format::ending_of(name).unwrap_or_default();
    let stem = name.strip_suffix(ending).unwrap_or(name);
    let mut file = file;
    for number in 1..MOST_OF_ONE_NAME {
        let path = match number {
            1 => folder.join(name),
            _ => folder.join(format!("{stem}.{number}{ending}")),
        };
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => file = error.file,
            Err(error) => return Err(error.error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
