//! What is shown, where and when: the defaults, what an attribute says of its
//! function, and what the environment says over both.

use crate::column::Column;
use crate::output::{self, Stream};
use crate::resident::Rss;
use std::env::{self, VarError};
use std::sync::OnceLock;

/// The most decimals a number can have: a byte is 2^-20 MiB, which is 20
/// decimals and no more.
const MOST_DECIMALS: u8 = 20;

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
            Environment::read(|name| env::var(name), &mut |line| output::say(line))
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

    /// Whether a column shows the time, so that it has to be read.
    pub(crate) fn show_time(&self) -> bool {
        self.columns.contains(&Column::Time)
    }
}

/// The `MEMPROF…` variables, read once in a process.
struct Environment {
    is_on: bool,
    options: Options,
}

impl Environment {
    /// Reads the variables through `var`.
    ///
    /// One that makes no sense counts as absent, and `say` is told in one line.
    fn read(var: impl Fn(&str) -> Result<String, VarError>, say: &mut dyn FnMut(&str)) -> Self {
        let on_or_off = |word: &str| match word {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        let stream = |word: &str| match word {
            "stdout" => Some(Stream::Stdout),
            "stderr" => Some(Stream::Stderr),
            _ => None,
        };
        let print = |word: &str| match word {
            "call" => Some(Print::Call),
            "exit" => Some(Print::Exit),
            "never" => Some(Print::Never),
            _ => None,
        };
        let rss = |word: &str| match word {
            "exact" => Some(Rss::Exact),
            "adaptive" => Some(Rss::Adaptive),
            "off" => Some(Rss::Off),
            _ => None,
        };
        let precision = |word: &str| {
            word.parse()
                .ok()
                .filter(|decimals| *decimals <= MOST_DECIMALS)
        };
        let columns = |words: &str| Column::parse_list(words).map(|list| &*list.leak());

        let mut reader = Reader { var, say };
        Self {
            is_on: reader
                .read("MEMPROF", "`on` or `off`", on_or_off)
                .unwrap_or(true),
            options: Options {
                precision: reader.read(
                    "MEMPROF_PRECISION",
                    &format!("a number of decimals from 0 to {MOST_DECIMALS}"),
                    precision,
                ),
                columns: reader.read("MEMPROF_COLUMNS", &Column::accepted(), columns),
                stream: reader.read("MEMPROF_STREAM", "`stdout` or `stderr`", stream),
                print: reader.read("MEMPROF_PRINT", "`call`, `exit` or `never`", print),
                rss: reader.read("MEMPROF_RSS", "`exact`, `adaptive` or `off`", rss),
            },
        }
    }
}

struct Reader<'a, V> {
    var: V,
    say: &'a mut dyn FnMut(&str),
}

impl<V: Fn(&str) -> Result<String, VarError>> Reader<'_, V> {
    fn read<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = match (self.var)(name) {
            Err(VarError::NotPresent) => return None,
            Err(VarError::NotUnicode(bytes)) => bytes.to_string_lossy().into_owned(),
            Ok(word) => match parse(word.trim()) {
                Some(value) => return Some(value),
                None => word,
            },
        };
        (self.say)(&format!(
            "{name} is {found:?}, which is not {accepted}; it is ignored"
        ));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn read(variables: &[(&str, &str)]) -> (Environment, Vec<String>) {
        let mut said = Vec::new();
        let var = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .ok_or(VarError::NotPresent)
        };
        let environment = Environment::read(var, &mut |line| said.push(line.to_owned()));
        (environment, said)
    }

    #[test]
    fn an_empty_environment_says_nothing() {
        let (environment, said) = read(&[]);

        assert!(environment.is_on);
        assert_eq!(environment.options.precision, None);
        assert!(said.is_empty());
    }

    #[test]
    fn each_variable_is_understood() {
        let (environment, said) = read(&[
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
        assert!(said.is_empty());
    }

    #[test]
    fn nonsense_is_ignored_and_named_in_a_line_each() {
        let (environment, said) = read(&[
            ("MEMPROF", "maybe"),
            ("MEMPROF_PRECISION", "21"),
            ("MEMPROF_COLUMNS", "hits,size"),
            ("MEMPROF_STREAM", ""),
            ("MEMPROF_PRINT", "line\nbreak"),
            ("MEMPROF_RSS", "sometimes"),
        ]);

        assert!(environment.is_on);
        assert_eq!(environment.options.precision, None);
        assert_eq!(
            said,
            [
                "MEMPROF is \"maybe\", which is not `on` or `off`; it is ignored",
                "MEMPROF_PRECISION is \"21\", which is not a number of decimals from 0 to 20; it is ignored",
                "MEMPROF_COLUMNS is \"hits,size\", which is not a list of `mem_usage`, `increment`, `hits`, \
                 `allocated`, `freed`, `net`, `peak`, `count`, `time`, `default`, `all`; it is ignored",
                "MEMPROF_STREAM is \"\", which is not `stdout` or `stderr`; it is ignored",
                "MEMPROF_PRINT is \"line\\nbreak\", which is not `call`, `exit` or `never`; it is ignored",
                "MEMPROF_RSS is \"sometimes\", which is not `exact`, `adaptive` or `off`; it is ignored",
            ]
        );
    }

    #[test]
    fn what_is_not_text_is_nonsense() {
        let mut said = Vec::new();
        let var = |name: &str| match name {
            "MEMPROF" => Err(VarError::NotUnicode(OsString::from("off"))),
            _ => Err(VarError::NotPresent),
        };

        let environment = Environment::read(var, &mut |line| said.push(line.to_owned()));

        assert!(environment.is_on);
        assert_eq!(
            said,
            ["MEMPROF is \"off\", which is not `on` or `off`; it is ignored"]
        );
    }
}
