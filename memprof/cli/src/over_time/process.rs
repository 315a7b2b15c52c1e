//! Finds a running process by its ID or its name.

#[cfg(target_os = "linux")]
use procfs::process::{Process, all_processes};

/// The ID of a process, and its command line.
///
/// A name matches the process with the lowest ID that has exactly this name, or else the one
/// with the lowest ID whose name contains it.
#[cfg(target_os = "linux")]
pub(crate) fn find(word: &str) -> Result<(u32, String), String> {
    let command = |process: &Process| process.cmdline().unwrap_or_default().join(" ");
    if let Ok(number) = word.parse::<u32>() {
        let process = i32::try_from(number).map(Process::new);
        return match process {
            Ok(Ok(process)) => Ok((number, command(&process))),
            _ => Err(format!("there is no process {number}")),
        };
    }
    let own = std::process::id().cast_signed();
    let mut processes = Vec::new();
    for process in all_processes().into_iter().flatten().flatten() {
        if let Ok(stat) = process.stat()
            && stat.pid != own
            && stat.comm.contains(word)
        {
            processes.push((stat.comm != word, stat.pid, command(&process)));
        }
    }
    let first = processes.into_iter().min();
    let no_such = || format!("no process has {word:?} in its name; give its process ID");
    let (_, number, command) = first.ok_or_else(no_such)?;
    Ok((number.unsigned_abs(), command))
}

/// Always fails: the memory of other processes can be read on Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn find(word: &str) -> Result<(u32, String), String> {
    Err(format!("{word:?} can't be watched: this needs Linux"))
}
