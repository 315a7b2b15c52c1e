//! The settings of a function: from the environment, from its attribute, or the defaults, in this
//! order of precedence.

use crate::count::environment;
use crate::model::column::Column;
use crate::model::options::{Options, Print, Rss, Stream, TableSettings};
use std::ffi::OsString;
use std::sync::OnceLock;

/// The settings of a function with these options. `None` if `MEMPROF=off`.
pub(crate) fn table_settings(options: &Options) -> Option<TableSettings> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    let environment = ENVIRONMENT.get_or_init(|| {
        let _paused = crate::count::this_thread::pause();
        environment::say_ignored();
        Environment::read(environment::get)
    });
    let said = &environment.options;
    let columns = said.columns.or(options.columns);
    let has_hits = |columns: &[Column]| columns.contains(&Column::Hits);
    environment.is_on.then(|| TableSettings {
        precision: said.precision.or(options.precision).unwrap_or(1),
        columns: columns.unwrap_or(Column::DEFAULT),
        stream: said.stream.or(options.stream),
        print: said.print.or(options.print).unwrap_or(Print::Call),
        rss: said.rss.or(options.rss).unwrap_or(Rss::Adaptive),
        // Columns with hits ask for them, too.
        hits: said
            .hits
            .or(options.hits)
            .unwrap_or_else(|| columns.is_some_and(has_hits)),
    })
}

/// The variables that override options, read once per process.
struct Environment {
    is_on: bool,
    options: Options,
}

impl Environment {
    /// Reads the variables through `get`. An invalid value counts as not set.
    fn read(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let read = |name: &str| environment::read_from(name, get(name));
        let stream = |word: String| Stream::parse(&word);
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
        let hits = |word: String| match &*word {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        let precision = |word: String| environment::decimals(&word);
        let columns = |words: String| Column::parse_list(&words).map(|list| &*list.leak());

        Self {
            is_on: read("MEMPROF").is_none_or(|word| word != "off"),
            options: Options {
                precision: read("MEMPROF_PRECISION").and_then(precision),
                columns: read("MEMPROF_COLUMNS").and_then(columns),
                stream: read("MEMPROF_STREAM").and_then(stream),
                print: read("MEMPROF_PRINT").and_then(print),
                rss: read("MEMPROF_RSS").and_then(rss),
                hits: read("MEMPROF_HITS").and_then(hits),
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
            ("MEMPROF_HITS", "on"),
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
        assert_eq!(environment.options.hits, Some(true));
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        let environment = read(&[
            ("MEMPROF", "maybe"),
            ("MEMPROF_PRECISION", "21"),
            ("MEMPROF_COLUMNS", "hits,size"),
            ("MEMPROF_STREAM", "x"),
            ("MEMPROF_HITS", "true"),
        ]);

        assert!(environment.is_on);
        assert_eq!(environment.options.precision, None);
        assert_eq!(environment.options.columns, None);
        assert_eq!(environment.options.stream, None);
        assert_eq!(environment.options.hits, None);
    }
}
