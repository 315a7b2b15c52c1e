//! What only C makes: a thread on which nothing has been allocated, by `std`
//! neither, before the program's own code runs; a process without any thread
//! but the program's own; and a limit for the size of files.

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

/// Runs `at_first` on a new thread of C's, and `at_last` on it when the locals of
/// Rust are gone, in a destructor that C has for each thread; waits until the
/// thread is no more, and its stack unmapped.
///
/// # Panics
///
/// If there can't be such a thread.
pub fn on_a_c_thread(mut at_first: impl FnMut() + Send, mut at_last: impl FnMut() + Send) {
    let mut acts = Acts {
        at_first: &mut at_first,
        at_last: &mut at_last,
        key: 0,
    };
    // SAFETY: the thread borrows what is on this one's stack, and is waited for. It
    // sets the key's value once, and so its destructor is called once; the key is
    // deleted afterwards. A C library doesn't keep a stack of this size for later.
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

/// Runs `main` in a forked child, in which there is no thread but this one. That of
/// the test harness, which starts the tests, would be in the process's numbers.
///
/// # Panics
///
/// If `main` does, or there can't be a child.
pub fn alone(main: impl FnOnce()) {
    // SAFETY: the harness alone has another thread, and the child goes on without
    // anything of it; it ends without going back there.
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
    // SAFETY: nobody else looks at them until the thread has ended.
    let acts = unsafe { &mut *acts_ptr };
    (acts.at_first)();
    // SAFETY: the key is there until the thread has ended.
    unsafe { libc::pthread_setspecific(acts.key, acts_ptr.cast()) };
    ptr::null_mut()
}

extern "C" fn end(acts: *mut c_void) {
    // SAFETY: as in `begin`, which has returned.
    let acts = unsafe { &mut *acts.cast::<Acts<'_>>() };
    (acts.at_last)();
}

/// Has files of the calling process grow no further than this: a write past it fails.
///
/// # Panics
///
/// If there is no such limit to be set.
pub fn limit_files(bytes: u64) {
    // SAFETY: a signal that is ignored has a write fail instead of ending the process.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    limit_files_by_signal(bytes);
}

/// As [`limit_files`], but a write past it ends the process by a signal, as it does where
/// the program does nothing about that.
///
/// # Panics
///
/// If there is no such limit to be set.
pub fn limit_files_by_signal(bytes: u64) {
    let most = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit is read for the length of the call.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const most) };
    assert_eq!(answer, 0);
}

/// Makes a pipe with a name.
///
/// # Panics
///
/// If it can't be made.
pub fn make_pipe(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without a zero byte");
    // SAFETY: the path is borrowed for the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o666) }, 0);
}

/// Whether the calling process may do what other users may not.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: it takes nothing, and answers with a number.
    unsafe { libc::geteuid() == 0 }
}

/// Runs `work` while the system gives the process no more memory: what it has is all there
/// is.
///
/// # Panics
///
/// If there is no such limit to be set.
pub fn with_no_new_memory<T>(work: impl FnOnce() -> T) -> T {
    let mut before = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both limits are borrowed for the calls.
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
