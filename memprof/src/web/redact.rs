//! What is not shown of a request: secrets, by their names.

use form_urlencoded::parse;
use http::header::{HeaderName, HeaderValue};
use std::borrow::Cow;
use std::iter;

/// What is shown in a secret's place.
pub(super) const DOTS: &str = "••••••";

/// Parts of names of what nobody else is to know.
const SECRET: [&str; 15] = [
    "authorization",
    "cookie",
    "credential",
    "csrf",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "private",
    "secret",
    "sessid",
    "session",
    "signature",
    "token",
    "xsrf",
];

/// Words that are less than a part: `author` and `monkey` are no secrets.
const SECRET_WORDS: [&str; 10] = [
    "accesskey",
    "apikey",
    "auth",
    "key",
    "otp",
    "pass",
    "pin",
    "pwd",
    "sess",
    "sid",
];

/// Whether what has this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let is_one = |word: &str| {
        SECRET_WORDS
            .iter()
            .any(|one| word.eq_ignore_ascii_case(one))
    };
    let whole = name.to_lowercase();
    SECRET.iter().any(|part| whole.contains(part)) || words(name).any(is_one)
}

/// The words of a name: of `X-Api-Key`, `api_key`, `apiKey` and `APIKey` the same two.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    words.flat_map(|word| {
        let mut rest = word;
        iter::from_fn(move || {
            let (word, after) = rest.split_at_checked(end_of_hump(rest))?;
            rest = after;
            (!word.is_empty()).then(|| word.trim_end_matches(|it: char| it.is_ascii_digit()))
        })
    })
}

/// Where the next word begins in a camel's name.
fn end_of_hump(name: &str) -> usize {
    let mut before: Option<char> = None;
    let mut letters = name.char_indices().peekable();
    while let Some((place, letter)) = letters.next() {
        let mut ends_capitals = || letters.peek().is_some_and(|(_, next)| next.is_lowercase());
        let begins = before.is_some_and(|before| !before.is_uppercase() || ends_capitals());
        if letter.is_uppercase() && begins {
            return place;
        }
        before = Some(letter);
    }
    name.len()
}

/// A header's value, as it may be shown.
pub(super) fn header<'a>(name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, str> {
    if value.is_sensitive() || is_secret(name.as_str()) {
        return Cow::Borrowed(DOTS);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    if has_address(name.as_str()) {
        return Cow::Owned(address(&text, is_secret));
    }
    text
}

/// Whether the value of a header of this name is, or has, an address.
pub(super) fn has_address(name: &str) -> bool {
    let names = ["location", "content-location", "link", "referer", "refresh"];
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// An address with dots for the secrets in its query and its fragment.
pub(super) fn address(text: &str, is_secret: impl Fn(&str) -> bool) -> String {
    let pairs = text.split_inclusive(['?', '&', '#']).map(|pair| {
        let end = pair.trim_end_matches(['?', '&', '#']).len();
        let (pair, separator) = pair.split_at(end);
        let name = parse(pair.as_bytes()).next().map(|(name, _)| name);
        match pair.split_once('=') {
            Some((written, _)) if name.is_some_and(|name| is_secret(&name)) => {
                format!("{written}={DOTS}{separator}")
            }
            _ => format!("{pair}{separator}"),
        }
    });
    pairs.collect()
}
