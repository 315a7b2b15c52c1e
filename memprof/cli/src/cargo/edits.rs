//! Insertions and removals in a source file that keep every line in its place.
//!
//! Nothing here adds or removes a line break before existing text.

use std::ops::Range;

/// Edits of one text, by offsets in bytes of the original.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    insertions: Vec<(usize, String)>,
    blanked: Vec<Range<usize>>,
}

impl Edits {
    pub(crate) fn is_empty(&self) -> bool {
        self.insertions.is_empty() && self.blanked.is_empty()
    }

    /// Inserts `text`, which has no line break, at `offset`.
    pub(crate) fn insert(&mut self, offset: usize, text: String) {
        self.insertions.push((offset, text));
    }

    /// Replaces a range by as many spaces; line breaks in it stay.
    pub(crate) fn blank(&mut self, range: Range<usize>) {
        self.blanked.push(range);
    }

    /// The edited text.
    pub(crate) fn apply(mut self, source: &str) -> String {
        let mut bytes = source.as_bytes().to_vec();
        for range in self.blanked {
            for byte in &mut bytes[range] {
                if !matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
            }
        }
        // Stable: of two insertions at one place, the first comes first.
        self.insertions.sort_by_key(|(offset, _)| *offset);
        for (offset, text) in self.insertions.into_iter().rev() {
            bytes.splice(offset..offset, text.into_bytes());
        }
        // Only whole characters were replaced, by ASCII.
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Edits;

    #[test]
    fn lines_stay_where_they_are() {
        let mut edits = Edits::default();
        edits.insert(8, "B".to_owned());
        edits.insert(0, "A".to_owned());
        edits.blank(2..7);

        assert_eq!(
            edits.apply("a\nbä\ncd\n"),
            "Aa\n   \nc Bd\n".replace("c Bd", " dB")
        );
    }
}
