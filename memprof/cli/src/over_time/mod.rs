//! Memory over time, as `mprof` of Python's memory_profiler has it: the same commands,
//! files and letters.

mod chart;
mod drawing;
mod files;
mod limit;
mod peak;
mod picture;
mod plot;
mod process;
mod run;
mod signals;

pub(crate) use plot::svg;

use clap::Subcommand;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program, and write its resident memory over time to a file
    ///
    /// The file is one of Python's mprof, which reads it, too. What the program has under
    /// `#[memprofile]` has its calls marked in there, if its `memprof` has the feature
    /// `sampling`.
    Run(run::Run),

    /// Write the memory over time of a process that is running
    ///
    /// Until it ends, an hour has passed, or Ctrl-C.
    Attach(run::Attach),

    /// List the files in this folder, with their numbers
    List,

    /// Remove files, by number or name
    Rm(files::Rm),

    /// Remove all files in this folder that `run` has named
    Clean(files::Clean),

    /// Show the highest memory in files
    Peak(peak::Peak),

    /// Draw files, in the terminal or as SVG or PNG
    Plot(plot::Plot),
}

impl Command {
    pub(crate) fn run(self, mut out: impl Write) -> Result<ExitCode, Box<dyn Error>> {
        match self {
            Self::Run(run) => return run.run(),
            Self::Attach(attach) => attach.run()?,
            Self::List => files::list(&mut out)?,
            Self::Rm(rm) => rm.run(&mut out)?,
            Self::Clean(clean) => clean.run(&mut out)?,
            Self::Peak(peak) => peak.run(&mut out)?,
            Self::Plot(plot) => plot.run(&mut out)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says a line on the standard error. Whether anybody listens doesn't matter to the
/// program that is watched.
fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "memprof: {line}");
}
