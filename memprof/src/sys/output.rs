//! Writing text to stdout and stderr.
//!
//! The profiled program must not suffer from a closed pipe or a full disk: errors are ignored.

use crate::sys::os;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// How long [`say`] waits for the lock, and for room in a pipe.
const PATIENCE: Duration = Duration::from_secs(1);

/// The longest line that is written in one piece, in bytes.
const LINE: usize = 2048;

/// A thread that writes holds one of these locks. It isn't held over a fork, as other locks are:
/// the fork would have to wait for the reader of a pipe.
static ONE_AT_A_TIME: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];

/// How often a forked child found the lock held by a thread that it doesn't have, and moved on to
/// the next one.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

fn one_at_a_time() -> &'static Mutex<()> {
    // Relaxed: it changes only while there is one thread.
    let place = CHANGES.load(Ordering::Relaxed) % ONE_AT_A_TIME.len();
    &ONE_AT_A_TIME[place]
}

extern "C" fn change_lock_in_child() {
    if let Err(TryLockError::WouldBlock) = one_at_a_time().try_lock() {
        CHANGES.fetch_add(1, Ordering::Relaxed);
    }
}

/// Writes `text` to stdout or stderr without mixing it with another thread's.
///
/// It doesn't use `std::io::stdout`, whose lock may be held, for any length of time, by a thread
/// that waits for this one.
pub(crate) fn write(is_stderr: bool, text: &str) {
    static KNOWS_FORKS: Once = Once::new();
    KNOWS_FORKS.call_once(|| os::in_forked_children(change_lock_in_child));
    let lock = one_at_a_time().lock();
    let _lock = lock.unwrap_or_else(PoisonError::into_inner);
    let write = || os::write_past_locks(is_stderr, text.as_bytes());
    let _ = os::without_signals_of_writing(write);
}

/// Writes one line to stderr, soon or not at all: the program may be about to end, and a thread
/// that writes to a pipe which isn't read holds the lock for ever.
///
/// It doesn't allocate, so its callers needn't exclude that from the numbers.
pub(crate) fn say(line: &str) {
    let start = Instant::now();
    let lock = loop {
        match one_at_a_time().try_lock() {
            Ok(lock) => break Some(lock),
            Err(TryLockError::Poisoned(lock)) => break Some(lock.into_inner()),
            // Without the lock, the line may end up in the middle of a table.
            Err(TryLockError::WouldBlock) if start.elapsed() >= PATIENCE => break None,
            // A lock of `std` can't be waited for with a deadline.
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    };
    if os::is_writable(true, PATIENCE) {
        let parts = ["memprof: ", line, "\n"].map(str::as_bytes);
        let mut buffer = [0; LINE];
        // Written at once if it fits, so that other programs' lines don't come in between.
        match joined(parts, &mut buffer) {
            Some(length) => drop(os::write_past_locks(true, &buffer[..length])),
            None => parts
                .iter()
                .for_each(|part| drop(os::write_past_locks(true, part))),
        }
    }
    drop(lock);
}

/// Concatenates the parts in the buffer and returns their length, or `None` if they don't fit.
fn joined(parts: [&[u8]; 3], buffer: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    for part in parts {
        let end = length + part.len();
        buffer.get_mut(length..end)?.copy_from_slice(part);
        length = end;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_is_in_one_piece_if_it_fits() {
        let mut buffer = [0; 8];
        assert_eq!(super::joined([b"ab", b"cde", b"f"], &mut buffer), Some(6));
        assert_eq!(&buffer, b"abcdef\0\0");
        assert_eq!(super::joined([b"ab", b"cdefgh", b"i"], &mut buffer), None);
    }
}
