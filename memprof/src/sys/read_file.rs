//! Files of others, read so that none of them holds the reader up or fills its memory.
//!
//! A regular file is read as it is. Pipes, sockets and devices have bounds: how long a reader
//! waits, and how many bytes there may be.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program on a socket may say nothing. Others are answered before, and the report
/// of a large one takes its time.
#[cfg(unix)]
const SILENCE: Duration = Duration::from_secs(30);

/// How long it may take in all.
const IN_ALL: Duration = Duration::from_secs(300);

/// How long a pipe is waited for that no program has opened for writing.
const UNTIL_WRITTEN: Duration = Duration::from_secs(5);

/// How many bytes may come from something that isn't a regular file.
const MOST_BYTES: u64 = 1 << 30;

/// How long to wait before looking again whether there is more.
const PAUSE: Duration = Duration::from_millis(10);

/// A file that is open for reading.
///
/// [`Read::read`] fails where a bound is passed: with `TimedOut` or `FileTooLarge`.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    bounds: Bounds,
    /// When it was opened.
    opened: Instant,
    read_bytes: u64,
}

#[derive(Debug)]
enum Source {
    Regular(File),
    /// A pipe or a device, whose reading doesn't wait.
    Stream(File),
    #[cfg(unix)]
    Socket(std::os::unix::net::UnixStream),
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    #[cfg(unix)]
    silence: Duration,
    in_all: Duration,
    until_written: Duration,
    most_bytes: u64,
}

const BOUNDS: Bounds = Bounds {
    #[cfg(unix)]
    silence: SILENCE,
    in_all: IN_ALL,
    until_written: UNTIL_WRITTEN,
    most_bytes: MOST_BYTES,
};

impl Input {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_within(path, BOUNDS)
    }

    fn open_within(path: &Path, bounds: Bounds) -> io::Result<Self> {
        let source = if is_socket(std::fs::metadata(path)?.file_type()) {
            connect(path)?
        } else {
            let file = without_waiting().open(path)?;
            // Of what was opened, since the path may lead elsewhere by now.
            match file.metadata()?.file_type() {
                kind if kind.is_dir() => return Err(ErrorKind::IsADirectory.into()),
                kind if kind.is_file() => Source::Regular(file),
                _ => Source::Stream(file),
            }
        };
        Ok(Self {
            source,
            bounds,
            opened: Instant::now(),
            read_bytes: 0,
        })
    }

    /// All of it, which has to begin like JSON's objects where it isn't a regular file.
    #[cfg(feature = "export")]
    pub(crate) fn json(mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        if !matches!(self.source, Source::Regular(_)) {
            let mut byte = [0];
            while self.read(&mut byte)? == 1 {
                text.extend(byte);
                match byte {
                    [b'{'] => break,
                    [byte] if byte.is_ascii_whitespace() => {}
                    _ => {
                        let message = "it doesn't begin with `{`, as JSON of a report does";
                        return Err(io::Error::new(ErrorKind::InvalidData, message));
                    }
                }
            }
        }
        self.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Reads from a pipe or a device. None if there is nothing yet.
    fn read_now(file: &mut File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match file.read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Bounds {
            in_all,
            until_written,
            most_bytes,
            ..
        } = self.bounds;
        let count = loop {
            let waited = self.opened.elapsed();
            match &mut self.source {
                Source::Regular(file) => return file.read(buffer),
                Source::Stream(file) => match Self::read_now(file, buffer)? {
                    // At its end; or a pipe that no program has opened yet.
                    Some(0) if self.read_bytes == 0 && waited >= until_written => {
                        return Err(timed_out("no program writes to it"));
                    }
                    Some(0) if self.read_bytes == 0 => {}
                    Some(count) => break count,
                    None => {}
                },
                #[cfg(unix)]
                Source::Socket(stream) => {
                    let left = in_all.saturating_sub(waited).max(Duration::from_micros(1));
                    stream.set_read_timeout(Some(left.min(self.bounds.silence)))?;
                    match stream.read(buffer) {
                        // Whichever of the two the system has for it.
                        Err(error)
                            if matches!(
                                error.kind(),
                                ErrorKind::WouldBlock | ErrorKind::TimedOut
                            ) =>
                        {
                            let message = "the program doesn't answer; is it stopped?";
                            return Err(timed_out(message));
                        }
                        read => break read?,
                    }
                }
            }
            thread::sleep(PAUSE);
        };
        self.read_bytes += count as u64;
        if self.read_bytes > most_bytes {
            let message = format!("more than {} MiB come from it", most_bytes >> 20);
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        if count > 0 && self.opened.elapsed() > in_all && is_timed(&self.source) {
            return Err(timed_out(&format!(
                "it isn't at its end after {} seconds",
                in_all.as_secs()
            )));
        }
        Ok(count)
    }
}

/// Whether it has to come to its end in time: a program on a socket has its report at once, and
/// one that writes to a pipe may still be at work.
fn is_timed(source: &Source) -> bool {
    match source {
        Source::Regular(_) | Source::Stream(_) => false,
        #[cfg(unix)]
        Source::Socket(_) => true,
    }
}

fn timed_out(message: &str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, message)
}

