//! Formats of secrets, which are recognised whatever their names are.
//!
//! The tables are memprof's own. Crates that recognise secrets either scan files for keys, with
//! hundreds of regular expressions and entropy checks that also match commit hashes, or look for
//! other personal data, and neither know password hashes. A format here is a prefix, a set of
//! characters and a minimum length.

use super::decode::INNER_SPACE;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::ops::Range;

/// The characters after the prefix of a key.
#[derive(Clone, Copy)]
enum Letters {
    /// ASCII letters and digits.
    Plain,
    /// Also `-`, `_` and `.`.
    Word,
    /// Also `/`, `+`, `=` and `%`, for paths.
    Path,
}
use Letters::{Path, Plain, Word};

/// Prefixes of keys that services issue, and how many characters follow them at least.
#[rustfmt::skip]
const KEYS: [(&str, Letters, usize); 105] = [
    // Amazon: keys and session tokens.
    ("ABIA", Plain, 16), ("ABSK", Plain, 40), ("ACCA", Plain, 16), ("AKIA", Plain, 12),
    ("ASIA", Plain, 12), ("FwoGZXIvYXdz", Path, 16), ("IQoJb3JpZ2lu", Path, 16),
    ("amzn.mws.", Word, 16),
    // Google.
    ("1//0", Word, 20), ("AIza", Word, 24), ("GOCSPX-", Word, 16), ("ya29.", Word, 16),
    // GitHub.
    ("gho_", Plain, 16), ("ghp_", Plain, 16), ("ghr_", Plain, 16), ("ghs_", Plain, 16),
    ("ghu_", Plain, 16), ("github_pat_", Word, 16),
    // GitLab.
    ("GR1348941", Word, 16), ("glagent-", Word, 12), ("glcbt-", Word, 12), ("gldt-", Word, 12),
    ("glft-", Word, 12), ("glimt-", Word, 12), ("glpat-", Word, 12), ("glptt-", Word, 12),
    ("glrt-", Word, 12), ("glsoat-", Word, 12),
    // Slack and Discord.
    ("discord.com/api/webhooks/", Path, 16), ("discordapp.com/api/webhooks/", Path, 16),
    ("hooks.slack.com/services/", Path, 8), ("xapp-", Word, 10), ("xoxa-", Word, 10),
    ("xoxb-", Word, 10), ("xoxc-", Word, 10), ("xoxd-", Word, 10), ("xoxe-", Word, 10),
    ("xoxe.xox", Word, 10), ("xoxo-", Word, 10), ("xoxp-", Word, 10), ("xoxr-", Word, 10),
    ("xoxs-", Word, 10),
    // Payments.
    ("FLWSECK-", Word, 12), ("FLWSECK_", Word, 12), ("rk_live_", Plain, 8),
    ("rk_test_", Plain, 8), ("rzp_live_", Plain, 10), ("sk_live_", Plain, 8),
    ("sk_test_", Plain, 8), ("sq0atp-", Word, 12), ("sq0csp-", Word, 12), ("whsec_", Path, 16),
    // Language models and their hosts.
    ("gsk_", Plain, 20), ("hf_", Plain, 16), ("nvapi-", Word, 20), ("pplx-", Plain, 20),
    ("r8_", Plain, 20), ("sk-ant-", Word, 12), ("sk-or-", Word, 12), ("sk-proj-", Word, 12),
    ("sk-svcacct-", Word, 12), ("sk-", Plain, 20), ("xai-", Plain, 20),
    // Package registries.
    ("cio", Plain, 32), ("dckr_oat_", Word, 12), ("dckr_pat_", Word, 12), ("npm_", Plain, 16),
    ("oy2", Plain, 40), ("pypi-", Word, 16), ("rubygems_", Plain, 16),
    // Clouds and services that run there.
    ("AGE-SECRET-KEY-1", Plain, 16), ("CCIPAT_", Word, 16), ("LTAI", Plain, 16),
    ("NRAK-", Plain, 16), ("PMAK-", Word, 16), ("dapi", Plain, 32), ("doo_v1_", Plain, 16),
    ("dop_v1_", Plain, 16), ("dor_v1_", Plain, 16), ("dp.pt.", Plain, 16), ("dp.st.", Word, 16),
    ("dt0c01.", Word, 16), ("figd_", Word, 16), ("fm2_", Path, 16), ("fo1_", Word, 16),
    ("glc_", Path, 16), ("glsa_", Word, 16), ("hvb.", Word, 16), ("hvs.", Word, 16),
    ("lin_api_", Plain, 16), ("ntn_", Plain, 20), ("phx_", Plain, 16),
    ("pscale_oauth_", Word, 12), ("pscale_pw_", Word, 12), ("pscale_tkn_", Word, 12),
    ("pul-", Plain, 32), ("sbp_", Plain, 20), ("sntryu_", Plain, 16), ("tskey-", Word, 12),
    // Shops and mail.
    ("SG.", Word, 12), ("shpat_", Plain, 12), ("shpca_", Plain, 12), ("shppa_", Plain, 12),
    ("shpss_", Plain, 12), ("xkeysib-", Word, 12),
];

