//! What needs the C library: threads on which nothing, not even `std`, allocates before the test's
//! code runs; processes with a single thread; resource limits; and named pipes.

use std::ffi::{CString, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;

type Act<'a> = &'a mut (dyn FnMut() + Send);

struct Acts<'a> {
    at_first: Act<'a>,
    at_last: Act<'a>,
    key: libc::pthread_key_t,
}

/// Runs `at_first` on a new thread created by the C library. Then runs `at_last` in a pthread key
/// destructor of that thread, when Rust's thread-locals have been destroyed. Waits until the
/// thread has ended and its stack is unmapped.
///
/// # Panics
///
/// If the thread can't be created.
pub fn on_a_c_thread(mut at_first: impl FnMut() + Send, mut at_last: impl FnMut() + Send) {
    let mut acts = Acts {
        at_first: &mut at_first,
        at_last: &mut at_last,
        key: 0,
    };
    // SAFETY: the thread borrows `acts` from this stack frame, which is valid until the thread is
    // joined. The thread sets the key's value once, so its destructor runs once; the key is deleted
    // after the join. (The stack is so large that the C library doesn't cache it.)
    unsafe {
        let answer = libc::pthread_key_create(&raw mut acts.key, Some(end));
        assert_eq!(answer, 0);
        let mut attributes = mem::zeroed();
        libc::pthread_attr_init(&raw mut attributes);
        libc::pthread_attr_setstacksize(&raw mut attributes, 64 << 20);
        let mut thread = mem::zeroed();
        let acts_ptr = (&raw mut acts).cast();
        let answer = libc::pthread_create(&raw mut thread, &raw const attributes, begin, acts_ptr);
        assert_eq!(answer, 0);
        libc::pthread_join(thread, ptr::null_mut());
        libc::pthread_attr_destroy(&raw mut attributes);
        libc::pthread_key_delete(acts.key);
    }
}

/// Runs `main` in a forked child, which has no other thread. In the parent, the main thread of the
/// test harness would contribute to the numbers of the process.
///
/// # Panics
///
/// If `main` panics, or the process can't be forked.
pub fn alone(main: impl FnOnce()) {
    // SAFETY: the only other thread is that of the harness. The child uses none of its state, and
    // exits without returning to it.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let answer = catch_unwind(AssertUnwindSafe(main));
            libc::_exit(i32::from(answer.is_err()));
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert_eq!(status, 0);
    }
}

extern "C" fn begin(acts: *mut c_void) -> *mut c_void {
    let acts_ptr = acts.cast::<Acts<'_>>();
    // SAFETY: the creator keeps `acts` alive and doesn't access it until the thread has ended.
    let acts = unsafe { &mut *acts_ptr };
    (acts.at_first)();
    // SAFETY: the key is deleted only after the thread has ended.
    unsafe { libc::pthread_setspecific(acts.key, acts_ptr.cast()) };
    ptr::null_mut()
}

extern "C" fn end(acts: *mut c_void) {
    // SAFETY: as in `begin`, which has returned and no longer uses its reference.
    let acts = unsafe { &mut *acts.cast::<Acts<'_>>() };
    (acts.at_last)();
}

/// Limits the size of files that the calling process writes: a write beyond it fails.
///
/// # Panics
///
/// If the limit can't be set.
pub fn limit_files(bytes: u64) {
    // SAFETY: `SIG_IGN` is a valid action. With the signal ignored, a write fails instead of ending
    // the process.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    limit_files_by_signal(bytes);
}

/// Like [`limit_files`], but a write beyond the limit ends the process by a signal, which is the
/// default.
///
/// # Panics
///
/// If the limit can't be set.
pub fn limit_files_by_signal(bytes: u64) {
    let most = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: `most` is a valid `rlimit` to read for the duration of the call.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const most) };
    assert_eq!(answer, 0);
}

/// Creates a named pipe.
///
/// # Panics
///
/// If it can't be created.
pub fn make_pipe(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without a zero byte");
    // SAFETY: `path` is a NUL-terminated string for the duration of the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
}

/// Whether the calling process runs as root.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: the call has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Runs `work` while the process can't map more memory.
///
/// # Panics
///
/// If the limit can't be set.
pub fn with_no_new_memory<T>(work: impl FnOnce() -> T) -> T {
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `before` and `none` are valid for the duration of the calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &raw mut before), 0);
        let none = libc::rlimit {
            rlim_cur: 0,
            ..before
        };
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const none), 0);
    }
    let answer = work();
    // SAFETY: as above.
    unsafe { assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const before), 0) };
    answer
}
