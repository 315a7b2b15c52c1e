//! Adds the attribute to every function of a file.
//!
//! The attribute is inserted into the existing line. Everything else stays unchanged, byte for
//! byte, so each line keeps its number.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};
use syn::{
    AttrStyle, Attribute, Block, File, ForeignItemFn, ImplItem, ImplItemFn, Item, ItemFn, Macro,
    Signature, TraitItem, TraitItemFn,
};

/// The text inserted before a function. It prints no tables, which would mix with the tests'
/// output.
const ATTRIBUTE: &str = "#[::memprof::memprofile(print = \"never\")] ";

/// The text inserted into each function to prove that it is profiled, and not returned unchanged:
/// it names an item that exists only in the expansion. In a nested function it proves nothing,
/// since it also finds the item of the outer function.
const PROOF: &str = " type _Proved = __MemprofSite; ";

/// Counts of functions, over several files.
#[derive(Debug, Default)]
pub struct Functions {
    /// How many functions got the attribute.
    pub annotated: usize,
    /// How many functions didn't, by reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// Adds the attribute to each function of a file that can carry it. If `is_proof`, also inserts
/// [`PROOF`], which compiles only in profiled functions.
///
/// # Errors
///
/// If the file doesn't consist of Rust items, like some files that are included elsewhere.
pub fn annotate(source: &str, is_proof: bool, functions: &mut Functions) -> syn::Result<String> {
    let file: File = syn::parse_str(source)?;
    // Functions that an allocator calls must not allocate, but a function's first probe does.
    if file.items.iter().any(is_global_allocator) {
        let left_out = functions.left_out.entry("beside an allocator");
        *left_out.or_default() += functions_in(file.into_token_stream());
        return Ok(source.to_owned());
    }
    let mut found = Found {
        functions,
        is_proof,
        additions: Vec::new(),
    };
    found.visit_file(&file);
    let mut additions = found.additions;
    additions.sort_unstable();

    let mut annotated = String::with_capacity(source.len() + ATTRIBUTE.len() * additions.len());
    let mut end = 0;
    for (offset, addition) in additions {
        annotated.push_str(&source[end..offset]);
        annotated.push_str(addition);
        end = offset;
    }
    annotated.push_str(&source[end..]);
    Ok(annotated)
}

struct Found<'a> {
    functions: &'a mut Functions,
    is_proof: bool,
    /// The inserted texts, each with its offset in bytes.
    additions: Vec<(usize, &'static str)>,
}

impl Found<'_> {
    fn function(
        &mut self,
        attrs: &[Attribute],
        signature: &Signature,
        body: &Block,
        all: impl ToTokens,
    ) {
        let reason = if signature.constness.is_some() {
            "const"
        } else if attrs.iter().any(is_naked) {
            "naked"
        } else {
            let first = all.into_token_stream().into_iter().next();
            let start = first.map(|token| token.span().byte_range().start);
            self.additions.extend(start.map(|start| (start, ATTRIBUTE)));
            if self.is_proof {
                self.additions.push((beginning(attrs, body), PROOF));
            }
            self.functions.annotated += 1;
            return;
        };
        self.left_out(reason, 1);
    }

    fn left_out(&mut self, reason: &'static str, count: usize) {
        if count > 0 {
            *self.functions.left_out.entry(reason).or_default() += count;
        }
    }
}

impl<'ast> Visit<'ast> for Found<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.attrs, &function.sig, &function.block, function);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.attrs, &function.sig, &function.block, function);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.attrs, &function.sig, body, function);
        } else {
            self.left_out("without a body", 1);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_foreign_item_fn(&mut self, _: &'ast ForeignItemFn) {
        self.left_out("without a body", 1);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.left_out("in a macro", functions_in(called.tokens.clone()));
    }

    // Syntax that `syn` doesn't know.

    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Verbatim(tokens) = item {
            self.left_out("in other syntax", functions_in(tokens.clone()));
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if let ImplItem::Verbatim(tokens) = item {
            self.left_out("in other syntax", functions_in(tokens.clone()));
        }
        visit::visit_impl_item(self, item);
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if let TraitItem::Verbatim(tokens) = item {
            self.left_out("in other syntax", functions_in(tokens.clone()));
        }
        visit::visit_trait_item(self, item);
    }
}

/// The offset at which a body's first statement can be inserted, after inner attributes.
fn beginning(attrs: &[Attribute], body: &Block) -> usize {
    let inner = attrs
        .iter()
        .filter(|attribute| matches!(attribute.style, AttrStyle::Inner(_)));
    let ends = inner.map(|attribute| attribute.bracket_token.span.close().byte_range().end);
    let brace = body.brace_token.span.open().byte_range().end;
    ends.max().unwrap_or(brace).max(brace)
}

fn is_global_allocator(item: &Item) -> bool {
    let Item::Static(item) = item else {
        return false;
    };
    let mut attributes = item.attrs.iter();
    attributes.any(|attribute| attribute.path().is_ident("global_allocator"))
}

fn is_naked(attribute: &Attribute) -> bool {
    attribute.to_token_stream().to_string().contains("naked") && !attribute.path().is_ident("doc")
}

/// How many functions are in `tokens`: `fn` followed by a name or a macro variable.
fn functions_in(tokens: TokenStream) -> usize {
    let mut count = 0;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => count += functions_in(group.stream()),
            TokenTree::Ident(word) if word == "fn" => {
                count += usize::from(match tokens.peek() {
                    Some(TokenTree::Ident(_)) => true,
                    Some(TokenTree::Punct(next)) => next.as_char() == '$',
                    _ => false,
                });
            }
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_attribute_is_put_in() {
        let source = r#"
            /// Said.
            pub async unsafe fn f() { fn inner() {} }
            trait T { fn declared(); #[inline] fn default() {} }
            impl T for ä { fn declared() {} const fn c() {} }
            macro_rules! m { ($f:ident) => { fn $f() { let g: fn(); } fn h() {} } }
        "#;
        let mut functions = Functions::default();

        let annotated = annotate(source, false, &mut functions).unwrap();

        assert_eq!(annotated.replace(ATTRIBUTE, ""), source);
        assert!(annotated.contains(&format!("{ATTRIBUTE}/// Said.")));
        assert!(annotated.contains(&format!("{ATTRIBUTE}#[inline] fn default")));
        assert_eq!(functions.annotated, 4);
        let left_out = [("const", 1), ("in a macro", 2), ("without a body", 1)];
        assert_eq!(functions.left_out, BTreeMap::from(left_out));
    }

    #[test]
    fn a_proof_stands_before_the_first_statement() {
        let source = "fn f() { #![allow(unused)] //! Said.\n 1; } impl T { fn g(&self) {} }";
        let mut functions = Functions::default();

        let annotated = annotate(source, true, &mut functions).unwrap();

        let expected = "@fn f() { #![allow(unused)] //! Said.=\n 1; } impl T { @fn g(&self) {=} }";
        assert_eq!(
            annotated.replace(ATTRIBUTE, "@").replace(PROOF, "="),
            expected
        );
    }

    #[test]
    fn a_file_with_an_allocator_is_left_as_it_is() {
        let source = "#[global_allocator] static A: System = System; fn f() {}";
        let mut functions = Functions::default();

        assert_eq!(annotate(source, false, &mut functions).unwrap(), source);

        assert_eq!(functions.annotated, 0);
        let left_out = [("beside an allocator", 1)];
        assert_eq!(functions.left_out, BTreeMap::from(left_out));
    }
}
