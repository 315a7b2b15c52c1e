//! The walk over a text that finds the secrets in all layers of its escapes.
//!
//! Each byte of a layer is read a bounded number of times: text that is read ahead is either hidden
//! and then skipped, or its length is bounded. So the walk takes linear time. It counts its steps,
//! so that a test can verify that.

use super::decode::{INNER_SPACE, Layer, is_in_name};
use super::looks;
use super::named::Named;
use super::names::Names;
use super::sql;
use super::value;
use std::ops::Range;

/// How many levels of escapes are decoded. Words with more are hidden.
const LAYERS: u32 = 6;

/// The longest distance, in bytes, from an element's name to the end of its tag, from the name in
/// `{"name": .., "value": ..}` to its value, and from an `@tcp(` back to the start of its user.
const NEAR: usize = 160;

/// The secrets found in a text.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In no particular order, and they may overlap.
    pub(super) ranges: Vec<Range<usize>>,
    /// About how many bytes were read.
    pub(super) steps: u64,
}

/// Finds the secrets in a text.
pub(super) fn secrets(text: &str, names: &Names, is_address: bool) -> Found {
    let mut found = Found::default();
    let mut layer = Layer::of(text);
    for number in 0..=LAYERS {
        let walk = Walk {
            layer: &layer,
            names,
            is_address,
            found: &mut found,
            word: None,
            inserted: 0,
        };
        walk.all();
        found.steps += layer.steps();
        if number == LAYERS {
            found.ranges.extend(layer.escaped_words());
        }
        let Some(next) = layer.decoded() else {
            break;
        };
        layer = next;
    }
    found
}

struct Walk<'a> {
    layer: &'a Layer,
    names: &'a Names,
    is_address: bool,
    found: &'a mut Found,
    /// The end of the last word with a `://`, and the place of its last `@`.
    word: Option<(usize, Option<usize>)>,
    /// Where the last `INSERT` ends.
    inserted: usize,
}

