//! How the project's own files import each other: from the layers below, and in no circle.
//!
//! `ARCHITECTURE.md` has the picture. Public faces, which only hand on what others define, are
//! followed to the file that defines it.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A module, by its path in the crate: `["count", "peak"]`.
type Module = Vec<String>;

/// The layers of the library, the lowest first. Those in one row don't import each other.
const LAYERS: [&[&str]; 6] = [
    &["model", "sys"],
    &["count"],
    &["record", "report", "timeline"],
    &["runtime"],
    &["scope"],
    &["check", "web"],
];

/// What stands above all layers: names for generated code, and the manual.
const FACES: [&str; 2] = ["__private", "guide"];

#[derive(Default)]
struct Crate {
    /// The paths that a module names, from the root.
    named: BTreeMap<Module, BTreeSet<Module>>,
    /// What a module hands on, by its name there.
    handed_on: BTreeMap<Module, Module>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let mut this = Self::default();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    this.add(module_of(path.strip_prefix(&root).unwrap()), &path);
                }
            }
        }
        this
    }

    fn add(&mut self, module: Module, path: &Path) {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        self.named.entry(module.clone()).or_default();
        let depth = module.len();
        let mut names = Names {
            within: module.clone(),
            depth,
            module,
            found: self,
        };
        names.visit_file(&file);
    }

    /// The file that defines what is at a path, and so the one that is imported from.
    fn file_of(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        // A name that is handed on in a circle is none of ours.
        for _ in 0..10 {
            let handed_on = (1..=path.len()).rev().find_map(|length| {
                // A function may have the name of a module.
                let is_module = length < path.len() && self.named.contains_key(&path[..length]);
                let target = self.handed_on.get(&path[..length]).filter(|_| !is_module)?;
                Some([target.as_slice(), &path[length..]].concat())
            });
            match handed_on {
                Some(target) if !self.named.contains_key(&path) => path = target,
                _ => break,
            }
        }
        let lengths = (0..=path.len()).rev();
        let mut files = lengths.map(|length| path[..length].to_vec());
        files
            .find(|file| self.named.contains_key(file))
            .filter(|file| !file.is_empty())
    }

    /// Which file imports from which others.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let imports = self.named.iter().filter(|(module, _)| !module.is_empty());
        imports
            .map(|(module, named)| {
                let files = named.iter().filter_map(|path| self.file_of(path));
                (
                    module.clone(),
                    files.filter(|file| file != module).collect(),
                )
            })
            .collect()
    }
}

fn module_of(path: &Path) -> Module {
    let path = path.with_extension("");
    let mut module: Module = path
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str()))
    {
        module.pop();
    }
    if module == ["private"] {
        vec!["__private".to_owned()]
    } else {
        module
    }
}

/// Collects the paths that one file names.
struct Names<'a> {
    /// The file's module.
    module: Module,
    /// The module that is being read: the file's, or one that is written out in it.
    within: Module,
    depth: usize,
    found: &'a mut Crate,
}