/// The prefix of a JWT and of other JSON in base64: `{"`.
const JSON: (&str, usize) = ("eyJ", 8);

/// Prefixes of password hashes, as written by crypt and by frameworks.
#[rustfmt::skip]
const HASHES: [&str; 41] = [
    "$1$", "$2$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "$7$", "$8$", "$9$", "$H$", "$P$",
    "$S$", "$apr1$", "$argon2d$", "$argon2i$", "$argon2id$", "$bcrypt", "$gy$", "$md5", "$pbkdf2",
    "$scrypt$", "$sha1$", "$y$", "SCRAM-SHA-1$", "SCRAM-SHA-256$", "argon2$", "bcrypt$",
    "bcrypt_sha256$", "md5$", "pbkdf2$", "pbkdf2_sha1$", "pbkdf2_sha256$", "pbkdf2_sha512$",
    "pbkdf2:sha", "scrypt$", "scrypt:", "sha1$", "sha256$", "sha512$",
];

/// Prefixes of password hashes of LDAP and Spring, between braces, in lower case.
const IN_BRACES: [&str; 9] = [
    "argon2", "bcrypt", "crypt", "md5", "pbkdf2", "scrypt", "sha", "smd5", "ssha",
];

/// How many bytes of a hash follow its prefix at least.
const HASH_BYTES: usize = 8;

/// How much of a word is decoded to inspect it, in bytes.
const MOST: usize = 512;

fn is_of(letters: Letters) -> impl Fn(&u8) -> bool {
    move |it| match letters {
        Plain => it.is_ascii_alphanumeric(),
        Word => it.is_ascii_alphanumeric() || b"-_.".contains(it),
        Path => it.is_ascii_alphanumeric() || b"-_./+=%".contains(it),
    }
}

/// The length of the secret that `text` begins with, if any. `is_start` says that no letter or
/// digit precedes `text`. The number of bytes read is added to `steps`.
pub(super) fn secret_len(text: &[u8], is_start: bool, steps: &mut u64) -> Option<usize> {
    let first = *text.first()?;
    *steps += 1;
    match first {
        b'-' => private_key(text, steps),
        b'$' => hash(text, steps),
        b'{' => in_braces(text, steps),
        b'*' if is_start => {
            let digits = run(
                text.get(1..)?,
                41,
                |it| b"0123456789ABCDEF".contains(it),
                steps,
            );
            (digits == 40).then_some(41)
        }
        _ if is_start && first.is_ascii_alphanumeric() => {
            let found = key(text, steps).or_else(|| hash(text, steps));
            found.or_else(|| md5(text, steps))
        }
        _ => None,
    }
}

