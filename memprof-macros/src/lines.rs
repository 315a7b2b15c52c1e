//! Which lines are a function's, and which of them can be opened.
//!
//! Those from its first attribute to its closing brace, as people wrote them. What
//! other macros have made of a function says the same of itself with less right: an
//! attribute may give what it puts in the place of a word of the user's, and a
//! `macro_rules!` may put a body to a head from another place.

use crate::first_token::Start;
use crate::macro_fragments::Fragments;
use crate::source::{self, Position};
use proc_macro2::extra::DelimSpan;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::HashMap;
use syn::{Block, Stmt};

/// The beginning of a function.
pub(crate) struct Head {
    /// The word `fn`.
    pub(crate) fn_token: Span,
    /// Attributes, visibility, the word `fn` and the name.
    pub(crate) all: Vec<Span>,
}

/// The body of a function, as text.
struct Body {
    /// Its brace, or if nobody wrote that the first thing that somebody did.
    begin: Span,
    /// All of it, if it has braces that somebody wrote; or what it begins with.
    whole: Span,
    /// Where its first statement can be.
    inside: Position,
    last: u32,
    /// The line of the brace that closes it.
    close: Option<u32>,
    /// Where the brace is that stands for that one, if a `macro_rules!` has put its own
    /// around what it was given.
    other_close: Option<Position>,
    /// Whether the head is somewhere else.
    is_apart: bool,
}

impl Body {
    /// Finds a body, the statements of which begin at `starts`.
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

    /// A body without braces of its own, up to the last of `tokens`.
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

    /// The line of the first of `head` that stands before the body.
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

/// The statements that a `macro_rules!` was given for a body with braces of its own.
struct Given {
    begin: Span,
    tokens: TokenStream,
}

impl Given {
    /// Finds them in `block`, the statements of which begin at `starts`; nothing if most
    /// of them, and the last, are the macro's.
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
        // Not a `$name` that the macro's own text goes on after, or ends with.
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

/// Whether `text` closes a bracket that it hasn't opened, as it does from within a
/// `macro_rules!` to where that is used.
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

/// The lines of the source that a function takes up, and those among them that
/// can be opened.
pub(crate) struct Lines<'a> {
    fragments: &'a Fragments,
    file: String,
    first: u32,
    body: Body,
    /// The numbers of the lines that can be opened, in the order in which they
    /// were met; the first is that of the table's first row.
    opened: Vec<u32>,
    /// Where each of them is there.
    places: HashMap<u32, u32>,
    /// Whether there is a statement or an expression that is in the source.
    have_code: bool,
}

impl<'a> Lines<'a> {
    /// The lines of a function, the statements of which begin at `starts`.
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

    /// The place of the line of what begins at `start`, among those that can be opened.
    ///
    /// What a `macro_rules!` has put in has the line that it is named on or ends on, if
    /// that is one of the function's, or else that at `around`, on which what it stands
    /// in begins. What an attribute has put in has none: it stands nowhere but on the
    /// attribute.
    pub(crate) fn place(&mut self, start: &Start, around: u32) -> Option<u32> {
        let place = match self.number(start) {
            Some(number) => self.place_of(number),
            None => (start.is_written() == Some(true)).then_some(around),
        };
        self.have_code |= place.is_some();
        place
    }

    /// Whether something of the body that was asked for its [place](Self::place) is in the
    /// source, and not put in by an attribute.
    pub(crate) fn have_code(&self) -> bool {
        self.have_code
    }

    /// Whether two things begin on one line.
    pub(crate) fn are_on_one(&self, first: &Start, second: &Start) -> bool {
        self.number(first) == self.number(second)
    }

    /// Whether what begins at `start` has a line.
    pub(crate) fn is_on_a_line(&self, start: &Start) -> bool {
        self.number(start).is_some() || start.is_written() == Some(true)
    }

    /// The place of the line on which a block of the user's statements is closed.
    ///
    /// None where that is in another function. Where an attribute has put its own braces
    /// around the statements, it is the body's.
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

    /// The place of the line of a word in the head, as of `fn`.
    pub(crate) fn place_in_head(&mut self, word: Span) -> u32 {
        let number = self.number_in_head(word);
        self.place_of(number).unwrap_or(0)
    }

    /// Its number: that of the first line, if it is on none of them.
    pub(crate) fn number_in_head(&self, word: Span) -> u32 {
        let number = source::line(word);
        let is_here =
            (self.first..=self.body.last).contains(&number) && word.unwrap().file() == self.file;
        if is_here { number } else { self.first }
    }

    /// The number of the line of what begins at `start`, or is named or ends, in the body.
    fn number(&self, start: &Start) -> Option<u32> {
        if start.is_put_in() {
            return None;
        }
        let named_at = || self.fragments.named_at(start.span);
        self.number_here(start.span)
            .or_else(|| self.number_here(named_at()?))
            .or_else(|| self.number_here(start.semicolon?))
    }

    /// The number of the line that `span` is on, if it is one of the body's.
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

    /// The lines' text, comments and all; that of `item`, the function, which the
    /// attribute at `attribute` is on, where the file has another.
    pub(crate) fn text(&self, item: &impl ToTokens, attribute: Option<Span>) -> Text {
        let [first, last] = [self.first, self.body.last];
        if let Some(lines) = source::lines(self.body.whole, first, last) {
            return Text {
                source: lines.join("\n"),
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
            source: lines.join("\n"),
            offset: offset.unwrap_or(0),
            is_of_the_file: offset.is_some() || is_unknown,
        }
    }
}

/// The text of a function.
pub(crate) struct Text {
    pub(crate) source: String,
    /// What is to be added to the lines' numbers, for them to be the file's.
    offset: i64,
    /// Whether the numbers are the file's then, as far as is known.
    pub(crate) is_of_the_file: bool,
}

impl Text {
    /// The number that a line has for people.
    pub(crate) fn number(&self, number: u32) -> u32 {
        u32::try_from(i64::from(number) + self.offset).unwrap_or(number)
    }
}
