//! The lines of a function, and which of them can be opened.
//!
//! A function's lines reach from its first attribute to its closing brace in the source. Tokens
//! that other macros have inserted can have misleading spans: an attribute may give its tokens the
//! span of one of the user's, and a `macro_rules!` macro may combine a head and a body from
//! different places.
//!
//! A line is identified by its number in the file, and in generated code by its place: its index in
//! the list of lines that can be opened.

use crate::first_token::Start;
use crate::macro_fragments::Fragments;
use crate::source::{self, Position};
use proc_macro2::extra::DelimSpan;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::HashMap;
use syn::{Block, Stmt};

/// The spans of a function's head.
pub(crate) struct Head {
    /// The keyword `fn`.
    pub(crate) fn_token: Span,
    /// Attributes, visibility, the keyword `fn` and the name.
    pub(crate) all: Vec<Span>,
}

/// Where the body of a function is in the source.
struct Body {
    /// The opening brace or, if it isn't in the source, the first token that is.
    begin: Span,
    /// The whole body if its braces are in the source; otherwise the same as `begin`.
    whole: Span,
    /// The first position where a statement can be.
    inside: Position,
    /// The number of the last line.
    last: u32,
    /// The number of the line of the closing brace.
    close: Option<u32>,
    /// The position of the closing brace of a `macro_rules!` macro that has put its own braces
    /// around the statements passed to it.
    other_close: Option<Position>,
    /// Whether the head is in another place than the body.
    is_apart: bool,
}

impl Body {
    /// Finds a body whose statements begin at `starts`.
    fn find(fn_token: Span, block: &Block, starts: &[Start], fragments: &Fragments) -> Self {
        let braces = block.brace_token.span;
        let [open, close] = [braces.open(), source::close(braces)];
        if !source::are_written(braces) {
            let inside = Position::of(fn_token).next();
            return Self::of_tokens(block.to_token_stream(), fn_token, inside);
        }
        let has_gaps = || source::text_between(open, close).is_some_and(|text| text.contains('$'));
        if let Some(given) = Given::find(block, starts, fragments)
            && has_gaps()
        {
            // `fn $name() { $($body)* }`
            return Self {
                other_close: Some(Position::of(close)),
                is_apart: true,
                ..Self::of_tokens(given.tokens, given.begin, Position::of(given.begin))
            };
        }
        let before = source::text_between(fn_token, open);
        Self {
            begin: open,
            whole: braces.join(),
            inside: Position::of(open).next(),
            last: source::line(close),
            close: Some(source::line(close)),
            other_close: None,
            // `fn $name() $body`
            is_apart: before.is_none_or(|text| text.contains('$') && leaves_a_group(&text)),
        }
    }

    /// A body whose braces aren't in the source. It ends with the last of `tokens`.
    fn of_tokens(tokens: TokenStream, begin: Span, inside: Position) -> Self {
        let file = begin.unwrap().file();
        let last = source::last(tokens, &file).unwrap_or(begin);
        let close = source::brace_after(last);
        Self {
            begin,
            whole: begin,
            inside,
            last: close.unwrap_or(source::line(source::end(last))),
            close,
            other_close: None,
            is_apart: false,
        }
    }

    /// The number of the first line: that of the first span of `head` before the body.
    fn first_line(&self, head: &Head) -> u32 {
        let file = self.begin.unwrap().file();
        let begin = Position::of(self.begin);
        let is_of_body = |span: Span| {
            let text = source::text_between(span, self.begin);
            text.is_some_and(|text| !leaves_a_group(&text))
        };
        let lines = head
            .all
            .iter()
            .filter(|span| span.unwrap().file() == file && Position::of(**span) <= begin)
            .filter(|span| !self.is_apart || is_of_body(**span))
            .map(|span| source::line(*span));
        lines.min().unwrap_or(source::line(self.begin))
    }
}

