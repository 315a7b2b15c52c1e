//! Which file a `mod name;` or an `include!` stands for.
//!
//! The rules are the compiler's: a module of `src/main.rs` or of a `mod.rs` is beside that file,
//! one of `src/shop.rs` in `src/shop/`, and one inside of `mod inline { … }` in a folder of that
//! name. A `#[path]` replaces this.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Macro, Meta, MetaNameValue};

/// Where in a crate some code stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The path of the module, from the crate's name on.
    pub(crate) module: Vec<String>,
    /// The folder in which files of its modules are.
    folder: PathBuf,
    /// The folder of the file, which a `#[path]` is relative to, unless it is in an inline module.
    path_folder: PathBuf,
    /// The folder of the file, which an `include!` is relative to.
    file_folder: PathBuf,
}

impl Place {
    /// The place of a crate's root file.
    pub(crate) fn root(file: &Path, crate_name: &str) -> Self {
        Self::owner(file, vec![crate_name.to_owned()])
    }

    /// The place of a file that has its modules beside it.
    fn owner(file: &Path, module: Vec<String>) -> Self {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Self {
            module,
            path_folder: folder.clone(),
            file_folder: folder.clone(),
            folder,
        }
    }

    /// The place of a file that has its modules in a folder with its name.
    fn named(file: &Path, module: Vec<String>) -> Self {
        Self {
            folder: file.with_extension(""),
            ..Self::owner(file, module)
        }
    }

    /// The place inside of `mod name { … }`.
    pub(crate) fn inside(&self, name: &str, attrs: &[Attribute]) -> Self {
        let name = plain(name);
        let folder = match paths(attrs).pop() {
            Some(path) => self.path_folder.join(path),
            None => self.folder.join(name),
        };
        Self {
            module: self.module_of(name),
            path_folder: folder.clone(),
            folder,
            file_folder: self.file_folder.clone(),
        }
    }

    /// The path of something here, as text.
    pub(crate) fn path_with(&self, name: &str) -> String {
        let parts = self.module.iter().map(String::as_str).chain([name]);
        parts.collect::<Vec<_>>().join("::")
    }

    fn module_of(&self, name: &str) -> Vec<String> {
        let parts = self.module.iter().cloned();
        parts.chain([name.to_owned()]).collect()
    }
}

/// A file that belongs to a crate, if it exists.
#[derive(Debug)]
pub(crate) struct Child {
    candidates: Vec<(PathBuf, Place)>,
}

impl Child {
    /// What `mod name;` stands for.
    pub(crate) fn of(place: &Place, name: &str, attrs: &[Attribute]) -> Self {
        let name = plain(name);
        let module = || place.module_of(name);
        let mut candidates = Vec::new();
        for path in paths(attrs) {
            let file = place.path_folder.join(path);
            candidates.push((file.clone(), Place::owner(&file, module())));
        }
        let file = place.folder.join(format!("{name}.rs"));
        candidates.push((file.clone(), Place::named(&file, module())));
        let file = place.folder.join(name).join("mod.rs");
        candidates.push((file.clone(), Place::owner(&file, module())));
        Self { candidates }
    }

    /// What `include!("…")` stands for.
    fn included(place: &Place, path: &str) -> Self {
        let file = place.file_folder.join(path);
        let inside = Place::owner(&file, place.module.clone());
        Self {
            candidates: vec![(file, inside)],
        }
    }

    /// The files of these that exist. There may be several, of which the compiler takes one, if a
    /// `#[path]` is under a condition.
    pub(crate) fn files(self) -> impl Iterator<Item = (PathBuf, Place)> {
        let candidates = self.candidates.into_iter();
        candidates.filter(|(file, _)| file.is_file())
    }
}

/// The files that a macro call names: with `mod name;` among its arguments, as `cfg_if!` has them,
/// or as the argument of `include!`.
pub(crate) fn children_in_macro(place: &Place, called: &Macro) -> Vec<Child> {
    if called.path.is_ident("include") {
        let path = called.parse_body::<LitStr>();
        let path = path.ok().map(|path| path.value());
        return path
            .map(|path| Child::included(place, &path))
            .into_iter()
            .collect();
    }
    let mut children = Vec::new();
    find_modules(place, called.tokens.clone(), &mut children);
    children
}

fn find_modules(place: &Place, tokens: TokenStream, children: &mut Vec<Child>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match (token, tokens.get(index + 1), tokens.get(index + 2)) {
            (TokenTree::Group(group), ..) => find_modules(place, group.stream(), children),
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)), Some(TokenTree::Punct(end)))
                if word == "mod" && end.as_char() == ';' =>
            {
                children.push(Child::of(place, &name.to_string(), &[]));
            }
            _ => {}
        }
    }
}

/// A name without the `r#` of a raw identifier.
fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// The values of `#[path = "…"]`, also those under a `cfg_attr`.
fn paths(attrs: &[Attribute]) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in attrs {
        match &attribute.meta {
            Meta::NameValue(MetaNameValue {
                path,
                value:
                    Expr::Lit(ExprLit {
                        lit: Lit::Str(value),
                        ..
                    }),
                ..
            }) if path.is_ident("path") => found.push(value.value()),
            Meta::List(list) if list.path.is_ident("cfg_attr") => {
                found.extend(conditional_path(list.tokens.clone()));
            }
            _ => {}
        }
    }
    found
}

/// The text after `path =` among the arguments of a `cfg_attr`.
fn conditional_path(tokens: TokenStream) -> Option<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let at = tokens.windows(3).position(|three| {
        matches!(&three[0], TokenTree::Ident(word) if word == "path")
            && matches!(&three[1], TokenTree::Punct(sign) if sign.as_char() == '=')
    })?;
    let literal = syn::parse2::<LitStr>(tokens[at + 2].to_token_stream());
    literal.ok().map(|literal| literal.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn candidates(child: &Child) -> Vec<&str> {
        let files = child.candidates.iter();
        files.map(|(file, _)| file.to_str().unwrap()).collect()
    }

    #[test]
    fn a_module_is_where_the_compiler_looks_for_it() {
        let root = Place::root(Path::new("src/main.rs"), "shop");
        let cart = Child::of(&root, "cart", &[]);
        assert_eq!(candidates(&cart), ["src/cart.rs", "src/cart/mod.rs"]);

        let cart = &cart.candidates[0].1;
        assert_eq!(cart.module, ["shop", "cart"]);
        let item = Child::of(cart, "r#type", &[]);
        let expected = ["src/cart/type.rs", "src/cart/type/mod.rs"];
        assert_eq!(candidates(&item), expected);

        let attribute: Attribute = parse_quote!(#[path = "../other.rs"]);
        let other = Child::of(cart, "other", &[attribute]);
        assert_eq!(candidates(&other)[0], "src/../other.rs");

        let inline = cart.inside("inline", &[]);
        let child = Child::of(&inline, "child", &[]);
        assert_eq!(candidates(&child)[0], "src/cart/inline/child.rs");
    }

    #[test]
    fn a_macro_can_name_modules_and_included_files() {
        let root = Place::root(Path::new("src/lib.rs"), "shop");
        let called: Macro = parse_quote!(cfg_if! { if #[cfg(unix)] { mod unix; } });
        let [child] = &children_in_macro(&root, &called)[..] else {
            panic!("one module");
        };
        assert_eq!(candidates(child)[0], "src/unix.rs");

        let called: Macro = parse_quote!(include!("items.in"));
        let [child] = &children_in_macro(&root, &called)[..] else {
            panic!("one file");
        };
        assert_eq!(candidates(child), ["src/items.in"]);
    }
}
