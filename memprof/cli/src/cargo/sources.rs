//! The files of a crate that are compiled in an edited form: with the attribute, and with memprof's
//! allocator.
//!
//! They are found from the root file on, by following modules. Files that aren't found this way,
//! such as those of modules that a macro generates, are compiled as they are.

use crate::cargo::allocator::{self, Found};
use crate::cargo::annotate::{Annotated, Reading};
use crate::cargo::edits::Edits;
use crate::cargo::gaps::Gaps;
use crate::cargo::modules::Place;
use crate::cargo::selection::Selection;
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What is left out of a crate, since it doesn't compile otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// By file, the lines whose functions are compiled without the attribute.
    pub(crate) lines: BTreeMap<PathBuf, Vec<usize>>,
    /// Files without any attribute.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Whether no file has attributes.
    pub(crate) all: bool,
    /// Whether memprof's allocator isn't added, since there is another one.
    pub(crate) allocator: bool,
}

/// How a crate is to be edited.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The absolute path of the crate's root file.
    pub(crate) root: &'a Path,
    pub(crate) crate_name: &'a str,
    /// The name under which the crate has memprof.
    pub(crate) library: &'a str,
    pub(crate) selection: &'a Selection,
    /// Whether it is a program, which needs an allocator.
    pub(crate) is_program: bool,
    /// Whether the crate's edition is one in which it has to declare other crates.
    pub(crate) needs_declaration: bool,
}

/// A file in its edited form.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) annotated: Vec<Annotated>,
}

/// The edited files of a crate, by their absolute paths.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: BTreeMap<PathBuf, Source>,
    /// Files that can't be read as Rust, each with the reason.
    pub(crate) unread: Vec<(PathBuf, String)>,
    /// Whether memprof's allocator was added.
    pub(crate) has_allocator: bool,
    pub(crate) function_count: usize,
}

/// Reads a crate's files and edits them.
pub(crate) fn edited(request: &Request<'_>, left_out: &LeftOut) -> Sources {
    let mut sources = Sources::default();
    let mut seen = BTreeSet::new();
    let mut allocator = Found::None;
    let place = Place::root(request.root, request.crate_name);
    let mut pending = vec![(request.root.to_owned(), place)];
    while let Some((path, place)) = pending.pop() {
        let path = normal(&path);
        if !seen.insert(path.clone()) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let start = code_start(&text);
        let code = &text[start..];
        let tokens = match code.parse::<TokenStream>() {
            Ok(tokens) => tokens,
            Err(error) => {
                let line = error.span().start().line;
                sources.unread.push((path, format!("line {line}: {error}")));
                continue;
            }
        };
        let reading = Reading {
            library: request.library,
            selection: request.selection,
            left_out: left_out.lines.get(&path).map_or(&[], Vec::as_slice),
        };
        let found = reading.read(&tokens, &Gaps::new(code, &tokens), &place);
        pending.extend(
            found
                .children
                .into_iter()
                .flat_map(super::modules::Child::files),
        );
        let (mut edits, annotated) = if left_out.all || left_out.files.contains(&path) {
            (Edits::default(), Vec::new())
        } else {
            (found.edits, found.annotated)
        };
        let found = allocator::wrap(code, tokens, request.library, &mut edits);
        let is_root = path == normal(request.root);
        // In a module, a condition may be on the module.
        allocator = allocator.max(if is_root {
            found
        } else {
            found.min(Found::Perhaps)
        });
        if !edits.is_empty() {
            let text = text[..start].to_owned() + &edits.apply(code);
            sources.function_count += annotated.len();
            sources.files.insert(path, Source { text, annotated });
        }
    }
    let mut additions = String::new();
    if request.is_program && allocator != Found::Surely && !left_out.allocator {
        additions.push_str(&allocator::injected(request.library));
        sources.has_allocator = true;
    }
    if request.needs_declaration && !(sources.files.is_empty() && additions.is_empty()) {
        additions.extend(["extern crate ", request.library, ";"]);
    }
    if !additions.is_empty() {
        sources.add_to_root(request, &additions);
    }
    sources
}

impl Sources {
    /// Adds `text` after the last line of the root file.
    fn add_to_root(&mut self, request: &Request<'_>, text: &str) {
        let root = normal(request.root);
        let Ok(plain) = fs::read_to_string(&root) else {
            return;
        };
        let source = self.files.entry(root).or_insert(Source {
            text: plain,
            annotated: Vec::new(),
        });
        source.text.push('\n');
        source.text.push_str(text);
        source.text.push('\n');
    }
}

/// Where Rust code begins: after a byte order mark and a `#!` line for the shell.
fn code_start(text: &str) -> usize {
    let mark = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let rest = &text[mark..];
    let is_shell_line = rest.starts_with("#!") && !rest[2..].trim_start().starts_with('[');
    if !is_shell_line {
        return mark;
    }
    // The line break stays, so that lines keep their numbers.
    mark + rest.find('\n').unwrap_or(rest.len())
}

/// A path without `..` after a folder. Symbolic links aren't followed: the compiler takes paths as
/// they are written.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}