/// The statements that were passed to a `macro_rules!` macro which has put its own braces around
/// them.
struct Given {
    begin: Span,
    tokens: TokenStream,
}

impl Given {
    /// Finds them in `block`, whose statements begin at `starts`. Returns `None` if the last
    /// statement and at least half of all are the macro's own.
    fn find(block: &Block, starts: &[Start], fragments: &Fragments) -> Option<Self> {
        let braces = block.brace_token.span;
        let [open, close] = [braces.open(), source::close(braces)];
        let is_outside = |span: Span| !source::is_between(span, open, close);
        let first = starts.first()?;
        if first.is_written() == Some(true) && starts.iter().all(|start| is_outside(start.span)) {
            return Some(Self {
                begin: first.span,
                tokens: block.stmts.last().to_token_stream(),
            });
        }
        // Excludes a `$name` that is only part of a statement of the macro's own text.
        let is_given = |stmt: &&Stmt| {
            let tokens: Vec<_> = stmt.to_token_stream().into_iter().collect();
            Start::of_stmt(stmt).is_some_and(|start| {
                tokens.len() > 1
                    && start.is_written() != Some(false)
                    && is_outside(start.span)
                    && tokens.last().is_some_and(|last| is_outside(last.span()))
                    && !fragments.have(start.span)
            })
        };
        let given: Vec<&Stmt> = block.stmts.iter().filter(is_given).collect();
        let is_last = block.stmts.last().is_some_and(|last| is_given(&last));
        if !is_last && 2 * given.len() <= block.stmts.len() {
            return None;
        }
        let begins = given.iter().filter_map(|stmt| Start::of_stmt(stmt));
        let begins = begins.map(|start| start.span);
        Some(Self {
            begin: begins.min_by_key(|span| Position::of(*span))?,
            tokens: given.iter().map(ToTokens::to_token_stream).collect(),
        })
    }
}

/// Whether `text` closes a bracket that it hasn't opened, as does the text between the inside of a
/// `macro_rules!` definition and a use of the macro.
fn leaves_a_group(text: &str) -> bool {
    let mut depth = 0_u32;
    text.chars().any(|letter| {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return true,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        false
    })
}

/// The source lines of a function, and those of them that can be opened.
pub(crate) struct Lines<'a> {
    fragments: &'a Fragments,
    file: String,
    first: u32,
    body: Body,
    /// The numbers of the lines that can be opened, in the order in which they were found. The
    /// first is that of the table's first row.
    opened: Vec<u32>,
    /// The index of each of them in `opened`.
    places: HashMap<u32, u32>,
    /// Whether a statement or an expression of the body is in the source.
    have_code: bool,
}

impl<'a> Lines<'a> {
    /// The lines of a function whose statements begin at `starts`.
    pub(crate) fn new(
        head: &Head,
        block: &Block,
        starts: &[Start],
        fragments: &'a Fragments,
    ) -> Self {
        let mut body = Body::find(head.fn_token, block, starts, fragments);
        let first = body.first_line(head);
        body.last = body.last.max(first);
        Self {
            fragments,
            file: body.begin.unwrap().file(),
            first,
            body,
            opened: vec![first],
            places: HashMap::from([(first, 0)]),
            have_code: false,
        }
    }

    /// The place of the line of the code that begins at `start`.
    ///
    /// Code that a `macro_rules!` macro has substituted is on the line that names it or on which it
    /// ends, if that is a line of the function; otherwise on the line at `around`, where the
    /// statement around it begins. Code that an attribute has inserted has no line.
    pub(crate) fn place(&mut self, start: &Start, around: u32) -> Option<u32> {
        let place = match self.number(start) {
            Some(number) => self.place_of(number),
            None => (start.is_written() == Some(true)).then_some(around),
        };
        self.have_code |= place.is_some();
        place
    }

    /// Whether [`place`](Self::place) has found code of the body that is in the source, and not
    /// inserted by an attribute.
    pub(crate) fn have_code(&self) -> bool {
        self.have_code
    }

