//! The environment variables that configure a built program.
//!
//! All of them are in one table, [`KNOWN`], and are read through this module, so that two rules
//! hold for each. A variable that has no effect is reported on stderr, in one sentence. And no
//! variable is read in a program that has more rights than the user who starts it, such as a setuid
//! program.

use crate::model::amount;
use crate::model::column::Column;
use crate::model::options::Stream;
use crate::sys::os;
use crate::sys::output::say;
#[cfg(feature = "export")]
use crate::sys::process_number::with_number;
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
#[cfg(any(feature = "export", feature = "timeline"))]
use std::path::{self, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The id of the process in which the program began.
static FIRST_PROCESS: AtomicU32 = AtomicU32::new(0);

/// Whether a profiled function was called.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// The most decimals a number can have: a byte is 2^-20 MiB, which has exactly 20 decimals.
const MOST_DECIMALS: u8 = 20;

/// A variable that memprof reads.
struct Variable {
    name: &'static str,
    needs: Option<Need>,
    /// The variable without which this one has no effect.
    with: Option<&'static str>,
    /// Whether it has no effect before a profiled function is called.
    waits_for_a_call: bool,
    value: Value,
}

/// What a build needs for a variable to be read.
#[derive(Clone, Copy)]
struct Need {
    what: &'static str,
    is_met: bool,
}

/// What a variable may be set to.
enum Value {
    /// A path, or a value that its reader checks.
    Any,
    Word(&'static [&'static str]),
    /// Anything else: what is accepted, and whether a text is.
    Text(fn() -> String, fn(&str) -> bool),
}

const FILES: Need = Need {
    what: "memprof's feature `export`",
    is_met: cfg!(feature = "export"),
};
const SOCKETS: Need = Need {
    what: "memprof's feature `export` and a Unix system",
    is_met: cfg!(all(feature = "export", unix)),
};
const SAMPLING: Need = Need {
    what: "memprof's feature `timeline`",
    is_met: cfg!(feature = "timeline"),
};

const KNOWN: &[Variable] = &[
    Variable::new("MEMPROF").word(&["on", "off"]),
    Variable::new("MEMPROF_PRECISION").text(decimals_accepted, |text| decimals(text).is_some()),
    Variable::new("MEMPROF_COLUMNS")
        .text(Column::accepted, |text| Column::parse_list(text).is_some()),
    Variable::new("MEMPROF_STREAM").text(Stream::accepted, |text| Stream::parse(text).is_some()),
    Variable::new("MEMPROF_PRINT").word(&["call", "exit", "never"]),
    Variable::new("MEMPROF_RSS").word(&["exact", "adaptive", "off"]),
    Variable::new("MEMPROF_HITS").word(&["on", "off"]),
    Variable::new("MEMPROF_SAMPLE")
        .waits()
        .text(sample_accepted, is_interval),
    Variable::new("MEMPROF_OUTPUT").needs(FILES).waits(),
    Variable::new("MEMPROF_FORMAT")
        .needs(FILES)
        .with("MEMPROF_OUTPUT"),
    Variable::new("MEMPROF_EVERY")
        .needs(FILES)
        .with("MEMPROF_OUTPUT")
        .text(every_accepted, is_every),
    Variable::new("MEMPROF_DUMP_AT")
        .needs(FILES)
        .waits()
        .text(bytes_accepted, |text| amount::bytes(text).is_some()),
    Variable::new("MEMPROF_LISTEN").needs(SOCKETS).waits(),
    Variable::new("MEMPROF_CONFIDENTIAL").needs(FILES),
    Variable::new("MEMPROF_BLESS").needs(FILES),
    Variable::new("MEMPROF_SUMMARY").needs(FILES),
    Variable::new("MEMPROF_TIMESTAMPS").needs(SAMPLING),
    Variable::new("MEMPROF_CHILDREN")
        .needs(SAMPLING)
        .with("MEMPROF_TIMESTAMPS")
        .word(&["on", "off"]),
    Variable::new("MEMPROF_STOP_AT")
        .needs(SAMPLING)
        .text(bytes_accepted, |text| amount::bytes(text).is_some()),
    Variable::new("MEMPROF_ON_STOP")
        .needs(SAMPLING)
        .with("MEMPROF_STOP_AT")
        .word(&["abort", "trap", "continue"]),
];

/// Variables of others: LLVM's memory profiler, which a program may be built with, too, reads this
/// one.
const OF_OTHERS: &[&str] = &["MEMPROF_OPTIONS"];

