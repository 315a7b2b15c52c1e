//! Finds where a source file gets the attribute, and which other files belong to its crate.
//!
//! The attribute goes on functions, `impl` blocks and traits; modules in the file are walked. It is
//! put right after the token before the item, so that no line moves, and no column either unless
//! both are on one line: panics name columns, too. Functions and items that carry the attribute by
//! hand are left as they are.

use crate::cargo::edits::Edits;
use crate::cargo::gaps::Gaps;
use crate::cargo::modules::{Child, Place, children_in_macro};
use crate::cargo::pieces::{Kind, Piece, pieces};
use crate::cargo::selection::{Choice, Selection};
use proc_macro2::TokenStream;
use quote::ToTokens;
use std::ops::Range;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, ImplItem, ImplItemFn, ItemFn, ItemImpl, ItemMod, ItemTrait, Macro, Signature,
    TraitItem, TraitItemFn, Type,
};

/// How a file of a crate is read.
pub(crate) struct Reading<'a> {
    /// The name under which the crate has memprof.
    pub(crate) library: &'a str,
    pub(crate) selection: &'a Selection,
    /// Lines whose functions and items are left out, since they don't compile with the attribute.
    pub(crate) left_out: &'a [usize],
}

/// What was found in a file.
pub(crate) struct Found {
    pub(crate) edits: Edits,
    pub(crate) children: Vec<Child>,
    /// The lines and names of what has got the attribute.
    pub(crate) annotated: Vec<Annotated>,
}

/// A function or an item that has got the attribute.
#[derive(Debug)]
pub(crate) struct Annotated {
    pub(crate) lines: Range<usize>,
    pub(crate) name: String,
}

impl Reading<'_> {
    /// Reads a file of these tokens, whose module has the path `place.module`.
    pub(crate) fn read(&self, tokens: &TokenStream, gaps: &Gaps, place: &Place) -> Found {
        let mut walk = Walk {
            reading: self,
            gaps,
            place: place.clone(),
            owner: None,
            found: Found {
                edits: Edits::default(),
                children: Vec::new(),
                annotated: Vec::new(),
            },
        };
        walk.pieces(tokens.clone());
        walk.found
    }

    /// The attribute with these options.
    fn attribute(&self, options: &str) -> String {
        let library = self.library;
        format!("#[::{library}::memprofile(inserted,crate=::{library}{options})]")
    }
}

struct Walk<'a> {
    reading: &'a Reading<'a>,
    gaps: &'a Gaps,
    place: Place,
    /// The type or the trait whose functions are being walked.
    owner: Option<String>,
    found: Found,
}

