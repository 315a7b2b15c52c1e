//! The text and the numbers of a function's lines.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{Span, TokenStream, TokenTree};
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
    /// From the line `first` to that on which the last token of `body` ends, in the
    /// file that `of` is in.
    pub(crate) fn new(first: u32, body: &TokenStream, of: Span) -> Self {
        let file = of.unwrap().file();
        let last = last_line(body, &file).max(first);
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
    /// and what it does is its caller's line's. And none for what an attribute has
    /// put into the function, which stands nowhere but on the attribute.
    pub(crate) fn place(&mut self, span: Span) -> Option<u32> {
        if is_attribute(span) {
            return None;
        }
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

/// The last line that one of `tokens` ends in, of those that are in `file`.
fn last_line(tokens: &TokenStream, file: &str) -> u32 {
    let lines = tokens.clone().into_iter().map(|token| {
        let span = token.span();
        let inside = match &token {
            TokenTree::Group(group) => last_line(&group.stream(), file),
            _ => 0,
        };
        let is_here = span.unwrap().file() == file && !is_attribute(span);
        if is_here {
            inside.max(line(end(span)))
        } else {
            inside
        }
    });
    lines.max().unwrap_or(0)
}

/// Whether `span` is all of an attribute, as of what the attribute has put in.
pub(crate) fn is_attribute(span: Span) -> bool {
    span.source_text()
        .is_some_and(|text| text.starts_with("#["))
}

/// Where `span` ends.
fn end(span: Span) -> Span {
    span.unwrap().end().into()
}

/// Where braces are closed.
///
/// Another attribute may have put the code between into braces of its own, which are
/// then opened and closed in one place: all of what they are around.
pub(crate) fn close(braces: DelimSpan) -> Span {
    let [open, close] = [braces.open(), braces.close()];
    let place = |span: Span| (line(span), span.unwrap().column());
    if place(open) == place(close) && !is_attribute(close) {
        end(close)
    } else {
        close
    }
}

/// The number of the line that `span` begins in, from 1.
pub(crate) fn line(span: Span) -> u32 {
    u32::try_from(span.unwrap().line()).unwrap_or(u32::MAX)
}
