//! The text and the numbers of a function's lines.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use syn::Block;

/// The lines of the source that a function takes up, and those among them that
/// can be opened.
pub(crate) struct Lines {
    file: String,
    first: u32,
    last: u32,
    /// The line that the function's name is on, or a line before: attributes are above.
    head: u32,
    /// The numbers of the lines that can be opened, in the order in which they
    /// were met; the first is that of the table's first row.
    opened: Vec<u32>,
    /// Where each of them is there.
    places: HashMap<u32, u32>,
}

impl Lines {
    /// From the line `first` to that on which `body` ends, in the file that `head` is
    /// in, the word `fn`.
    pub(crate) fn new(first: u32, body: &Block, head: Span) -> Self {
        let file = head.unwrap().file();
        let close = close(body.brace_token.span);
        let last = if close.unwrap().file() == file && !is_attribute(close) {
            line(close)
        } else {
            last_line(&body.to_token_stream(), &file)
        };
        Self {
            file,
            first,
            last: last.max(first),
            head: line(head),
            opened: vec![first],
            places: HashMap::from([(first, 0)]),
        }
    }

    /// The place of the line that `span` is in among those that can be opened.
    ///
    /// None for a line of another function: it comes out of a `macro_rules!`,
    /// and what it does is its caller's line's. And none for what an attribute has
    /// put into the function, which stands nowhere but on the attribute.
    pub(crate) fn place(&mut self, span: Span) -> Option<u32> {
        let number = line(span);
        if !(self.first..=self.last).contains(&number)
            || span.unwrap().file() != self.file
            || number <= self.head && is_attribute(span)
        {
            return None;
        }
        let next = u32::try_from(self.opened.len()).ok()?;
        let place = *self.places.entry(number).or_insert(next);
        if place == next {
            self.opened.push(number);
        }
        Some(place)
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
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
        let skipped = self.first.saturating_sub(1) as usize;
        let count = (self.last - self.first) as usize + 1;
        let file = span.unwrap().local_file();
        let mut lines = file.map_or_else(Vec::new, |path| {
            SourceFile::with(&path, |file| file.lines(skipped, count))
        });
        lines.resize(count, String::new());
        lines.join("\n")
    }
}

/// A file that functions are in. It is kept for the next of them.
struct SourceFile {
    path: PathBuf,
    modified: Option<SystemTime>,
    lines: Vec<String>,
}

thread_local! {
    static LATEST: RefCell<Option<SourceFile>> = const { RefCell::new(None) };
}

impl SourceFile {
    /// Does something with a file, which is empty if it can't be read.
    fn with<T>(path: &Path, act: impl FnOnce(&Self) -> T) -> T {
        let modified = fs::metadata(path).and_then(|file| file.modified()).ok();
        LATEST.with_borrow_mut(|latest| {
            latest.take_if(|file| file.path != path || file.modified != modified);
            act(latest.get_or_insert_with(|| Self::read(path, modified)))
        })
    }

    fn read(path: &Path, modified: Option<SystemTime>) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        Self {
            path: path.to_owned(),
            modified,
            lines: text.lines().map(str::to_owned).collect(),
        }
    }

    fn lines(&self, skipped: usize, count: usize) -> Vec<String> {
        let lines = self.lines.iter().skip(skipped).take(count);
        lines.cloned().collect()
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