fn key(text: &[u8], steps: &mut u64) -> Option<usize> {
    let (start, least) = JSON;
    let rest = text.strip_prefix(start.as_bytes());
    if let Some(rest) = rest
        && run(rest, least, is_of(Word), steps) == least
    {
        let is_in = |it: &u8| is_of(Word)(it) || *it == b'=';
        return Some(start.len() + run(rest, usize::MAX, is_in, steps));
    }
    for (start, letters, least) in KEYS {
        let Some(rest) = text.strip_prefix(start.as_bytes()) else {
            continue;
        };
        if run(rest, least, is_of(letters), steps) < least {
            continue;
        }
        let letters = if matches!(letters, Plain) {
            Word
        } else {
            letters
        };
        return Some(start.len() + run(rest, usize::MAX, is_of(letters), steps));
    }
    None
}

/// How many of the first bytes are in the set, at most `most`.
fn run(text: &[u8], most: usize, is_in: impl Fn(&u8) -> bool, steps: &mut u64) -> usize {
    let count = text.iter().take(most).take_while(|it| is_in(it)).count();
    *steps += count as u64;
    count
}

fn hash(text: &[u8], steps: &mut u64) -> Option<usize> {
    let start = HASHES.iter().find(|it| text.starts_with(it.as_bytes()))?;
    let is_in = |it: &u8| it.is_ascii_alphanumeric() || b"./$=,+-_*".contains(it);
    // Hashes of Werkzeug, which contain several colons.
    let with_colons = start.contains(':');
    let is_in = |it: &u8| is_in(it) || with_colons && *it == b':';
    let rest = text.get(start.len()..)?;
    if with_colons && !rest.iter().take(24).any(|it| *it == b'$') {
        return None;
    }
    if run(rest, HASH_BYTES, is_in, steps) < HASH_BYTES {
        return None;
    }
    let length = run(rest, usize::MAX, is_in, steps);
    let hash = text.get(..start.len() + length)?;
    let end = hash.iter().rposition(|it| !b".,".contains(it))?;
    Some(end + 1)
}

/// A hash of Postgres: `md5` and 32 hexadecimal digits.
fn md5(text: &[u8], steps: &mut u64) -> Option<usize> {
    let digits = text.strip_prefix(b"md5")?;
    let count = run(digits, 33, u8::is_ascii_hexdigit, steps);
    (count == 32).then_some(35)
}

fn in_braces(text: &[u8], steps: &mut u64) -> Option<usize> {
    let end = text.iter().take(20).position(|it| *it == b'}')?;
    let name = text.get(1..end)?.to_ascii_lowercase();
    if !IN_BRACES
        .iter()
        .any(|start| name.starts_with(start.as_bytes()))
    {
        return None;
    }
    let rest = text.get(end + 1..)?;
    let is_in = |it: &u8| it.is_ascii_alphanumeric() || b"./$=,+-_*@:".contains(it);
    let length = run(rest, usize::MAX, is_in, steps);
    (length >= HASH_BYTES).then_some(end + 1 + length)
}

/// A private key from `-----BEGIN` to its end, or to the end of the text.
fn private_key(text: &[u8], steps: &mut u64) -> Option<usize> {
    let label = text.strip_prefix(b"-----BEGIN")?;
    let is_in = |it: &u8| it.is_ascii_uppercase() || is_space(*it) || it.is_ascii_digit();
    let length = run(label, 40, is_in, steps);
    let label = label.get(..length)?;
    let words: Vec<&[u8]> = label.split(|it| is_space(*it)).collect();
    words.contains(&b"PRIVATE".as_slice()).then_some(())?;
    let body = 10 + length;
    let marks = text.get(body..)?.windows(8);
    let end = marks.take_while(|it| *it != b"-----END").count();
    *steps += end as u64;
    let after = text.get(body + end..)?.strip_prefix(b"-----END");
    let Some(after) = after else {
        return Some(text.len());
    };
    let is_in = |it: &u8| it.is_ascii_uppercase() || is_space(*it) || b"-".contains(it);
    Some(body + end + 8 + run(after, 50, is_in, steps))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'+' | INNER_SPACE)
}

