//! Signals to this command, which it forwards to the program that it watches.

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
#[cfg(unix)]
use signal_hook::iterator::Signals;
use std::io;
use std::process;
use std::thread;

/// The signals received since [`begin`](Self::begin), which no longer end this command.
#[derive(Debug)]
pub(crate) struct Caught {
    #[cfg(unix)]
    signals: Signals,
}

impl Caught {
    pub(crate) fn begin() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?,
        })
    }

    /// Forwards signals to the child. This command ends when the child has ended.
    ///
    /// Ctrl-C and the like aren't forwarded if the terminal has already sent them to the child,
    /// which is in the same process group.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_to(mut self, child: u32) {
        use rustix::process::{Pid, Signal, kill_process};
        thread::spawn(move || {
            let pid = Pid::from_raw(child.cast_signed());
            for signal in self.signals.forever() {
                let number = Signal::from_named_raw(signal);
                if let (Some(pid), Some(number)) = (pid, number)
                    && (signal == SIGTERM || !is_in_foreground())
                {
                    // Fails only if the child has ended meanwhile.
                    let _ = kill_process(pid, number);
                }
            }
        });
    }

    /// Forwards nothing: the child gets only the signals that reach it by themselves.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send_to(self, _child: u32) {
        std::mem::forget(self);
    }

    /// On the first signal, calls `act` and exits with code 0.
    #[cfg(unix)]
    pub(crate) fn end_with(mut self, act: impl FnOnce() + Send + 'static) {
        thread::spawn(move || {
            if self.signals.forever().next().is_some() {
                act();
                process::exit(0);
            }
        });
    }

    /// Does nothing: signals end this command.
    #[cfg(not(unix))]
    pub(crate) fn end_with(self, _act: impl FnOnce() + Send + 'static) {}
}

/// Whether this command's process group is in the foreground of the terminal, which then sends
/// the signal of a key such as Ctrl-C to the child, too.
#[cfg(target_os = "linux")]
fn is_in_foreground() -> bool {
    use rustix::process::getpgrp;
    use rustix::termios::tcgetpgrp;
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}
