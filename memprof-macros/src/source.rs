//! Positions in source files, and the text there.
//!
//! The text of a file is used only if it is what was compiled. It may differ: the spans of a doc
//! test point into a file that rustdoc generates, and a file may have been changed since.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A position in a file: line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// Where `span` begins.
    pub(crate) fn of(span: Span) -> Self {
        let span = span.unwrap();
        Self {
            line: span.line(),
            column: span.column(),
        }
    }

    /// The position of the next character in the line.
    pub(crate) fn next(self) -> Self {
        Self {
            column: self.column + 1,
            ..self
        }
    }
}

/// The number of the line that `span` begins in, from 1.
pub(crate) fn line(span: Span) -> u32 {
    u32::try_from(span.unwrap().line()).unwrap_or(u32::MAX)
}

/// Where `span` ends.
pub(crate) fn end(span: Span) -> Span {
    span.unwrap().end().into()
}

/// The span of the closing brace.
///
/// If another attribute has put its own braces around code, both can have one span, which covers
/// that code. The end of this span is returned then.
pub(crate) fn close(braces: DelimSpan) -> Span {
    let [open, close] = [braces.open(), braces.close()];
    if Position::of(open) == Position::of(close) && !is_attribute(close) {
        end(close)
    } else {
        close
    }
}

/// Whether `span` covers an attribute, as that of tokens inserted by the attribute does.
pub(crate) fn is_attribute(span: Span) -> bool {
    span.source_text()
        .is_some_and(|text| text.starts_with("#["))
}

/// Whether `span` begins between `open` and `close`, in the same file.
pub(crate) fn is_between(span: Span, open: Span, close: Span) -> bool {
    let [first, after] = [Position::of(open), Position::of(close)];
    span.unwrap().file() == open.unwrap().file() && (first..after).contains(&Position::of(span))
}

/// Whether braces are in the source. Braces inserted by an attribute can have any span.
pub(crate) fn are_written(braces: DelimSpan) -> bool {
    let text = |span: Span| span.source_text();
    text(braces.open()).is_none_or(|text| text.starts_with('{'))
        && text(braces.close()).is_none_or(|text| text.ends_with('}'))
}

/// The span of the token that ends last among the `tokens` from `file`.
pub(crate) fn last(tokens: TokenStream, file: &str) -> Option<Span> {
    let spans = tokens.into_iter().filter_map(|token| {
        let span = token.span();
        let inside = match &token {
            TokenTree::Group(group) => last(group.stream(), file),
            _ => None,
        };
        let is_here = span.unwrap().file() == file && !is_attribute(span);
        let all = inside.into_iter().chain(is_here.then_some(span));
        all.max_by_key(|span| Position::of(end(*span)))
    });
    spans.max_by_key(|span| Position::of(end(*span)))
}

/// The text from the beginning of one span to the beginning of another. Returns `None` unless `to`
/// is in the same file and not before `from`. The text is empty if there is no file, for example in
/// an editor that expands a buffer in memory.
pub(crate) fn text_between(from: Span, to: Span) -> Option<String> {
    let [first, after] = [Position::of(from), Position::of(to)];
    if from.unwrap().file() != to.unwrap().file() || first > after {
        return None;
    }
    let file = file_of(from).filter(|_| file_of(to).is_some());
    let text = file.map(|path| SourceFile::with(&path, |file| file.between(first, after)));
    Some(text.unwrap_or_default())
}

/// The file that `span` is in, if its text there is what was compiled.
///
/// The spans of a doc test name the file that contains it, but their positions are in the file that
/// rustdoc generates from it. A file may also have changed by the time it is read here.
fn file_of(span: Span) -> Option<PathBuf> {
    let compiled = span.source_text()?;
    let path = span.unwrap().local_file()?;
    let [first, after] = [span, end(span)].map(Position::of);
    let is_there = SourceFile::with(&path, |file| file.between(first, after) == compiled);
    is_there.then_some(path)
}

/// The line of the closing brace right after `span`, if there is one.
pub(crate) fn brace_after(span: Span) -> Option<u32> {
    let path = file_of(span)?;
    let end = Position::of(end(span));
    let (line, next) = SourceFile::with(&path, |file| file.next_after(end))?;
    (next == '}').then(|| u32::try_from(line).ok())?
}

