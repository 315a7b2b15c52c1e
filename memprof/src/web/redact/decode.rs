//! A text, and the same text with its escapes decoded, layer by layer.
//!
//! Each layer decodes one level of escapes: percent escapes, backslashes of JSON and `Debug`, and
//! HTML entities. Each byte of a layer knows its place in the original text, so a secret that is
//! found in any layer can be hidden there.

use std::cell::Cell;
use std::ops::Range;

/// Stands for white space that was percent-escaped. It is inside a word, so it ends no value.
pub(super) const INNER_SPACE: u8 = 0x1f;

/// The longest entity that is decoded, without `&`.
const ENTITY_BYTES: usize = 8;

/// A text with some levels of escapes decoded.
#[derive(Debug)]
pub(super) struct Layer {
    bytes: Vec<u8>,
    /// How many levels of escapes each byte had. An inner quote or `&` doesn't end what an outer
    /// one began.
    levels: Vec<u8>,
    /// Where each byte comes from in the original text, and the end of that text.
    places: Vec<usize>,
    /// How many bytes were read so far.
    steps: Cell<u64>,
}

/// A decoded escape.
struct Escape {
    length: usize,
    bytes: [u8; 4],
    count: usize,
}

impl Layer {
    pub(super) fn of(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            levels: vec![0; text.len()],
            places: (0..=text.len()).collect(),
            steps: Cell::new(0),
        }
    }

    /// The next layer, or `None` if nothing is escaped.
    pub(super) fn decoded(&self) -> Option<Self> {
        let escapes = [b'%', b'\\', b'&'];
        let mut at = self.bytes.iter().position(|it| escapes.contains(it))?;
        while self.escape(at).is_none() {
            let rest = self.bytes.get(at + 1..)?;
            at += 1 + rest.iter().position(|it| escapes.contains(it))?;
        }
        let mut next = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            levels: Vec::with_capacity(self.bytes.len()),
            places: Vec::with_capacity(self.places.len()),
            steps: Cell::new(0),
        };
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let place = self.places.get(at).copied().unwrap_or_default();
            let (bytes, length, more) = match self.escape(at) {
                Some(escape) => (escape.bytes, escape.length, escape.count),
                None => ([*byte, 0, 0, 0], 1, 1),
            };
            let inside = self.levels.get(at..at + length).unwrap_or_default();
            let level = inside.iter().copied().max().unwrap_or_default();
            let level = if length > 1 { level + 1 } else { level };
            for byte in bytes.iter().take(more) {
                next.bytes.push(*byte);
                next.levels.push(level);
                next.places.push(place);
            }
            at += length;
        }
        next.places.extend(self.places.last());
        Some(next)
    }

    /// The places of words that still have escapes, in the original text.
    pub(super) fn escaped_words(&self) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut start = 0;
        let ends_word = |it: &u8| it.is_ascii_whitespace() || b"\"'&=<>".contains(it);
        for word in self.bytes.split_inclusive(ends_word) {
            let end = start + word.len();
            if (start..end).any(|at| self.escape(at).is_some()) {
                found.push(self.source(start..end));
            }
            start = end;
        }
        found
    }

    /// The byte at `at`, or 0 beyond the end.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.count(1);
        self.bytes.get(at).copied().unwrap_or_default()
    }

    pub(super) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    pub(super) fn from(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    pub(super) fn part(&self, part: Range<usize>) -> &[u8] {
        self.bytes.get(part).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes from `at` on are in the set, at most `most`.
    pub(super) fn run(&self, at: usize, most: usize, is_in: impl Fn(u8) -> bool) -> usize {
        let bytes = self.from(at).iter().take(most);
        let length = bytes.take_while(|it| is_in(**it)).count();
        self.count(length + 1);
        length
    }

    /// Where the next byte that isn't blank is.
    pub(super) fn after_blanks(&self, at: usize, over_lines: bool) -> usize {
        let is_blank = |byte| match byte {
            b' ' | b'\t' | INNER_SPACE => true,
            b'\n' | b'\r' => over_lines,
            _ => false,
        };
        at + self.run(at, usize::MAX, is_blank)
    }

    /// The end of the name that begins here.
    pub(super) fn end_of_name(&self, at: usize) -> usize {
        at + self.run(at, usize::MAX, is_in_name)
    }

    pub(super) fn count(&self, steps: usize) {
        self.steps.set(self.steps.get() + steps as u64);
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(super) fn level(&self, at: usize) -> u8 {
        self.levels.get(at).copied().unwrap_or_default()
    }

    /// The place of a part in the original text.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        let place = |at: usize| self.places.get(at).or(self.places.last());
        let place = |at| place(at).copied().unwrap_or_default();
        place(part.start)..place(part.end)
    }

    fn escape(&self, at: usize) -> Option<Escape> {
        let rest = self.bytes.get(at..)?;
        match rest {
            [b'%', high, low, ..] => {
                let byte = hex(&[*high, *low])?;
                let byte = u8::try_from(byte).ok()?;
                let is_space = byte.is_ascii_whitespace();
                Some(Escape::byte(3, if is_space { INNER_SPACE } else { byte }))
            }
            [b'\\', letter, after @ ..] => backslash(*letter, after),
            [b'&', after @ ..] => entity(after),
            _ => None,
        }
    }
}

impl Escape {
    fn byte(length: usize, byte: u8) -> Self {
        let bytes = [byte, 0, 0, 0];
        Self {
            length,
            bytes,
            count: 1,
        }
    }

    fn letter(length: usize, code: u32) -> Self {
        let mut bytes = [0; 4];
        let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        let count = letter.encode_utf8(&mut bytes).len();
        Self {
            length,
            bytes,
            count,
        }
    }
}

/// Whether a byte may be in a name.
pub(super) fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) || !byte.is_ascii()
}