#[cfg(unix)]
fn is_socket(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_socket()
}

#[cfg(unix)]
fn connect(path: &Path) -> io::Result<Source> {
    std::os::unix::net::UnixStream::connect(path).map(Source::Socket)
}

/// Opening a pipe would wait for a program that writes to it, and so would reading.
#[cfg(unix)]
fn without_waiting() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options
}

#[cfg(not(unix))]
fn is_socket(_: FileType) -> bool {
    false
}

#[cfg(not(unix))]
fn connect(_: &Path) -> io::Result<Source> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn without_waiting() -> OpenOptions {
    let mut options = File::options();
    options.read(true);
    options
}

#[cfg(all(test, unix, feature = "export"))]
mod tests {
    use super::{BOUNDS, Bounds, Input};
    use std::io::{self, ErrorKind, Write};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    const NO_TIME: Bounds = Bounds {
        silence: Duration::from_millis(1),
        in_all: Duration::ZERO,
        until_written: Duration::ZERO,
        most_bytes: 100,
    };

    fn read(path: &Path, bounds: Bounds) -> io::Result<Vec<u8>> {
        Input::open_within(path, bounds)?.json()
    }

    fn pipe(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn a_program_that_says_nothing_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        // The system connects, though no program accepts.
        let _listener = UnixListener::bind(&path).unwrap();

        let error = read(&path, NO_TIME).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("doesn't answer"), "{error}");
    }

    #[test]
    fn a_socket_that_drips_has_to_come_to_its_end_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let says = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Until the reader has gone away.
            while stream.write_all(b" ").is_ok() {}
        });

        let bounds = Bounds {
            in_all: Duration::ZERO,
            ..BOUNDS
        };
        let error = read(&path, bounds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        says.join().unwrap();
    }

    #[test]
    fn what_is_said_before_the_end_is_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let says = std::thread::spawn(move || {
            listener.accept().unwrap().0.write_all(b" {text").unwrap();
        });

        assert_eq!(read(&path, BOUNDS).unwrap(), b" {text");
        says.join().unwrap();
    }

    #[test]
    fn a_pipe_that_nothing_writes_to_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        pipe(&path);

        let error = read(&path, NO_TIME).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("no program writes"), "{error}");
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        pipe(&path);
        let to = path.clone();
        let writes = std::thread::spawn(move || std::fs::write(to, b"{}"));

        assert_eq!(read(&path, BOUNDS).unwrap(), b"{}");
        writes.join().unwrap().unwrap();
    }

    #[test]
    fn a_device_without_end_is_refused() {
        let zeroes = read(Path::new("/dev/zero"), BOUNDS).unwrap_err();
        assert_eq!(zeroes.kind(), ErrorKind::InvalidData);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        pipe(&path);
        let to = path.clone();
        let writes = std::thread::spawn(move || std::fs::write(to, [b'{'; 200]));
        let bounds = Bounds {
            most_bytes: 100,
            ..BOUNDS
        };
        let error = read(&path, bounds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let _ = writes.join().unwrap();
    }
}
