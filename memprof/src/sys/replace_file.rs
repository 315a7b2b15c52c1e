//! Files that memprof writes: those that take another's place when they are whole, and those
//! that are written to where they are.
//!
//! Three things are the same for all. No link is followed, and no file is written to, that
//! another user has put into a folder in which every user can: the system has the same rule
//! for links, but not everywhere, and can't apply it where links are read here. A pipe
//! without a reader is an error and not waited for, and neither is a reader that takes
//! nothing for [`PATIENCE`]. And of a process that is killed no half file is left, on file systems
//! of Linux that have files without names, as nearly all do.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a file beside `path`, and then puts it in its place, with the mode of what was
/// there; or to `path` itself, if it is a pipe or a device, or stands for an open file, as
/// `/dev/stdout` does: others write to that, too.
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
    // Where a link leads, so that it stays one.
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

/// Opens `path` to add to its end, or makes it.
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

/// `path`, opened to be added to, if it isn't to be replaced.
pub fn opened(path: &Path) -> Option<io::Result<InPlace>> {
    match followed(path.to_owned()) {
        Ok(path) => open_in_place(&path),
        Err(error) => Some(Err(error)),
    }
}

/// A file that is written to where it is.
#[derive(Debug)]
pub struct InPlace {
    file: File,
    /// How long its reader may take nothing; none, if the program itself waits for that
    /// reader as well.
    #[cfg_attr(not(unix), expect(dead_code, reason = "writes wait by themselves"))]
    patience: Option<Duration>,
}

impl InPlace {
    /// Writes to the file from where it stands.
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
            let message = "its reader takes nothing; is it stopped?";
            Err(io::Error::new(ErrorKind::TimedOut, message))
        }
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A file that isn't at its path yet.
enum NewFile {
    /// It goes away with the process, however that ends.
    #[cfg(target_os = "linux")]
    Unnamed(File, PathBuf),
    /// Where the system, or the file system, can't do without a name.
    Named(tempfile::NamedTempFile),
}

impl NewFile {
    /// A file in `folder`, for no more users than those who may read what is `there`; if
    /// nothing is, with the mode that other new files have.
    fn create(folder: &Path, there: Option<fs::Permissions>) -> io::Result<Self> {
        let file = Self::create_any(folder, there.as_ref())?;
        if cfg!(unix)
            && let Some(there) = there
        {
            // What the umask has left out. Some file systems have one mode for all.
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
            // A name is given to it by way of its descriptor there.
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

    /// Puts it at `path`, in the place of a file that may be there.
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
                    // A name beside it, for as long as it takes to rename that.
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

/// Where the links lead that `path` is, but not those of the system to open files, which
/// have the names of other files for a text.
fn followed(mut path: PathBuf) -> io::Result<PathBuf> {
    // As many as the system follows.
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

/// Refuses what another user has put into a folder that every user can write to, and in
/// which each can remove only his own, as `/tmp`.
///
/// The system's own rule (`fs.protected_symlinks`, `protected_regular`, `protected_fifos`):
/// what the owner of the folder has put there is as good as the folder.
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

/// As [`opened`], of a path whose links have been followed.
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

/// To open a file without waiting for a reader.
fn options() -> fs::OpenOptions {
    options_with(0)
}

/// As [`options`], where links have been followed: one that is there now has come since.
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

/// The system says "no such device or address" of a pipe without a reader.
fn explained(error: io::Error) -> io::Error {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::ENXIO) {
        let message = "no process has it open to read from it; start the reader first";
        return io::Error::new(ErrorKind::NotConnected, message);
    }
    error
}

/// The process's own stream that `path` stands for, to be gone on with where it is: others
/// have it, too, and would write over what is added to the end of its file.
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
                // What is in the folder now is all that a kill would leave.
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