impl Variable {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            needs: None,
            with: None,
            waits_for_a_call: false,
            value: Value::Any,
        }
    }

    const fn needs(mut self, need: Need) -> Self {
        self.needs = Some(need);
        self
    }

    const fn with(mut self, name: &'static str) -> Self {
        self.with = Some(name);
        self
    }

    const fn waits(mut self) -> Self {
        self.waits_for_a_call = true;
        self
    }

    const fn word(mut self, words: &'static [&'static str]) -> Self {
        self.value = Value::Word(words);
        self
    }

    const fn text(mut self, accepted: fn() -> String, is_read: fn(&str) -> bool) -> Self {
        self.value = Value::Text(accepted, is_read);
        self
    }

    fn of(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }

    fn is_in_build(&self) -> bool {
        self.needs.is_none_or(|need| need.is_met)
    }
}

impl Value {
    /// The value without surrounding white space, if it is accepted.
    fn read(&self, value: &OsStr) -> Option<String> {
        let text = value.to_str()?.trim();
        let is_read = match self {
            Self::Any => true,
            Self::Word(words) => words.contains(&text),
            Self::Text(_, is_read) => is_read(text),
        };
        is_read.then(|| text.to_owned())
    }

    /// A description of accepted values.
    fn accepted(&self) -> String {
        match self {
            Self::Any => "text".to_owned(),
            Self::Word(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                match &quoted[..] {
                    [others @ .., last] if !others.is_empty() => {
                        format!("{} or {last}", others.join(", "))
                    }
                    _ => quoted.concat(),
                }
            }
            Self::Text(accepted, _) => accepted(),
        }
    }
}

/// The value of a variable in the environment. `None` if it is empty, and in a setuid or setgid
/// program.
pub(crate) fn get(name: &str) -> Option<OsString> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    (!os::is_secure()).then_some(value)
}

/// [`read_from`] the environment.
pub(crate) fn read(name: &str) -> Option<String> {
    read_from(name, get(name))
}

/// A variable's value, if the table accepts it.
pub(crate) fn read_from(name: &str, value: Option<OsString>) -> Option<String> {
    Variable::of(name)?.value.read(&value?)
}

/// A number of decimals.
pub(crate) fn decimals(text: &str) -> Option<u8> {
    let decimals = text.trim().parse().ok();
    decimals.filter(|decimals| *decimals <= MOST_DECIMALS)
}

fn decimals_accepted() -> String {
    format!("a number of decimals from 0 to {MOST_DECIMALS}")
}

/// How often a report is written while the program runs: `on`, `off` or a time.
fn is_every(text: &str) -> bool {
    /// Writing a report takes longer.
    const LEAST: Duration = Duration::from_millis(10);
    let is_time = || amount::duration(text).is_some_and(|every| every >= LEAST);
    matches!(text, "on" | "off") || is_time()
}

fn is_interval(text: &str) -> bool {
    matches!(text, "on" | "off") || amount::duration(text).is_some_and(|time| !time.is_zero())
}

fn sample_accepted() -> String {
    "`on`, `off` or the time between two samples, such as `1ms`".to_owned()
}

fn every_accepted() -> String {
    "`on`, `off` or a time of 10ms or more, such as `2s` or `500ms`".to_owned()
}

fn bytes_accepted() -> String {
    "a number of bytes, such as `100MiB`".to_owned()
}

/// Reports which variables have no effect, and why, once per process.
///
/// With `MEMPROF=off`, reports nothing: that no variable has an effect is intended then.
pub(crate) fn say_ignored() {
    use std::sync::Once;
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let is_secure = os::is_secure();
        for line in ignored(&environment(), is_secure) {
            say(&line);
        }
    });
}

/// Reports which variables had no effect because no profiled function was called.
fn say_unused() {
    say_ignored();
    let found = environment();
    if os::is_secure() || is_off(&found) {
        return;
    }
    // `cargo memprof` has set the variables, and says itself that there is no report.
    if env::var_os("CARGO_MEMPROF").is_some() {
        return;
    }
    // The first copy of memprof in the process writes a report.
    #[cfg(feature = "export")]
    if crate::sys::library_copies::number() > 1 {
        return;
    }
    let waits = |known: &&Variable| known.waits_for_a_call && known.is_in_build();
    for known in KNOWN.iter().filter(waits) {
        if found.contains_key(known.name) {
            say(&format!(
                "{} is ignored: no profiled function was called",
                known.name
            ));
        }
    }
}

/// Notes that a profiled function was called.
pub(crate) fn set_used() {
    IS_USED.store(true, Ordering::Relaxed);
}

