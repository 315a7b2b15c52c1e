//! A file that takes another's place when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file beside `path`, and then puts it in its place, with the mode of what was
/// there; or to `path` itself, if it is a pipe or a device, or stands for an open file, as
/// `/dev/stdout` does: others write to that, too.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(file) = opened(path) {
        let mut out = io::BufWriter::new(file?);
        write(&mut out)?;
        return out.flush();
    }
    // Where a link leads, so that it stays one.
    let path = followed(path.to_owned());
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".memprof-");
    let there = fs::metadata(&path).ok().map(|there| there.permissions());
    // Never for more than may read what is there; if nothing is, as other files.
    #[cfg(unix)]
    builder.permissions(match &there {
        Some(there) => there.clone(),
        None => std::os::unix::fs::PermissionsExt::from_mode(0o666),
    });
    let mut out = io::BufWriter::new(builder.tempfile_in(folder)?);
    if cfg!(unix)
        && let Some(there) = there
    {
        // What the umask has left out. Some file systems have one mode for all.
        let _ = out.get_ref().as_file().set_permissions(there);
    }
    write(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.persist(path)?;
    Ok(())
}

/// Where the links lead that `path` is, but not those of the system to open files, which
/// have the names of other files for a text.
fn followed(mut path: PathBuf) -> PathBuf {
    // As many as the system follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) if !is_in_table(&path) => path = path.with_file_name(target),
            _ => break,
        }
    }
    path
}

/// Whether `path` is in a table of open files: `/proc/self/fd/1`, `/dev/fd/1`.
fn is_in_table(path: &Path) -> bool {
    let folder = path
        .parent()
        .and_then(|folder| fs::canonicalize(folder).ok());
    folder.is_some_and(|folder| {
        let is_of_a_process = folder.starts_with("/proc") && folder.ends_with("fd");
        is_of_a_process || fs::canonicalize("/dev/fd").is_ok_and(|own| own == folder)
    })
}

/// `path`, opened to be added to, if it isn't to be replaced.
pub(crate) fn opened(path: &Path) -> Option<io::Result<File>> {
    let path = followed(path.to_owned());
    if is_in_table(&path) {
        let stream = stream(&path);
        return Some(stream.unwrap_or_else(|| File::options().append(true).open(path)));
    }
    let there = fs::metadata(&path).ok()?;
    let is_other = !there.is_file() && !there.is_dir();
    is_other.then(|| File::options().write(true).open(path))
}

/// The process's own stream that `path` stands for, to be gone on with where it is: others
/// have it, too, and would write over what is added to the end of its file.
#[cfg(unix)]
fn stream(path: &Path) -> Option<io::Result<File>> {
    use std::os::fd::AsFd;
    let folder = fs::canonicalize(path.parent()?).ok()?;
    if folder != fs::canonicalize("/dev/fd").ok()? {
        return None;
    }
    let stream = match path.file_name()?.to_str()? {
        "1" => io::stdout().as_fd().try_clone_to_owned(),
        "2" => io::stderr().as_fd().try_clone_to_owned(),
        _ => return None,
    };
    Some(stream.map(File::from))
}

#[cfg(not(unix))]
fn stream(_path: &Path) -> Option<io::Result<File>> {
    None
}
