//! What is not shown of a request: secrets, by their names.

use form_urlencoded::parse;
use http::header::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// What is shown in a secret's place.
pub(super) const DOTS: &str = "••••••";

/// Parts of names of what nobody else is to know.
const SECRET: [&str; 14] = [
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
    "session",
    "signature",
    "token",
    "xsrf",
];

/// Whether what has this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = || name.split(|c: char| !c.is_alphanumeric());
    SECRET.iter().any(|part| name.contains(part))
        || words().any(|word| matches!(word, "key" | "apikey" | "accesskey" | "pin" | "otp"))
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
