//! The versions of the program, the compiler and the crates.

use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use regex::bytes::Regex;
use std::fs::File;
use std::io::Read as _;
use std::sync::OnceLock;

pub(super) struct Versions {
    /// The text of a `Cargo.lock`.
    lock: &'static str,
    /// The name and the version of the program's own crate, if they are known.
    application: Option<(&'static str, &'static str)>,
}

impl Versions {
    pub(super) fn new(
        lock: &'static str,
        application: Option<(&'static str, &'static str)>,
    ) -> Self {
        Self { lock, application }
    }
}

impl Panel for Versions {
    fn title(&self) -> &'static str {
        "Versions"
    }

    fn number(&self, _: &Exchange) -> String {
        let version = self.application.map(|(_, version)| version);
        version.unwrap_or(env!("CARGO_PKG_VERSION")).to_owned()
    }

    fn content(&self, _: &Exchange) -> Content {
        static RUSTC: OnceLock<Option<String>> = OnceLock::new();
        let rustc = RUSTC.get_or_init(rustc).as_deref();
        let build = if cfg!(debug_assertions) {
            "with debug assertions"
        } else {
            "without debug assertions"
        };
        let application = self.application;
        let application = application.map(|(name, version)| format!("{name} {version}"));
        let application = application.as_deref().map(|text| ("Application", text));
        let pairs = application.into_iter().chain([
            ("memprof", env!("CARGO_PKG_VERSION")),
            ("rustc", rustc.unwrap_or("not found in the program")),
            ("Built", build),
            ("Processor", std::env::consts::ARCH),
            ("System", std::env::consts::OS),
        ]);
        let content = Content::new().pairs(pairs);
        let crates = crates(self.lock);
        if crates.is_empty() {
            return content.text(
                "No crates. Add them with the method `cargo_lock` of \
                 memprof::web::DebugToolbarLayer.",
            );
        }
        let needed = self
            .application
            .and_then(|application| needed(&crates, application));
        let (crates, whose) = match needed {
            Some(needed) => (needed, "that the application depends on"),
            None => (crates, "in Cargo.lock"),
        };
        let table = Table::new(["Crate", "Version", "From"]);
        let rows = crates.iter().map(|it| [it.name, it.version, it.origin]);
        content
            .heading(format!("{} crates {whose}", crates.len()))
            .text(
                "Cargo.lock also lists crates for tests, for other systems and for features that \
                 are off.",
            )
            .table(rows.fold(table, Table::row))
    }
}

/// A package of a `Cargo.lock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crate<'a> {
    name: &'a str,
    version: &'a str,
    origin: &'a str,
    /// The lines of the list of dependencies.
    dependencies: &'a str,
}

impl<'a> Crate<'a> {
    /// The names of the dependencies, with a version if several are in the lock file.
    fn dependencies(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        self.dependencies.lines().filter_map(|line| {
            let line = line.trim().trim_end_matches(',').trim_matches('"');
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()))
        })
    }

    fn is(&self, name: &str, version: Option<&str>) -> bool {
        self.name == name && version.is_none_or(|version| self.version == version)
    }
}

/// A crate followed by its transitive dependencies, or `None` if it isn't listed.
fn needed<'a>(crates: &[Crate<'a>], (name, version): (&str, &str)) -> Option<Vec<Crate<'a>>> {
    let find = |name: &str, version| crates.iter().position(|it| it.is(name, version));
    let first = find(name, Some(version))?;
    let mut is_needed = vec![false; crates.len()];
    let mut open = vec![first];
    while let Some(place) = open.pop() {
        let (Some(one), Some(is_known)) = (crates.get(place), is_needed.get_mut(place)) else {
            continue;
        };
        if !std::mem::replace(is_known, true) {
            let dependencies = one.dependencies();
            open.extend(dependencies.filter_map(|(name, version)| find(name, version)));
        }
    }
    let rest = crates.iter().zip(is_needed).enumerate();
    let rest = rest.filter(|(place, (_, is_needed))| *is_needed && *place != first);
    let rest = rest.map(|(_, (one, _))| *one);
    Some(crates.get(first).copied().into_iter().chain(rest).collect())
}

