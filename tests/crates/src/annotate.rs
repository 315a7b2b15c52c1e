//! The attribute on every function of a file.
//!
//! Only the attribute's text is put in, on the line that is there: everything else
//! stays byte for byte, and each line keeps its number.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use syn::visit::{self, Visit};
use syn::{
    AttrStyle, Attribute, Block, File, ForeignItemFn, ImplItem, ImplItemFn, Item, ItemFn, Macro,
    Signature, TraitItem, TraitItemFn,
};

/// What is put before a function. Its tables would mix with what tests print.
const ATTRIBUTE: &str = "#[::memprof::memprofile(print = \"never\")] ";

/// What is put into each function to prove that the attribute has been read, and the
/// function not handed back: it has to find an item that only the expansion has. In a
/// function inside another one it proves nothing, as it finds the outer one's, too.
const PROOF: &str = " type _Proved = __MemprofSite; ";

/// Functions of some files.
#[derive(Debug, Default)]
pub struct Functions {
    /// How many have got the attribute.
    pub annotated: usize,
    /// How many have not, by the reason.
    pub left_out: BTreeMap<&'static str, usize>,
}

/// The file with the attribute on each function that can carry it, and if it is for a
/// proof, with one inside that builds only where the attribute has done its work.
///
/// # Errors
///
/// If it isn't a file of Rust items, as one that is included somewhere may not be.
pub fn annotate(source: &str, is_proof: bool, functions: &mut Functions) -> syn::Result<String> {
    let file: File = syn::parse_str(source)?;
    // What an allocator calls may not allocate, and a probe does when it begins.
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
    /// What is put in where, in bytes from the file's beginning.
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

    // What `syn` has no syntax for.

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

/// Where a body's first statement can be, after the attributes of its function that
/// stand inside.
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

/// How many functions begin in `tokens`: `fn`, and a name or what stands for one.
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
