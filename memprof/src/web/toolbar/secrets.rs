//! What is not shown: by its name, by its looks, and by its type.

use crate::web::redact;
pub(super) use crate::web::redact::{DOTS, is_secret as is_secret_name};
use regex::Regex;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Which names are those of secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    /// Those of the user's, plain.
    more: Vec<String>,
}

impl Secrets {
    pub(super) fn add(&mut self, part: &str) {
        self.more.push(plain(part));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let is_users = || {
            let name = plain(name);
            self.more.iter().any(|part| name.contains(part))
        };
        is_secret_name(name) || is_users()
    }

    /// The value that is shown under a name.
    pub(super) fn shown<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if self.has(name) && !value.is_empty() {
            Cow::Borrowed(DOTS)
        } else if redact::has_address(name) {
            Cow::Owned(self.address(value))
        } else {
            without_secrets(value)
        }
    }

    /// An address that is shown.
    pub(super) fn address(&self, text: &str) -> String {
        let address = redact::address(text, |name| self.has(name));
        without_secrets(&address).into_owned()
    }
}

/// A text with dots in place of what looks like a secret: tokens of the forms JWT and
/// bearer, private keys, passwords in URLs and their hashes, and what is said to be one, as
/// in `password=x`, `password: Some("x")` or `"password":"x"`.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    static LOOKS: LazyLock<Regex> = LazyLock::new(|| {
        let looks = [
            // Up to the last `@`, since a password may have some.
            r"(?P<url>\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:)[^\s/'\x22]+(?P<host>@)",
            r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
            r"(?P<bearer>\b(?i:bearer|basic) +)[A-Za-z0-9._~+/-]{8,}=*",
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            r"\$(?:argon2[a-z]*|2[abxy]|scrypt|pbkdf2[a-z0-9-]*|5|6|y)\$[^\s'\x22]{8,}",
        ];
        Regex::new(&looks.join("|")).expect("it is well formed")
    });
    // Most have none of what all of them have one of.
    let may_have = text.contains([':', '$', '=', '.', '-'])
        || text.as_bytes().windows(6).any(|word| {
            word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic ")
        });
    if !may_have {
        return Cow::Borrowed(text);
    }
    match LOOKS.replace_all(text, "${url}${bearer}••••••${host}") {
        Cow::Borrowed(text) => without_named(text).map_or(Cow::Borrowed(text), Cow::Owned),
        Cow::Owned(text) => Cow::Owned(without_named(&text).unwrap_or(text)),
    }
}

/// A text with dots for the values in it that have a secret's name; nothing if there are
/// none.
fn without_named(text: &str) -> Option<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| {
        let name = r"([A-Za-z][\w.-]*)\\*[\x22'`]?\]?[ \t]*(=>|[:=])[ \t]*";
        Regex::new(name).expect("it is well formed")
    });
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = NAME.captures_at(text, at) {
        let (whole, [name, separator]) = (found.get(0)?.end(), found.extract().1);
        let rest = text.get(whole..).unwrap_or("");
        at = whole;
        if is_secret_name(name)
            && let Some(value) = value(name, separator, rest)
        {
            shown.push_str(text.get(copied..whole + value.start).unwrap_or(""));
            shown.push_str(DOTS);
            copied = whole + value.end;
            at = copied;
        }
    }
    shown.push_str(text.get(copied..).unwrap_or(""));
    (copied > 0).then_some(shown)
}

/// Where the value of a secret is in what comes after its name, if it is one.
fn value(name: &str, separator: &str, rest: &str) -> Option<Range<usize>> {
    static QUOTED: LazyLock<Regex> = LazyLock::new(|| {
        let within = [
            // As a string in a string is.
            r"\\+\x22(.*?)(?:\\+\x22|$)",
            r"\x22((?:[^\x22\\]|\\.)*)",
            r"'((?:[^'\\]|\\.|'')*)",
            // The bytes of one, or a type around it.
            r"(?:\w+ ?)?(?<bracket>[\[{])",
        ];
        let quoted = format!(r"(?s)^(?:\w+\(\s*)*b?(?:{})", within.join("|"));
        Regex::new(&quoted).expect("it is well formed")
    });
    if let Some(found) = QUOTED.captures(rest) {
        if let Some(bracket) = found.name("bracket") {
            let start = bracket.start();
            return Some(start..start + bracketed_len(rest.get(start..)?));
        }
        let inside = found.iter().skip(1).flatten().next()?;
        return Some(inside.range()).filter(|range| !range.is_empty());
    }
    // First, since it may be said again and again in one long word.
    if is_prose(name, separator) || rest.starts_with([':', '=']) {
        return None;
    }
    // A header's value is all of its line.
    let is_header = ["authorization", "cookie"]
        .iter()
        .any(|header| separator == ":" && name.to_lowercase().ends_with(header));
    let end = if is_header {
        rest.find(['\r', '\n', '\'', '"'])
    } else {
        rest.find(|it: char| it.is_whitespace() || "&;,'\"".contains(it))
    };
    let end = end.unwrap_or(rest.len());
    let bare = rest.get(..end).filter(|bare| !bare.is_empty())?;
    is_value(name, bare).then_some(0..end)
}

