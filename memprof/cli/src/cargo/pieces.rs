//! The items of a file, one by one.
//!
//! `syn` can't read every file: a crate of edition 2015 may contain `&Fn()` without `dyn`, or a
//! variable with the name `async`. What it can't read is then one item and not the file. The
//! attribute can still profile such an item, as it recognizes functions by the shape of their tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Item;

/// An item.
pub(crate) enum Piece {
    Read(Box<Item>),
    /// The tokens of what may be an item.
    Unread(TokenStream),
}

/// What an item is that wasn't read.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A function, an `impl` block or a trait, with its name as far as it is known.
    Profiled(String),
    /// A module with its name and its items.
    Module(String, TokenStream),
    Other,
}

/// Takes the tokens of a file or a module apart.
pub(crate) fn pieces(tokens: TokenStream) -> Vec<Piece> {
    if let Ok(file) = syn::parse2::<syn::File>(tokens.clone()) {
        let items = file.items.into_iter();
        return items.map(|item| Piece::Read(Box::new(item))).collect();
    }
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for token in tokens {
        let is_end = match &token {
            TokenTree::Punct(sign) => sign.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        piece.push(token);
        if is_inner_attribute(&piece) {
            piece.clear();
        } else if is_end {
            let tokens: TokenStream = piece.drain(..).collect();
            pieces.push(match syn::parse2::<Item>(tokens.clone()) {
                Ok(item) => Piece::Read(Box::new(item)),
                Err(_) => Piece::Unread(tokens),
            });
        }
    }
    pieces
}

/// Whether these tokens are `#![…]`.
fn is_inner_attribute(tokens: &[TokenTree]) -> bool {
    let is = |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    matches!(tokens, [pound, mark, TokenTree::Group(group)]
        if is(pound, '#') && is(mark, '!') && group.delimiter() == Delimiter::Bracket)
}

impl Kind {
    /// Finds out by the keywords of an item, up to its first brackets.
    pub(crate) fn of(piece: &TokenStream) -> Self {
        let tokens: Vec<TokenTree> = piece.clone().into_iter().collect();
        let Some(TokenTree::Group(last)) = tokens.last() else {
            return Self::Other;
        };
        // One by hand is left as it is, with everything inside.
        if piece.to_string().contains("memprofile") {
            return Self::Other;
        }
        let mut words = tokens
            .iter()
            .enumerate()
            .filter_map(|(index, token)| match token {
                TokenTree::Ident(word) => Some((index, word.to_string())),
                _ => None,
            });
        let Some((index, keyword)) = words.find(|(_, word)| {
            [
                "fn", "impl", "trait", "mod", "const", "struct", "enum", "union", "static", "use",
            ]
            .contains(&word.as_str())
        }) else {
            return Self::Other;
        };
        let name = tokens
            .get(index + 1)
            .map(ToString::to_string)
            .unwrap_or_default();
        match keyword.as_str() {
            "fn" | "trait" => Self::Profiled(name),
            "impl" => Self::Profiled("impl".to_owned()),
            "mod" => Self::Module(name, last.stream()),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_cannot_be_read_is_one_item_only() {
        let source = "#![allow(x)] use a::b; fn f(g: &Fn() -> u8) {} fn h() {} mod m { impl A { fn f(g: &Fn() -> u8) {} } }";
        let pieces = pieces(source.parse().unwrap());
        let kinds: Vec<_> = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Read(_) => None,
                Piece::Unread(tokens) => Some(Kind::of(tokens)),
            })
            .collect();
        let [
            None,
            Some(Kind::Profiled(name)),
            None,
            Some(Kind::Module(module, inside)),
        ] = &kinds[..]
        else {
            panic!("{kinds:?}");
        };
        assert_eq!((name.as_str(), module.as_str()), ("f", "m"));
        let [Piece::Unread(inside)] = &super::pieces(inside.clone())[..] else {
            panic!("one item");
        };
        assert!(matches!(Kind::of(inside), Kind::Profiled(name) if name == "impl"));
    }
}
