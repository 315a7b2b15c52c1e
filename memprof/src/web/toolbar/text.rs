//! Captured texts: cut if they are too long, and packed if there are many.

use std::fmt::{self, Write};

/// The text itself, or if it is too long, its first `most` bytes and a note on its length.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let start = start(text, most);
    format!("{start}… ({} bytes in all)", text.len())
}

/// The first `most` bytes of a text, or less to end between two characters.
fn start(text: &str, most: usize) -> &str {
    let lengths = (0..=most.min(text.len())).rev();
    let mut starts = lengths.filter_map(|length| text.get(..length));
    starts.next().unwrap_or("")
}

/// A writer that keeps the text up to a length and then fails, so that formatting ends early.
#[derive(Debug)]
pub(super) struct Cut {
    text: String,
    room: usize,
}

impl Cut {
    pub(super) fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            room: most,
        }
    }

    /// The text that `write` writes, up to `most` bytes.
    pub(super) fn of(most: usize, write: impl FnOnce(&mut Self) -> fmt::Result) -> String {
        let mut cut = Self::new(most);
        // Fails only if there is no room left.
        let _ = write(&mut cut);
        cut.into_text()
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(room) = self.room.checked_sub(text.len()) {
            self.room = room;
            self.text.push_str(text);
            return Ok(());
        }
        self.text.push_str(start(text, self.room));
        if self.room > 0 {
            self.text.push('…');
        }
        self.room = 0;
        Err(fmt::Error)
    }
}

/// Names and values in one block of memory.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    text: String,
    /// Where each name and each value ends, alternately.
    ends: Vec<usize>,
}

impl Pairs {
    pub(super) fn with_room(pairs: usize, bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(2 * pairs),
        }
    }

    pub(super) fn push(&mut self, name: &str, value: &[u8], most: usize) {
        for text in [name.as_bytes(), value] {
            let start = text.get(..text.len().min(most)).unwrap_or(text);
            match str::from_utf8(start) {
                Ok(start) => self.text.push_str(start),
                Err(_) => self.text.push_str(&String::from_utf8_lossy(start)),
            }
            if start.len() < text.len() {
                self.text.push('…');
            }
            self.ends.push(self.text.len());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |from: usize, to: usize| self.text.get(from..to).unwrap_or("");
        let starts = std::iter::once(0).chain(self.ends.iter().copied().skip(1).step_by(2));
        starts
            .zip(self.ends.chunks_exact(2))
            .map(move |(start, ends)| match ends {
                [name, value] => (text(start, *name), text(*name, *value)),
                _ => ("", ""),
            })
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(cut("héllo", 2), "h… (6 bytes in all)");
        assert_eq!(cut("héllo", 6), "héllo");
        let written = Cut::of(4, |cut| {
            cut.write_str("abc")?;
            cut.write_str("déf")
        });
        assert_eq!(written, "abcd…");
    }

    #[test]
    fn pairs_come_out_as_they_went_in() {
        let mut pairs = Pairs::default();
        pairs.push("one", b"1", 10);
        pairs.push("", b"\xff", 10);
        pairs.push("three", b"", 3);
        let all: Vec<_> = pairs.iter().collect();
        assert_eq!(all, [("one", "1"), ("", "\u{fffd}"), ("thr…", "")]);
    }
}
