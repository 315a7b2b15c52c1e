//! Which copy of memprof this is in the process: a program and each plugin that it loads can
//! have one, and all of them read the same variables.
//!
//! Copies have no memory in common that they know of. What they share is the process: on
//! Linux each takes a lock on a file of it in `/proc`, the first one that is free. A lock is
//! kept until the process ends, so that a plugin that is loaded again comes after itself.

use std::sync::OnceLock;

/// The number of this copy, from 1. It is 1 where that can't be known: elsewhere than on
/// Linux, without `/proc`, and after a program has closed files that it hasn't opened.
pub(crate) fn number() -> usize {
    static NUMBER: OnceLock<usize> = OnceLock::new();
    *NUMBER.get_or_init(|| place().map_or(1, |place| place + 1))
}

#[cfg(target_os = "linux")]
fn place() -> Option<usize> {
    use std::fs::{File, TryLockError};
    const FILES: [&str; 9] = [
        "stat", "status", "maps", "limits", "mounts", "cmdline", "environ", "io", "sched",
    ];
    for (place, name) in FILES.iter().enumerate() {
        let file = File::open(format!("/proc/self/{name}")).ok()?;
        match file.try_lock() {
            Ok(()) => {
                // Open for as long as the process lives, and so locked.
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
fn place() -> Option<usize> {
    None
}
