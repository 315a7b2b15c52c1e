//! Names of secrets.

use std::iter;

/// How surely a name's value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any value is a secret.
    Secret,
    /// The name also has another meaning in prose: `pass: 2 of 3`, `key=post:5`.
    Ambiguous,
    /// Only values that look random are secrets: `code=7` isn't one.
    IfRandom,
}

/// A name that contains one of these, ignoring case and punctuation, is a secret's.
#[rustfmt::skip]
const PARTS: [&str; 63] = [
    "accesskey", "accesssignature", "apikey", "authcode", "authkey", "authorization",
    "authorizationcode", "backupcode", "cardcode", "cardno", "cardnum", "ccnum", "codeverifier",
    "cookie", "credential", "creditcard", "csrf", "cvccode", "cvvcode", "deploykey",
    "encryptionkey", "jwt", "kennwort", "licensekey", "masterkey", "mfacode", "mnemonic",
    "motdepasse", "onetimecode", "otpcode", "passcode", "passkey", "passphrase", "passwd",
    "password", "passwort", "pincode", "presharedkey", "privatekey", "recoverycode", "samlart",
    "samlassertion", "samlresponse", "secret", "securitycode", "seedphrase", "servicekey",
    "sessid", "sessionid", "sessionkey", "sharedkey", "signingkey", "smscode", "socialsecurity",
    "sshkey", "storagekey", "token", "totpcode", "twofactor", "verificationcode", "webhookkey",
    "wresult", "xsrf",
];

/// Exceptions to [`PARTS`]: `tokenizer`, `secretary`.
const NO_PARTS: [&str; 4] = ["tokeniz", "tokenis", "secretar", "cookiecutter"];

/// A name that has one of these as a whole word is a secret's: `author` and `monkey` aren't.
#[rustfmt::skip]
const WORDS: [&str; 36] = [
    "assertion", "auth", "authn", "bearer", "ccv", "creds", "csc", "cvc", "cvv", "hmac", "hotp",
    "key", "otp", "pass", "passcode", "pass1", "passwords", "pin", "priv", "private", "psk", "pw",
    "pwd", "pword", "salt", "sess", "session", "sessions", "sid", "sig", "signature", "ssn",
    "ticket", "totp", "pswd", "sas",
];

/// Those of [`WORDS`] that are ambiguous if they are the whole name and aren't quoted.
#[rustfmt::skip]
const AMBIGUOUS: [&str; 12] = [
    "assertion", "auth", "key", "pass", "priv", "private", "salt", "session", "sessions", "sig",
    "signature", "ticket",
];

/// Names that end in one of these are no secrets.
#[rustfmt::skip]
const NO_SECRETS: [&str; 10] = [
    "publickey", "primarykey", "foreignkey", "cachekey", "sortkey", "partitionkey", "rowkey",
    "hashkey", "rangekey", "keyid",
];

/// Names whose values are secrets if they look random.
const IF_RANDOM: [&str; 3] = ["code", "state", "nonce"];

/// Last words of names that describe a secret without being one: `token_type`, `max_tokens_count`.
#[rustfmt::skip]
const ABOUT: [&str; 40] = [
    "age", "alg", "algorithm", "at", "attempts", "bytes", "changed", "count", "enabled",
    "endpoint", "expiration", "expired", "expires", "expiry", "file", "format", "in", "kind",
    "len", "length", "lifetime", "limit", "max", "method", "min", "mode", "name", "path",
    "policy", "provider", "remaining", "required", "size", "timeout", "total", "ttl", "type",
    "updated", "uri", "url",
];

/// How much of a name is inspected, from its end, in bytes.
const MOST: usize = 96;

/// The names of secrets: the known ones and the user's.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The user's parts of names, in lower case and without punctuation.
    more: Vec<String>,
}

impl Names {
    #[cfg(feature = "toolbar")]
    pub(super) fn add(&mut self, part: &str) {
        self.more.push(plain(part));
    }

