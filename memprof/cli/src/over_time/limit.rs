//! A limit for the memory of a program that runs, and what happens beyond it.

use clap::{Args, ValueEnum};
use std::process::Command;
use std::time::{Duration, Instant};

/// A program whose functions are profiled stops by itself, and says where, when the line
/// has run that passed the limit. Others, and lines that take longer, are stopped then.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct StopAt {
    /// Stop when this much is resident, as in 1.5GiB
    ///
    /// A program whose functions are under `#[memprofile]` says which line it was, if its
    /// `memprof` has the feature `timeline`. Any other is stopped a second later.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    stop_at: Option<u64>,

    /// How: abort, stop in a debugger, or only say it
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
    number.ok_or_else(|| "it should be a number of bytes, as 100MiB".to_owned())
}

/// The limit of a program that is running.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes: u64,
    on_stop: OnStop,
    passed: Option<Instant>,
    is_stopped: bool,
}

impl StopAt {
    /// The limit for a program, which is told of it.
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
    /// Compares what is resident with it; says once if it is passed, and stops the
    /// program if that doesn't do so itself.
    pub(crate) fn check(&mut self, resident_bytes: u64, program: u32) {
        match self.passed {
            None if resident_bytes < self.bytes => {}
            None => {
                self.passed = Some(Instant::now());
                let limit = self.bytes;
                super::say(format_args!(
                    "resident memory is {resident_bytes} B, beyond {limit} B"
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
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Does nothing: there is nobody to watch.
#[cfg(not(target_os = "linux"))]
fn send(_on_stop: OnStop, _program: u32) {}
