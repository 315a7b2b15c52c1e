//! Where an attribute can be put in front of an item without moving it.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

/// The ends of the tokens of a file, as offsets in bytes.
#[derive(Debug)]
pub(crate) struct Gaps {
    /// Sorted.
    ends: Vec<usize>,
}

impl Gaps {
    /// Those of a file with this text.
    pub(crate) fn new(source: &str, tokens: &TokenStream) -> Self {
        let mut gaps = Self { ends: vec![0] };
        gaps.add(source, tokens.clone());
        gaps.ends.sort_unstable();
        gaps
    }

    fn add(&mut self, source: &str, tokens: TokenStream) {
        for token in tokens {
            let range = token.span().byte_range();
            if source
                .get(range.clone())
                .is_some_and(|text| text.starts_with("//"))
            {
                // Documentation: there is nothing but comment up to the next line.
                let rest = source[range.end..].find('\n');
                self.ends
                    .push(rest.map_or(source.len(), |rest| range.end + rest + 1));
                continue;
            }
            if let TokenTree::Group(group) = &token {
                self.ends.push(group.span_open().byte_range().end);
                self.add(source, group.stream());
            }
            self.ends.push(range.end);
        }
    }

    /// The offset at which an attribute can be put before `item`: after the last of its leading
    /// `#[cfg]`s, or else after the token before the item.
    pub(crate) fn before(&self, item: &impl ToTokens) -> Option<usize> {
        let tokens: Vec<TokenTree> = item.to_token_stream().into_iter().collect();
        let begin = tokens.first()?.span().byte_range().start;
        let mut after_condition = None;
        for pair in tokens.chunks(2) {
            let [TokenTree::Punct(pound), TokenTree::Group(group)] = pair else {
                break;
            };
            let name = group
                .stream()
                .into_iter()
                .next()
                .map(|name| name.to_string());
            match name.as_deref() {
                Some("doc") if pound.as_char() == '#' => {}
                Some("cfg") if pound.as_char() == '#' => {
                    after_condition = Some(group.span().byte_range().end);
                }
                _ => break,
            }
        }
        let count = self.ends.partition_point(|end| *end <= begin);
        let before = self.ends.get(count.checked_sub(1)?).copied();
        after_condition.or(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with a mark before each of its items.
    fn marked(source: &str) -> String {
        let file: syn::File = syn::parse_str(source).unwrap();
        let gaps = Gaps::new(source, &source.parse().unwrap());
        let mut text = source.to_owned();
        for item in file.items.iter().rev() {
            let syn::Item::Fn(item) = item else { continue };
            text.insert(gaps.before(item).unwrap(), '@');
        }
        text
    }

    #[test]
    fn an_attribute_comes_after_the_token_before() {
        let source =
            "//! Doc.\n\nfn a() {} // said\n\n/// Doc.\nfn b() {}\n#[cfg(unix)] // said\nfn c() {}";
        let expected = "//! Doc.\n@\nfn a() {}@ // said\n\n/// Doc.\nfn b() {}\n#[cfg(unix)]@ // said\nfn c() {}";
        assert_eq!(marked(source), expected);
        assert_eq!(marked("\nfn a() {}"), "@\nfn a() {}");
        assert_eq!(marked("use a;fn a() {}"), "use a;@fn a() {}");
    }
}
