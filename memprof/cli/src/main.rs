//! The command `memprof`: looks at reports that were written to files, and at the memory
//! of programs over time.

mod diff;
mod dump;
mod lines;
mod live;
mod over_time;
mod reading;
mod show;
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

/// Line-by-line memory profiles, from files; and memory over time, of any program.
///
/// A program whose functions are under `#[memprofile]` writes such a file where
/// `MEMPROF_OUTPUT` says, at its end; or where it calls `Report::write`.
#[derive(Debug, Parser)]
#[command(name = "memprof", version, max_term_width = 90)]
struct Args {
    /// Leave out the text of the source, as `MEMPROF_CONFIDENTIAL=on` does; `diff` has a
    /// number for each text
    #[arg(long, global = true)]
    confidential: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the lines of a report as a table
    ///
    /// Lines that made nothing are left out. On a terminal, those with a quarter and more of
    /// all that was asked for are red.
    Show {
        /// A report, as JSON
        file: PathBuf,

        /// Only functions whose path has this in it
        #[arg(long, value_name = "TEXT")]
        function: Option<String>,

        /// Lines with most of this first [default: `live_bytes` if the lines have 4,096 bytes alive
        /// and a tenth of what they had at the peak, else `allocated_bytes`]
        #[arg(long, value_enum)]
        sort: Option<Quantity>,

        /// At the most so many lines
        #[arg(long, value_name = "COUNT", default_value_t = 30)]
        top: usize,

        /// The columns, in their order [default: what is alive, was alive at the peak and was
        /// allocated, and hits; what was allocated first, if the report is about that]
        #[arg(long, value_enum, value_delimiter = ',')]
        columns: Option<Vec<Quantity>>,
    },

    /// Write a report in another format
    ///
    /// The output's ending chooses it: .speedscope.json, .json, .html (a page to explore),
    /// .csv, .md, .folded, .pb.gz (pprof) or .prof (Python's pstats).
    Convert {
        /// A report, as JSON
        file: PathBuf,

        /// Where to
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,

        /// The format, whatever the ending: an ending without its first dot
        #[arg(long, value_name = "NAME", value_parser = format_named)]
        format: Option<Format>,
    },

    /// Show what changed between two reports, line by line
    ///
    /// Lines are the same if their function and their text are, whatever their numbers.
    /// Exits with 1 if a limit is passed.
    Diff {
        /// The earlier report, as JSON, or a baseline
        before: PathBuf,

        /// The later one
        after: PathBuf,

        /// A limit for the whole process, as in `live_bytes>+5%`, `allocation_count>+100`
        /// or `bytes_at_peak>1.5MiB`, which a baseline doesn't have; may be given several times
        #[arg(long, value_name = "LIMIT")]
        fail_on: Vec<Limit>,

        /// At the most so many lines
        #[arg(long, value_name = "COUNT", default_value_t = 30)]
        top: usize,

        /// Lines where this changed most first [default: `live_bytes`, if `show` opens on that for
        /// one of the reports, else `allocated_bytes`]
        #[arg(long, value_enum)]
        sort: Option<Quantity>,

        /// Write a page to explore, an .html file, instead of the table
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },

    /// Look at a report or at memory over time, or at those in a folder, in the browser
    ///
    /// Serves pages on 127.0.0.1, of this file or of the .json and .dat files in this folder
    /// and nothing else, until it is stopped. A file is read anew each time its page is loaded.
    View {
        /// A report, as JSON, a file of `run`, or a folder
        path: PathBuf,

        /// Where it can be reached; the next port that is free, if it is taken
        #[arg(short, long, default_value_t = 8642)]
        port: u16,

        /// Don't open the browser
        #[arg(short, long)]
        server_only: bool,
    },

    /// Watch the lines of a running program
    ///
    /// Of one that was started with `MEMPROF_LISTEN=PATH` in its environment, which can be
    /// left and come back to at will. `memprof show PATH` says it once, and other commands
    /// take such a path as they take a file.
    Top {
        /// The number of the process, or the path of its socket
        #[arg(value_name = "PID|SOCKET")]
        program: String,

        /// Seconds from one report to the next
        #[arg(short = 'T', long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
        interval: Duration,
    },

    /// Write the report of a running program to a file
    ///
    /// Of one that was started with `MEMPROF_LISTEN=PATH` in its environment. The program goes
    /// on. One that wasn't can't be asked; with `MEMPROF_OUTPUT` it writes its report at its
    /// end, as by Ctrl-C or `kill`, and with `MEMPROF_EVERY=2s` at intervals.
    Dump {
        /// The number of the process, or the path of its socket
        #[arg(value_name = "PID|SOCKET")]
        program: String,

        /// Where to, in the format of its ending; memprof.PID.dump.json by default
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

fn format_named(name: &str) -> Result<Format, String> {
    name.trim_start_matches('.').parse().map_err(|_| {
        "it should be one of speedscope.json, json, html, csv, md, folded, pb.gz, prof".to_owned()
    })
}

fn main() -> ExitCode {
    // A write past the limit for the size of files fails, and doesn't end this command. A
    // program that it starts gets the signal as ever.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::default());
    let args = Args::parse();
    reading::leave_out_source(args.confidential);
    match run(args.command) {
        Ok(code) => code,
        // Whoever read it has seen enough.
        Err(error) if is_closed_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memprof: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    // In colour on a terminal, unless `NO_COLOR` says otherwise.
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
            let main = report.main_quantity().into();
            let sort = sort.unwrap_or(main);
            let columns = columns.unwrap_or_else(|| Quantity::columns(main));
            show::show(&report, function.as_deref(), sort, top, &columns, out)?;
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
