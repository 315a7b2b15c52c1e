//! The parts of a compiler's command line that matter to the wrapper.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// How cargo calls the compiler for one crate.
#[derive(Debug)]
pub(crate) struct RustcArgs {
    words: Vec<OsString>,
    /// Which of the words is the root file.
    input: usize,
    pub(crate) crate_name: String,
    pub(crate) out_dir: PathBuf,
    extra_filename: String,
    pub(crate) target: Option<String>,
    /// Whether an executable is built: a program, a test or a benchmark.
    pub(crate) is_program: bool,
    /// Whether the crate is of edition 2015, in which other crates have to be declared.
    pub(crate) is_2015: bool,
    has_lint_cap: bool,
}

impl RustcArgs {
    /// Reads a command line, from the compiler's name on. `None` if it isn't one with which cargo
    /// compiles a crate: a question about the compiler, or a trial of a build script.
    pub(crate) fn read(words: &[OsString]) -> Option<Self> {
        let texts: Vec<&str> = words
            .iter()
            .map(|word| word.to_str().unwrap_or_default())
            .collect();
        let value = |name: &str| {
            texts.iter().enumerate().find_map(|(index, text)| {
                let rest = text.strip_prefix(name)?;
                if rest.is_empty() {
                    texts.get(index + 1).copied()
                } else {
                    rest.strip_prefix('=')
                }
            })
        };
        let codegen = |name: &str| {
            texts.windows(2).find_map(|pair| {
                let value = pair[1].strip_prefix(name)?.strip_prefix('=')?;
                (pair[0] == "-C").then_some(value)
            })
        };
        let crate_types: Vec<&str> = texts
            .windows(2)
            .filter(|pair| pair[0] == "--crate-type")
            .map(|pair| pair[1])
            .collect();
        let is_test = texts.contains(&"--test");
        let is_of_cargo = value("--error-format") == Some("json") && codegen("metadata").is_some();
        if !is_of_cargo || crate_types.contains(&"proc-macro") {
            return None;
        }
        // The compiler is the last word before the options.
        let input = texts.windows(2).position(|pair| {
            Path::new(pair[1]).extension() == Some(OsStr::new("rs")) && !takes_a_value(pair[0])
        })? + 1;
        Some(Self {
            input,
            crate_name: value("--crate-name")?.to_owned(),
            out_dir: value("--out-dir")?.into(),
            extra_filename: codegen("extra-filename").unwrap_or_default().to_owned(),
            target: value("--target").map(str::to_owned),
            is_program: is_test || crate_types.contains(&"bin"),
            is_2015: matches!(value("--edition"), None | Some("2015")),
            has_lint_cap: value("--cap-lints").is_some(),
            words: words.to_vec(),
        })
    }

    /// The root file, as it is on the command line.
    pub(crate) fn input(&self) -> &Path {
        Path::new(&self.words[self.input])
    }

    /// Whether the crate is given another one under this name.
    pub(crate) fn has_crate(&self, name: &str) -> bool {
        let mut pairs = self.words.windows(2);
        pairs.any(|pair| {
            let given = pair[1].to_str().and_then(|given| given.split_once('='));
            // There may be modifiers before the name.
            let is_name = |(before, _): (&str, _)| before.rsplit(':').next() == Some(name);
            pair[0] == "--extern" && given.is_some_and(is_name)
        })
    }

    /// A name for this crate that no other crate of the build has.
    pub(crate) fn unit_name(&self) -> String {
        format!("{}{}", self.crate_name, self.extra_filename)
    }

    /// The file in which the compiler lists the files that it has read.
    pub(crate) fn dep_info(&self) -> PathBuf {
        self.out_dir.join(self.unit_name() + ".d")
    }

    pub(crate) fn words(&self) -> &[OsString] {
        &self.words
    }

    /// The command line for another root file, with more options.
    pub(crate) fn with_input(&self, input: &Path, options: Vec<OsString>) -> Vec<OsString> {
        let mut words = self.words.clone();
        words[self.input] = input.into();
        words.extend(options);
        if !self.has_lint_cap {
            // Columns of warnings would be wrong on edited lines, and `cargo build` shows them.
            words.push("--cap-lints=allow".into());
        }
        words
    }
}

/// Whether the word after an option is its value, and not the root file.
fn takes_a_value(word: &str) -> bool {
    matches!(
        word,
        "-o" | "-L" | "-l" | "-C" | "-Z" | "-A" | "-W" | "-D" | "-F"
    ) || (word.starts_with("--") && !word.contains('=') && word != "--test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<RustcArgs> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        RustcArgs::read(&words)
    }

    #[test]
    fn a_crate_of_cargos_is_read() {
        let args = read(
            "rustc --crate-name shop --edition=2024 src/main.rs --error-format=json --crate-type bin \
             --emit=dep-info,link -C opt-level=3 -C metadata=1 -C extra-filename=-2 --out-dir /t/deps \
             --extern noprelude:own=/t/deps/libown.rlib",
        );
        let args = args.unwrap();
        assert_eq!(args.input(), Path::new("src/main.rs"));
        assert_eq!(args.dep_info(), Path::new("/t/deps/shop-2.d"));
        assert!(args.is_program && args.target.is_none());
        assert!(args.has_crate("own") && !args.has_crate("other"));
        let words = args.with_input(Path::new("/m/src/main.rs"), vec!["-x".into()]);
        assert_eq!(words[4], "/m/src/main.rs");
        assert_eq!(words[words.len() - 2..], ["-x", "--cap-lints=allow"]);
    }

    #[test]
    fn questions_trials_and_procedural_macros_are_not() {
        assert!(read("rustc -vV").is_none());
        assert!(read("rustc - --crate-name ___ --print=file-names --crate-type bin").is_none());
        assert!(read("rustc --crate-name probe --crate-type=lib --out-dir /t probe.rs").is_none());
        let line = "rustc --crate-name m src/lib.rs --error-format=json --crate-type proc-macro -C metadata=1 --out-dir /t";
        assert!(read(line).is_none());
    }
}
