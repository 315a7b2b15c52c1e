//! Values in quotes and in brackets.

use super::bare::is_nothing;
use super::decode::Layer;
use super::looks::is_random;
use super::named::{MOST, Named, Value, is_quote};
use super::names::{self, Kind};

/// The inside of quotes, to the end of the text if they aren't closed.
pub(super) fn quoted(layer: &Layer, named: &Named<'_>, at: usize) -> Option<Value> {
    let quote = layer.byte(at);
    let run = layer.run(at, 4, |it| it == quote);
    let after = layer.byte(at + run);
    let (start, end, length) = match run {
        // An empty string, unless the quotes are doubled inside quotes of the same kind.
        2 if !after.is_ascii_alphanumeric() => return None,
        2..=3 if named.kind == Kind::Secret => {
            let closes = |at: &usize| layer.run(*at, run, |it| it == quote) == run;
            let end = (at + run..layer.len()).find(closes);
            (at + run, end.unwrap_or(layer.len()), run)
        }
        _ => (at + 1, end_of_quote(layer, at), 1),
    };
    let inside = layer.part(start..end.min(start + MOST));
    let is_secret = match named.kind {
        Kind::Secret => true,
        Kind::IfRandom => is_random(inside),
        // Not that of a function: `"signature": "fn(u8) -> u8"`.
        Kind::Ambiguous => !(names::is_of_code(named.name) && inside.contains(&b'(')),
    };
    is_secret.then(|| Value::of(start..end, (end + length).min(layer.len())))?
}

/// Where the quote at `at` is closed.
fn end_of_quote(layer: &Layer, at: usize) -> usize {
    let (quote, level) = (layer.byte(at), layer.level(at));
    let is_doubled =
        |at: usize| layer.byte(at + 1) == quote && layer.level(at + 1) == layer.level(at);
    let mut end = at + 1;
    while end < layer.len() {
        let byte = layer.byte(end);
        if layer.level(end) <= level {
            if byte == b'\\' || byte == quote && is_doubled(end) {
                end += 2;
                continue;
            }
            if byte == quote {
                return end;
            }
        }
        end += 1;
    }
    layer.len()
}

/// A value in brackets, which the name of its type may precede.
pub(super) fn bracketed(layer: &Layer, named: &Named<'_>, at: usize) -> Option<Value> {
    let is_in_type = |it: u8| it.is_ascii_alphanumeric() || b"_:".contains(&it);
    let length = layer.run(at, MOST, is_in_type);
    let is_type = layer.byte(at).is_ascii_uppercase();
    let blanks = usize::from(is_type && layer.byte(at + length) == b' ');
    let open = at + length + blanks;
    let is_call = layer.byte(open) == b'(' && is_quote(layer.byte(open + 1));
    let is_open = b"([{".contains(&layer.byte(open)) && (length == 0 || is_type || is_call);
    if !is_open || named.is_in_form || named.kind == Kind::IfRandom || is_nothing(layer, at) {
        return None;
    }
    if length > 0 {
        let end = end_of_brackets(layer, open);
        return Value::of(at..end, end);
    }
    let value = inside_brackets(layer, open)?;
    // A placeholder of a format string: `{password}`.
    let is_in_place = |it: &u8| it.is_ascii_lowercase() || *it == b'_';
    let is_place = layer.byte(open) == b'{'
        && value.hidden.len() < 64
        && layer.part(value.hidden.clone()).iter().all(is_in_place);
    (!is_place).then_some(value)
}

pub(super) fn inside_brackets(layer: &Layer, open: usize) -> Option<Value> {
    let end = end_of_brackets(layer, open);
    let is_closed = end > open + 1 && matches!(layer.before(end), b')' | b']' | b'}');
    Value::of(open + 1..if is_closed { end - 1 } else { end }, end)
}

/// The place after the bracket that closes the one at `open`, ignoring brackets in strings.
fn end_of_brackets(layer: &Layer, open: usize) -> usize {
    let level = layer.level(open);
    let mut depth = 0_usize;
    let (mut is_quoted, mut is_escaped) = (false, false);
    for at in open..layer.len() {
        if layer.level(at) > level {
            is_escaped = false;
            continue;
        }
        let byte = layer.byte(at);
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            b'(' | b'[' | b'{' if !is_quoted => depth += 1,
            b')' | b']' | b'}' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_escaped = byte == b'\\' && !is_escaped;
        if depth == 0 {
            return at + 1;
        }
    }
    layer.len()
}
