//! A process that is running, by its number or its name.

#[cfg(target_os = "linux")]
use procfs::process::{Process, all_processes};

/// The number of a process, and the command that it was started by.
///
/// A name is that of the first process that has it, or else has it in its own.
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
    let no_such = || format!("there is no process whose name has {word:?} in it; give its number");
    let (_, number, command) = first.ok_or_else(no_such)?;
    Ok((number.unsigned_abs(), command))
}

/// Finds nobody: the memory of other processes is read on Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn find(word: &str) -> Result<(u32, String), String> {
    Err(format!(
        "{word:?} can't be looked at: the system isn't Linux"
    ))
}
