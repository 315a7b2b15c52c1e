//! The text and the numbers of a function's lines.

use proc_macro2::Span;
use std::fs;

/// The lines of the source that a function takes up, and those among them that
/// can be opened.
pub(crate) struct Lines {
    file: String,
    first: u32,
    last: u32,
    /// The numbers of the lines that can be opened, in the order in which they
    /// were met; the first is that of the table's first row.
    opened: Vec<u32>,
}

impl Lines {
    /// From the line of `first` to that of `last`.
    pub(crate) fn new(first: u32, last: Span) -> Self {
        let file = last.unwrap().file();
        let last = line(last).max(first);
        Self {
            file,
            first,
            last,
            opened: vec![first],
        }
    }

    /// The place of the line that `span` is in among those that can be opened.
    ///
    /// None for a line of another function: it comes out of a `macro_rules!`,
    /// and what it does is its caller's line's.
    pub(crate) fn place(&mut self, span: Span) -> Option<u32> {
        let number = line(span);
        if !(self.first..=self.last).contains(&number) || span.unwrap().file() != self.file {
            return None;
        }
        let place = self
            .opened
            .iter()
            .rposition(|opened| *opened == number)
            .unwrap_or_else(|| {
                self.opened.push(number);
                self.opened.len() - 1
            });
        u32::try_from(place).ok()
    }

    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    pub(crate) fn opened(&self) -> &[u32] {
        &self.opened
    }

    /// The lines' text, comments and all.
    ///
    /// From the file, since tokens have neither comments nor the head's spacing.
    /// Lines stay blank where there is no file, as in an editor that expands a
    /// buffer in memory.
    pub(crate) fn text(&self, span: Span) -> String {
        let file = span
            .unwrap()
            .local_file()
            .and_then(|path| fs::read(path).ok());
        let file = String::from_utf8_lossy(file.as_deref().unwrap_or_default()).into_owned();
        let skipped = self.first.saturating_sub(1) as usize;
        let count = (self.last - self.first) as usize + 1;
        let mut lines: Vec<&str> = file.lines().skip(skipped).take(count).collect();
        lines.resize(count, "");
        lines.join("\n")
    }
}

/// The number of the line that `span` begins in, from 1.
pub(crate) fn line(span: Span) -> u32 {
    u32::try_from(span.unwrap().line()).unwrap_or(u32::MAX)
}
