//! Values without quotes.

use super::decode::{Layer, is_in_name};
use super::looks::is_random;
use super::named::{MOST, Named, Value};
use super::names::{self, Kind, Names};

/// How long a name after a comma may be.
const NEXT_NAME: usize = 40;

/// A word with both letters and digits, unlike words of a sentence: `the password hunter2`.
pub(super) fn mixed_word(layer: &Layer, at: usize) -> Option<Value> {
    let length = layer.run(at, MOST, |it| it.is_ascii_graphic());
    let word = layer.part(at..at + length);
    let is_mixed = word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic);
    let is_name = !word.iter().any(|it| b"(=:/".contains(it));
    (is_mixed && is_name && length < MOST).then(|| Value::of(at..at + length, at + length))?
}

/// A value without quotes.
pub(super) fn bare(
    layer: &Layer,
    named: &Named<'_>,
    separator: usize,
    start: usize,
    known: &Names,
) -> Option<Value> {
    let is_sure = named.kind == Kind::Secret || named.is_quoted;
    let level = layer.level(separator);
    let ends = |at: usize| layer.level(at) <= level && ends_bare(layer, named, at);
    let near = (start..layer.len().min(start + MOST)).take_while(|at| !ends(*at));
    let near = start + near.count();
    let value = layer.part(start..near);
    let is_short = near < start + MOST;
    let colon = layer.byte(separator) == b':';
    let is_prose = match named.kind {
        Kind::Secret => false,
        Kind::IfRandom => !is_random(value),
        Kind::Ambiguous => {
            let counts = colon || names::is_key(named.name);
            !is_sure && !named.is_in_address && counts && is_prose(value)
        }
    };
    let is_count = names::is_plural(named.name) && value.iter().all(u8::is_ascii_digit);
    if is_short && (is_prose || is_count || is_nothing(layer, start) || is_place(value, known)) {
        return None;
    }
    let end = (near..layer.len()).find(|at| ends(*at));
    let end = if is_short {
        near
    } else {
        end.unwrap_or(layer.len())
    };
    Value::of(start..end, end)
}

/// Whether a value without quotes ends before this byte.
fn ends_bare(layer: &Layer, named: &Named<'_>, at: usize) -> bool {
    let next = layer.byte(at + 1);
    match layer.byte(at) {
        b' ' | b'\t' | b'\r' | b'\n' => {
            // More cookies of the header, or more digits of a card number.
            let is_in_number = layer.before(at).is_ascii_digit() && next.is_ascii_digit();
            !(names::is_cookie(named.name) && layer.before(at) == b';' || is_in_number)
        }
        b'&' => true,
        b'#' => named.is_in_form,
        b'"' | b'\'' | b'`' => !named.is_in_address && (at == 0 || !next.is_ascii_alphanumeric()),
        b'<' | b'>' => named.is_in_form && !named.is_in_address,
        b')' | b']' | b'}' => named.is_quoted,
        b',' | b';' => named.is_quoted || !named.is_in_form && begins_something(layer, at + 1),
        _ => false,
    }
}

/// Whether the text after a comma doesn't continue the value before it.
fn begins_something(layer: &Layer, at: usize) -> bool {
    if !layer.byte(at).is_ascii_alphanumeric() {
        return true;
    }
    let is_in = |it: u8| it.is_ascii_alphanumeric() || b"_-. ".contains(&it);
    let length = layer.run(at, NEXT_NAME, is_in);
    matches!(layer.byte(at + length), b'=' | b':')
}

/// Whether a value is a word of a sentence or of code.
fn is_prose(value: &[u8]) -> bool {
    let is_all = |is: fn(&u8) -> bool| value.iter().all(|it| is(it) || b".,!".contains(it));
    let is_code = value.iter().any(|it| b"(:/".contains(it)) && !is_random(value);
    is_all(u8::is_ascii_alphabetic) || is_all(u8::is_ascii_digit) || is_code
}

/// Whether the value is a word for none, such as `null`.
pub(super) fn is_nothing(layer: &Layer, at: usize) -> bool {
    let word = layer.part(at..at + layer.run(at, 12, is_in_name));
    let nothing: [&[u8]; 7] = [
        b"none",
        b"null",
        b"nil",
        b"true",
        b"false",
        b"undefined",
        b"default",
    ];
    nothing.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Whether a value is a placeholder or the name of a column: `?`, `$1`, `:password`,
/// `EXCLUDED.password`.
fn is_place(value: &[u8], known: &Names) -> bool {
    let value = str::from_utf8(value).unwrap_or_default();
    let value = value.trim_end_matches([')', ',', ';']);
    let is_name = |it: &str| {
        it.bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"_.".contains(&it))
    };
    if let Some((_, column)) = value.rsplit_once('.')
        && is_name(value)
    {
        return known.kind(column).is_some();
    }
    let inner = value.trim_start_matches(['?', '$', ':', '@', '%', '{', '(', '<']);
    let name = inner.trim_end_matches(['}', '>']).trim_end_matches(")s");
    let is_number = name.bytes().all(|it| it.is_ascii_digit());
    let is_letter = value == "%s" || value == "%d";
    is_letter
        || inner.len() < value.len() && (is_number || is_name(name) && known.kind(name).is_some())
}