/// The lines from `first` to `last` of the file that `span` is in, with the comments and spacing
/// that tokens lack. Returns `None` if the file isn't what was compiled.
pub(crate) fn lines(span: Span, first: u32, last: u32) -> Option<Vec<String>> {
    let path = file_of(span)?;
    let [first, last] = [first, last].map(|number| number as usize);
    let skipped = first.saturating_sub(1);
    let count = (last - first) + 1;
    let mut lines = SourceFile::with(&path, |file| file.lines(skipped, count));
    lines.resize(count, String::new());
    Some(lines)
}

/// The same lines, put together from the text of `tokens`, as they were compiled. Comments are
/// included only inside of brackets. Text that isn't known is left blank.
pub(crate) fn compiled_lines(
    tokens: TokenStream,
    file: &str,
    first: u32,
    last: u32,
) -> Vec<String> {
    let mut lines = vec![String::new(); (last - first) as usize + 1];
    let mut put = |span: Span| {
        let Some(text) = span.source_text() else {
            return false;
        };
        let begin = Position::of(span);
        let Some(skipped) = begin.line.checked_sub(first as usize) else {
            return false;
        };
        if span.unwrap().file() != file {
            return false;
        }
        for (index, text) in text.lines().enumerate() {
            let Some(line) = lines.get_mut(skipped + index) else {
                break;
            };
            let column = if index == 0 { begin.column - 1 } else { 0 };
            let before = line.chars().chain(std::iter::repeat(' ')).take(column);
            let after = line.chars().skip(column + text.chars().count());
            *line = before.chain(text.chars()).chain(after).collect();
        }
        true
    };
    put_all(tokens, &mut put);
    lines
}

fn put_all(tokens: TokenStream, put: &mut impl FnMut(Span) -> bool) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let is_put = group.delimiter() != Delimiter::None && put(group.span());
                if !is_put {
                    put_all(group.stream(), put);
                }
            }
            token => {
                put(token.span());
            }
        }
    }
}

/// `text` without the attributes that `cargo memprof` has inserted, which the user didn't write.
///
/// They begin with `#[`, a path that ends in `memprofile`, and `(inserted`, and contain no other
/// brackets.
pub(crate) fn without_inserted(text: String) -> String {
    const MARK: &str = "memprofile(inserted";
    if !text.contains(MARK) {
        return text;
    }
    let mut parts = text.split(MARK);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.truncate(kept.rfind("#[").unwrap_or(kept.len()));
        kept.push_str(part.split_once(")]").map_or(part, |(_, after)| after));
    }
    kept
}

/// What has to be added to a line number of a doc test, in the file that rustdoc generates, to get
/// the number in the file that contains the doc test.
///
/// Rustdoc passes this offset to the compiler for its messages. It is used only if the file has
/// `lines` there, the first of which has the number `first` in the generated file.
pub(crate) fn doc_test_offset(span: Span, first: u32, lines: &[String]) -> Option<i64> {
    let offset: i64 = env::var("UNSTABLE_RUSTDOC_TEST_LINE").ok()?.parse().ok()?;
    let path = span.unwrap().local_file()?;
    let skipped = usize::try_from(i64::from(first) + offset - 1).ok()?;
    let there = SourceFile::with(&path, |file| file.lines(skipped, lines.len()));
    // In the file, they are in a comment and may have the `#` of hidden lines.
    let are_same = |(there, line): (&String, &String)| there.trim_end().ends_with(line.trim());
    let is_there = there.len() == lines.len() && there.iter().zip(lines).all(are_same);
    is_there.then_some(offset)
}

/// A source file. The latest one is cached, for the next function in it.
struct SourceFile {
    path: PathBuf,
    modified: Option<SystemTime>,
    lines: Vec<String>,
}

thread_local! {
    static LATEST: RefCell<Option<SourceFile>> = const { RefCell::new(None) };
}

impl SourceFile {
    /// Calls `act` with a file, which is empty if it can't be read.
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
        // The compiler skips a byte order mark, too.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
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

    fn between(&self, first: Position, after: Position) -> String {
        let count = after.line - first.line + 1;
        let mut lines = self.lines(first.line - 1, count);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(after.column - 1).collect();
        }
        if let Some(line) = lines.first_mut() {
            *line = line.chars().skip(first.column - 1).collect();
        }
        lines.join("\n")
    }

    /// The first character at or after `position` that isn't blank, and its line.
    fn next_after(&self, position: Position) -> Option<(usize, char)> {
        let lines = self.lines.iter().enumerate().skip(position.line - 1);
        let mut skipped = position.column - 1;
        for (index, line) in lines {
            let mut rest = line.chars().skip(skipped);
            if let Some(next) = rest.find(|next| !next.is_whitespace()) {
                return Some((index + 1, next));
            }
            skipped = 0;
        }
        None
    }
}