    /// Whether both begin on the same line.
    pub(crate) fn are_on_one(&self, first: &Start, second: &Start) -> bool {
        self.number(first) == self.number(second)
    }

    /// Whether the code that begins at `start` has a line.
    pub(crate) fn is_on_a_line(&self, start: &Start) -> bool {
        self.number(start).is_some() || start.is_written() == Some(true)
    }

    /// The place of the line on which a block of the user's statements is closed.
    ///
    /// Returns `None` if that is outside of the function. If an attribute has put its own braces
    /// around the statements, it is the line on which the body is closed.
    pub(crate) fn place_of_close(&mut self, braces: DelimSpan) -> Option<u32> {
        let close = source::close(braces);
        let is_bodys = self.body.other_close == Some(Position::of(close));
        let number = if is_bodys || !source::are_written(braces) {
            self.body.close
        } else {
            self.number_here(close)
        };
        self.place_of(number?)
    }

    /// The place of the line of a token in the head, such as `fn`.
    pub(crate) fn place_in_head(&mut self, word: Span) -> u32 {
        let number = self.number_in_head(word);
        self.place_of(number).unwrap_or(0)
    }

    /// The number of that line, or of the first line if the token is outside of the function.
    pub(crate) fn number_in_head(&self, word: Span) -> u32 {
        let number = source::line(word);
        let is_here =
            (self.first..=self.body.last).contains(&number) && word.unwrap().file() == self.file;
        if is_here { number } else { self.first }
    }

    /// The number of the line on which code begins, is named by a macro, or ends, whichever is
    /// found first in the body.
    fn number(&self, start: &Start) -> Option<u32> {
        if start.is_put_in() {
            return None;
        }
        let named_at = || self.fragments.named_at(start.span);
        self.number_here(start.span)
            .or_else(|| self.number_here(named_at()?))
            .or_else(|| self.number_here(start.semicolon?))
    }

    /// The number of the line that `span` is on, if it is a line of the body.
    fn number_here(&self, span: Span) -> Option<u32> {
        let number = source::line(span);
        let is_here = number <= self.body.last
            && Position::of(span) >= self.body.inside
            && span.unwrap().file() == self.file;
        is_here.then_some(number)
    }

    fn place_of(&mut self, number: u32) -> Option<u32> {
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

    /// The text of the lines, including comments. If the file's text isn't what was compiled, the
    /// text is that of the tokens of `item`, the function, and of the attribute on it.
    pub(crate) fn text(&self, item: &impl ToTokens, attribute: Option<Span>) -> Text {
        let [first, last] = [self.first, self.body.last];
        if let Some(lines) = source::lines(self.body.whole, first, last) {
            return Text {
                source: source::without_inserted(lines.join("\n")),
                offset: 0,
                is_of_the_file: true,
            };
        }
        let mut tokens = item.to_token_stream();
        tokens.extend(attribute.map(|span| TokenTree::Ident(Ident::new("memprofile", span))));
        let lines = source::compiled_lines(tokens, &self.file, first, last);
        let whole = self.body.whole;
        let offset = source::doc_test_offset(whole, first, &lines);
        let is_unknown = whole.unwrap().local_file().is_none() || whole.source_text().is_none();
        Text {
            source: source::without_inserted(lines.join("\n")),
            offset: offset.unwrap_or(0),
            is_of_the_file: offset.is_some() || is_unknown,
        }
    }
}

/// The source text of a function.
pub(crate) struct Text {
    pub(crate) source: String,
    /// What has to be added to line numbers to get those of the file.
    offset: i64,
    /// Whether the resulting numbers are those of the file, as far as is known.
    pub(crate) is_of_the_file: bool,
}

impl Text {
    /// The number of a line in the file, as it is shown to users.
    pub(crate) fn number(&self, number: u32) -> u32 {
        u32::try_from(i64::from(number) + self.offset).unwrap_or(number)
    }
}
