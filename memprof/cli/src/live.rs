//! Running programs that serve their reports on the socket named by their `MEMPROF_LISTEN`.

use crate::reading::{explained, read};
use memprof::report::{FileError, Report};
use std::error::Error;
use std::path::PathBuf;

/// A running program that serves its reports.
#[derive(Debug)]
pub(crate) struct Program {
    socket: PathBuf,
}

impl Program {
    /// Finds a program by its process ID or the path of its socket.
    pub(crate) fn find(name: &str) -> Result<Self, Box<dyn Error>> {
        let socket = match name.parse() {
            Ok(process) => socket_of(process)?,
            Err(_) => name.into(),
        };
        Ok(Self { socket })
    }

    /// The program's current report.
    pub(crate) fn report(&self) -> Result<Report, FileError> {
        read(&self.socket)
    }

    /// The program's current report. An error also says when a program listens at all.
    pub(crate) fn first_report(&self) -> Result<Report, Box<dyn Error>> {
        self.report()
            .map_err(|error| explained(error, &self.socket))
    }
}

/// The socket of a process, from the environment that it was started with.
#[cfg(target_os = "linux")]
fn socket_of(process: i32) -> Result<PathBuf, Box<dyn Error>> {
    use memprof::__command::with_number;
    let of_process = |error| format!("process {process} can't be inspected: {error}");
    let found = procfs::process::Process::new(process).map_err(of_process)?;
    let environment = found.environ().map_err(of_process)?;
    let said = |name: &str| environment.get(std::ffi::OsStr::new(name));
    let path = said("MEMPROF_LISTEN").ok_or_else(|| {
        let output = said("MEMPROF_OUTPUT").map_or_else(String::new, |path| {
            format!(
                "; it writes its report to {:?} when it exits, also by Ctrl-C or `kill`, and at \
                 intervals if it was started with `MEMPROF_EVERY`",
                path.to_string_lossy()
            )
        });
        format!(
            "process {process} was started without `MEMPROF_LISTEN`; start it with \
             `MEMPROF_LISTEN=/tmp/%p.memprof`, where `%p` stands for its process ID{output}"
        )
    })?;
    let path = with_number(path, process.unsigned_abs());
    // A relative path is taken from the folder in which the program began to listen. It has
    // rarely changed its working folder since.
    Ok(found.cwd().map_err(of_process)?.join(path))
}

#[cfg(not(target_os = "linux"))]
fn socket_of(process: i32) -> Result<PathBuf, Box<dyn Error>> {
    Err(format!(
        "the socket of process {process} can be found on Linux only; give the path of the socket, \
         which is in its `MEMPROF_LISTEN`"
    )
    .into())
}
