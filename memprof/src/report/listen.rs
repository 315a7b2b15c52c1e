//! The socket on which a running program hands out its report.
//!
//! Who connects gets one, as JSON, and the end of the file. The program goes on
//! meanwhile: a thread of its own answers, which gets none of the program's signals.

use super::at_exit::has_source;
use super::format::Format;
use crate::{os, output, own_work, snapshot, threads};
use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
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
    /// A forked child has the variable, too, and is not the one that listens.
    process: u32,
}

/// Listens where `MEMPROF_LISTEN` says, if it does.
pub(crate) fn prepare_socket() {
    let Some(path) = env::var_os("MEMPROF_LISTEN").filter(|path| !path.is_empty()) else {
        return;
    };
    let path = of_this_process(path);
    if let Err(error) = listen(&path) {
        output::say(&format!(
            "nobody is listened to at {:?}, where MEMPROF_LISTEN says: {error}",
            path.to_string_lossy()
        ));
    }
}

/// With the number of the process for `%p`, from which folder ever it is looked at.
fn of_this_process(path: OsString) -> PathBuf {
    let path = path.into_string().map_or_else(PathBuf::from, |path| {
        path.replace("%p", &process::id().to_string()).into()
    });
    std::path::absolute(&path).unwrap_or(path)
}

fn listen(path: &Path) -> io::Result<()> {
    make_way(path)?;
    let listener = bind(path)?;
    SOCKET.get_or_init(|| Socket {
        path: path.to_owned(),
        process: process::id(),
    });
    let answer = move || {
        own_work::during(false, || {
            for stream in listener.incoming().flatten() {
                // Whoever has gone away has seen enough.
                let _ = hand_out(&stream);
            }
        });
    };
    let thread = thread::Builder::new().name("memprof".to_owned());
    os::without_signals(|| thread.spawn(answer)).map(drop)
}

/// Removes a socket that a process has left behind. Anything else stays.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !there.file_type().is_socket() {
        let message = "there is something else; give a path where there is nothing";
        return Err(io::Error::new(ErrorKind::AlreadyExists, message));
    }
    if UnixStream::connect(path).is_ok() {
        let message = "another process listens there; `%p` in the path stands for the process";
        return Err(io::Error::new(ErrorKind::AddrInUse, message));
    }
    fs::remove_file(path)
}

/// Makes the socket, which is its owner's alone from the first moment: it is made in a
/// folder that is so, and then put in its place.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let folder = tempfile::Builder::new()
        .prefix(".memprof-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let inside = folder.path().join("s");
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    fs::rename(&inside, path)?;
    Ok(listener)
}

fn hand_out(stream: &UnixStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut out = BufWriter::new(stream);
    threads::without_peak(|| {
        let mut report = snapshot::report();
        if !has_source() {
            report = report.without_source();
        }
        report.write_to(Format::Json, &mut out)
    })?;
    out.flush()
}

/// Removes the socket, at the end of the process that listens.
pub(crate) fn remove_socket() {
    if let Some(socket) = SOCKET.get()
        && socket.process == process::id()
    {
        let _ = fs::remove_file(&socket.path);
    }
}
