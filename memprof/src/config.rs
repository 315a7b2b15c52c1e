//! What is shown, where and when: the defaults, what an attribute says of its
//! function, and what the environment says over both.

use crate::column::Column;
use crate::output::Stream;
use crate::resident::Rss;
use crate::variables;
use std::ffi::OsString;
use std::sync::OnceLock;

/// When a function's table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Each time the function returns.
    Call,
    /// Once for all its calls, when the process ends; on Windows not by
    /// [`std::process::exit`], of which nobody is told there.
    Exit,
    /// Not at all.
    Never,
}

/// What an attribute says, for as much as it says anything.
///
/// Built by the code it generates, in a `static`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    precision: Option<u8>,
    columns: Option<&'static [Column]>,
    stream: Option<Stream>,
    print: Option<Print>,
    rss: Option<Rss>,
}

impl Options {
    /// Says nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            precision: None,
            columns: None,
            stream: None,
            print: None,
            rss: None,
        }
    }

    /// Decimals of the numbers in MiB.
    #[must_use]
    pub const fn precision(mut self, decimals: u8) -> Self {
        self.precision = Some(decimals);
        self
    }

    /// Columns between the line's number and its text.
    #[must_use]
    pub const fn columns(mut self, columns: &'static [Column]) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Where the table goes.
    #[must_use]
    pub const fn stream(mut self, stream: Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// When the table is printed.
    #[must_use]
    pub const fn print(mut self, print: Print) -> Self {
        self.print = Some(print);
        self
    }

    /// How often resident memory is read.
    #[must_use]
    pub const fn rss(mut self, rss: Rss) -> Self {
        self.rss = Some(rss);
        self
    }
}

/// What holds for a function in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) precision: u8,
    pub(crate) columns: &'static [Column],
    pub(crate) stream: Stream,
    pub(crate) print: Print,
    pub(crate) rss: Rss,
}

impl Settings {
    /// The environment's word, else the attribute's, else the default.
    ///
    /// Nothing if the environment has switched profiling off.
    pub(crate) fn of(options: &Options) -> Option<Self> {
        static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
        let environment = ENVIRONMENT.get_or_init(|| {
            let _paused = crate::threads::pause();
            variables::say_ignored();
            Environment::read(variables::get)
        });
        let said = &environment.options;
        environment.is_on.then(|| Self {
            precision: said.precision.or(options.precision).unwrap_or(1),
            columns: said.columns.or(options.columns).unwrap_or(Column::DEFAULT),
            stream: said.stream.or(options.stream).unwrap_or(Stream::Stdout),
            print: said.print.or(options.print).unwrap_or(Print::Call),
            rss: said.rss.or(options.rss).unwrap_or(Rss::Adaptive),
        })
    }

    /// How often resident memory is read; never if no column shows it.
    pub(crate) fn rss_in_use(&self) -> Rss {
        if self.columns.iter().any(|column| column.is_resident()) {
            self.rss
        } else {
            Rss::Off
        }
    }

    /// Whether a column shows what became of the blocks that a line made.
    pub(crate) fn show_owned(&self) -> bool {
        self.columns.iter().any(|column| column.is_owned())
    }

    /// Whether a column shows the time, so that it has to be read.
    pub(crate) fn show_time(&self) -> bool {
        self.columns.contains(&Column::Time)
    }
}

/// The variables that say what is shown, read once in a process.
struct Environment {
    is_on: bool,
    options: Options,
}

impl Environment {
    /// Reads the variables through `get`. One that can't be read counts as absent.
    fn read(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let read = |name: &str| variables::read_from(name, get(name));
        let stream = |word: String| match &*word {
            "stdout" => Some(Stream::Stdout),
            "stderr" => Some(Stream::Stderr),
            _ => None,
        };
        let print = |word: String| match &*word {
            "call" => Some(Print::Call),
            "exit" => Some(Print::Exit),
            "never" => Some(Print::Never),
            _ => None,
        };
        let rss = |word: String| match &*word {
            "exact" => Some(Rss::Exact),
            "adaptive" => Some(Rss::Adaptive),
            "off" => Some(Rss::Off),
            _ => None,
        };
        let precision = |word: String| variables::decimals(&word);
        let columns = |words: String| Column::parse_list(&words).map(|list| &*list.leak());

        Self {
            is_on: read("MEMPROF").is_none_or(|word| word != "off"),
            options: Options {
                precision: read("MEMPROF_PRECISION").and_then(precision),
                columns: read("MEMPROF_COLUMNS").and_then(columns),
                stream: read("MEMPROF_STREAM").and_then(stream),
                print: read("MEMPROF_PRINT").and_then(print),
                rss: read("MEMPROF_RSS").and_then(rss),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn an_empty_environment_leaves_all_to_the_attributes() {
        let environment = read(&[]);

        assert!(environment.is_on);
        assert_eq!(environment.options.precision, None);
    }

    #[test]
    fn each_variable_is_understood() {
        let environment = read(&[
            ("MEMPROF", "off"),
            ("MEMPROF_PRECISION", "20"),
            ("MEMPROF_COLUMNS", "hits, net"),
            ("MEMPROF_STREAM", "stderr"),
            ("MEMPROF_PRINT", "exit"),
            ("MEMPROF_RSS", "exact"),
        ]);

        assert!(!environment.is_on);
        assert_eq!(environment.options.precision, Some(20));
        assert_eq!(
            environment.options.columns,
            Some(&[Column::Hits, Column::Net][..])
        );
        assert_eq!(environment.options.stream, Some(Stream::Stderr));
        assert_eq!(environment.options.print, Some(Print::Exit));
        assert_eq!(environment.options.rss, Some(Rss::Exact));
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        let environment = read(&[
            ("MEMPROF", "maybe"),
            ("MEMPROF_PRECISION", "21"),
            ("MEMPROF_COLUMNS", "hits,size"),
            ("MEMPROF_STREAM", "x"),
        ]);

        assert!(environment.is_on);
        assert_eq!(environment.options.precision, None);
        assert_eq!(environment.options.columns, None);
        assert_eq!(environment.options.stream, None);
    }
}
