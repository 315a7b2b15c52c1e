//! Reading files that others wrote, within bounds, so that none of them blocks the reader or fills
//! its memory.
//!
//! A regular file is read as it is. For pipes, sockets and devices, the waiting time and the number
//! of bytes are limited.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program on a socket may be silent. It may answer other connections first, and the
/// report of a large program takes its time.
#[cfg(unix)]
const SILENCE: Duration = Duration::from_secs(30);

/// How long reading from a socket may take in total.
const IN_ALL: Duration = Duration::from_secs(300);

/// How long to wait for a program that opens a pipe for writing.
const UNTIL_WRITTEN: Duration = Duration::from_secs(5);

/// The most bytes to read from anything but a regular file.
const MOST_BYTES: u64 = 1 << 30;

/// How long to wait before checking again for more data.
const PAUSE: Duration = Duration::from_millis(10);

/// A file that is open for reading.
///
/// [`Read::read`] fails with `TimedOut` or `FileTooLarge` where a bound is exceeded.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    bounds: Bounds,
    /// When the file was opened.
    opened: Instant,
    read_bytes: u64,
}

#[derive(Debug)]
enum Source {
    Regular(File),
    /// A pipe or a device, opened for non-blocking reads.
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
            // The type of the opened file, since the path may refer to another one by now.
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

    /// Reads the whole file. Unless it is a regular file, it has to begin like a JSON object.
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
                        let message = "it doesn't begin with `{`, as a report in JSON does";
                        return Err(io::Error::new(ErrorKind::InvalidData, message));
                    }
                }
            }
        }
        self.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Reads from a pipe or a device. `None` if there is nothing yet.
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
                    // The end, or a pipe that no program has opened yet.
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
                        // Systems report a timeout as one or the other.
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
            let message = format!("it sends more than {} MiB", most_bytes >> 20);
            return Err(io::Error::new(ErrorKind::FileTooLarge, message));
        }
        if count > 0 && self.opened.elapsed() > in_all && is_timed(&self.source) {
            return Err(timed_out(&format!(
                "it hasn't ended after {} seconds",
                in_all.as_secs()
            )));
        }
        Ok(count)
    }
}

/// Whether the total time is limited: a program on a socket has its report ready, while one that
/// writes to a pipe may still be working.
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

/// Options for non-blocking reads: opening a pipe would wait for a writer, and so would reading.
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
        // The system connects although no program accepts.
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
            // Until the reader has closed its end.
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
