//! Signals to this command, which are meant for the program that it watches.

#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
#[cfg(unix)]
use signal_hook::iterator::Signals;
use std::io;
use std::process;
use std::thread;

/// Signals that have come since, and don't end this command any more.
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

    /// Hands them on to a child. This command ends when the child has.
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
                    // It may have ended meanwhile.
                    let _ = kill_process(pid, number);
                }
            }
        });
    }

    /// Lets the child have those that reach it anyway.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send_to(self, _child: u32) {
        std::mem::forget(self);
    }

    /// Ends this command with success when the first one comes, after `act`.
    #[cfg(unix)]
    pub(crate) fn end_with(mut self, act: impl FnOnce() + Send + 'static) {
        thread::spawn(move || {
            if self.signals.forever().next().is_some() {
                act();
                process::exit(0);
            }
        });
    }

    /// Does nothing: they end this command.
    #[cfg(not(unix))]
    pub(crate) fn end_with(self, _act: impl FnOnce() + Send + 'static) {}
}

/// Whether a key of the terminal, as Ctrl-C, has reached the child by itself.
#[cfg(target_os = "linux")]
fn is_in_foreground() -> bool {
    use rustix::process::getpgrp;
    use rustix::termios::tcgetpgrp;
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}
