//! `impl` blocks, traits and modules that `syn` can't parse as a whole. They are recognized by the
//! shape of their tokens and split into the items inside.

use crate::function::Angles;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _, quote};
use syn::parse::{ParseStream, Parser as _};
use syn::{AttrStyle, Attribute, Error, Result};

/// The kinds of items with functions inside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Impl,
    Mod,
    Trait,
}

/// An item with functions inside.
#[derive(Clone)]
pub(crate) struct Outline {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) kind: Kind,
    /// The `const` of a trait or an `impl`, which makes all its functions `const`.
    const_word: Option<Ident>,
    /// The tokens from the visibility up to the braces.
    head: TokenStream,
    braces: Group,
    /// The items inside.
    pub(crate) items: Vec<TokenStream>,
}

impl Outline {
    /// Returns `None` for other items.
    pub(crate) fn of(item: TokenStream) -> Option<Self> {
        Self::read.parse2(item).ok()
    }

    fn read(input: ParseStream<'_>) -> Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let tokens: Vec<TokenTree> = input.parse::<TokenStream>()?.into_iter().collect();
        let none = || Error::new(proc_macro2::Span::call_site(), "no such item");
        if let [TokenTree::Group(group)] = &tokens[..]
            && group.delimiter() == Delimiter::None
        {
            let mut inside = Self::read.parse2(group.stream())?;
            inside.attrs.splice(0..0, attrs);
            return Ok(inside);
        }
        let kind = kind(&tokens).ok_or_else(none)?;
        let Some((TokenTree::Group(braces), head)) = tokens.split_last() else {
            return Err(none());
        };
        if braces.delimiter() != Delimiter::Brace {
            return Err(none());
        }
        let inside = |input: ParseStream<'_>| {
            let inner = input.call(Attribute::parse_inner)?;
            Ok((inner, input.parse::<TokenStream>()?))
        };
        let (inner, inside) = inside.parse2(braces.stream())?;
        attrs.extend(inner);
        Ok(Self {
            attrs,
            kind,
            const_word: const_word(head),
            head: head.iter().cloned().collect(),
            braces: braces.clone(),
            items: pieces(inside),
        })
    }
}

impl Outline {
    /// Checks that its functions can be profiled.
    pub(crate) fn can_be_profiled(&self) -> Result<()> {
        match &self.const_word {
            None => Ok(()),
            Some(word) => Err(Error::new(
                word.span(),
                "`#[memprofile]` can't profile what may run at compile time, as all functions here may, where \
                 there is no memory to measure; profile functions that call them",
            )),
        }
    }
}

impl ToTokens for Outline {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (inner, outer): (Vec<_>, Vec<_>) = self
            .attrs
            .iter()
            .partition(|attribute| matches!(attribute.style, AttrStyle::Inner(_)));
        let Self { head, items, .. } = self;
        tokens.append_all(outer);
        head.to_tokens(tokens);
        let mut braces = Group::new(Delimiter::Brace, quote!(#(#inner)* #(#items)*));
        braces.set_span(self.braces.span());
        braces.to_tokens(tokens);
    }
}

/// The kind of an item without its attributes, by the keywords at its beginning.
fn kind(tokens: &[TokenTree]) -> Option<Kind> {
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "mod" => return Some(Kind::Mod),
            TokenTree::Ident(word) if word == "trait" => return Some(Kind::Trait),
            // `impl(crate) trait` says where it may be implemented.
            TokenTree::Ident(word) if word == "impl" => {
                let restricts = matches!(tokens.get(index + 1), Some(TokenTree::Group(_)))
                    && matches!(tokens.get(index + 2), Some(TokenTree::Ident(next)) if is_before(&next.to_string()));
                if !restricts {
                    return Some(Kind::Impl);
                }
            }
            TokenTree::Ident(word) if is_before(&word.to_string()) => {}
            // `pub(crate)`
            TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {}
            _ => return None,
        }
    }
    None
}