impl Walk<'_> {
    /// The path of a function, by which people choose it.
    fn path(&self, name: &str) -> String {
        let owner = self.owner.as_deref();
        let parts = self.place.module.iter().map(String::as_str).chain(owner);
        parts.chain([name]).collect::<Vec<_>>().join("::")
    }

    fn choice(&self, signature: &Signature) -> Choice {
        let path = self.path(&signature.ident.to_string());
        self.reading.selection.choice(&path)
    }

    fn is_left_out(&self, lines: &Range<usize>) -> bool {
        let mut left_out = self.reading.left_out.iter();
        left_out.any(|line| lines.contains(line))
    }

    /// Puts the attribute on `item`.
    fn annotate(&mut self, item: &impl ToTokens, name: String, options: &str) {
        let Some(offset) = self.gaps.before(item) else {
            return;
        };
        let lines = lines_of(item);
        self.found.annotated.push(Annotated { lines, name });
        let attribute = self.reading.attribute(options);
        self.found.edits.insert(offset, attribute);
    }

    fn function(&mut self, attrs: &[Attribute], signature: &Signature, item: &impl ToTokens) {
        let lines = lines_of(item);
        if !can_be_profiled(attrs, signature) || self.is_left_out(&lines) {
            return;
        }
        let options = match self.choice(signature) {
            Choice::LeaveOut => return,
            Choice::Profile => "",
            Choice::Print => ",print=\"call\"",
        };
        let name = self.path(&signature.ident.to_string());
        self.annotate(item, name, options);
    }

    /// Puts the attribute on an `impl` block or a trait with these functions, each with its
    /// attributes and its whole text.
    fn container(&mut self, item: &impl ToTokens, methods: &[Method<'_>]) {
        let lines = lines_of(item);
        let in_a_method = |line: &&usize| {
            let mut methods = methods.iter();
            methods.any(|method| lines_of(&method.all).contains(line))
        };
        let mut left_out = self.reading.left_out.iter();
        if left_out.any(|line| lines.contains(line) && !in_a_method(&line)) {
            return;
        }
        let mut options = Vec::new();
        let mut has_one = false;
        for method in methods {
            let is_left_out = self.is_left_out(&lines_of(&method.all));
            let choice = match self.choice(method.signature) {
                _ if is_left_out => Choice::LeaveOut,
                _ if method.signature.constness.is_some() => Choice::LeaveOut,
                choice => choice,
            };
            has_one |= choice != Choice::LeaveOut;
            // Those that the attribute can't profile are left out by itself.
            if method.attrs.iter().any(is_by_hand) || method.signature.constness.is_some() {
                continue;
            }
            match choice {
                Choice::LeaveOut => options.push((method, "#skip")),
                Choice::Print => options.push((method, ",print=\"call\"")),
                Choice::Profile => {}
            }
        }
        if !has_one {
            return;
        }
        for (method, option) in options {
            let library = self.reading.library;
            let text = match option {
                "#skip" => format!("#[::{library}::memprofile(inserted,skip)]"),
                option => self.reading.attribute(option),
            };
            if let Some(offset) = self.gaps.before(&method.all) {
                self.found.edits.insert(offset, text);
            }
        }
        let name = self.owner.clone().unwrap_or_default();
        let name = self.place.path_with(&name);
        self.annotate(item, name, "");
        // A message of the compiler is about one function, which is left out alone.
        for method in methods {
            let lines = lines_of(&method.all);
            let name = self.path(&method.signature.ident.to_string());
            self.found.annotated.push(Annotated { lines, name });
        }
    }

    /// Walks the items of a file, or of a module that can't be read as a whole.
    fn pieces(&mut self, tokens: TokenStream) {
        for piece in pieces(tokens) {
            match piece {
                Piece::Read(item) => self.visit_item(&item),
                Piece::Unread(item) => self.unread(&item),
            }
        }
    }

    /// Puts the attribute on what can't be read, unless its functions are chosen by their paths.
    fn unread(&mut self, item: &TokenStream) {
        match Kind::of(item) {
            Kind::Module(name, inside) => {
                let inner = self.place.inside(&name, &[]);
                let outer = std::mem::replace(&mut self.place, inner);
                self.pieces(inside);
                self.place = outer;
            }
            Kind::Profiled(name) => {
                let path = self.path(&name);
                let is_chosen = self.reading.selection.choice(&path) == Choice::Profile;
                if is_chosen && !self.is_left_out(&lines_of(item)) {
                    self.annotate(item, path, "");
                }
            }
            Kind::Other => {}
        }
    }

    /// Walks the bodies of an `impl` block or a trait, for items inside.
    fn bodies<'ast>(&mut self, bodies: impl Iterator<Item = &'ast Block>) {
        let owner = self.owner.take();
        for body in bodies {
            self.visit_block(body);
        }
        self.owner = owner;
    }
}

/// A function of an `impl` block or a trait, with a body.
struct Method<'a> {
    attrs: &'a [Attribute],
    signature: &'a Signature,
    body: &'a Block,
    all: TokenStream,
}

impl<'a> Method<'a> {
    fn of_impl(item: &'a ImplItem) -> Option<Self> {
        let ImplItem::Fn(function) = item else {
            return None;
        };
        let ImplItemFn {
            attrs, sig, block, ..
        } = function;
        Some(Self {
            attrs,
            signature: sig,
            body: block,
            all: function.to_token_stream(),
        })
    }

