//! The arguments of `cargo memprof`: its own options, which may stand among those of cargo, which
//! are handed on as they are.

use crate::cargo::selection::Patterns;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use memprof::report::{Format, FormatError};
use std::ffi::OsString;
use std::path::PathBuf;

/// Profile the memory of a whole program, line by line, without editing it
///
/// Options that are not listed are cargo's own, such as `-p`, `--bin`, `--features` or `--target`.
/// The program is built in the release profile, in the folder `memprof` of the target folder; the
/// source isn't changed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo memprof",
    bin_name = "cargo memprof",
    version,
    max_term_width = 90
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run a program, and show which lines allocated and keep memory
    #[command(override_usage = usage("run", "[-- ARGUMENTS]"), visible_alias = "r")]
    Run(Options),

    /// Run the tests, and show which lines allocated and keep memory
    #[command(override_usage = usage("test", "[-- ARGUMENTS]"), visible_alias = "t")]
    Test(Options),

    /// Run the benchmarks, and show which lines allocated and keep memory
    #[command(override_usage = usage("bench", "[-- ARGUMENTS]"))]
    Bench(Options),

    /// Build only; a program then writes its report if `MEMPROF_OUTPUT` names a file
    #[command(override_usage = usage("build", ""), visible_alias = "b")]
    Build(Options),
}

fn usage(command: &str, end: &str) -> String {
    format!("cargo memprof {command} [OPTIONS] [OPTIONS OF CARGO] {end}")
        .trim_end()
        .to_owned()
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Profile only functions whose path, such as `shop::cart::Cart::add`, matches this regular
    /// expression
    #[arg(long, value_name = "REGEX")]
    functions: Option<String>,

    /// Leave out functions whose path matches this regular expression
    #[arg(long, value_name = "REGEX")]
    exclude: Option<String>,

    /// Leave out a package of the workspace: cargo's `--exclude`
    #[arg(long, value_name = "PACKAGE")]
    exclude_package: Vec<String>,

    /// Also profile these dependencies
    #[arg(long, value_name = "CRATES", value_delimiter = ',')]
    pub(crate) deps: Vec<String>,

    /// Print a table after each call of this function, given by its path or the end of it
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',')]
    print: Vec<String>,

    /// Show at most this many lines in each part of the table
    #[arg(long, value_name = "COUNT", default_value_t = 6)]
    pub(crate) top: usize,

    /// Also write the report in this format, as in `pb.gz` or `speedscope.json`
    #[arg(long, value_name = "NAME", value_parser = format_name)]
    pub(crate) format: Option<String>,

    /// Also write the report to this file, in the format of its extension
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Open the report in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

/// The name of a format, if there is one with it.
fn format_name(name: &str) -> Result<String, FormatError> {
    let name = name.trim_start_matches('.');
    name.parse::<Format>().map(|_| name.to_owned())
}

/// What cargo does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Run,
    Test,
    Bench,
    Build,
}

impl Action {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Test => "test",
            Self::Bench => "bench",
            Self::Build => "build",
        }
    }
}

/// The arguments, taken apart.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) action: Action,
    pub(crate) options: Options,
    /// Cargo's own options.
    pub(crate) cargo: Vec<OsString>,
    /// Those of the program, which come after `--`.
    pub(crate) program: Vec<OsString>,
}

impl Args {
    /// Reads the words after `cargo memprof`.
    pub(crate) fn read(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let mut words = words.into_iter();
        let mut own: Vec<OsString> = vec!["cargo memprof".into()];
        own.extend(words.next());
        let mut cargo = Vec::new();
        let mut program = Vec::new();
        let names = own_options();
        while let Some(word) = words.next() {
            if word == "--" {
                program.extend(words.by_ref());
                break;
            }
            let text = word.to_string_lossy().into_owned();
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text.as_str(), None),
            };
            match names.iter().find(|(own, _)| own == name) {
                None => cargo.push(word),
                Some((_, takes_value)) => {
                    own.push(word);
                    if *takes_value && value.is_none() {
                        own.extend(words.next());
                    }
                }
            }
        }
        let line = Line::command().try_get_matches_from(own)?;
        let (action, options) = match Line::from_arg_matches(&line)?.command {
            Command::Run(options) => (Action::Run, options),
            Command::Test(options) => (Action::Test, options),
            Command::Bench(options) => (Action::Bench, options),
            Command::Build(options) => (Action::Build, options),
        };
        for package in &options.exclude_package {
            cargo.extend(["--exclude".into(), package.into()]);
        }
        Ok(Self {
            action,
            options,
            cargo,
            program,
        })
    }

    pub(crate) fn patterns(&self) -> Patterns {
        Patterns {
            functions: self.options.functions.clone(),
            exclude: self.options.exclude.clone(),
            print: self.options.print.clone(),
        }
    }

    /// Whether one of cargo's options has one of these names.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        let mut words = self.cargo.iter().map(|word| word.to_string_lossy());
        words.any(|word| names.iter().any(|name| word == *name))
    }

    /// The values of one of cargo's options.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let words: Vec<_> = self
            .cargo
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let mut values = Vec::new();
        for (index, word) in words.iter().enumerate() {
            match word.strip_prefix(name) {
                Some("") => values.extend(words.get(index + 1).map(ToString::to_string)),
                Some(rest) => values.extend(rest.strip_prefix('=').map(str::to_owned)),
                None => {}
            }
        }
        values
    }
}

/// The names of the options that aren't cargo's, and whether they take a value.
fn own_options() -> Vec<(String, bool)> {
    let mut options = vec![("--help".to_owned(), false), ("-h".to_owned(), false)];
    for command in Line::command().get_subcommands() {
        for option in command.get_arguments() {
            if let Some(name) = option.get_long() {
                let takes_value = option.get_action().takes_values();
                options.push((format!("--{name}"), takes_value));
            }
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Args {
        Args::read(line.split(' ').map(OsString::from).collect()).unwrap()
    }

    #[test]
    fn own_options_may_stand_among_cargos() {
        let args = read("run -p shop --top 3 --exclude=x --bin b --exclude-package q -- --top 9");
        assert_eq!(args.action, Action::Run);
        assert_eq!(args.options.top, 3);
        assert_eq!(args.patterns().exclude.as_deref(), Some("x"));
        assert_eq!(args.cargo, ["-p", "shop", "--bin", "b", "--exclude", "q"]);
        assert_eq!(args.program, ["--top", "9"]);
        assert!(args.has(&["-p"]) && !args.has(&["--top"]));
        assert_eq!(args.values("--bin"), ["b"]);
    }

    #[test]
    fn an_unknown_subcommand_is_refused() {
        let error = Args::read(vec!["fly".into()]).unwrap_err();
        assert!(error.to_string().contains("fly"), "{error}");
    }
}