impl Walk<'_> {
    fn all(mut self) {
        let mut at = 0;
        while at < self.layer.len() {
            at = self.next(at).max(at + 1);
        }
    }

    fn hide(&mut self, part: Range<usize>) {
        if !part.is_empty() {
            self.found.ranges.push(self.layer.source(part));
        }
    }

    /// Inspects the text that begins at `at`, and returns where to continue.
    fn next(&mut self, at: usize) -> usize {
        let (before, byte) = (self.layer.before(at), self.layer.byte(at));
        let is_start = !before.is_ascii_alphanumeric();
        let layer = self.layer;
        let rest = layer.from(at);
        if let Some(length) = looks::secret_len(rest, is_start, &mut self.found.steps) {
            self.hide(at..at + length);
            return at + length;
        }
        if byte == b'@' && (rest.starts_with(b"@tcp(") || rest.starts_with(b"@unix(")) {
            self.source_name(at);
        }
        if is_in_name(byte) && !is_in_name(before) {
            return self.name(at);
        }
        at + 1
    }

    /// Inspects a name and its value, and returns where to continue.
    fn name(&mut self, start: usize) -> usize {
        let layer = self.layer;
        let whole = layer.part(start..layer.end_of_name(start));
        let length = whole.iter().rposition(|it| !b"-.".contains(it));
        let end = start + length.map_or(0, |last| last + 1);
        let name = String::from_utf8_lossy(layer.part(start..end));
        if self.layer.from(end).starts_with(b"://") {
            return self.address(&name, end + 3);
        }
        let steps = &mut self.found.steps;
        if let Some(found) = looks::credentials(&name, layer.from(0), end, steps) {
            let end = found.end;
            self.hide(found);
            return end;
        }
        if let Some(found) = sql::identified(self.layer, &name, end) {
            let end = found.end;
            self.hide(found);
            return end;
        }
        if start >= self.inserted
            && let Some(inserted) = sql::inserted(self.layer, &name, end, self.names)
        {
            self.inserted = inserted.end;
            inserted.values.into_iter().for_each(|it| self.hide(it));
        }
        if self.value_of_pair(&name, end) {
            return end;
        }
        let Some(named) = self.named(&name, start, end) else {
            return start + 1;
        };
        if let Some(found) = self.element(&named) {
            let end = found.end;
            self.hide(found);
            return end;
        }
        match value::of(self.layer, &named, self.names) {
            Some(value) => {
                self.hide(value.hidden);
                value.end
            }
            None => start + 1,
        }
    }

    fn named<'a>(&self, name: &'a str, start: usize, end: usize) -> Option<Named<'a>> {
        let before = self.layer.before(start);
        let is_quoted = b"\"'`".contains(&self.layer.byte(end));
        Some(Named {
            name,
            kind: self.names.kind(name)?,
            start,
            end: if is_quoted { end + 1 } else { end },
            is_quoted,
            is_in_form: self.is_address || b"?&".contains(&before),
            is_in_address: self.is_address,
        })
    }

    /// Hides the credentials before the `@` of an address: `https://user:password@host`.
    fn address(&mut self, scheme: &str, start: usize) -> usize {
        let level = self.layer.level(start.saturating_sub(1));
        let layer = self.layer;
        let ends_word = |at: &usize| {
            let byte = layer.byte(*at);
            layer.level(*at) <= level && (byte.is_ascii_whitespace() || b"\"'`<>\\".contains(&byte))
                || byte == INNER_SPACE
        };
        let is_end = |at: &usize| {
            ends_word(at) || b"/?#".contains(&layer.byte(*at)) && layer.level(*at) <= level
        };
        let end = (start..layer.len()).find(is_end).unwrap_or(layer.len());
        let authority = layer.part(start..end);
        if let Some(length) = authority.iter().rposition(|it| *it == b'@') {
            self.user(scheme, start..start + length);
            return start + length;
        }
        let Some(colon) = authority.iter().position(|it| *it == b':') else {
            return start;
        };
        let port = authority.get(colon + 1..).unwrap_or_default();
        let is_port = port.iter().all(u8::is_ascii_digit)
            || port.first().is_some_and(|it| b"{$<%:".contains(it))
            || authority.starts_with(b"[");
        if is_port {
            return start;
        }
        // A password with a slash, or one that was cut before its `@`.
        let word = self.word.filter(|(end, _)| start < *end);
        let (word_end, last) = word.unwrap_or_else(|| {
            let end = (start..layer.len()).find(ends_word).unwrap_or(layer.len());
            let last = layer.part(start..end).iter().rposition(|it| *it == b'@');
            (end, last.map(|length| start + length))
        });
        self.word = Some((word_end, last));
        match last.filter(|last| *last > start) {
            Some(last) => self.user(scheme, start..last),
            None if word_end == layer.len() => self.hide(start + colon + 1..word_end),
            None => {}
        }
        start
    }

    /// Hides the password. For HTTP and WebSocket, hides the user as well, which may be a token.
    fn user(&mut self, scheme: &str, user: Range<usize>) {
        let text = self.layer.part(user.clone());
        let is_web = ["http", "https", "ws", "wss"]
            .iter()
            .any(|it| scheme.eq_ignore_ascii_case(it));
        let colon = text.iter().position(|it| *it == b':');
        match colon {
            _ if is_web => self.hide(user),
            Some(colon) if colon + 1 < text.len() => self.hide(user.start + colon + 1..user.end),
            Some(colon) => self.hide(user.start..user.start + colon),
            None if looks::is_random(text) => self.hide(user),
            None => {}
        }
    }

    /// Hides the password before `@tcp(`, as in data source names of Go.
    fn source_name(&mut self, at: usize) {
        let start = at.saturating_sub(NEAR);
        let before = self.layer.part(start..at);
        let is_outside = |it: &u8| it.is_ascii_whitespace() || b"\"'`=".contains(it);
        let word = before.iter().rposition(is_outside).map_or(0, |it| it + 1);
        let user = before.get(word..).unwrap_or_default();
        if let Some(colon) = user.iter().position(|it| *it == b':') {
            self.hide(start + word + colon + 1..at);
        }
    }

    /// The text of an element: `<password>value</password>`.
    fn element(&self, named: &Named<'_>) -> Option<Range<usize>> {
        let start = named.start.saturating_sub(NEAR / 4);
        let mut before = self.layer.part(start..named.start);
        if before.last() == Some(&b':') {
            let space = before.iter().rposition(|it| *it == b'<')?;
            before = before.get(..=space)?;
        }
        before.last().filter(|it| **it == b'<')?;
        let tag = self.layer.run(named.end, NEAR, |it| !b"<>".contains(&it));
        let start = named.end + tag + 1;
        (self.layer.before(start) == b'>').then_some(())?;
        let end = start + self.layer.run(start, usize::MAX, |it| it != b'<');
        (self.layer.byte(end + 1) == b'/').then_some(start..end)
    }

    /// Hides the value if name and value are two fields: `{"name": "password", "value": "x"}`.
    fn value_of_pair(&mut self, key: &str, end: usize) -> bool {
        let is_one = |of: &[&str], word: &str| of.iter().any(|it| word.eq_ignore_ascii_case(it));
        if !is_one(
            &["name", "key", "field", "header", "param", "variable"],
            key,
        ) {
            return false;
        }
        let is_between = |it: u8| b"\"' :=>".contains(&it) || it == INNER_SPACE;
        let start = end + self.layer.run(end, 8, is_between);
        let name_end = self.layer.end_of_name(start);
        if !(start > end && name_end < start + NEAR) {
            return false;
        }
        let name = String::from_utf8_lossy(self.layer.part(start..name_end));
        if self.names.kind(&name).is_none() || !b"\"'".contains(&self.layer.byte(name_end)) {
            return false;
        }
        for at in name_end..self.layer.len().min(name_end + NEAR) {
            if b"{}>[]".contains(&self.layer.byte(at)) {
                return false;
            }
            let is_start = is_in_name(self.layer.byte(at)) && !is_in_name(self.layer.before(at));
            if !is_start {
                continue;
            }
            let word_end = self.layer.end_of_name(at).min(at + NEAR);
            let word = String::from_utf8_lossy(self.layer.part(at..word_end));
            if is_one(&["value", "val", "content", "default"], &word) {
                let is_quoted = b"\"'".contains(&self.layer.byte(word_end));
                let named = Named {
                    name: &name,
                    kind: super::names::Kind::Secret,
                    start: at,
                    end: word_end + usize::from(is_quoted),
                    is_quoted,
                    is_in_form: false,
                    is_in_address: false,
                };
                let value = value::of(self.layer, &named, self.names);
                let is_there = value.is_some();
                if let Some(value) = value {
                    self.hide(value.hidden);
                }
                return is_there;
            }
        }
        false
    }
}
