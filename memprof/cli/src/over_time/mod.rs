//! Resident memory over time, with the commands, options and file format of `mprof` of Python's
//! memory_profiler.

mod chart;
mod drawing;
mod files;
mod limit;
mod peak;
mod picture;
mod plot;
mod process;
mod run;

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
    /// The file has the format of Python's mprof, which can read it. Calls of functions under
    /// `#[memprofile]` are marked in it if the program's `memprof` has the feature `timeline`.
    Run(run::Run),

    /// Write the resident memory of a running process over time to a file
    ///
    /// Ends when the process ends, after an hour (or `--timeout`), or on Ctrl-C.
    Attach(run::Attach),

    /// List the files in this folder, with their numbers
    List,

    /// Remove files, by number or name
    Rm(files::Rm),

    /// Remove all files in this folder whose names `run` chose
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

/// Prints a line to stderr. Errors are ignored: a closed stderr must not end the program that is
/// watched.
fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "memprof: {line}");
}
