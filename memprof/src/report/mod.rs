//! How a profile looks, and how it gets out of the process.
//!
//! The program under profile must not suffer from a closed pipe or a full disk:
//! whatever goes wrong here, it goes wrong in silence.

mod column;
mod table;

pub use column::Column;

use crate::config::{Settings, Stream};
use crate::heap::{self, HeapSource};
use crate::os;
use crate::profile::FunctionProfile;
use std::sync::{Mutex, PoisonError};

/// Prints the table of `profile`, in one piece.
pub(crate) fn print(settings: &Settings, profile: &FunctionProfile) {
    if profile.heap_source == HeapSource::Nobody {
        heap::say_nobody_counts();
    }
    write(settings.stream, &table::table(settings, profile));
}

/// Says one line on the standard error.
pub(crate) fn say(line: &str) {
    let _paused = crate::tally::pause();
    write(Stream::Stderr, &format!("memprof: {line}\n"));
}

/// Writes `text` so that it doesn't mix with another thread's.
///
/// Not through `std::io::stdout`: its lock may be held, for as long as it takes,
/// by a thread that waits for this one.
fn write(stream: Stream, text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = os::write_past_locks(stream == Stream::Stderr, text.as_bytes());
}
