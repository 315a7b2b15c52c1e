//! What the command tells itself as the compiler's wrapper: which crates are edited, and how.

use crate::cargo::selection::Patterns;
use serde::{Deserialize, Serialize};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The variable with the path of the plan.
pub(crate) const PLAN: &str = "CARGO_MEMPROF_PLAN";

/// The variable with a number for everything in the plan that edited sources depend on. Crates whose
/// sources were edited under another number are compiled again.
pub(crate) const KEY: &str = "CARGO_MEMPROF_KEY";

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The compiler's wrapper that the user has set.
    pub(crate) outer_wrapper: Option<PathBuf>,
    /// The target of `--target`. Without one, the program runs on the compiler's own.
    pub(crate) target: Option<String>,
    /// The folder for edited sources.
    pub(crate) sources: PathBuf,
    pub(crate) patterns: Patterns,
    pub(crate) library: Library,
    pub(crate) packages: Vec<Package>,
}

/// memprof, built for linking to programs that don't depend on it themselves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Library {
    /// memprof itself.
    pub(crate) memprof: PathBuf,
    /// memprof and its dependencies.
    pub(crate) files: Vec<PathBuf>,
}

/// A package whose crates are edited.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The folder that is mirrored, which the package is in.
    pub(crate) tree: PathBuf,
    /// The root files of its crates, build scripts and procedural macros left out.
    pub(crate) roots: Vec<PathBuf>,
    /// How the package names memprof, if it depends on it.
    pub(crate) own_memprof: Option<String>,
}

impl Plan {
    /// The plan of this build. `None` if no command has made one.
    pub(crate) fn of_this_build() -> Option<Result<Self, String>> {
        let path = PathBuf::from(env::var_os(PLAN)?);
        let read = fs::read(&path).map_err(|error| error.to_string());
        let plan =
            read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        Some(plan.map_err(|error| format!("{}: {error}", path.display())))
    }

    /// The package in `folder`.
    pub(crate) fn package(&self, folder: &Path) -> Option<&Package> {
        let mut packages = self.packages.iter();
        packages.find(|package| package.folder == folder)
    }

    /// The command line of the compiler, with the user's wrapper before it.
    pub(crate) fn with_outer_wrapper(&self, words: &[OsString]) -> Vec<OsString> {
        let wrapper = self.outer_wrapper.iter().map(|path| path.clone().into());
        wrapper.chain(words.iter().cloned()).collect()
    }
}
