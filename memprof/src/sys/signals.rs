//! Signals that end the process, held up for a moment so that a thread can write the report.
//!
//! Handlers are installed for `SIGHUP`, `SIGINT`, `SIGQUIT`, `SIGTERM` and `SIGABRT`, each
//! only if the program has left it at its default action.
//!
//! # What a handler does
//!
//! 1. If it isn't the current handler of the signal, the program has installed its own
//!    since, which calls the one before it, as `signal-hook` and tokio do. Then the signal is
//!    the program's, and the handler returns.
//! 2. In a forked child, which doesn't have the thread that writes, and on that thread
//!    itself, it goes to step 5.
//! 3. It notes the signal and wakes the thread that writes.
//! 4. It waits until the report is written, for [`MOST`] at the longest. The interrupted code
//!    may hold a lock that the report needs: if the report isn't even collected after
//!    [`PATIENCE`], the handler returns, so that the code can let go of it, and another
//!    thread, [`end_when_done`], does steps 4 and 5. Not of `SIGABRT`, since `abort` doesn't
//!    come back to the code that called it.
//! 5. It sets the default action and raises the signal again, which is delivered when the
//!    handler returns: to the parent, the process looks as if there had been no handler.
//!
//! The handler makes system calls and touches atomics; it doesn't allocate and takes no lock.
#![allow(unsafe_code)] // For the handlers, and for code that runs in them.

use crate::sys::os;
use libc::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the process goes on, at the most, after the first signal that ends it.
pub(crate) const MOST: Duration = Duration::from_secs(5);

/// How long a handler waits for a report to be collected before it lets the interrupted
/// code go on.
const PATIENCE: Duration = Duration::from_millis(500);

const SIGNALS: [c_int; 5] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGTERM,
];

/// The process that the handlers were installed in; 0 if none were.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// The thread that writes. It can't wait for itself.
static WRITER: AtomicI32 = AtomicI32::new(0);

/// The first signal that came, or 0.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// The signal of a handler that has let the interrupted code go on, or 0. Waited for by
/// [`end_when_done`].
static LET_GO: AtomicU32 = AtomicU32::new(0);

/// How far the report is; handlers wait for [`DONE`].
static PROGRESS: AtomicU32 = AtomicU32::new(NOT_COLLECTED);

const NOT_COLLECTED: u32 = 0;
/// From here on, it needs no lock that interrupted code may hold.
const COLLECTED: u32 = 1;
/// It is written, or can't be.
const DONE: u32 = 2;

/// Rung by the handlers, for the thread that writes.
static BELL: AtomicU32 = AtomicU32::new(0);

/// Installs the handlers. The calling process has to have the thread that writes.
pub(crate) fn install() {
    PROCESS.store(os::process_id(), Ordering::Release);
    os::start_thread(end_when_done);
    for signal in SIGNALS {
        if handler_of(signal) == Some(libc::SIG_DFL) {
            set_handler(signal, on_signal as *const () as libc::sighandler_t);
        }
    }
}

/// Says that the calling thread is the one that writes, until [`set_done`] is called.
pub(crate) fn set_writer() {
    WRITER.store(os::thread_id(), Ordering::Release);
}

/// How often the thread that writes was called so far.
pub(crate) fn calls() -> u32 {
    BELL.load(Ordering::Acquire)
}

/// Waits until the thread that writes was called more often than `calls`, or for `most`.
pub(crate) fn wait(calls: u32, most: Option<Duration>) {
    os::wait(&BELL, calls, most);
}

/// Whether a signal has come for which no report has been written yet.
pub(crate) fn is_waiting() -> bool {
    FIRST.load(Ordering::Acquire) != 0 && PROGRESS.load(Ordering::Relaxed) != DONE
}

/// Says that the report for a signal is collected and remains to be written.
pub(crate) fn set_collected() {
    PROGRESS.store(COLLECTED, Ordering::Release);
}

/// Has no signal wait any longer, now or later.
pub(crate) fn set_done() {
    PROGRESS.store(DONE, Ordering::Release);
    os::wake(&PROGRESS);
}

