//! What the program is made of.

use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use regex::bytes::Regex;
use std::fs::File;
use std::io::Read as _;
use std::sync::OnceLock;

pub(super) struct Versions {
    /// The text of a `Cargo.lock`.
    lock: &'static str,
}

impl Versions {
    pub(super) fn new(lock: &'static str) -> Self {
        Self { lock }
    }
}

impl Panel for Versions {
    fn title(&self) -> &'static str {
        "Versions"
    }

    fn number(&self, _: &Exchange) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn content(&self, _: &Exchange) -> Content {
        static RUSTC: OnceLock<Option<String>> = OnceLock::new();
        let rustc = RUSTC.get_or_init(rustc).as_deref();
        let build = if cfg!(debug_assertions) {
            "with debug assertions"
        } else {
            "without debug assertions"
        };
        let content = Content::new().pairs([
            ("memprof", env!("CARGO_PKG_VERSION")),
            ("rustc", rustc.unwrap_or("not noted in the program")),
            ("Built", build),
            ("Processor", std::env::consts::ARCH),
            ("System", std::env::consts::OS),
        ]);
        let crates = crates(self.lock);
        if crates.is_empty() {
            return content.text(
                "No crates were told of. The method `cargo_lock` of \
                 memprof::web::DebugToolbarLayer does.",
            );
        }
        let table = Table::new(["Crate", "Version", "From"]);
        content
            .heading(format!("{} crates", crates.len()))
            .table(crates.into_iter().fold(table, Table::row))
    }
}

/// The name, the version and the origin of each package.
fn crates(lock: &str) -> Vec<[&str; 3]> {
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
        [text("name"), text("version"), origin]
    });
    packages.collect()
}

/// The compiler's version, as it has noted it in the program's file.
fn rustc() -> Option<String> {
    // In pieces, so that a large file takes no memory.
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

    #[test]
    fn crates_are_read_from_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\n\
                    name = \"b\"\nversion = \"2.0.0-rc.1\"\nsource = \"registry+https://x\"\n\
                    dependencies = [\n \"a\",\n]\n";
        assert_eq!(
            crates(lock),
            [["a", "1.0.0", "here"], ["b", "2.0.0-rc.1", "registry"]]
        );
        assert!(crates("nonsense").is_empty());
    }

    #[test]
    fn the_compiler_is_known() {
        if cfg!(target_os = "linux") {
            assert!(rustc().is_some_and(|version| version.starts_with("1.")));
        }
    }
}
