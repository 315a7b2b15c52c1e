//! The socket on which a running program hands out its report.
//!
//! Who connects gets one, as JSON, and the end of the file. The program goes on
//! meanwhile: a thread of its own answers, which gets none of the program's signals.

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

/// How long somebody who has connected may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket of this process, to be removed at its end.
static SOCKET: OnceLock<Socket> = OnceLock::new();

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    /// Somebody may have removed it, and another program listen at the same path.
    identity: Identity,
    /// A forked child has the variable, too, and is not the one that listens.
    process: u32,
}

/// Listens where `MEMPROF_LISTEN` says, if it does.
pub(crate) fn prepare_socket() {
    let Some(name) = environment::get("MEMPROF_LISTEN") else {
        return;
    };
    let path = NamedPath::new(name).path();
    if let Err(error) = listen(&path) {
        say(&format!(
            "nobody is listened to at {:?}, where MEMPROF_LISTEN says: {error}",
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
                // Whoever has gone away has seen enough.
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
                "its {length} bytes are more than the address of a socket can have; give a \
                 shorter path"
            );
            io::Error::new(ErrorKind::InvalidInput, message)
        }
        error => error.into(),
    })
}

/// Removes a socket that a process has left behind. Anything else stays.
fn make_way(path: &Path, address: &SocketAddrUnix) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        let message = "there is something else; give a path where there is nothing";
        return Err(io::Error::new(ErrorKind::AlreadyExists, message));
    }
    // Not waited for: one who listens may have more to answer than wait in line.
    let socket = socket()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    match net::connect(&socket, address) {
        Ok(()) | Err(Errno::AGAIN) => {
            let message = "another process listens there, or another copy of memprof in this \
                           one; `%p` in the path stands for the process";
            Err(io::Error::new(ErrorKind::AddrInUse, message))
        }
        Err(Errno::CONNREFUSED) => {
            Identity::of(&there).remove_from(path);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the socket, which is its owner's alone from the first moment. What is there stays.
fn bind(path: &Path, address: &SocketAddrUnix) -> io::Result<UnixListener> {
    let for_the_owner = Mode::RUSR | Mode::WUSR;
    let socket = socket()?;
    // Linux makes the file with the mode that the socket has, and others don't.
    let _ = rustix::fs::fchmod(&socket, for_the_owner);
    net::bind(&socket, address)?;
    // Before anybody can connect.
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::fs::{AtFlags, CWD, chmodat};
        chmodat(CWD, path, for_the_owner, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let _ = path;
    net::listen(&socket, 128)?;
    Ok(UnixListener::from(socket))
}

/// A socket that no program gets which this one starts.
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

/// Removes the socket, at the end of the process that listens, if it is still there.
pub(crate) fn remove_socket() {
    if let Some(socket) = SOCKET.get()
        && socket.process == process::id()
    {
        socket.identity.remove_from(&socket.path);
    }
}
