//! Files that memprof writes: those that replace another file once they are complete, and those
//! that are written in place.
//!
//! Three rules hold for all of them:
//!
//! - No link is followed, and no file written to, that another user has put into a folder in which
//!   every user can create files. The system has the same rule for links, but not everywhere, and
//!   can't apply it where links are read here.
//! - A pipe without a reader is an error and isn't waited for, and neither is a reader that takes
//!   nothing for [`PATIENCE`].
//! - A process that is killed leaves no partial file, on file systems of Linux that support files
//!   without names, as nearly all do.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a write waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a file beside `path`, and then moves it to `path`, with the mode of the file that was
/// there.
///
/// A pipe or a device, or a path that stands for an open file, such as `/dev/stdout`, is written in
/// place instead: others write to it, too.
///
/// # Errors
///
/// Those of the file system.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if let Some(file) = opened(path) {
        let mut out = io::BufWriter::new(file?);
        write(&mut out)?;
        return out.flush();
    }
    // The target of a link is replaced, so that the link stays a link.
    let path = followed(path.to_owned())?;
    let there = fs::symlink_metadata(&path)
        .ok()
        .filter(Metadata::is_file)
        .map(|there| there.permissions());
    let file = NewFile::create(folder_of(&path), there)?;
    let mut out = io::BufWriter::new(file.file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    file.put(&path)
}

/// Opens `path` to append to it, or creates it.
///
/// # Errors
///
/// Those of the file system.
pub fn append(path: &Path) -> io::Result<InPlace> {
    let path = followed(path.to_owned())?;
    match open_in_place(&path) {
        Some(file) => file,
        None => options_at_end()
            .append(true)
            .create(true)
            .open(path)
            .map(InPlace::new),
    }
}

/// Opens `path` to append to it, if it is one that is written in place. `None` if it is to be
/// replaced.
pub fn opened(path: &Path) -> Option<io::Result<InPlace>> {
    match followed(path.to_owned()) {
        Ok(path) => open_in_place(&path),
        Err(error) => Some(Err(error)),
    }
}

/// A file that is written in place.
#[derive(Debug)]
pub struct InPlace {
    file: File,
    /// How long to wait for a reader that takes nothing. `None` waits without limit, for a stream
    /// on which the program itself would wait as well.
    #[cfg_attr(not(unix), expect(dead_code, reason = "writes wait by themselves"))]
    patience: Option<Duration>,
}

impl InPlace {
    /// Writes to the file from its current position.
    pub fn new(file: File) -> Self {
        Self {
            file,
            patience: Some(PATIENCE),
        }
    }
}

impl Write for InPlace {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                #[cfg(unix)]
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait_for_room(&self.file, self.patience)?;
                }
                answer => return answer,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(unix)]
fn wait_for_room(file: &File, patience: Option<Duration>) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], timeout.as_ref()) {
        Ok(0) => {
            let message = "its reader doesn't read; is it stopped?";
            Err(io::Error::new(ErrorKind::TimedOut, message))
        }
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A file that isn't at its final path yet.
enum NewFile {
    /// A file without a name, which disappears with the process, however that ends.
    #[cfg(target_os = "linux")]
    Unnamed(File, PathBuf),
    /// A temporary file, where the system or the file system requires a name.
    Named(tempfile::NamedTempFile),
}

impl NewFile {
    /// Creates a file in `folder` with the mode of the existing file, `there`, so that no more
    /// users can read it; without one, with the mode of other new files.
    fn create(folder: &Path, there: Option<fs::Permissions>) -> io::Result<Self> {
        let file = Self::create_any(folder, there.as_ref())?;
        if cfg!(unix)
            && let Some(there) = there
        {
            // Adds what the umask has removed. Some file systems have one mode for all files, so
            // errors are ignored.
            let _ = file.file().set_permissions(there);
        }
        Ok(file)
    }

    fn create_any(folder: &Path, there: Option<&fs::Permissions>) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
            let mode = there.map_or(0o666, |there| there.mode() & 0o7777);
            let unnamed = File::options()
                .write(true)
                .mode(mode)
                .custom_flags(libc::O_TMPFILE)
                .open(folder);
            // It gets its name through its descriptor there.
            if let Ok(file) = unnamed
                && Path::new("/proc/self/fd").exists()
            {
                return Ok(Self::Unnamed(file, folder.to_owned()));
            }
        }
        let mut builder = builder();
        #[cfg(unix)]
        builder.permissions(match there {
            Some(there) => there.clone(),
            None => std::os::unix::fs::PermissionsExt::from_mode(0o666),
        });
        #[cfg(not(unix))]
        let _ = there;
        builder.tempfile_in(folder).map(Self::Named)
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file, _) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Moves the file to `path`, replacing a file that may be there.
    fn put(self, path: &Path) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file, folder) => {
                use rustix::fs::{AtFlags, CWD, linkat};
                use std::os::fd::AsRawFd as _;
                let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
                let link = |path: &Path| {
                    linkat(CWD, &descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)
                        .map_err(io::Error::from)
                };
                match link(path) {
                    // Named beside it first, since only a rename can replace a file.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        builder().make_in(folder, link)?.persist(path)?;
                        Ok(())
                    }
                    done => done,
                }
            }
            Self::Named(file) => {
                file.persist(path)?;
                Ok(())
            }
        }
    }
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".memprof-");
    builder
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Follows `path` while it is a link, except for the system's links to open files, whose text is
/// another file's name.
fn followed(mut path: PathBuf) -> io::Result<PathBuf> {
    // The system follows this many, too.
    for _ in 0..40 {
        let Ok(there) = fs::symlink_metadata(&path) else {
            break;
        };
        if is_in_table(&path) {
            break;
        }
        refuse_strangers(&path, &there)?;
        if !there.is_symlink() {
            break;
        }
        path = path.with_file_name(fs::read_link(&path)?);
    }
    Ok(path)
}