/// Where the credentials after an authentication scheme are, if there are any. The scheme `name`
/// ends at `after`.
pub(super) fn credentials(
    name: &str,
    text: &[u8],
    after: usize,
    steps: &mut u64,
) -> Option<Range<usize>> {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if !(is("bearer") || is("basic") || is("negotiate") || is("dpop")) {
        return None;
    }
    let rest = text.get(after..)?;
    let spaces = rest.iter().take(8).take_while(|it| is_space(**it)).count();
    if spaces == 0 {
        return None;
    }
    let is_in = |it: &u8| it.is_ascii_alphanumeric() || b"-._~+/=%".contains(it);
    let rest = rest.get(spaces..)?;
    let length = run(rest, MOST, is_in, steps);
    let word = rest.get(..length)?;
    let is_secret = if is("bearer") || is("dpop") {
        is_token(word)
    } else {
        is_user_and_password(word) || word.len() >= 16 && is_random(word)
    };
    is_secret.then(|| {
        let start = after + spaces;
        start..start + run(rest, usize::MAX, is_in, steps)
    })
}

/// Whether the word after `Bearer` is a token and not a word of a sentence.
fn is_token(word: &[u8]) -> bool {
    let prose = [
        "authentication",
        "authorization",
        "credentials",
        "realm=",
        "scheme",
        "security",
        "tokens",
    ];
    let is_prose = prose
        .iter()
        .any(|it| word.eq_ignore_ascii_case(it.as_bytes()));
    let is_plain = word.iter().all(u8::is_ascii_lowercase);
    !is_prose && !word.is_empty() && (!is_plain || word.len() >= 8)
}

fn is_user_and_password(word: &[u8]) -> bool {
    let settings = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabets = [alphabet::STANDARD, alphabet::URL_SAFE];
    word.len() >= 4
        && alphabets.iter().any(|alphabet| {
            let decoded = GeneralPurpose::new(alphabet, settings).decode(word);
            decoded.is_ok_and(|decoded| decoded.contains(&b':'))
        })
}

/// Whether a value looks generated: at least 12 characters, with both letters and digits.
pub(super) fn is_random(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let is_in = |it: &u8| it.is_ascii_alphanumeric() || b"-._~+/=%|".contains(it);
    value.len() >= 12
        && value.iter().all(is_in)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(text: &str) -> Option<usize> {
        secret_len(text.as_bytes(), true, &mut 0)
    }

    #[test]
    fn keys_and_hashes_are_known_to_their_end() {
        for key in [
            "AKIAIOSFODNN7EXAMPLE",
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub",
            "pbkdf2_sha256$600000$salt$aGFzaA==",
            "pbkdf2:sha256:600000$salt$0123abcd",
            "scrypt:32768:8:1$salt$0123abcd",
            "{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3",
            "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe",
            "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
            "md5a6f2bd16df3a7bd1c9b3f0d8a9ac8d22",
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
        ] {
            assert_eq!(length(key), Some(key.len()), "{key}");
        }
        for (start, _, least) in KEYS {
            let key = format!("{start}{}", "a1".repeat(least));
            assert_eq!(length(&key), Some(key.len()), "{key}");
            assert_eq!(length(&key[..start.len()]), None, "{start}");
        }
    }

    #[test]
    fn what_has_no_such_look_is_none() {
        for text in [
            "9fed4d9a1c0b7e6f5d4c3b2a190817263544f5e6",
            "550e8400-e29b-41d4-a716-446655440000",
            "sk-learn-is-a-library",
            "npm_config_registry",
            "hf_hub",
            "$1",
            "$5 and $6",
            "{id}",
            "-----BEGIN CERTIFICATE-----",
            "scrypt: a function",
            "md5 of it",
            "d41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert_eq!(length(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_are_what_comes_after_their_scheme() {
        let found = |name: &str, rest: &str| credentials(name, rest.as_bytes(), 0, &mut 0);
        assert_eq!(found("Bearer", " abcdefgh123="), Some(1..13));
        assert_eq!(found("basic", " dTpw"), Some(1..5));
        assert_eq!(found("Basic", " YWRhOmh1bnRlcjI="), Some(1..17));
        for (name, rest) in [
            ("bearer", " of bad news"),
            ("Bearer", " authentication"),
            ("basic", " auth"),
            ("Basic", " understanding"),
            ("Basic", ""),
        ] {
            assert_eq!(found(name, rest), None, "{name}{rest}");
        }
    }
}