    fn of_trait(item: &'a TraitItem) -> Option<Self> {
        let TraitItem::Fn(function) = item else {
            return None;
        };
        let TraitItemFn {
            attrs,
            sig,
            default: Some(body),
            ..
        } = function
        else {
            return None;
        };
        Some(Self {
            attrs,
            signature: sig,
            body,
            all: function.to_token_stream(),
        })
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.attrs, &function.sig, function);
        visit::visit_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let methods: Vec<_> = item.items.iter().filter_map(Method::of_impl).collect();
        let outer = self.owner.replace(type_name(&item.self_ty));
        let is_by_hand = item.attrs.iter().any(is_by_hand);
        if !is_by_hand && !is_allocator(item) {
            self.container(item, &methods);
        }
        self.bodies(methods.iter().map(|method| method.body));
        self.owner = outer;
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        let methods: Vec<_> = item.items.iter().filter_map(Method::of_trait).collect();
        let outer = self.owner.replace(item.ident.to_string());
        if !item.attrs.iter().any(is_by_hand) {
            self.container(item, &methods);
        }
        self.bodies(methods.iter().map(|method| method.body));
        self.owner = outer;
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let Some((_, items)) = &item.content else {
            let child = Child::of(&self.place, &item.ident.to_string(), &item.attrs);
            self.found.children.push(child);
            return;
        };
        if item.attrs.iter().any(is_by_hand) {
            return;
        }
        let inside = self.place.inside(&item.ident.to_string(), &item.attrs);
        let outer = std::mem::replace(&mut self.place, inside);
        for item in items {
            self.visit_item(item);
        }
        self.place = outer;
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        let children = children_in_macro(&self.place, called);
        self.found.children.extend(children);
    }
}

/// The lines that an item is on.
fn lines_of(item: &impl ToTokens) -> Range<usize> {
    let span = item.to_token_stream().span();
    span.start().line..span.end().line + 1
}

/// Whether an attribute is memprof's own, written by hand.
fn is_by_hand(attribute: &Attribute) -> bool {
    let path = attribute.path();
    let is_name = |name: &proc_macro2::Ident| name == "memprofile";
    path.segments
        .last()
        .is_some_and(|last| is_name(&last.ident))
        || path.is_ident("cfg_attr")
            && attribute
                .meta
                .to_token_stream()
                .to_string()
                .contains("memprofile")
}

/// Whether the attribute accepts a function.
fn can_be_profiled(attrs: &[Attribute], signature: &Signature) -> bool {
    /// Of functions that the compiler calls where nothing can be counted, and of bodies that are
    /// assembly.
    const REFUSED: [&str; 6] = [
        "alloc_error_handler",
        "naked",
        "panic_handler",
        "proc_macro",
        "proc_macro_attribute",
        "proc_macro_derive",
    ];
    let is_refused = |attribute: &Attribute| {
        let path = attribute.path();
        REFUSED.iter().any(|name| path.is_ident(name))
            || path.is_ident("unsafe")
                && attribute
                    .parse_args::<proc_macro2::Ident>()
                    .is_ok_and(|name| name == "naked")
    };
    signature.constness.is_none()
        && !attrs
            .iter()
            .any(|attribute| is_refused(attribute) || is_by_hand(attribute))
}

/// Whether an `impl` block is that of an allocator, whose functions run inside of every allocation.
fn is_allocator(item: &ItemImpl) -> bool {
    let Some((path, _)) = &item.trait_ else {
        return false;
    };
    let last = path.segments.last();
    last.is_some_and(|last| last.ident == "GlobalAlloc" || last.ident == "Allocator")
}

/// The name of a type, as it is written in paths of functions.
fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(ty) => {
            let last = ty.path.segments.last();
            last.map_or_else(String::new, |last| last.ident.to_string())
        }
        Type::Reference(ty) => type_name(&ty.elem),
        other => other.to_token_stream().to_string(),
    }
}
