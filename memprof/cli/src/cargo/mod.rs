//! `cargo memprof`: profiles a whole program without editing it.
//!
//! The same executable has three roles, since cargo calls it, too:
//!
//! - the [command](command) that people call: it calls cargo, and shows the reports at the end;
//! - the [wrapper](wrapper) of the compiler: it has crates of the program compiled from edited
//!   sources, in which functions have the attribute;
//! - the [runner](runner): it starts the built program with the variables for its report.
//!
//! The user's source tree is only read. Everything is written below `target/memprof`.

mod allocator;
mod annotate;
mod args;
mod command;
mod dep_info;
mod diagnostics;
mod edits;
mod gaps;
mod library;
mod mirror;
mod modules;
mod pieces;
mod plan;
mod reports;
mod runner;
mod rustc_args;
mod selection;
mod sources;
mod summary;
mod workspace;
mod wrapper;

use args::Args;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use wrapper::Role;

/// Runs `cargo memprof` with the arguments of this process.
#[must_use]
pub fn cargo_memprof() -> ExitCode {
    let mut words: Vec<OsString> = env::args_os().skip(1).collect();
    match words.first() {
        Some(first) if first == runner::NAME => return runner::run(&words[1..]),
        // Cargo calls its subcommands with their names.
        Some(first) if first == "memprof" => {
            words.remove(0);
        }
        _ => match wrapper::role() {
            Some(Role::OfLibrary(outer)) => return wrapper::run_for_library(outer, &words),
            Some(Role::OfProgram(plan)) => return wrapper::run(plan, &words),
            None => {}
        },
    }
    let args = match Args::read(words) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    match command::run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("memprof: {error}");
            // As cargo itself does.
            ExitCode::from(101)
        }
    }
}