/// Refuses what another user has put into a sticky folder that every user can write to, such as
/// `/tmp`.
///
/// This is the system's own rule (`fs.protected_symlinks`, `protected_regular`, `protected_fifos`):
/// what the folder's owner has put there is trusted like the folder.
#[cfg(unix)]
fn refuse_strangers(path: &Path, there: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    const STICKY_AND_FOR_ALL: u32 = 0o1002;
    let folder = fs::metadata(folder_of(path))?;
    let trusted = [rustix::process::geteuid().as_raw(), folder.uid()];
    if folder.mode() & STICKY_AND_FOR_ALL == STICKY_AND_FOR_ALL && !trusted.contains(&there.uid()) {
        let what = if there.is_symlink() { "link" } else { "file" };
        let message = format!(
            "it is another user's {what}, in a folder that every user can write to; give another path"
        );
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
fn refuse_strangers(_path: &Path, _there: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Whether `path` is in a table of open files, such as `/proc/self/fd/1` or `/dev/fd/1`.
fn is_in_table(path: &Path) -> bool {
    let folder = path
        .parent()
        .and_then(|folder| fs::canonicalize(folder).ok());
    folder.is_some_and(|folder| {
        let is_of_a_process = folder.starts_with("/proc") && folder.ends_with("fd");
        is_of_a_process || fs::canonicalize("/dev/fd").is_ok_and(|own| own == folder)
    })
}

/// [`opened`], for a path whose links have been followed.
fn open_in_place(path: &Path) -> Option<io::Result<InPlace>> {
    if is_in_table(path) {
        return Some(stream(path).unwrap_or_else(|| {
            let opened = options().append(true).open(path);
            opened.map_err(explained).map(InPlace::new)
        }));
    }
    let there = fs::symlink_metadata(path).ok()?;
    let is_other = !there.is_file() && !there.is_dir() && !there.is_symlink();
    is_other.then(|| {
        let opened = options_at_end().write(true).open(path);
        opened.map_err(explained).map(InPlace::new)
    })
}

/// Options to open a file without waiting for a reader.
fn options() -> fs::OpenOptions {
    options_with(0)
}

/// [`options`] that refuse a link, for a path whose links have been followed: a link there must be
/// new.
fn options_at_end() -> fs::OpenOptions {
    #[cfg(unix)]
    return options_with(libc::O_NOFOLLOW);
    #[cfg(not(unix))]
    return options_with(0);
}

fn options_with(flags: i32) -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | flags);
    }
    #[cfg(not(unix))]
    let _ = (&mut options, flags);
    options
}

/// Explains the error for a pipe without a reader, which the system calls "no such device or
/// address".
fn explained(error: io::Error) -> io::Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENXIO) {
        let message = "no process has it open to read from it; start the reader first";
        return io::Error::new(ErrorKind::NotConnected, message);
    }
    error
}

/// The process's own stream that `path` stands for, to be continued at its position: others use it,
/// too, and would overwrite what was appended to its file.
#[cfg(unix)]
fn stream(path: &Path) -> Option<io::Result<InPlace>> {
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
    Some(stream.map(|stream| InPlace {
        file: File::from(stream),
        patience: None,
    }))
}

#[cfg(not(unix))]
fn stream(_path: &Path) -> Option<io::Result<InPlace>> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    fn pipe(patience: Duration) -> (io::PipeReader, InPlace) {
        let (reader, writer) = io::pipe().unwrap();
        let file = File::from(OwnedFd::from(writer));
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::NONBLOCK).unwrap();
        let patience = Some(patience);
        (reader, InPlace { file, patience })
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_is_killed_while_it_writes_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for before in [0, 1] {
            let count = || fs::read_dir(&folder).unwrap().count();
            replace(&path, |out| {
                // A kill at this moment would leave only what is in the folder now.
                assert_eq!(count(), before);
                out.write_all(b"text")
            })
            .unwrap();
            assert_eq!((count(), fs::read(&path).unwrap()), (1, b"text".into()));
        }
    }

    #[test]
    fn a_reader_that_takes_nothing_is_not_waited_for_without_end() {
        let (_reader, mut pipe) = pipe(Duration::from_millis(1));

        let error = pipe.write_all(&vec![0; 4 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_reader_that_takes_its_time_gets_all() {
        let (mut reader, mut pipe) = pipe(Duration::from_secs(600));
        let reads = std::thread::spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).unwrap();
            text.len()
        });

        pipe.write_all(&vec![0; 4 << 20]).unwrap();
        drop(pipe);
        assert_eq!(reads.join().unwrap(), 4 << 20);
    }
}