impl Names<'_> {
    /// A path from the root, if it begins with `crate`, `self` or `super`, or with a module of
    /// this one's own.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut rest = path;
        let mut start = match rest.first()?.as_str() {
            "crate" => Vec::new(),
            "self" => self.within.clone(),
            "super" => self.within[..self.within.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        rest = &rest[1..];
        while rest.first().is_some_and(|part| part == "super") {
            start.pop();
            rest = &rest[1..];
        }
        Some([start.as_slice(), rest].concat())
    }

    fn name(&mut self, path: Module) {
        self.found
            .named
            .entry(self.module.clone())
            .or_default()
            .insert(path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let mut attributes = attributes
        .iter()
        .map(|attribute| attribute.to_token_stream().to_string());
    attributes.any(|text| {
        let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).collect();
        words.contains(&"cfg") && words.contains(&"test") && !words.contains(&"not")
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_some() {
            self.within.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.within.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut paths = Vec::new();
        spread(&item.tree, &mut Vec::new(), &mut paths);
        let is_handed_on = !matches!(item.vis, Visibility::Inherited);
        for (path, name) in paths {
            // A child's name without `self::` before it.
            let child = [self.within.as_slice(), &path].concat();
            let path = self.absolute(&path).unwrap_or(child);
            let own = [self.within.as_slice(), &[name]].concat();
            if is_handed_on && own != path {
                self.found.handed_on.insert(own, path);
            } else {
                self.name(path);
            }
        }
    }

    // `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Module = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if let Some(path) = self.absolute(&parts)
            && self.within.len() == self.depth
        {
            self.name(path);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let mut paths = Vec::new();
        paths_in(mac.tokens.clone(), &mut paths);
        for path in paths {
            if let Some(path) = self.absolute(&path) {
                self.name(path);
            }
        }
    }
}

/// The paths of a `use`, each with the name that it has here.
fn spread(tree: &UseTree, before: &mut Module, paths: &mut Vec<(Module, String)>) {
    let mut add = |last: String, name: String| {
        let last = (last != "self").then_some(last);
        let path: Module = before.iter().cloned().chain(last).collect();
        let name = if name == "self" {
            path.last().cloned().unwrap_or_default()
        } else {
            name
        };
        paths.push((path, name));
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            spread(&path.tree, before, paths);
            before.pop();
        }
        UseTree::Name(name) => add(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(name) => add(name.ident.to_string(), name.rename.to_string()),
        UseTree::Glob(_) => add("self".to_owned(), "self".to_owned()),
        UseTree::Group(group) => {
            for tree in &group.items {
                spread(tree, before, paths);
            }
        }
    }
}

/// The paths in the arguments of a macro, which nobody but the macro can parse.
fn paths_in(tokens: TokenStream, paths: &mut Vec<Module>) {
    let mut path = Module::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if path.is_empty() || colons == 2 => {
                path.push(ident.to_string());
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                colons += 1;
                continue;
            }
            TokenTree::Group(group) => {
                paths.push(std::mem::take(&mut path));
                paths_in(group.stream(), paths);
            }
            TokenTree::Ident(ident) => {
                paths.push(std::mem::replace(&mut path, vec![ident.to_string()]));
            }
            _ => paths.push(std::mem::take(&mut path)),
        }
        colons = 0;
    }
    paths.push(path);
    paths.retain(|path| !path.is_empty());
}

/// The files that are in a circle with this one, in the order of their imports.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>, start: &Module) -> Option<Vec<Module>> {
    let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut next = vec![start];
    while let Some(file) = next.pop() {
        for import in &imports[file] {
            if import == start {
                let mut circle = vec![start.clone(), file.clone()];
                while let Some(before) = from.get(circle.last()?) {
                    circle.push((*before).clone());
                }
                circle.reverse();
                return Some(circle);
            }
            if imports.contains_key(import) && !from.contains_key(import) {
                from.insert(import, file);
                next.push(import);
            }
        }
    }
    None
}

fn assert_no_circle(root: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let imports = Crate::read(&PathBuf::from(root)).imports();
    let files = imports.values().map(BTreeSet::len).sum::<usize>();
    assert!(files > 0, "no import was found in {root}");
    for file in imports.keys() {
        let circle = circle(&imports, file);
        assert!(
            circle.is_none(),
            "files of {root} import each other: {circle:?}"
        );
    }
    imports
}

#[test]
fn the_library_imports_from_layers_below_only() {
    let imports = assert_no_circle("../memprof/src");
    let layer = |folder: &str| LAYERS.iter().position(|layer| layer.contains(&folder));
    for (file, imported) in &imports {
        if FACES.contains(&file[0].as_str()) {
            continue;
        }
        let own = layer(&file[0]).unwrap_or_else(|| panic!("{file:?} is in no layer"));
        for other in imported.iter().filter(|other| other[0] != file[0]) {
            let below = layer(&other[0]);
            assert!(
                below.is_some_and(|below| below < own),
                "{} imports {}, which is not in a layer below",
                file.join("/"),
                other.join("/"),
            );
        }
    }
}

#[test]
fn the_macros_have_no_circle() {
    assert_no_circle("../memprof-macros/src");
}

#[test]
fn the_command_has_no_circle() {
    assert_no_circle("../memprof/cli/src");
}