    /// The kind of a name, or `None` if it isn't a secret's.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        let mut start = name.len().saturating_sub(MOST);
        while !name.is_char_boundary(start) {
            start += 1;
        }
        let name = name.get(start..).unwrap_or(name);
        let whole = plain(name);
        if self.more.iter().any(|part| whole.contains(part)) {
            return Some(Kind::Secret);
        }
        let words: Vec<String> = words(name).map(str::to_lowercase).collect();
        let is_about = words.len() > 1 && words.last().is_some_and(|word| is_one(&ABOUT, word));
        if is_about || NO_SECRETS.iter().any(|end| whole.ends_with(end)) {
            return None;
        }
        if IF_RANDOM.contains(&&*whole) {
            return Some(Kind::IfRandom);
        }
        let without = NO_PARTS.iter().any(|part| whole.contains(part));
        if !without && PARTS.iter().any(|part| whole.contains(part)) {
            return Some(Kind::Secret);
        }
        if AMBIGUOUS.contains(&&*whole) {
            return Some(Kind::Ambiguous);
        }
        let is_secret = words.iter().any(|word| is_one(&WORDS, word));
        is_secret.then_some(Kind::Secret)
    }
}

/// Whether a name is that of a password, whose value may follow without a separator.
pub(super) fn is_password(name: &str) -> bool {
    let whole = plain(name);
    let ends = ["password", "passwd", "passphrase", "passcode", "pwd"];
    ends.iter().any(|end| whole.ends_with(end))
}

/// Whether a name is `key`, which can also be the key of a map or a cache.
pub(super) fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case("key")
}

/// Whether a name can also describe code, as `signature` does.
pub(super) fn is_of_code(name: &str) -> bool {
    let whole = plain(name);
    whole.ends_with("signature") || whole.ends_with("assertion")
}

/// Whether a name is a plural. A number is then a count.
pub(super) fn is_plural(name: &str) -> bool {
    plain(name).ends_with('s')
}

/// Whether a name is that of a header whose value is the rest of its line.
pub(super) fn is_header(name: &str) -> bool {
    let whole = plain(name);
    whole.ends_with("authorization") || is_cookie(name)
}

pub(super) fn is_cookie(name: &str) -> bool {
    plain(name).ends_with("cookie")
}

fn is_one(of: &[&str], word: &str) -> bool {
    of.contains(&word)
}

fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// The words of a name. `X-Api-Key`, `api_key`, `apiKey` and `APIKey` all end in the same two.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let words = words.flat_map(|word| {
        let mut rest = word;
        iter::from_fn(move || {
            let (word, after) = rest.split_at_checked(end_of_hump(rest))?;
            rest = after;
            (!word.is_empty()).then(|| word.trim_end_matches(|it: char| it.is_ascii_digit()))
        })
    });
    words.filter(|word| !word.is_empty())
}

/// Where the next word begins in a name in camel case.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        let mut names = Names::default();
        names.add("Gift-Code");
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
            "JSESSIONID",
            "passcode",
            "pw",
            "code_verifier",
            "sig",
            "hmac",
            "totp",
            "otp_code",
            "cvv",
            "cvv2",
            "card_number",
            "cardNumber",
            "SAMLResponse",
            "assertion",
            "client_assertion",
            "ticket",
            "X-Hub-Signature-256",
            "X-Amz-Credential",
            "accesstoken",
            "refreshToken",
            "user[password]",
            "pin",
            "tokens",
            "__RequestVerificationToken",
            "encryptionkey",
            "MYSQL_PWD",
            "secret key",
        ] {
            let kind = names.kind(name);
            assert!(
                matches!(kind, Some(Kind::Secret | Kind::Ambiguous)),
                "{name}"
            );
        }
        for name in [
            "title",
            "monkey",
            "author",
            "Content-Type",
            "Compass",
            "inside",
            "passes",
            "passenger",
            "tokenize",
            "tokenizer_config",
            "secretary",
            "keyboard",
            "design",
            "assigned",
            "spine",
            "shipping",
            "obsession",
            "token_type",
            "password_changed_at",
            "token_count",
            "key_len",
            "primary_key",
            "public_key",
            "size",
            "uuid",
            "commit",
            "id",
            "token_endpoint",
            "session_timeout",
        ] {
            assert_eq!(names.kind(name), None, "{name}");
        }
        assert_eq!(names.kind("code"), Some(Kind::IfRandom));
    }

    #[test]
    fn of_a_long_name_the_end_counts() {
        let long = format!("{}password", "é".repeat(1000));
        assert_eq!(Names::default().kind(&long), Some(Kind::Secret));
    }
}
