//! What is not shown of a request: secrets, by their names.

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
    String::from_utf8_lossy(value.as_bytes())
}
