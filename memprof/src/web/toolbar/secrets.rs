//! What is not shown: by its name, by its looks, and by its type.

use crate::web::redact;
pub(super) use crate::web::redact::{DOTS, is_secret as is_secret_name};
use regex::Regex;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
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
/// in `password=x`.
pub(super) fn without_secrets(text: &str) -> Cow<'_, str> {
    static LOOKS: LazyLock<Regex> = LazyLock::new(|| {
        let looks = [
            r"(?P<url>\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?P<host>@)",
            r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
            r"(?P<bearer>\b(?i:bearer|basic) +)[A-Za-z0-9._~+/-]{8,}=*",
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
            r"\$(?:argon2[a-z]*|2[abxy]|scrypt|pbkdf2[a-z0-9-]*|5|6|y)\$[^\s'\x22]{8,}",
            r"(?P<said>\b(?i:[a-z_-]*(?:password|passwd|secret|token|api[_-]?key))\s*[=:]\s*)[^\s&;,'\x22]+",
        ];
        Regex::new(&looks.join("|")).expect("it is well formed")
    });
    // Most have none of what all of them have one of.
    let may_have = text.contains([':', '$', '=', '.', '-'])
        || text.as_bytes().windows(6).any(|word| {
            word.eq_ignore_ascii_case(b"bearer") || word.eq_ignore_ascii_case(b"basic ")
        });
    if may_have {
        LOOKS.replace_all(text, "${url}${bearer}${said}••••••${host}")
    } else {
        Cow::Borrowed(text)
    }
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
        ] {
            assert_eq!(secrets.shown(name, "value"), DOTS, "{name}");
        }
        for name in ["title", "monkey", "author", "Content-Type"] {
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
        for harmless in [
            "http://localhost:5000/a@b",
            "SELECT a.b FROM c WHERE d = 'e:f'",
            "the token",
        ] {
            assert_eq!(shown(harmless), harmless);
        }
    }
}
