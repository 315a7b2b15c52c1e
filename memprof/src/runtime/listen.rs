//! The socket of `MEMPROF_LISTEN`, on which a running program hands out its report.
//!
//! Each client that connects gets a report as JSON, followed by the end of the stream. A thread of
//! the profiler answers while the program goes on. It blocks the program's signals, and its
//! allocations aren't counted.

use crate::count::environment::{self, NamedPath};
use crate::count::{this_thread, uncounted};
use crate::record::collect;
use crate::report::Format;
use crate::runtime::output_file::elapsed;
use crate::runtime::output_file::has_source;
use crate::sys::identity::Identity;
use crate::sys::os;
use crate::sys::output::say;
use rustix::fs::Mode;
use rustix::io::{Errno, FdFlags};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketType};
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// How long a client that doesn't read may keep others waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket of this process, which is removed when the process exits.
static SOCKET: OnceLock<Socket> = OnceLock::new();

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    /// Identifies the file: another program may have replaced it and be listening at the same path.
    identity: Identity,
    /// The process that listens: a forked child inherits this value, but doesn't listen.
    process: u32,
}

/// Listens on the path in `MEMPROF_LISTEN`, if it is set.
pub(crate) fn prepare_socket() {
    let Some(name) = environment::get("MEMPROF_LISTEN") else {
        return;
    };
    let path = NamedPath::new(name).path();
    if let Err(error) = listen(&path) {
        say(&format!(
            "cannot listen on {:?}, the path in MEMPROF_LISTEN: {error}",
            path.to_string_lossy()
        ));
    }
}

fn listen(path: &Path) -> io::Result<()> {
    let address = address(path)?;
    make_way(path, &address)?;
    let listener = bind(path, &address)?;
    let identity = Identity::at(path)?;
    SOCKET.get_or_init(|| Socket {
        path: path.to_owned(),
        identity,
        process: process::id(),
    });
    let answer = move || {
        uncounted::during(false, || {
            for stream in listener.incoming().flatten() {
                // An error means that the client has gone away, which is its business.
                let _ = hand_out(&stream);
            }
        });
    };
    let thread = thread::Builder::new().name("memprof".to_owned());
    os::without_signals(|| thread.spawn(answer)).map(drop)
}

fn address(path: &Path) -> io::Result<SocketAddrUnix> {
    SocketAddrUnix::new(path).map_err(|error| match error {
        Errno::NAMETOOLONG => {
            let length = path.as_os_str().len();
            let message = format!(
                "its {length} bytes are more than the address of a socket can have; use a \
                 shorter path"
            );
            io::Error::new(ErrorKind::InvalidInput, message)
        }
        error => error.into(),
    })
}

/// Removes a socket that no process listens on any more. Anything else stays and is an error.
fn make_way(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        let message = "the file there is not a socket; use a path where there is no file";
        return Err(io::Error::new(ErrorKind::AlreadyExists, message));
    }
    // Doesn't block: the queue of a process that listens may be full.
    let socket = socket()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    match net::connect(&socket, address) {
        Ok(()) | Err(Errno::AGAIN) => {
            let message = "another process listens there, or another copy of memprof in this \
                           one; `%p` in the path stands for the id of the process";
            Err(io::Error::new(ErrorKind::AddrInUse, message))
        }
        Err(Errno::CONNREFUSED) => {
            Identity::of(&there).remove_from(path);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Creates the socket. Only its owner can connect, from the first moment. Fails if there is a file
/// at the path.
fn bind(path: &Path, address: &SocketAddrUnix) -> io::Result<UnixListener> {
    let for_the_owner = Mode::RUSR | Mode::WUSR;
    let socket = socket()?;
    // Linux creates the file with the mode of the socket; other systems don't.
    let _ = rustix::fs::fchmod(&socket, for_the_owner);
    net::bind(&socket, address)?;
    // Before `listen`, so before a client can connect.
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::fs::{AtFlags, CWD, chmodat};
        chmodat(CWD, path, for_the_owner, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let _ = path;
    net::listen(&socket, 128)?;
    Ok(UnixListener::from(socket))
}

/// Opens a socket that child programs don't inherit.
fn socket() -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    let flags = net::SocketFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = net::SocketFlags::empty();
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

fn hand_out(stream: &UnixStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut out = BufWriter::new(stream);
    this_thread::without_peak(|| {
        let mut report = collect::report();
        report.interim_after = Some(elapsed());
        if !has_source() {
            report = report.without_source();
        }
        report.write_to(Format::Json, &mut out)
    })?;
    out.flush()
}

/// Removes the socket if this is the process that listens and the file is still its own.
pub(crate) fn remove_socket() {
    if let Some(socket) = SOCKET.get()
        && socket.process == process::id()
    {
        socket.identity.remove_from(&socket.path);
    }
}