/// How long what `text` begins with in brackets is, strings in it and all; all of it if they
/// aren't closed.
fn bracketed_len(text: &str) -> usize {
    let mut depth = 0_u32;
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !is_escaped => is_quoted = !is_quoted,
            '[' | '{' if !is_quoted => depth += 1,
            ']' | '}' if !is_quoted => depth -= 1,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn is_one(of: &[&str], text: &str) -> bool {
    of.iter().any(|it| text.eq_ignore_ascii_case(it))
}

/// Whether what comes after a name is hardly a secret where it isn't in quotes.
fn is_prose(name: &str, separator: &str) -> bool {
    is_one(&["key"], name)
        || separator == ":" && is_one(&["auth", "pass", "private", "session"], name)
}

/// Whether what isn't in quotes is a value, and no part of SQL.
fn is_value(name: &str, bare: &str) -> bool {
    let is_nothing = is_one(&["none", "null", "true", "false"], bare);
    let is_parameter = bare == "?" || bare.strip_prefix('$').is_some_and(is_number);
    let last = |path: &str| path.rsplit('.').next().map(str::to_lowercase);
    let is_column = bare.contains('.') && last(bare) == last(name);
    !(is_nothing || is_parameter || is_column)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

/// A value that is shown as dots wherever it is written: by `Debug`, `Display` and serde.
///
/// ```
/// use memprof::web::toolbar::Redacted;
///
/// let hash = Redacted("$argon2id$v=19$...");
///
/// assert_eq!(format!("{hash:?}"), "••••••");
/// assert_eq!(hash.0.len(), 18);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Redacted<T>(
    /// The value itself.
    pub T,
);

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DOTS)
    }
}

impl<T> Serialize for Redacted<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(DOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let mut secrets = Secrets::default();
        secrets.add("Gift-Code");
        for name in [
            "PASSWORD",
            "X-Api-Key",
            "api_key",
            "Set-Cookie",
            "csrf_token",
            "giftcode2",
            "sessionId",
            "DB_PASS",
            "smtpPass",
            "encryptionKey",
            "APIKey",
            "s3Key2",
            "x-auth",
            "pwd",
            "connect.sid",
            "PHPSESSID",
        ] {
            assert_eq!(secrets.shown(name, "value"), DOTS, "{name}");
        }
        for name in [
            "title",
            "monkey",
            "author",
            "Content-Type",
            "Compass",
            "inside",
            "passes",
        ] {
            assert_eq!(secrets.shown(name, "value"), "value");
        }
    }

    #[test]
    fn secrets_are_known_by_their_looks() {
        let shown = |text: &str| without_secrets(text).into_owned();
        assert_eq!(
            shown("mysql://root:hunter2@localhost/db"),
            "mysql://root:••••••@localhost/db"
        );
        assert_eq!(
            shown("got eyJhbGciOi.eyJzdWIi.c2ln here"),
            "got •••••• here"
        );
        assert_eq!(shown("Bearer abcdefgh123="), "Bearer ••••••");
        assert_eq!(
            shown("\"$argon2id$v=19$m=8,t=1,p=1$salt$hash\""),
            "\"••••••\""
        );
        assert_eq!(
            shown("login password=hunter2 ok"),
            "login password=•••••• ok"
        );
        let key = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----";
        assert_eq!(shown(key), DOTS);
        assert_eq!(
            shown("mysql://root:p@ss:w@rd@localhost/db?a=b@c"),
            "mysql://root:••••••@localhost/db?a=b@c"
        );
        for harmless in [
            "http://localhost:5000/a@b",
            "SELECT a.b FROM c WHERE d = 'e:f'",
            "the token",
        ] {
            assert_eq!(shown(harmless), harmless);
        }
    }

    #[test]
    fn secrets_are_known_by_the_names_they_are_said_with() {
        let shown = |text: &str| without_secrets(text).into_owned();
        for (text, expected) in [
            (
                r#"User { name: "ada", password: "hun\"ter 2", age: 7 }"#,
                r#"User { name: "ada", password: "••••••", age: 7 }"#,
            ),
            (
                r#"token: Some("abc"), key: b"x", pin: [1, 2], secret: S { s: "x" }"#,
                r#"token: Some("••••••"), key: b"••••••", pin: ••••••, secret: S ••••••"#,
            ),
            (
                r#"{"password":"hunter2","a":{"apiKey" : 'x'},"note":"ok"}"#,
                r#"{"password":"••••••","a":{"apiKey" : '••••••'},"note":"ok"}"#,
            ),
            (
                r#"body="{\"smtpPass\":\"hunter2\",\"a\":\"b\"}""#,
                r#"body="{\"smtpPass\":\"••••••\",\"a\":\"b\"}""#,
            ),
            (
                "UPDATE u SET password = 'it''s', `pwd` = \"x\" WHERE token = $1 AND key = ?",
                "UPDATE u SET password = '••••••', `pwd` = \"••••••\" WHERE token = $1 AND key = ?",
            ),
            (
                "error: DB_PASS=hunter2&a=b x-auth: abc; cookie: id=5; b=6\nnext=7",
                "error: DB_PASS=••••••&a=b x-auth: ••••••; cookie: ••••••\nnext=7",
            ),
            ("Authorization: Token abc", "Authorization: ••••••"),
            ("password=\"cut in the midd", "password=\"••••••"),
            (
                r#"{"token":{"scopes":["a"],"value":"ab}c"},"passwords":[{"v":"d"}],"e":1}"#,
                r#"{"token":••••••,"passwords":••••••,"e":1}"#,
            ),
            ("secret: S { of: [T { a: 1 }, T { a: 2", "secret: S ••••••"),
        ] {
            assert_eq!(shown(text), expected);
        }
        for harmless in [
            "session: started, pass: 2 of 3, key=post:5",
            "Token::new(5), token == other, token: None, password: ''",
            "SET password = EXCLUDED.password WHERE s.session_id = t.session_id",
            "author: ada, monkey=x",
        ] {
            assert_eq!(shown(harmless), harmless);
        }
    }
}
