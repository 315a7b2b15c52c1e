//! Finds the value of a name, in any notation.

use super::bare::{bare, is_nothing, mixed_word};
use super::decode::{Layer, is_in_name};
use super::enclosed::{bracketed, inside_brackets, quoted};
use super::named::{MOST, Named, Value, is_quote};
use super::names::{self, Kind, Names};

/// The text between a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    /// `=`, `:`, `=>`, `->` or `:=`.
    Sets,
    /// A comparison, such as `<>`, `LIKE` or `IN`.
    Compares,
    /// The comma of `("name", "value")`.
    Comma,
    /// The bracket of `Name("value")`.
    Bracket,
    /// Blanks, as in `PASSWORD 'value'`.
    Nothing,
    /// Blanks after `--name`.
    Flag,
}

/// The value of a name, if there is one and it is a secret.
pub(super) fn of(layer: &Layer, named: &Named<'_>, known: &Names) -> Option<Value> {
    let (between, separator, after) = between(layer, named)?;
    if let Some(value) = whole_line(layer, named, between, after) {
        return Some(value);
    }
    let over_lines = named.is_quoted || between == Between::Bracket;
    let at = layer.after_blanks(after, over_lines);
    let quote = after_prefix(layer, at).filter(|at| is_quote(layer.byte(*at)));
    match between {
        Between::Sets | Between::Flag => match quote {
            Some(quote) => quoted(layer, named, quote),
            None => {
                bracketed(layer, named, at).or_else(|| bare(layer, named, separator, at, known))
            }
        },
        Between::Compares => match (quote, layer.byte(at)) {
            (Some(quote), _) => quoted(layer, named, quote),
            (None, b'(') if is_quote(layer.byte(layer.after_blanks(at + 1, true))) => {
                bracketed(layer, named, at)
            }
            _ => None,
        },
        Between::Nothing => match quote {
            Some(quote) => quoted(layer, named, quote),
            None => mixed_word(layer, at),
        },
        Between::Bracket => {
            // In `session.insert("a")`, the argument needn't be a secret because of `session`.
            let name = named.name.rsplit('.').next().unwrap_or_default();
            let kind = known.kind(name)?;
            let is_type = name.starts_with(char::is_uppercase);
            let is_value = quote.is_some() && (is_type || kind == Kind::Secret)
                || is_type && matches!(layer.byte(at), b'[' | b'0'..=b'9');
            is_value.then(|| inside_brackets(layer, separator))?
        }
        Between::Comma => second_of_pair(layer, named, separator, at, quote, known),
    }
}

/// What follows a name, where it begins and where it ends.
fn between(layer: &Layer, named: &Named<'_>) -> Option<(Between, usize, usize)> {
    let after = after_index(layer, named.end);
    let at = layer.after_blanks(after, named.is_quoted);
    let has_blanks = at > after;
    let is = |between, length| Some((between, at, at + length));
    match layer.from(at) {
        [b':', b':', ..] => None,
        [b'=' | b'-', b'>', ..] | [b':', b'=', ..] => is(Between::Sets, 2),
        [b'=' | b'!', b'=', b'=', ..] => is(Between::Compares, 3),
        [b'=' | b'!' | b'<' | b'>', b'=', ..] | [b'<', b'>', ..] | [b'=' | b'!', b'~', ..] => {
            is(Between::Compares, 2)
        }
        [b'=' | b':', ..] => is(Between::Sets, 1),
        [b',', ..] if named.is_quoted => is(Between::Comma, 1),
        [b'(', ..] if !has_blanks => is(Between::Bracket, 1),
        [b'"' | b'\'', ..] if has_blanks && names::is_password(named.name) => {
            is(Between::Nothing, 0)
        }
        [b'-', ..] => None,
        _ if has_blanks && named.name.starts_with('-') => is(Between::Flag, 0),
        _ if has_blanks && names::is_password(named.name) => {
            after_operator(layer, at).or_else(|| is(Between::Nothing, 0))
        }
        _ if has_blanks => after_operator(layer, at),
        _ => None,
    }
}

