//! Secrets in SQL that don't follow their names with a separator.

use super::decode::Layer;
use super::names::Names;
use std::ops::Range;

/// The longest distance between two words of a statement, in bytes.
const NEAR: usize = 256;

/// How many columns of a statement are inspected at most.
const COLUMNS: usize = 256;

/// The secret after `IDENTIFIED BY`, `IDENTIFIED WITH .. AS` and similar.
pub(super) fn identified(layer: &Layer, name: &str, end: usize) -> Option<Range<usize>> {
    if !name.eq_ignore_ascii_case("identified") {
        return None;
    }
    let mut at = layer.after_blanks(end, true);
    let mut is_by = false;
    for _ in 0..6 {
        let byte = layer.byte(at);
        if b"'\"`".contains(&byte) {
            let quoted = literal(layer, at);
            return Some(quoted.start + 1..quoted.end);
        }
        let word = layer.part(at..layer.end_of_name(at).min(at + NEAR));
        let is = |other: &[u8]| word.eq_ignore_ascii_case(other);
        if word.is_empty() {
            return None;
        }
        if is_by && !(is(b"password") || is(b"values") || is(b"random")) {
            return Some(at..layer.end_of_name(at));
        }
        is_by = is(b"by");
        at = layer.after_blanks(at + word.len(), true);
    }
    None
}

/// The secrets that a statement inserts.
#[derive(Debug)]
pub(super) struct Inserted {
    /// The values of columns with the names of secrets.
    pub(super) values: Vec<Range<usize>>,
    /// How far the statement was read.
    pub(super) end: usize,
}

/// Reads `INSERT INTO table (name, password) VALUES ('ada', 'x')` from its first word on.
pub(super) fn inserted(layer: &Layer, name: &str, end: usize, names: &Names) -> Option<Inserted> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if !(is("insert") || is("replace")) {
        return None;
    }
    let open = find(layer, end, |byte| b"(;".contains(&byte))?;
    let (columns, end) = items(layer, open, COLUMNS)?;
    let secret = |column: &Range<usize>| {
        let column = String::from_utf8_lossy(layer.part(column.clone()));
        column.len() < NEAR && names.kind(&column).is_some()
    };
    let secret: Vec<bool> = columns.iter().map(secret).collect();
    let mut inserted = Inserted {
        values: Vec::new(),
        end,
    };
    let Some(mut open) = find(layer, end, |byte| b"(;".contains(&byte)) else {
        return Some(inserted);
    };
    let between = layer.part(end..open).to_ascii_lowercase();
    if !secret.contains(&true) || !between.trim_ascii_end().ends_with(b"values") {
        return Some(inserted);
    }
    while let Some((values, end)) = items(layer, open, COLUMNS) {
        let pairs = values.into_iter().zip(&secret);
        let pairs = pairs.filter(|(value, is_secret)| **is_secret && is_literal(layer, value));
        inserted.values.extend(pairs.map(|(value, _)| value));
        inserted.end = end;
        let comma = layer.after_blanks(end, true);
        open = layer.after_blanks(comma + 1, true);
        if layer.byte(comma) != b',' {
            break;
        }
    }
    Some(inserted)
}

fn find(layer: &Layer, at: usize, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let mut near = at..layer.len().min(at + NEAR);
    near.find(|at| is_it(layer.byte(*at)))
}

/// The items of a list in brackets, and where the list ends.
fn items(layer: &Layer, open: usize, most: usize) -> Option<(Vec<Range<usize>>, usize)> {
    (layer.byte(open) == b'(').then_some(())?;
    let mut found = Vec::new();
    let mut start = layer.after_blanks(open + 1, true);
    let mut depth = 1_u32;
    let mut at = start;
    while at < layer.len() {
        match layer.byte(at) {
            b'\'' | b'"' | b'`' => at = literal(layer, at).end,
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            _ => {}
        }
        let is_comma = depth == 1 && layer.byte(at) == b',';
        if is_comma || depth == 0 {
            found.push(start..at);
            start = layer.after_blanks(at + 1, true);
        }
        at += 1;
        if depth == 0 || found.len() > most {
            return Some((found, at));
        }
    }
    found.push(start..layer.len());
    Some((found, layer.len()))
}

/// From an opening quote to its closing one, or to the end of the text.
fn literal(layer: &Layer, start: usize) -> Range<usize> {
    let (quote, level) = (layer.byte(start), layer.level(start));
    let mut at = start + 1;
    while at < layer.len() {
        if layer.byte(at) == quote && layer.level(at) <= level {
            if layer.byte(at + 1) != quote {
                return start..at;
            }
            at += 1;
        }
        at += 1;
    }
    start..layer.len()
}

/// Whether this is a literal, and not a placeholder or a word.
fn is_literal(layer: &Layer, value: &Range<usize>) -> bool {
    let value = layer.part(value.clone());
    value.first().is_some_and(u8::is_ascii_digit) || value.iter().any(|it| b"'\"".contains(it))
}
