//! Fragments that a `macro_rules!` macro has substituted for a `$body:block`, `$value:expr` or
//! `$step:stmt`. Each one is a group with invisible delimiters.

use crate::source::Position;
use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};
use std::collections::HashMap;
use syn::Result;
use syn::parse::Parse;

/// The keywords of statements that may need no semicolon.
const BLOCK_LIKE: [&str; 6] = ["for", "if", "loop", "match", "unsafe", "while"];

/// The fragments in an item: the file and position where each one begins, and the span of the
/// `$name` that it was substituted for. That is `None` if there are several for one position.
#[derive(Default)]
pub(crate) struct Fragments(HashMap<(String, Position), Option<Span>>);

impl Fragments {
    pub(crate) fn of(item: &TokenStream) -> Self {
        let mut fragments = Self::default();
        fragments.find(item.clone());
        fragments
    }

    fn find(&mut self, tokens: TokenStream) {
        for token in tokens {
            let TokenTree::Group(group) = token else {
                continue;
            };
            let inside = group.stream();
            if group.delimiter() == Delimiter::None
                && let Some(first) = inside.clone().into_iter().next()
            {
                let start = first.span();
                self.0
                    .entry((start.unwrap().file(), Position::of(start)))
                    .and_modify(|named_at| *named_at = None)
                    .or_insert(Some(group.span()));
            }
            self.find(inside);
        }
    }

    /// Whether a fragment begins at `start`.
    pub(crate) fn have(&self, start: Span) -> bool {
        let start = || (start.unwrap().file(), Position::of(start));
        !self.0.is_empty() && self.0.contains_key(&start())
    }

    /// The span of the `$name` for which the fragment at `start` was substituted, if there is a
    /// single one.
    pub(crate) fn named_at(&self, start: Span) -> Option<Span> {
        if self.0.is_empty() {
            return None;
        }
        let start = (start.unwrap().file(), Position::of(start));
        self.0.get(&start).copied().flatten()
    }

    /// Parses the item that contains these fragments.
    ///
    /// `syn` takes each fragment for an expression, which a `let` isn't, and requires a semicolon
    /// after it, which a block doesn't need. So the delimiters of such fragments are removed.
    pub(crate) fn parse<T: Parse>(&self, item: TokenStream) -> Result<T> {
        if self.0.is_empty() {
            return syn::parse2(item);
        }
        let item = opened(&item, is_declaration).unwrap_or(item);
        syn::parse2(item.clone()).or_else(|error| match opened(&item, is_block_like) {
            Some(item) => syn::parse2(item),
            None => Err(error),
        })
    }
}

/// `tokens` without the delimiters of the fragments whose first token satisfies `which`. Returns
/// `None` if there are none.
fn opened(tokens: &TokenStream, which: fn(&TokenTree) -> bool) -> Option<TokenStream> {
    let mut is_changed = false;
    let mut all = TokenStream::new();
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Group(group) = &token else {
            all.extend([token]);
            continue;
        };
        let inside = group.stream();
        let changed = opened(&inside, which);
        is_changed |= changed.is_some();
        let first = inside.clone().into_iter().next();
        let starts_with_let = matches!(&first, Some(TokenTree::Ident(word)) if word == "let");
        if group.delimiter() == Delimiter::None && first.is_some_and(|first| which(&first)) {
            is_changed = true;
            all.extend(changed.unwrap_or(inside));
            let is_ended =
                matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ';');
            if starts_with_let && !is_ended {
                all.extend([TokenTree::Punct(Punct::new(';', Spacing::Alone))]);
            }
        } else if let Some(changed) = changed {
            let mut changed = Group::new(group.delimiter(), changed);
            changed.set_span(group.span());
            all.extend([TokenTree::Group(changed)]);
        } else {
            all.extend([token]);
        }
    }
    is_changed.then_some(all)
}

/// Whether a fragment with this first token is a `let`, or anything with attributes.
fn is_declaration(first: &TokenTree) -> bool {
    match first {
        TokenTree::Ident(word) => word == "let",
        TokenTree::Punct(first) => first.as_char() == '#',
        _ => false,
    }
}

fn is_block_like(first: &TokenTree) -> bool {
    match first {
        TokenTree::Ident(word) => BLOCK_LIKE.iter().any(|keyword| word == keyword),
        // A label.
        TokenTree::Punct(first) => first.as_char() == '\'',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Literal(_) => false,
    }
}