/// The words of a comparison, or those of `SET PASSWORD FOR .. =`.
fn after_operator(layer: &Layer, at: usize) -> Option<(Between, usize, usize)> {
    let words: [&[u8]; 12] = [
        b"between", b"eq", b"glob", b"ilike", b"in", b"is", b"like", b"not", b"regexp", b"rlike",
        b"similar", b"to",
    ];
    let mut end = at;
    for _ in 0..3 {
        let word = layer.part(end..end + layer.run(end, 10, is_in_name));
        let word = word.to_ascii_lowercase();
        if word == b"for" {
            let set = end + layer.run(end, MOST, |it| it != b'=');
            return (layer.byte(set) == b'=').then_some((Between::Sets, set, set + 1));
        }
        if !words.contains(&&*word) {
            break;
        }
        end = layer.after_blanks(end + word.len(), false);
    }
    (end > at).then_some((Between::Compares, at, end))
}

/// The place after a form's `[]` or `[0]`, or after the `]` of a name inside brackets.
fn after_index(layer: &Layer, at: usize) -> usize {
    match layer.from(at) {
        [b']', ..] => at + 1,
        [b'[', ..] => {
            let end = at + 1 + layer.run(at + 1, 8, |it| it.is_ascii_digit());
            if layer.byte(end) == b']' { end + 1 } else { at }
        }
        _ => at,
    }
}

/// The rest of a header's line, since its value may have several words and quotes.
fn whole_line(layer: &Layer, named: &Named<'_>, between: Between, after: usize) -> Option<Value> {
    let start = layer.after_blanks(after, false);
    let is_cookie = names::is_cookie(named.name);
    let is_header = is_cookie || names::is_header(named.name) && layer.before(after) == b':';
    let begins_value = !is_quote(layer.byte(start)) && !b"[{(".contains(&layer.byte(start));
    let is_whole = is_header && begins_value && !named.is_quoted && !named.is_in_form;
    if !is_whole || between != Between::Sets || is_nothing(layer, start) {
        return None;
    }
    let quote = layer.before(named.start);
    let ends = |at: &usize| match layer.byte(*at) {
        b'\r' | b'\n' => true,
        b'\\' => matches!(layer.byte(*at + 1), b'r' | b'n' | b'"'),
        byte => {
            let next = layer.byte(*at + 1);
            is_quote(quote) && byte == quote && !next.is_ascii_alphanumeric()
        }
    };
    let end = (start..layer.len()).find(ends).unwrap_or(layer.len());
    Value::of(start..end, end)
}

/// The place after the prefix of a string, as in `b"x"`, `r#"x"#` and `N'x'`.
fn after_prefix(layer: &Layer, at: usize) -> Option<usize> {
    let letters = layer.run(at, 3, |it| b"bBcCeEfFnNrRuUxX&".contains(&it));
    let hashes = layer.run(at + letters, 4, |it| it == b'#');
    (letters < 3).then_some(at + letters + hashes)
}

/// The second item of `("name", "value")`, unless that is a list.
fn second_of_pair(
    layer: &Layer,
    named: &Named<'_>,
    comma: usize,
    at: usize,
    quote: Option<usize>,
    known: &Names,
) -> Option<Value> {
    let mut before = named.start.saturating_sub(1);
    while layer.before(before).is_ascii_whitespace() {
        before -= 1;
    }
    let is_flag = named.name.starts_with('-');
    let opening = layer.before(before);
    if opening == b',' && !is_flag {
        return None;
    }
    let bracketed = bracketed(layer, named, at).filter(|_| quote.is_none());
    if bracketed.is_some() {
        return bracketed;
    }
    let value = match quote {
        Some(quote) => quoted(layer, named, quote),
        None => bare(layer, named, comma, at, known),
    }?;
    let after = layer.byte(layer.after_blanks(value.end, true));
    let text = layer.part(value.hidden.start..value.hidden.end.min(value.hidden.start + MOST));
    let is_name = known.kind(&String::from_utf8_lossy(text)).is_some();
    let is_next = quote.is_none() && text.ends_with(b":");
    let is_list = is_name && (opening == b'[' || after == b',');
    (is_flag || !is_list && !is_next && after != b':').then_some(value)
}
