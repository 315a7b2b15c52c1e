//! Which copy of memprof this is in the process.
//!
//! A program and each plugin that it loads can have a copy, and all of them read the same
//! environment variables. Copies know of no memory that they share. What they do share is the
//! process: on Linux, each copy locks one of the process's files in `/proc`, the first that is
//! free. The lock is held until the process ends, so a plugin that is loaded again gets a later
//! number than before.

use std::sync::OnceLock;

/// The number of this copy, from 1. It is 1 where it can't be known: on systems other than Linux,
/// without `/proc`, and after a program has closed descriptors that it didn't open.
pub(crate) fn number() -> usize {
    static NUMBER: OnceLock<usize> = OnceLock::new();
    *NUMBER.get_or_init(|| index().map_or(1, |place| place + 1))
}

#[cfg(target_os = "linux")]
fn index() -> Option<usize> {
    use std::fs::{File, TryLockError};
    const FILES: [&str; 9] = [
        "stat", "status", "maps", "limits", "mounts", "cmdline", "environ", "io", "sched",
    ];
    for (place, name) in FILES.iter().enumerate() {
        let file = File::open(format!("/proc/self/{name}")).ok()?;
        match file.try_lock() {
            Ok(()) => {
                // Never closed, so that it stays locked until the process ends.
                std::mem::forget(file);
                return Some(place);
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return None,
        }
    }
    Some(FILES.len())
}

#[cfg(not(target_os = "linux"))]
fn index() -> Option<usize> {
    None
}
