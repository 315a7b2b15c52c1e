//! The command: `memprof` shows, compares and converts reports, and records the resident memory of
//! programs over time; `cargo memprof` profiles whole programs.

mod cargo;
mod diff;
mod dump;
mod lines;
mod live;
mod over_time;
mod reading;
mod show;
mod signals;
mod status;
mod top;
mod view;

use clap::{Parser, Subcommand, ValueEnum};
use diff::{Compared, Limit};
use lines::Quantity;
use memprof::report::Format;
use reading::{explained, read};
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Show and compare line-by-line memory profiles, and record any program's memory over time
///
/// A program with functions under `#[memprofile]` writes a profile when it exits, if
/// `MEMPROF_OUTPUT` names a file, and wherever it calls `Report::write`.
#[derive(Debug, Parser)]
#[command(name = "memprof", version, max_term_width = 90)]
struct Args {
    /// Leave out the source text, as `MEMPROF_CONFIDENTIAL=on` does; `diff` shows a number in
    /// its place
    #[arg(long, global = true)]
    confidential: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the lines of a report as a table
    ///
    /// Lines that allocated nothing are left out. On a terminal, a line is red if it has a
    /// quarter or more of the total of the column that is sorted by.
    Show {
        /// A report, as JSON
        file: PathBuf,

        /// Show only functions whose path contains this text
        #[arg(long, value_name = "TEXT")]
        function: Option<String>,

        /// Sort by this number, largest first [default: `live_bytes` if at least 4,096 bytes of the
        /// lines are alive and a tenth of what was alive at the peak, else `allocated_bytes`]
        #[arg(long, value_enum)]
        sort: Option<Quantity>,

        /// Show at most this many lines
        #[arg(long, value_name = "COUNT", default_value_t = 30)]
        top: usize,

        /// Show these columns, in this order [default: what is alive, was alive at the peak, was
        /// allocated, and hits if they were counted; what was allocated comes first if `--sort`
        /// defaults to it]
        #[arg(long, value_enum, value_delimiter = ',')]
        columns: Option<Vec<Quantity>>,
    },

    /// Write a report in another format
    ///
    /// The extension of the output selects the format: .speedscope.json, .json, .html (a page to
    /// explore), .csv, .md, .folded, .pb.gz (pprof) or .prof (Python's pstats).
    Convert {
        /// A report, as JSON
        file: PathBuf,

        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,

        /// Write this format whatever the extension, as in `pb.gz` or `csv`
        #[arg(long, value_name = "NAME", value_parser = format_named)]
        format: Option<Format>,
    },

    /// Show what changed between two reports, line by line
    ///
    /// A line is recognized by its function and source text, so it may have moved. Exits with 1
    /// if a limit is exceeded.
    Diff {
        /// The earlier report, as JSON, or a baseline
        before: PathBuf,

        /// The later report, or a baseline
        after: PathBuf,

        /// Fail if the process exceeds this limit, as in `live_bytes>+5%`, `allocation_count>+100`
        /// or `bytes_at_peak>1.5MiB` (which a baseline doesn't have); may be given several times
        #[arg(long, value_name = "LIMIT")]
        fail_on: Vec<Limit>,

        /// Show at most this many lines
        #[arg(long, value_name = "COUNT", default_value_t = 30)]
        top: usize,

        /// Sort by the change of this number, largest first [default: `live_bytes` if `show` sorts
        /// one of the reports by that, else `allocated_bytes`]
        #[arg(long, value_enum)]
        sort: Option<Quantity>,

        /// Write an .html page to explore instead of the table
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },

    /// Open a report, memory over time, or a folder of these in the browser
    ///
    /// Serves this file, or the .json and .dat files in this folder, and nothing else on
    /// 127.0.0.1 until it is stopped. Each load of a page reads its file again.
    View {
        /// A report as JSON, a .dat file of `run`, or a folder
        path: PathBuf,

        /// The port to listen on; if it is taken, the next free one is used
        #[arg(short, long, default_value_t = 8642)]
        port: u16,

        /// Don't open the browser
        #[arg(short, long)]
        server_only: bool,
    },

    /// Watch the lines of a running program
    ///
    /// The program must have been started with `MEMPROF_LISTEN=PATH` in its environment.
    /// Quitting `top` doesn't affect it. `memprof show PATH` prints its report once, and the
    /// other commands accept such a path in place of a file.
    Top {
        /// The process ID, or the path of its socket
        #[arg(value_name = "PID|SOCKET")]
        program: String,

        /// Seconds between reports
        #[arg(short = 'T', long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
        interval: Duration,
    },

    /// Write the report of a running program to a file
    ///
    /// The program must have been started with `MEMPROF_LISTEN=PATH` in its environment, and
    /// keeps running. Without it, `MEMPROF_OUTPUT` makes a program write its report when it
    /// exits, also by Ctrl-C or `kill`, and `MEMPROF_EVERY=2s` at intervals.
    Dump {
        /// The process ID, or the path of its socket
        #[arg(value_name = "PID|SOCKET")]
        program: String,

        /// The file to write, in the format of its extension [default: memprof.PID.dump.json]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },

    #[command(flatten)]
    OverTime(over_time::Command),
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0.01);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or_else(|| "it should be a number of seconds, 0.01 or more".to_owned())
}

fn format_named(name: &str) -> Result<Format, memprof::report::FormatError> {
    name.trim_start_matches('.').parse()
}

pub use cargo::cargo_memprof;

/// Runs `memprof` with the arguments of this process.
#[must_use]
pub fn memprof() -> ExitCode {
    // With SIGXFSZ handled, a write past the file size limit returns an error instead of ending
    // the command. A program that the command starts still has the default action, since `exec`
    // resets handlers.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::default());
    let args = Args::parse();
    reading::leave_out_source(args.confidential);
    match run(args.command) {
        Ok(code) => code,
        // The reader, such as `head`, has closed the pipe.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memprof: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    // Styles are written in colour on a terminal, unless `NO_COLOR` is set.
    let out = anstream::stdout().lock();
    match command {
        Command::Top { program, interval } => {
            drop(out);
            top::top(&program, interval)?;
        }
        Command::Dump { program, output } => dump::dump(&program, output, out)?,
        Command::OverTime(command) => return command.run(out),
        Command::Show {
            file,
            function,
            sort,
            top,
            columns,
        } => {
            let report = read(&file).map_err(|error| explained(error, &file))?;
            let sort = sort.unwrap_or_else(|| report.main_quantity().into());
            let columns = columns.as_deref();
            show::show(&report, function.as_deref(), sort, top, columns, out)?;
        }
        Command::Convert {
            file,
            output,
            format,
        } => {
            let report = read(&file).map_err(|error| explained(error, &file))?;
            match format {
                Some(format) => report.write_as(format, output)?,
                None => report.write(output)?,
            }
        }
        Command::Diff {
            before,
            after,
            fail_on,
            top,
            sort,
            output,
        } => {
            let compared = Compared::read(&before, &after)?;
            let sort = sort.unwrap_or_else(|| compared.main_quantity());
            compared.check(sort, &fail_on)?;
            match output {
                Some(output) => compared.after.write_difference(&compared.before, output)?,
                None => diff::show(&compared, sort, top, out)?,
            }
            let passed = fail_on.iter().filter_map(|limit| limit.passed(&compared));
            let passed: Vec<String> = passed.collect();
            if !passed.is_empty() {
                eprintln!("memprof: {}", passed.join("\nmemprof: "));
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::View {
            path,
            port,
            server_only,
        } => view::view(&path, port, !server_only, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => Ok(()),
        }
    }
}
