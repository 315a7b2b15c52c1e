//! Hides secrets in texts: by their names, and by formats that secrets have.
//!
//! Everything that is shown of a request or its response goes through a [`Redactor`]: panels and
//! titles of the toolbar, pages of `?profile`, printed tables and names of files.
//!
//! # How secrets are found
//!
//! [`walk`] goes over a text in all layers of its escapes, which [`decode`] removes. At each place,
//! [`looks`] decides whether a text with the format of a secret begins there, and [`names`] whether
//! a name is that of a secret. [`value`] then finds the name's value, in the notation at hand:
//! [`bare`] without quotes, [`enclosed`] in quotes or brackets, [`sql`] in statements.

mod bare;
mod decode;
mod enclosed;
mod looks;
mod named;
mod names;
mod sql;
mod value;
mod walk;

use http::header::{HeaderName, HeaderValue};
use names::{Kind, Names};
use std::borrow::Cow;
use std::ops::Range;

/// Shown in place of a secret.
pub(super) const DOTS: &str = "••••••";

/// Shorter texts without punctuation can't contain a recognisable secret.
const LEAST: usize = 8;

/// Shows texts without the secrets in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor {
    names: Names,
}

impl Redactor {
    /// Also hides values whose name contains `name`.
    #[cfg(feature = "toolbar")]
    pub(super) fn hide(&mut self, name: &str) {
        self.names.add(name);
    }

    /// Whether values with this name are always hidden.
    #[cfg(feature = "toolbar")]
    pub(super) fn hides(&self, name: &str) -> bool {
        let kind = self.names.kind(name);
        matches!(kind, Some(Kind::Secret | Kind::Ambiguous))
    }

    /// A named value, as it is shown.
    pub(super) fn value<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        let is_secret = match self.names.kind(name) {
            None => false,
            Some(Kind::IfRandom) => looks::is_random(value.as_bytes()),
            Some(Kind::Secret | Kind::Ambiguous) => {
                let is_count = value.bytes().all(|it| it.is_ascii_digit());
                !(is_count && names::is_plural(name))
            }
        };
        if is_secret && !value.is_empty() {
            Cow::Borrowed(DOTS)
        } else if is_address(value) {
            self.address(value)
        } else {
            self.text(value)
        }
    }

    /// A header's value, as it is shown.
    pub(super) fn header<'a>(&self, name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, str> {
        if value.is_sensitive() {
            return Cow::Borrowed(DOTS);
        }
        match String::from_utf8_lossy(value.as_bytes()) {
            Cow::Borrowed(text) => self.value(name.as_str(), text),
            Cow::Owned(text) => Cow::Owned(self.value(name.as_str(), &text).into_owned()),
        }
    }

    /// Any text, as it is shown.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.shown(text, false)
    }

    /// An address, as it is shown. In an address, a value may contain characters that end a value
    /// in other texts.
    pub(super) fn address<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.shown(text, true)
    }

    fn shown<'a>(&self, text: &'a str, is_address: bool) -> Cow<'a, str> {
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b" .-_".contains(&it);
        if text.len() < LEAST && text.bytes().all(is_plain) {
            return Cow::Borrowed(text);
        }
        let found = walk::secrets(text, &self.names, is_address);
        dotted(text, found.ranges)
    }
}

/// Whether the whole value is an address.
fn is_address(value: &str) -> bool {
    let begins = value.starts_with(['/', '?', '#']);
    (begins || value.contains("://")) && !value.contains(|it: char| it.is_ascii_whitespace())
}

/// The text with dots in place of `parts`.
fn dotted(text: &str, mut parts: Vec<Range<usize>>) -> Cow<'_, str> {
    if parts.is_empty() {
        return Cow::Borrowed(text);
    }
    parts.sort_unstable_by_key(|part| part.start);
    let mut shown = String::with_capacity(text.len());
    let mut copied = 0;
    for part in parts {
        let (start, end) = (letter(text, part.start), letter_end(text, part.end));
        if end <= copied {
            continue;
        }
        if start > copied || copied == 0 {
            shown.push_str(text.get(copied..start).unwrap_or_default());
            shown.push_str(DOTS);
        }
        copied = end;
    }
    shown.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(shown)
}

/// Where the character at `at` begins.
fn letter(text: &str, at: usize) -> usize {
    let mut before = (0..=at).rev();
    before.find(|it| text.is_char_boundary(*it)).unwrap_or(0)
}

fn letter_end(text: &str, at: usize) -> usize {
    let mut after = at..=text.len();
    let end = after.find(|it| text.is_char_boundary(*it));
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