/// Finds the `const` of a trait or an `impl`, which stands before bounds and outside of `<..>`.
fn const_word(head: &[TokenTree]) -> Option<Ident> {
    let mut angles = Angles::default();
    for token in head {
        angles.pass(token);
        match token {
            TokenTree::Ident(word) if word == "const" && angles.are_closed() => {
                return Some(word.clone());
            }
            TokenTree::Ident(word) if word == "for" || word == "where" => return None,
            TokenTree::Punct(colon) if colon.as_char() == ':' && angles.are_closed() => {
                return None;
            }
            _ => {}
        }
    }
    None
}

fn is_before(word: &str) -> bool {
    matches!(
        word,
        "auto" | "const" | "crate" | "default" | "pub" | "safe" | "trait" | "unsafe"
    )
}

/// Splits the inside of an item into items. Each one ends with a semicolon, or with braces that
/// don't belong to a value, a `use` or a generic argument.
fn pieces(tokens: TokenStream) -> Vec<TokenStream> {
    let mut all = Vec::new();
    let mut piece: Vec<TokenTree> = Vec::new();
    let mut angles = Angles::default();
    for token in tokens {
        angles.pass(&token);
        let is_end = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace
                    && angles.are_closed()
                    && !ends_with_a_semicolon(&piece)
            }
            _ => false,
        };
        piece.push(token);
        if is_end {
            all.push(piece.drain(..).collect());
            angles = Angles::default();
        }
    }
    if !piece.is_empty() {
        all.push(piece.into_iter().collect());
    }
    all
}

/// Whether an item with these first tokens ends with a semicolon, even after braces.
fn ends_with_a_semicolon(piece: &[TokenTree]) -> bool {
    let words = piece.iter().filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    let mut words = words.skip_while(|word| matches!(&**word, "crate" | "default" | "pub"));
    match words.next().as_deref() {
        Some("static" | "type" | "use") => true,
        Some("const") => !matches!(
            words.next().as_deref(),
            Some("async" | "auto" | "extern" | "fn" | "gen" | "impl" | "trait" | "unsafe")
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;
    use quote::quote;

    #[test]
    fn a_const_of_all_functions_is_none_of_an_argument_or_a_bound() {
        let is_const = |item: proc_macro2::TokenStream| {
            let outline = super::Outline::of(item).unwrap();
            outline.const_word.is_some()
        };
        assert!(is_const(quote!(
            pub const trait A {}
        )));
        assert!(is_const(quote!(
            impl<T> const A for T {}
        )));
        assert!(is_const(quote!(const unsafe impl A for T {})));
        assert!(!is_const(quote!(
            impl<const N: usize> A for B<N> where B<N>: const C {}
        )));
        assert!(!is_const(quote!(
            trait A: const B {}
        )));
        assert!(!is_const(quote!(impl(crate) trait A {})));
    }

    #[test]
    fn each_item_is_one_piece() {
        let items = [
            quote!(
                #[inline]
                pub(crate) const fn f<const N: usize>() -> A<{ N + 1 }>
                where
                    B<{ N }>: C,
                {
                    a < b
                }
            ),
            quote!(
                const A: B = B { c: 1 };
            ),
            quote!(pub const _: () = { let a = 1 };),
            quote!(
                pub static A: fn() -> u8 = || 1;
            ),
            quote!(
                type A = B<{ 1 }>;
            ),
            quote!(
                pub use a::{b, c};
            ),
            quote!(
                fn f() -> impl Fn(u8) -> Vec<Vec<u8>> {
                    f
                }
            ),
            quote!(
                async gen fn f() {
                    yield 1
                }
            ),
            quote!(
                fn declared(&self) -> u8;
            ),
            quote!(thread_local! { static A: u8 = 1 }),
            quote!(include!("a.rs");),
            quote!(
                const trait A {}
            ),
            quote!(default impl<T> A<{ 1 }> for T {}),
            quote!(
                macro_rules! m {
                    () => {};
                }
            ),
            quote!(
                struct A<const N: usize = { 1 }>(u8);
            ),
            quote!(
                extern "C" {
                    fn f();
                }
            ),
            quote!(
                use a::b;
            ),
        ];

        let pieces = pieces(quote!(#(#items)*));

        let texts = |pieces: &[proc_macro2::TokenStream]| -> Vec<String> {
            pieces.iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts(&pieces), texts(&items));
    }
}