/// Arranges for [`say_unused`] to be called at the end of the process if no profiled function was
/// called by then.
///
/// It is called at the first allocation, and doesn't allocate.
pub(crate) fn notice_end() {
    // Relaxed: there is only one thread yet.
    FIRST_PROCESS.store(process::id(), Ordering::Relaxed);
    os::at_exit(end_without_a_call);
}

extern "C" fn end_without_a_call() {
    // Forked children would report it again.
    let is_first = FIRST_PROCESS.load(Ordering::Relaxed) == process::id();
    if is_first && !IS_USED.load(Ordering::Relaxed) {
        say_unused();
    }
}

/// The variables that may be meant for memprof, by name.
fn environment() -> BTreeMap<String, OsString> {
    let is_ours = |name: &str| {
        let start = name.get(..7).unwrap_or_default();
        start.eq_ignore_ascii_case("MEMPROF") && matches!(name.as_bytes().get(7), None | Some(b'_'))
    };
    let named = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named
        .filter(|(name, value)| is_ours(name) && !value.is_empty())
        .collect()
}

fn is_off(found: &BTreeMap<String, OsString>) -> bool {
    let value = found.get("MEMPROF").cloned();
    read_from("MEMPROF", value).as_deref() == Some("off")
}

/// A sentence for each variable that has no effect.
fn ignored(found: &BTreeMap<String, OsString>, is_secure: bool) -> Vec<String> {
    if is_secure {
        let line = "the MEMPROF variables are ignored: this program has rights that the user who \
                    started it may not have (setuid, setgid or capabilities)";
        return found.keys().take(1).map(|_| line.to_owned()).collect();
    }
    if is_off(found) {
        return Vec::new();
    }
    let why = |(name, value): (&String, &OsString)| match Variable::of(name) {
        None if OF_OTHERS.contains(&&**name) => None,
        None => Some(unknown(name)),
        Some(known) => why_ignored(known, value, found),
    };
    found.iter().filter_map(why).collect()
}

fn why_ignored(
    known: &Variable,
    value: &OsStr,
    found: &BTreeMap<String, OsString>,
) -> Option<String> {
    let name = known.name;
    if let Some(need) = known.needs.filter(|need| !need.is_met) {
        let what = need.what;
        return Some(format!(
            "{name} is ignored: it needs {what}, which this program is built without"
        ));
    }
    if let Some(other) = known.with.filter(|other| !found.contains_key(*other)) {
        return Some(format!(
            "{name} is ignored: it changes nothing without {other}, which isn't set"
        ));
    }
    if matches!(known.value, Value::Any) || known.value.read(value).is_some() {
        return None;
    }
    let (value, accepted) = (value.to_string_lossy(), known.value.accepted());
    Some(format!(
        "{name} is {value:?}, which is not {accepted}; it is ignored"
    ))
}

fn unknown(name: &str) -> String {
    /// For names that differ more, a suggestion would be a guess.
    const MOST_EDITS: usize = 3;
    let upper = name.to_ascii_uppercase();
    let edits = |known: &&Variable| strsim::damerau_levenshtein(&upper, known.name);
    let nearest = KNOWN.iter().min_by_key(edits);
    let shown: String = name.chars().take(100).collect();
    match nearest.filter(|known| edits(known) <= MOST_EDITS) {
        Some(Variable { name, .. }) => {
            format!("{shown:?} is ignored: there is no such variable; did you mean {name}?")
        }
        None => format!("{shown:?} is ignored: there is no such variable"),
    }
}

/// A path from a variable, relative to the folder that the program began in.
#[cfg(any(feature = "export", feature = "timeline"))]
#[derive(Clone, Debug)]
pub(crate) struct NamedPath {
    /// The folder that the program began in; it may change its folder later.
    folder: PathBuf,
    name: OsString,
}

#[cfg(any(feature = "export", feature = "timeline"))]
impl NamedPath {
    pub(crate) fn new(name: OsString) -> Self {
        let folder = path::absolute(".").unwrap_or_default();
        Self { folder, name }
    }

