//! Signals that end the process, delayed for a moment so that a thread can write the report.
//!
//! Handlers are installed for `SIGHUP`, `SIGINT`, `SIGQUIT`, `SIGTERM` and `SIGABRT`, each only if
//! the program has left the signal at its default action. The *writer* is the thread that writes
//! reports.
//!
//! # What a handler does
//!
//! 1. If it isn't the signal's current handler, the program has since installed its own, which
//!    calls the previous one, as `signal-hook` and tokio do. Then the signal is the program's, and
//!    our handler returns.
//! 2. In a forked child, which doesn't have the writer, and on the writer itself, it goes to step
//!    5.
//! 3. It notes the signal and wakes the writer.
//! 4. It waits until the report is written, for at most [`MOST`]. The interrupted code may hold a
//!    lock that the report needs: if the report isn't even collected after [`PATIENCE`], the
//!    handler returns, so that the code can release the lock, and another thread,
//!    [`end_when_done`], does the rest of step 4 and step 5. Not for `SIGABRT`, since `abort`
//!    doesn't return to the code that called it.
//! 5. It sets the default action and raises the signal again, which is delivered when the handler
//!    returns. To the parent, the process looks as if there had been no handler.
//!
//! # What may not happen here
//!
//! A handler makes system calls and accesses atomics. It doesn't allocate and takes no lock.
#![allow(unsafe_code)] // For installing the handlers, and for the calls in them.

use crate::sys::os;
use libc::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the process runs on, at most, after the first signal that ends it.
pub(crate) const MOST: Duration = Duration::from_secs(5);

/// How long a handler waits for the report to be collected before it lets the interrupted code
/// continue.
const PATIENCE: Duration = Duration::from_millis(500);

const SIGNALS: [c_int; 5] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGTERM,
];

/// The process in which the handlers were installed; 0 if none were.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// The writer's thread id. It can't wait for itself.
static WRITER: AtomicUsize = AtomicUsize::new(0);

/// The first signal that came, or 0.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// The signal of a handler that has let the interrupted code continue, or 0. [`end_when_done`]
/// waits for it.
static LET_GO: AtomicU32 = AtomicU32::new(0);

/// The state of the report. Handlers wait for [`DONE`].
static PROGRESS: AtomicU32 = AtomicU32::new(NOT_COLLECTED);

const NOT_COLLECTED: u32 = 0;
/// From here on, the report needs no lock that interrupted code may hold.
const COLLECTED: u32 = 1;
/// The report is written, or can't be.
const DONE: u32 = 2;

/// Incremented by handlers to wake the writer.
static BELL: AtomicU32 = AtomicU32::new(0);

/// Installs the handlers. The calling process has to have the writer.
pub(crate) fn install() {
    PROCESS.store(os::process_id(), Ordering::Release);
    os::start_thread(end_when_done);
    for signal in SIGNALS {
        if handler_of(signal) == Some(libc::SIG_DFL) {
            set_handler(signal, on_signal as *const () as libc::sighandler_t);
        }
    }
}

/// Makes the calling thread the writer, until [`set_done`] is called.
pub(crate) fn set_writer() {
    WRITER.store(os::thread_id(), Ordering::Release);
}

/// How often the writer was woken so far.
pub(crate) fn calls() -> u32 {
    BELL.load(Ordering::Acquire)
}

/// Waits until the writer was woken more often than `calls`, or for `most`.
pub(crate) fn wait(calls: u32, most: Option<Duration>) {
    os::wait(&BELL, calls, most);
}

/// Whether a signal has come whose report isn't written yet.
pub(crate) fn is_waiting() -> bool {
    FIRST.load(Ordering::Acquire) != 0 && PROGRESS.load(Ordering::Relaxed) != DONE
}

/// Notes that the report for a signal is collected, and still has to be written.
pub(crate) fn set_collected() {
    PROGRESS.store(COLLECTED, Ordering::Release);
}

/// Lets signals through without waiting, from now on.
pub(crate) fn set_done() {
    PROGRESS.store(DONE, Ordering::Release);
    os::wake(&PROGRESS);
}

extern "C" fn on_signal(signal: c_int) {
    // SAFETY: the call returns the address of the thread's `errno`, which is valid as long as the
    // thread.
    let error = unsafe { libc::__errno_location() };
    // SAFETY: as above. Saved, since the interrupted code may be about to read it.
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

/// Whether the handler has to deliver the signal. False if [`end_when_done`] does.
fn wait_for_report(signal: c_int) -> bool {
    let start = Instant::now();
    // The first signal only records that there was one: each handler raises its own.
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

/// A thread that ends the process by the signal of a handler that has returned.
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

/// Sets the default action, and sends the signal to the calling thread. It is delivered at once, or
/// when the thread no longer blocks it: a handler blocks the signal that it handles.
fn end_by(signal: c_int) {
    set_handler(signal, libc::SIG_DFL);
    // SAFETY: the call takes any number and touches no memory of ours. The default action ends the
    // process, unless it is the first one of a container, which no signal ends.
    unsafe { libc::raise(signal) };
}

/// The handler of a signal: a function, `SIG_DFL` or `SIG_IGN`.
fn handler_of(signal: c_int) -> Option<libc::sighandler_t> {
    // SAFETY: a `sigaction` is plain data, for which all zeroes is valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: no action is set, and the memory for the answer is borrowed for the call.
    let answer = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    (answer == 0).then_some(action.sa_sigaction)
}

fn set_handler(signal: c_int, handler: libc::sighandler_t) {
    // SAFETY: as in `handler_of`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // On the thread's signal stack, if it has one: an `abort` may be due to an overflow of the
    // other stack. System calls are restarted if the handler returns.
    action.sa_flags = libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the action is borrowed for the calls. Its handler is one of the two constants or
    // `on_signal`, which does only what a handler may and can be called for as long as this code is
    // loaded. No other signal's handler interrupts it.
    unsafe {
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

fn unblock(signal: c_int) {
    // SAFETY: a signal set is made of integers, for which all zeroes is valid.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the set is borrowed for the calls, which change only the thread's own mask.
    unsafe {
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}
