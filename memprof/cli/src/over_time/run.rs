//! `memprof run` and `memprof attach`: samples the memory of a program while it runs, and writes
//! the samples to a file.
//!
//! # The file
//!
//! Each sample is appended in one write, so the file is complete up to the last sample at any
//! time, and the program can append the marks of its calls. An existing file is emptied; if the
//! program can't be started, its content and modification time are restored. The program keeps
//! running if the file can no longer be written.

use super::limit::StopAt;
use super::{drawing, files, process, say};
use crate::signals::Caught;
use crate::status;
use clap::Args;

use memprof::__command::{Identity, InPlace, append, opened};
use memprof::timeline::{MemorySampler, MemoryTimeline, Reading};
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Seek, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf, absolute};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Args)]
struct Looking {
    /// Seconds between samples
    #[arg(short = 'T', long, value_name = "SECONDS", default_value = "0.1", value_parser = seconds)]
    interval: Duration,

    /// Include the memory of all processes that the program starts
    #[arg(short = 'C', long)]
    include_children: bool,

    /// Record the memory of each process that the program starts separately
    #[arg(short = 'M', long)]
    multiprocess: bool,

    /// Stop sampling after this many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,

    /// The file to write; an existing one is replaced [default: named after the current time,
    /// in this folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    looking: Looking,

    #[command(flatten)]
    stop_at: StopAt,

    /// Exit with the program's code, or 128 plus the number of the signal that ended it
    #[arg(short = 'E', long)]
    exit_code: bool,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    looking: Looking,

    /// The process ID, or a part of the process's name
    process: String,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.000_1..=1e9).contains(seconds));
    let seconds = seconds.map(Duration::from_secs_f64);
    seconds.ok_or_else(|| "it should be a number of seconds, as in 0.1".to_owned())
}

impl Run {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let (mut out, before) = Out::create(self.looking.output.as_deref())?;
        out.begin(&words(&self.command));
        let caught = Caught::begin()?;
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .env("MEMPROF_TIMESTAMPS", absolute(&out.path)?);
        // The marks of calls include the same processes as the samples.
        if self.looking.include_children {
            command.env("MEMPROF_CHILDREN", "on");
        } else {
            command.env_remove("MEMPROF_CHILDREN");
        }
        let mut limit = self.stop_at.limit(&mut command);
        let mut child = command.spawn().map_err(|error| {
            let program = self.command[0].to_string_lossy();
            let said = format!("the program {program:?} can't be started: {error}");
            match before.put_back(&out.path) {
                Ok(()) => said,
                Err(error) => {
                    let path = out.path.display().to_string();
                    format!("{said}; and {path:?} can't be put back: {error}")
                }
            }
        })?;
        caught.send_to(child.id());
        let number = child.id();
        let look = self.looking.sampling().each(|reading| {
            if let Some(limit) = &mut limit {
                limit.check(reading.process.resident_bytes, number);
            }
            out.add(reading)
        });
        let (_, status) = look.of_child(&mut child)?;
        let ended = out.end();
        if !self.exit_code {
            return Ok(ended.map(|()| ExitCode::SUCCESS)?);
        }
        // The program's exit code takes precedence over a failure to write the file.
        if let Err(error) = ended {
            say(error);
        }
        if !status.success() {
            say(format_args!("the program ended with {status}"));
        }
        Ok(ExitCode::from(status::code(status)))
    }
}

impl Attach {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let (number, command) = process::find(&self.process)?;
        let (mut out, _) = Out::create(self.looking.output.as_deref())?;
        out.begin(&command);
        let shown = crate::lines::text(&command);
        say(format_args!("watching process {number}: {shown}"));
        // The file is complete at any time, so the handler has nothing to flush.
        let path = out.path.display().to_string();
        Caught::begin()?.end_with(move || {
            say(format_args!("the samples are in {path:?}"));
        });
        let hour = Duration::from_secs(3600);
        let timeout = self.looking.timeout.unwrap_or(hour);
        let sampling = self.looking.sampling().timeout(timeout);
        sampling
            .each(|reading| out.add(reading))
            .of_process(number)?;
        Ok(out.end()?)
    }
}

impl Looking {
    fn sampling<'a>(&self) -> MemorySampler<'a> {
        // All samples are in the file, so the sampler needn't keep them.
        let mut sampling = MemorySampler::new().interval(self.interval).max_only();
        if let Some(timeout) = self.timeout {
            sampling = sampling.timeout(timeout);
        }
        if self.include_children {
            sampling = sampling.sum_children();
        }
        if self.multiprocess {
            sampling = sampling.children_apart();
        }
        sampling
    }
}

/// A command line as one text.
fn words(words: &[OsString]) -> String {
    let words = words.iter().map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '\t']) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What was at the path before, to restore it if the program can't be started.
