//! Has memprof count over the program's own `#[global_allocator]`.
//!
//! The static stays as it is, since the program may use it by its name. Only its attribute is
//! replaced by spaces, and another static with the attribute comes after it on the same line, under
//! the same conditions. Tokens are enough for this, so it works inside of `cfg_if!`, too.

use crate::cargo::edits::Edits;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::Range;

/// Whether a file has such a static.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    #[default]
    None,
    /// One that may be compiled or not, depending on conditions.
    Perhaps,
    Surely,
}

/// The static that is added to a program without its own.
pub(crate) fn injected(library: &str) -> String {
    format!(
        "#[global_allocator]static __MEMPROF_ALLOC: ::{library}::CountingAlloc= ::{library}::CountingAlloc::system();"
    )
}

/// Counts over the allocators of a file, whose text is `source`.
pub(crate) fn wrap(source: &str, tokens: TokenStream, library: &str, edits: &mut Edits) -> Found {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Found::None;
    let mut attributes: Vec<(Range<usize>, Group)> = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        if let (TokenTree::Punct(pound), Some(TokenTree::Group(group))) =
            (token, tokens.get(index + 1))
            && pound.as_char() == '#'
            && group.delimiter() == Delimiter::Bracket
        {
            let range = pound.span().byte_range().start..group.span().byte_range().end;
            attributes.push((range, group.clone()));
            index += 2;
            continue;
        }
        if let TokenTree::Group(group) = token {
            let inside = wrap(source, group.stream(), library, edits);
            found = found.max(inside.min(Found::Perhaps));
        }
        let is_visibility = matches!(token, TokenTree::Ident(word) if word == "pub")
            || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
        if !is_visibility {
            if let Some(allocator) = Static::read(source, &tokens[index..], &attributes) {
                found = found.max(allocator.found());
                allocator.wrap(library, edits);
            }
            attributes.clear();
        }
        index += 1;
    }
    found
}

/// A static with `#[global_allocator]`.
struct Static<'a> {
    name: String,
    ty: &'a str,
    /// After its semicolon.
    end: usize,
    /// Where the attribute is.
    attribute: Range<usize>,
    /// The condition of the `cfg_attr` that the attribute is in.
    condition: Option<String>,
    /// Its `#[cfg(…)]`s, as text.
    conditions: Vec<&'a str>,
}

impl<'a> Static<'a> {
    fn read(
        source: &'a str,
        tokens: &[TokenTree],
        attributes: &[(Range<usize>, Group)],
    ) -> Option<Self> {
        let [
            TokenTree::Ident(keyword),
            name,
            TokenTree::Punct(colon),
            rest @ ..,
        ] = tokens
        else {
            return None;
        };
        if keyword != "static" || colon.as_char() != ':' {
            return None;
        }
        let (attribute, condition) = attributes.iter().find_map(|(range, group)| {
            let condition = global_allocator(group)?;
            Some((range.clone(), condition))
        })?;
        let is = |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
        let equals = rest.iter().position(|token| is(token, '='))?;
        let end = rest.iter().position(|token| is(token, ';'))?;
        let first = rest.first()?.span().byte_range().start;
        let last = rest.get(equals.checked_sub(1)?)?.span().byte_range().end;
        let conditions = attributes.iter().filter(|(_, group)| {
            matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(word)) if word == "cfg")
        });
        Some(Self {
            name: name.to_string(),
            ty: source.get(first..last)?,
            end: rest[end].span().byte_range().end,
            attribute,
            condition,
            conditions: conditions
                .filter_map(|(range, _)| source.get(range.clone()))
                .collect(),
        })
    }

    fn found(&self) -> Found {
        if self.condition.is_some() || !self.conditions.is_empty() {
            Found::Perhaps
        } else {
            Found::Surely
        }
    }

    fn wrap(self, library: &str, edits: &mut Edits) {
        // The program counts already.
        if self.ty.contains("CountingAlloc") {
            return;
        }
        let Self { name, ty, .. } = self;
        let conditions = self.conditions.concat();
        let condition = self
            .condition
            .map(|condition| format!("#[cfg({condition})]"));
        let condition = condition.unwrap_or_default();
        // glibc's allocator leaves room behind most blocks.
        let is_system = ty
            .rsplit(':')
            .next()
            .is_some_and(|last| last.trim() == "System");
        let behind = if is_system { ".with_tags_behind()" } else { "" };
        let inner = format!("::{library}::__private::StaticAlloc");
        edits.blank(self.attribute);
        edits.insert(
            self.end,
            format!(
                "{conditions}{condition}#[global_allocator]static __MEMPROF_ALLOC: \
                 ::{library}::CountingAlloc<{inner}<{ty}>>= \
                 ::{library}::CountingAlloc::new({inner}(&{name})){behind};"
            )
            .replace(['\n', '\r'], " "),
        );
    }
}

/// Whether an attribute is `#[global_allocator]`, and the condition if it is in a `cfg_attr` of its
/// own.
#[expect(clippy::option_option)]
fn global_allocator(attribute: &Group) -> Option<Option<String>> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(name)] if name == "global_allocator" => Some(None),
        [TokenTree::Ident(name), TokenTree::Group(inside)] if name == "cfg_attr" => {
            let inside: Vec<TokenTree> = inside.stream().into_iter().collect();
            match &inside[..] {
                [
                    condition @ ..,
                    TokenTree::Punct(comma),
                    TokenTree::Ident(name),
                ] if comma.as_char() == ',' && name == "global_allocator" => {
                    let condition: TokenStream = condition.iter().cloned().collect();
                    Some(Some(condition.to_string()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(source: &str) -> (String, Found) {
        let mut edits = Edits::default();
        let found = wrap(source, source.parse().unwrap(), "m", &mut edits);
        (edits.apply(source), found)
    }

    #[test]
    fn a_static_keeps_its_line_and_its_name() {
        let (text, found) = wrapped("#[global_allocator]\npub static A: mi::Mi = mi::Mi;\n");
        assert_eq!(found, Found::Surely);
        assert_eq!(
            text,
            "                   \npub static A: mi::Mi = mi::Mi;#[global_allocator]static __MEMPROF_ALLOC: \
             ::m::CountingAlloc<::m::__private::StaticAlloc<mi::Mi>>= \
             ::m::CountingAlloc::new(::m::__private::StaticAlloc(&A));\n"
        );
    }

    #[test]
    fn conditions_hold_for_both_statics() {
        let (text, found) = wrapped(
            "cfg_if! { if #[cfg(unix)] { #[cfg(feature = \"a\")] #[global_allocator] static A: System = System; } }",
        );
        assert_eq!(found, Found::Perhaps);
        assert!(
            text.contains(
                "static A: System = System;#[cfg(feature = \"a\")]#[global_allocator]static"
            ),
            "{text}"
        );
        assert!(text.contains("(&A)).with_tags_behind();"), "{text}");

        let (text, found) = wrapped("#[cfg_attr(unix, global_allocator)] static A: B = B;");
        assert_eq!(found, Found::Perhaps);
        assert!(
            text.contains("= B;#[cfg(unix)]#[global_allocator]static"),
            "{text}"
        );
    }

    #[test]
    fn what_counts_already_stays() {
        let source = "#[global_allocator] static A: memprof::CountingAlloc = memprof::CountingAlloc::system();";
        assert_eq!(wrapped(source), (source.to_owned(), Found::Surely));
        let source = "static A: u8 = 1; fn f() { let g = 1; }";
        assert_eq!(wrapped(source), (source.to_owned(), Found::None));
    }
}
