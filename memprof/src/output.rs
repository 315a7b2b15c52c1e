//! How text gets out of the process.
//!
//! The program under profile must not suffer from a closed pipe or a full disk:
//! whatever goes wrong here, it goes wrong in silence.

use crate::os;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long [`say`] waits for the lock, and for a pipe to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// The lock of whoever writes, one of these. Held over a fork, as other locks are, it would
/// have the fork wait for the reader of a pipe.
static ONE_AT_A_TIME: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// How often the lock was held by a thread that a child doesn't have.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

fn one_at_a_time() -> &'static Mutex<()> {
    // Relaxed: it changes while there is one thread.
    let place = CHANGES.load(Ordering::Relaxed) % ONE_AT_A_TIME.len();
    &ONE_AT_A_TIME[place]
}

extern "C" fn change_lock_in_child() {
    if let Err(TryLockError::WouldBlock) = one_at_a_time().try_lock() {
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes `text` so that it doesn't mix with another thread's.
///
/// Not through `std::io::stdout`: its lock may be held, for as long as it takes,
/// by a thread that waits for this one.
pub(crate) fn write(stream: Stream, text: &str) {
    static KNOWS_FORKS: Once = Once::new();
    KNOWS_FORKS.call_once(|| os::in_forked_children(change_lock_in_child));
    let lock = one_at_a_time().lock();
    let _lock = lock.unwrap_or_else(PoisonError::into_inner);
    let is_stderr = stream == Stream::Stderr;
    let write = || os::write_past_locks(is_stderr, text.as_bytes());
    let _ = os::without_signals_of_writing(write);
}

/// Says one line on the standard error; soon or not at all, since the program may be about to
/// end, and a thread that writes to a pipe which isn't read holds the lock for ever.
pub(crate) fn say(line: &str) {
    let _paused = crate::threads::pause();
    let start = Instant::now();
    let lock = loop {
        match one_at_a_time().try_lock() {
            Ok(lock) => break Some(lock),
            Err(TryLockError::Poisoned(lock)) => break Some(lock.into_inner()),
            // Without it, it may come in the middle of a table.
            Err(TryLockError::WouldBlock) if start.elapsed() >= PATIENCE => break None,
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    };
    if os::is_writable(true, PATIENCE) {
        let _ = os::write_past_locks(true, format!("memprof: {line}\n").as_bytes());
    }
    drop(lock);
}
