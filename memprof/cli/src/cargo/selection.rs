//! Which functions get the attribute: `--functions`, `--exclude` and `--print`.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The patterns as they were given, as they are handed to the compiler's wrapper.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Patterns {
    pub(crate) functions: Option<String>,
    pub(crate) exclude: Option<String>,
    pub(crate) print: Vec<String>,
}

/// What happens to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    LeaveOut,
    Profile,
    /// Its table is printed, too.
    Print,
}

/// The patterns, ready for use.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    functions: Option<Regex>,
    exclude: Option<Regex>,
    print: Vec<String>,
}

impl Selection {
    /// # Errors
    ///
    /// If one of the patterns isn't a regular expression.
    pub(crate) fn new(patterns: &Patterns) -> Result<Self, String> {
        let compile = |option: &str, pattern: &Option<String>| {
            let Some(pattern) = pattern else {
                return Ok(None);
            };
            Regex::new(pattern)
                .map(Some)
                .map_err(|error| format!("{option} takes a regular expression: {error}"))
        };
        Ok(Self {
            functions: compile("--functions", &patterns.functions)?,
            exclude: compile("--exclude", &patterns.exclude)?,
            print: patterns.print.clone(),
        })
    }

    /// What happens to the function with this path, such as `shop::cart::Cart::add`.
    pub(crate) fn choice(&self, path: &str) -> Choice {
        let ends_with = |name: &String| {
            let before = path.strip_suffix(name.as_str());
            before.is_some_and(|before| before.is_empty() || before.ends_with("::"))
        };
        if self.print.iter().any(ends_with) {
            return Choice::Print;
        }
        let is = |regex: &Option<Regex>| regex.as_ref().map(|regex| regex.is_match(path));
        match (is(&self.functions), is(&self.exclude)) {
            (Some(false), _) | (_, Some(true)) => Choice::LeaveOut,
            _ => Choice::Profile,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_chosen_by_patterns_and_printed_by_the_end_of_its_path() {
        let patterns = Patterns {
            functions: Some("^shop::".to_owned()),
            exclude: Some("::tests::".to_owned()),
            print: vec!["Cart::add".to_owned()],
        };
        let selection = Selection::new(&patterns).unwrap();
        for (path, expected) in [
            ("shop::open", Choice::Profile),
            ("shop::tests::opens", Choice::LeaveOut),
            ("util::open", Choice::LeaveOut),
            ("shop::Cart::add", Choice::Print),
            ("shop::GoCart::add", Choice::Profile),
        ] {
            assert_eq!(selection.choice(path), expected, "{path}");
        }
    }
}