fn backslash(letter: u8, after: &[u8]) -> Option<Escape> {
    match letter {
        b'"' | b'\'' | b'`' | b'\\' | b'/' | b'&' => Some(Escape::byte(2, letter)),
        b'n' => Some(Escape::byte(2, b'\n')),
        b'r' => Some(Escape::byte(2, b'\r')),
        b't' => Some(Escape::byte(2, b'\t')),
        b'x' => Some(Escape::letter(4, hex(after.get(..2)?)?)),
        b'u' if after.first() == Some(&b'{') => {
            let digits = after.iter().skip(1).take(7);
            let end = 1 + digits.take_while(|it| **it != b'}').count();
            let is_closed = after.get(end) == Some(&b'}');
            let code = hex(after.get(1..end)?).filter(|_| is_closed)?;
            Some(Escape::letter(end + 3, code))
        }
        b'u' => Some(Escape::letter(6, hex(after.get(..4)?)?)),
        _ => None,
    }
}

fn entity(after: &[u8]) -> Option<Escape> {
    let end = after.iter().take(ENTITY_BYTES).position(|it| *it == b';')?;
    let name = after.get(..end)?;
    let code = match name {
        b"quot" => 0x22,
        b"amp" => 0x26,
        b"apos" => 0x27,
        b"lt" => 0x3c,
        b"gt" => 0x3e,
        [b'#', b'x' | b'X', digits @ ..] => hex(digits)?,
        [b'#', digits @ ..] => str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    Some(Escape::letter(end + 2, code))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_takes_off_one_escape_and_knows_where_it_was() {
        let text = r#"a%2522b\\\"c&quot;\u{e9}\x41%zz"#;
        let one = Layer::of(text).decoded().unwrap();
        assert_eq!(one.bytes, r#"a%22b\"c"éA%zz"#.as_bytes());
        let two = one.decoded().unwrap();
        assert_eq!(two.bytes, r#"a"b"c"éA%zz"#.as_bytes());
        assert_eq!(text.get(two.source(1..2)), Some("%2522"));
        assert_eq!(text.get(two.source(3..4)), Some(r#"\\\""#));
        assert_eq!([0, 1, 3, 5].map(|at| two.level(at)), [0, 2, 2, 1]);
        assert!(two.decoded().is_none());
    }

    #[test]
    fn what_is_cut_is_no_escape() {
        for text in [
            "%", "%2", "\\", "\\u", "\\u{", "\\u{1", "&", "&quot", "\\x1", "&#;", "&#x;",
        ] {
            assert!(Layer::of(text).decoded().is_none(), "{text}");
        }
    }
}
