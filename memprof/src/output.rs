//! How text gets out of the process.
//!
//! The program under profile must not suffer from a closed pipe or a full disk:
//! whatever goes wrong here, it goes wrong in silence.

use crate::os;
use std::sync::{Mutex, PoisonError};

/// Where a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// Writes `text` so that it doesn't mix with another thread's.
///
/// Not through `std::io::stdout`: its lock may be held, for as long as it takes,
/// by a thread that waits for this one.
pub(crate) fn write(stream: Stream, text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = os::write_past_locks(stream == Stream::Stderr, text.as_bytes());
}

/// Says one line on the standard error.
pub(crate) fn say(line: &str) {
    let _paused = crate::threads::pause();
    write(Stream::Stderr, &format!("memprof: {line}\n"));
}
