//! `run --stop-at`: a limit for the resident memory of a running program.

use clap::{Args, ValueEnum};
use memprof::__command::units;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a program may exceed the limit before it gets a signal.
///
/// A profiled program stops by itself after the line that exceeded the limit, and reports the
/// line. The signal is for other programs, and for lines that run longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct StopAt {
    /// Stop the program when its resident memory reaches this, as in 1.5GiB
    ///
    /// A program with functions under `#[memprofile]` reports which line reached it, if its
    /// `memprof` has the feature `timeline`. Any other is stopped a second later.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    stop_at: Option<u64>,

    /// What to do then: abort, trap into a debugger, or only print a message
    #[arg(long, value_enum, default_value_t = OnStop::Abort, requires = "stop_at")]
    on_stop: OnStop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnStop {
    Abort,
    Trap,
    Continue,
}

fn bytes(text: &str) -> Result<u64, String> {
    let number = crate::diff::number_of(text).and_then(|number| u64::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    number.ok_or_else(|| "it should be a number of bytes, as in 100MiB".to_owned())
}

/// The limit of a program that is running.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes: u64,
    on_stop: OnStop,
    /// When the limit was exceeded.
    passed: Option<Instant>,
    is_stopped: bool,
}

impl StopAt {
    /// The limit, if there is one. The program gets it in its environment, too.
    pub(crate) fn limit(&self, command: &mut Command) -> Option<Limit> {
        let bytes = self.stop_at?;
        let word = self.on_stop.to_possible_value()?;
        command.env("MEMPROF_STOP_AT", bytes.to_string());
        command.env("MEMPROF_ON_STOP", word.get_name());
        Some(Limit {
            bytes,
            on_stop: self.on_stop,
            passed: None,
            is_stopped: false,
        })
    }
}

impl Limit {
    /// Compares a sample with the limit. The first time it is exceeded, a message is printed;
    /// [`PATIENCE`] later, the program is stopped if it still runs.
    pub(crate) fn check(&mut self, resident_bytes: u64, program: u32) {
        match self.passed {
            None if resident_bytes < self.bytes => {}
            None => {
                self.passed = Some(Instant::now());
                super::say(format_args!(
                    "resident memory is {}, beyond {}",
                    units::bytes(resident_bytes.into()),
                    units::bytes(self.bytes.into())
                ));
            }
            Some(passed) if !self.is_stopped && passed.elapsed() >= PATIENCE => {
                self.is_stopped = true;
                send(self.on_stop, program);
            }
            Some(_) => {}
        }
    }
}

#[cfg(target_os = "linux")]
fn send(on_stop: OnStop, program: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match on_stop {
        OnStop::Abort => Signal::ABORT,
        OnStop::Trap => Signal::TRAP,
        OnStop::Continue => return,
    };
    if let Some(pid) = Pid::from_raw(program.cast_signed()) {
        // Fails only if the program has ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Does nothing: programs are watched on Linux only.
#[cfg(not(target_os = "linux"))]
fn send(_on_stop: OnStop, _program: u32) {}