enum Before {
    /// No file. The identity is that of the file created there.
    Nothing(Identity),
    /// A copy of the file, and its modification time.
    File(File, SystemTime),
    /// A pipe, a device, a stream or an unreadable file, which can't be restored.
    Other,
}

impl Before {
    /// Copies a file that is about to be emptied.
    fn of(path: &Path) -> io::Result<Self> {
        let Ok(mut file) = File::open(path) else {
            return Ok(Self::Other);
        };
        let folder = path.parent().filter(|folder| folder.is_dir());
        let beside = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")));
        let mut copy = beside.or_else(|_| tempfile::tempfile())?;
        io::copy(&mut file, &mut copy)?;
        Ok(Self::File(copy, file.metadata()?.modified()?))
    }

    fn put_back(self, path: &Path) -> io::Result<()> {
        match self {
            Self::Nothing(made) => made.remove_from(path),
            Self::File(mut copy, modified) => {
                copy.rewind()?;
                let mut file = File::options().write(true).truncate(true).open(path)?;
                io::copy(&mut copy, &mut file)?;
                file.set_modified(modified)?;
            }
            Self::Other => {}
        }
        Ok(())
    }
}

/// Empties a file, or creates it.
fn create(path: &Path) -> io::Result<(InPlace, Before)> {
    if let Some(file) = opened(path) {
        return Ok((file?, Before::Other));
    }
    let is_there = path.try_exists()?;
    // Append mode: the program itself may add lines.
    let file = append(path)?;
    let before = if is_there {
        let before = Before::of(path)?;
        File::options().write(true).truncate(true).open(path)?;
        before
    } else {
        // For a dangling link, this identifies the file created at its target, so that the link
        // is kept.
        Before::Nothing(Identity::of(&fs::metadata(path)?))
    };
    Ok((file, before))
}

/// The file, and the status line on the terminal.
struct Out {
    path: PathBuf,
    file: InPlace,
    /// Why the file is no longer written.
    failed: Option<io::Error>,
    begun: Instant,
    sample_count: u64,
    highest_mebibytes: f64,
    /// When the status line is updated next; `None` if stderr isn't a terminal.
    next_word: Option<Instant>,
}

impl Out {
    fn create(path: Option<&Path>) -> Result<(Self, Before), Box<dyn Error>> {
        let made = match path {
            Some(path) => create(path).map(|(file, before)| (path.to_owned(), file, before)),
            None => files::create().and_then(|(path, file)| {
                let before = Before::Nothing(Identity::at(&path)?);
                Ok((path, InPlace::new(file), before))
            }),
        };
        let (path, file, before) = made.map_err(|error| match path {
            Some(path) => format!("{:?} can't be written: {error}", path.display().to_string()),
            None => format!("no file can be made in this folder: {error}; name one with -o"),
        })?;
        let out = Self {
            path,
            file,
            failed: None,
            begun: Instant::now(),
            sample_count: 0,
            highest_mebibytes: 0.0,
            next_word: io::stderr().is_terminal().then(Instant::now),
        };
        Ok((out, before))
    }

    fn begin(&mut self, command: &str) {
        let mut nothing_yet = MemoryTimeline::default();
        command.clone_into(&mut nothing_yet.command);
        let written = self.file.write_all(nothing_yet.to_string().as_bytes());
        self.failed = written.err();
    }

    /// Writes a reading in one piece. On an error, the sampling ends but the program keeps
    /// running.
    fn add(&mut self, reading: &Reading) -> ControlFlow<()> {
        if self.failed.is_none() {
            let written = self.file.write_all(reading.to_string().as_bytes());
            self.failed = written.err();
        }
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        let mebibytes = drawing::mebibytes(reading.process);
        self.sample_count += 1;
        self.highest_mebibytes = self.highest_mebibytes.max(mebibytes);
        if self.next_word.is_some_and(|next| next <= Instant::now()) {
            let elapsed = self.begun.elapsed().as_secs();
            let highest = self.highest_mebibytes;
            // Overwrites the last status line.
            let _ = write!(
                io::stderr(),
                "\r\x1b[K{elapsed} s: {mebibytes:.1} MiB, peak {highest:.1} MiB\r"
            );
            self.next_word = Some(Instant::now() + Duration::from_secs(1));
        }
        ControlFlow::Continue(())
    }

    fn end(self) -> Result<(), String> {
        if self.next_word.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        let path = self.path.display().to_string();
        if let Some(error) = self.failed {
            return Err(format!("{path:?} can't be written any more: {error}"));
        }
        say(format_args!(
            "peak {:.3} MiB in {} samples, written to {path:?}",
            self.highest_mebibytes, self.sample_count
        ));
        Ok(())
    }
}