/// All packages of a lock file.
fn crates(lock: &str) -> Vec<Crate<'_>> {
    let packages = lock.split("[[package]]").skip(1);
    let packages = packages.map(|package| {
        let value = |key: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| {
                let rest = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
                Some(rest.trim().trim_matches('"'))
            })
        };
        let origin = match value("source") {
            None => "here",
            Some(source) if source.starts_with("registry+") => "registry",
            Some(source) => source,
        };
        let text = |key| value(key).unwrap_or("");
        let list = package.split_once("\ndependencies = [");
        let list = list.and_then(|(_, list)| list.split_once(']'));
        Crate {
            name: text("name"),
            version: text("version"),
            origin,
            dependencies: list.map_or("", |(list, _)| list),
        }
    });
    packages.collect()
}

/// The version that the compiler has written to the executable.
fn rustc() -> Option<String> {
    // Read in pieces, so that a large file doesn't have to be in memory.
    const PIECE: usize = 1 << 20;
    const OVERLAP: usize = 128;
    let noted = Regex::new(r"rustc version ([0-9]+\.[0-9]+\.[0-9]+[ -~]{0,60})").ok()?;
    let mut file = File::open(std::env::current_exe().ok()?).ok()?;
    let mut piece = Vec::with_capacity(PIECE + OVERLAP);
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        let found = noted.captures(&piece).and_then(|found| found.get(1));
        if let Some(found) = found {
            return Some(String::from_utf8_lossy(found.as_bytes()).into_owned());
        }
        if read.ok()? == 0 {
            return None;
        }
        piece.drain(..piece.len().saturating_sub(OVERLAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "a"
version = "1.0.0"

[[package]]
name = "a"
version = "2.0.0"
source = "git+https://y"

[[package]]
name = "b"
version = "2.0.0-rc.1"
source = "registry+https://x"
dependencies = [
 "a 2.0.0",
 "b",
]

[[package]]
name = "main"
version = "0.1.0"
dependencies = [
 "b",
]

[[package]]
name = "other"
version = "0.1.0"
dependencies = [
 "a 1.0.0 (registry+https://x)",
]
"#;

    fn names<'a>(crates: &[Crate<'a>]) -> Vec<[&'a str; 3]> {
        crates
            .iter()
            .map(|it| [it.name, it.version, it.origin])
            .collect()
    }

    #[test]
    fn crates_are_read_from_a_lock_file() {
        let expected = [
            ["a", "1.0.0", "here"],
            ["a", "2.0.0", "git+https://y"],
            ["b", "2.0.0-rc.1", "registry"],
            ["main", "0.1.0", "here"],
            ["other", "0.1.0", "here"],
        ];
        assert_eq!(names(&crates(LOCK)), expected);
        assert!(crates("nonsense").is_empty());
    }

    #[test]
    fn those_of_the_application_are_what_it_depends_on() {
        let of = |name| needed(&crates(LOCK), (name, "0.1.0")).map(|needed| names(&needed));
        let main = [
            ["main", "0.1.0", "here"],
            ["a", "2.0.0", "git+https://y"],
            ["b", "2.0.0-rc.1", "registry"],
        ];
        assert_eq!(of("main").as_deref(), Some(&main[..]));
        let other = [["other", "0.1.0", "here"], ["a", "1.0.0", "here"]];
        assert_eq!(of("other").as_deref(), Some(&other[..]));
        assert_eq!(of("third"), None);
    }

    #[test]
    fn the_compiler_is_known() {
        if cfg!(target_os = "linux") {
            assert!(rustc().is_some_and(|version| version.starts_with("1.")));
        }
    }
}