extern "C" fn on_signal(signal: c_int) {
    // SAFETY: the C library's place for the thread's error, which is there as long as the
    // thread is.
    let error = unsafe { libc::__errno_location() };
    // SAFETY: as above. The interrupted code may be about to read it.
    let before = unsafe { *error };
    handle(signal);
    // SAFETY: as above.
    unsafe { *error = before };
}

fn handle(signal: c_int) {
    if handler_of(signal) != Some(on_signal as *const () as libc::sighandler_t) {
        return;
    }
    let is_child = os::process_id() != PROCESS.load(Ordering::Acquire);
    let is_writer = os::thread_id() == WRITER.load(Ordering::Acquire);
    if is_child || is_writer || wait_for_report(signal) {
        end_by(signal);
    }
}

/// Whether the signal is to be delivered now; not if [`end_when_done`] does that.
fn wait_for_report(signal: c_int) -> bool {
    let start = Instant::now();
    // The first decides nothing but that there was one: each handler raises its own.
    let _ = FIRST.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Relaxed);
    BELL.fetch_add(1, Ordering::Release);
    os::wake(&BELL);
    loop {
        let progress = PROGRESS.load(Ordering::Acquire);
        let elapsed = start.elapsed();
        if progress == DONE || elapsed >= MOST {
            return true;
        }
        if progress == NOT_COLLECTED && elapsed >= PATIENCE && signal != libc::SIGABRT {
            LET_GO.store(signal.cast_unsigned(), Ordering::Release);
            os::wake(&LET_GO);
            return false;
        }
        let until = if progress == NOT_COLLECTED && elapsed < PATIENCE {
            PATIENCE
        } else {
            MOST
        };
        os::wait(&PROGRESS, progress, Some(until.saturating_sub(elapsed)));
    }
}

/// Ends the process by the signal of a handler that has let go.
extern "C" fn end_when_done(_: *mut libc::c_void) -> *mut libc::c_void {
    os::name_thread(c"memprof");
    loop {
        let signal = LET_GO.swap(0, Ordering::AcqRel);
        if signal == 0 {
            os::wait(&LET_GO, 0, None);
            continue;
        }
        let start = Instant::now();
        loop {
            let progress = PROGRESS.load(Ordering::Acquire);
            let rest = MOST.saturating_sub(PATIENCE + start.elapsed());
            if progress == DONE || rest.is_zero() {
                break;
            }
            os::wait(&PROGRESS, progress, Some(rest));
        }
        let signal = signal.cast_signed();
        unblock(signal);
        end_by(signal);
    }
}

/// Sets the default action, and sends the signal to the calling thread. It comes at once, or
/// when the thread no longer blocks it, as a handler does that handles it.
fn end_by(signal: c_int) {
    set_handler(signal, libc::SIG_DFL);
    // SAFETY: takes any number and touches no memory of ours. The default action ends the
    // process, unless it is the first one of a container, which none ends.
    unsafe { libc::raise(signal) };
}

/// What is called for a signal: a function, `SIG_DFL` or `SIG_IGN`.
fn handler_of(signal: c_int) -> Option<libc::sighandler_t> {
    // SAFETY: an action is plain data, of which all zeroes is a value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: nothing is set, and the answer is written to a place that is borrowed for the
    // call.
    let answer = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    (answer == 0).then_some(action.sa_sigaction)
}

fn set_handler(signal: c_int, handler: libc::sighandler_t) {
    // SAFETY: as in `handler_of`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // On the stack that a thread has for signals, if it has one: an `abort` may be due to the
    // other being full. System calls go on if the handler lets the code go on.
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the action is borrowed for the calls. Its handler is one of the two constants,
    // or `on_signal`, which does only what a handler may and can be called for as long as this
    // code is loaded. No other signal's handler comes in between.
    unsafe {
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

fn unblock(signal: c_int) {
    // SAFETY: a set of signals is plain numbers, of which all zeroes is one.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the set is borrowed for the calls, and the thread's own mask is all that is
    // changed.
    unsafe {
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}