    /// The path, with the name unchanged.
    #[cfg(feature = "timeline")]
    pub(crate) fn as_it_is(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The path, with each `%p` in the name replaced by this process's id: processes that share the
    /// variable, such as forked children, get different paths.
    #[cfg(feature = "export")]
    pub(crate) fn path(&self) -> PathBuf {
        self.folder
            .join(with_number(&self.name, std::process::id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(variables: &[(&str, &str)]) -> Vec<String> {
        let found = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()));
        ignored(&found.collect(), false)
    }

    #[test]
    fn what_cannot_be_read_is_said_in_a_sentence_each() {
        assert_eq!(
            said(&[
                ("MEMPROF", "maybe"),
                ("MEMPROF_PRECISION", "21"),
                ("MEMPROF_COLUMNS", "hits,size"),
                ("MEMPROF_STREAM", " "),
                ("MEMPROF_PRINT", "line\nbreak"),
                ("MEMPROF_RSS", "sometimes"),
                ("MEMPROF_HITS", "true"),
            ]),
            [
                "MEMPROF is \"maybe\", which is not `on` or `off`; it is ignored",
                "MEMPROF_COLUMNS is \"hits,size\", which is not a list of `mem_usage`, `increment`, `hits`, \
                 `allocated`, `freed`, `net`, `peak`, `count`, `time`, `live`, `live_count`, `at_peak`, \
                 `temporary`, `default`, `all`; it is ignored",
                "MEMPROF_HITS is \"true\", which is not `on` or `off`; it is ignored",
                "MEMPROF_PRECISION is \"21\", which is not a number of decimals from 0 to 20; it is ignored",
                "MEMPROF_PRINT is \"line\\nbreak\", which is not `call`, `exit` or `never`; it is ignored",
                "MEMPROF_RSS is \"sometimes\", which is not `exact`, `adaptive` or `off`; it is ignored",
                &format!(
                    "MEMPROF_STREAM is \" \", which is not {}; it is ignored",
                    Stream::accepted()
                ),
            ]
        );
    }

    #[test]
    fn what_can_be_read_is_not_said() {
        assert!(said(&[]).is_empty());
        assert!(said(&[("MEMPROF", "on"), ("MEMPROF_PRECISION", " 20 ")]).is_empty());
    }

    #[test]
    fn nothing_is_said_where_profiling_is_switched_off() {
        assert!(said(&[("MEMPROF", "off"), ("MEMPROF_RSS", "sometimes")]).is_empty());
    }

    #[test]
    fn each_variable_is_honoured_or_said() {
        let set: Vec<_> = KNOWN
            .iter()
            .map(|known| (known.name, "\u{1}"))
            .filter(|(name, _)| *name != "MEMPROF")
            .collect();
        let said = said(&set);
        for known in KNOWN.iter().filter(|known| known.name != "MEMPROF") {
            let start = format!("{} is ", known.name);
            let lines: Vec<_> = said
                .iter()
                .filter(|line| line.starts_with(&start))
                .collect();
            let is_honoured = known.is_in_build() && matches!(known.value, Value::Any);
            assert_eq!(lines.len(), usize::from(!is_honoured), "{}", known.name);
            if let Some(need) = known.needs.filter(|need| !need.is_met) {
                assert!(lines[0].contains(need.what), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_variable_that_only_adds_to_another_is_said_without_it() {
        for known in KNOWN.iter().filter(|known| known.is_in_build()) {
            if let Some(with) = known.with {
                let lines = said(&[(known.name, "on")]);
                let line = format!(
                    "{} is ignored: it changes nothing without {with}, which isn't set",
                    known.name
                );
                assert_eq!(lines, [line]);
            }
        }
    }

    #[test]
    fn what_is_misspelt_is_said_with_the_right_name() {
        assert_eq!(
            said(&[
                ("MEMPROF_COLOURS", "a"),
                ("MEMPROF_OPTIONS", "of LLVM"),
                ("MEMPROF_OUPUT", "a"),
                ("MEMPROF_STOPAT", "a"),
                ("MEMPROF_WHATEVER_\u{1b}", "a"),
                ("memprof_stream", "a"),
            ]),
            [
                "\"MEMPROF_COLOURS\" is ignored: there is no such variable; did you mean MEMPROF_COLUMNS?",
                "\"MEMPROF_OUPUT\" is ignored: there is no such variable; did you mean MEMPROF_OUTPUT?",
                "\"MEMPROF_STOPAT\" is ignored: there is no such variable; did you mean MEMPROF_STOP_AT?",
                "\"MEMPROF_WHATEVER_\\u{1b}\" is ignored: there is no such variable",
                "\"memprof_stream\" is ignored: there is no such variable; did you mean MEMPROF_STREAM?",
            ]
        );
    }

    #[test]
    fn no_variable_counts_in_a_setuid_program_and_that_is_one_sentence() {
        let found = [("MEMPROF_A", "a"), ("MEMPROF_OUTPUT", "b")];
        let found = found.map(|(name, value)| (name.to_owned(), value.into()));
        assert_eq!(ignored(&found.into(), true).len(), 1);
        assert!(ignored(&BTreeMap::new(), true).is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn bytes_that_are_no_text_are_no_word() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(
            Value::Word(&["on"]).read(OsStr::from_bytes(b"on\xff")),
            None
        );
    }
}
