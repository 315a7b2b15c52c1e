//! Programs that run and hand out their reports: `MEMPROF_LISTEN` of theirs says where.

use crate::reading::{explained, read};
use memprof::report::{FileError, Report};
use std::error::Error;
use std::path::PathBuf;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Program {
    socket: PathBuf,
}

impl Program {
    /// The program of a process, by its number, or of a socket, by its path.
    pub(crate) fn find(name: &str) -> Result<Self, Box<dyn Error>> {
        let socket = match name.parse() {
            Ok(process) => socket_of(process)?,
            Err(_) => name.into(),
        };
        Ok(Self { socket })
    }

    /// Its report of this moment.
    pub(crate) fn report(&self) -> Result<Report, FileError> {
        read(&self.socket)
    }

    /// The same, and an error says why nobody may be there.
    pub(crate) fn first_report(&self) -> Result<Report, Box<dyn Error>> {
        self.report()
            .map_err(|error| explained(error, &self.socket))
    }
}

/// Where a process listens, as its environment says.
#[cfg(target_os = "linux")]
fn socket_of(process: i32) -> Result<PathBuf, Box<dyn Error>> {
    use memprof::__command::with_number;
    let of_process = |error| format!("process {process} can't be looked at: {error}");
    let found = procfs::process::Process::new(process).map_err(of_process)?;
    let environment = found.environ().map_err(of_process)?;
    let said = |name: &str| environment.get(std::ffi::OsStr::new(name));
    let path = said("MEMPROF_LISTEN").ok_or_else(|| {
        let output = said("MEMPROF_OUTPUT").map_or_else(String::new, |path| {
            format!(
                "; it writes its report to {:?} when it ends, as by Ctrl-C or `kill`, and before \
                 that if it was started with `MEMPROF_EVERY`",
                path.to_string_lossy()
            )
        });
        format!(
            "process {process} was started without `MEMPROF_LISTEN`; start it with \
             `MEMPROF_LISTEN=/tmp/%p.memprof`, where `%p` stands for its number{output}"
        )
    })?;
    let path = with_number(path, process.unsigned_abs());
    // From where it was when it began to listen, which is seldom another folder.
    Ok(found.cwd().map_err(of_process)?.join(path))
}

#[cfg(not(target_os = "linux"))]
fn socket_of(process: i32) -> Result<PathBuf, Box<dyn Error>> {
    Err(format!(
        "where process {process} listens is known on Linux only; give the path of its socket, \
         as `MEMPROF_LISTEN` says it"
    )
    .into())
}
