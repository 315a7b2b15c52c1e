//! The names of the files that profiles are written to.

use super::recording::RequestProfile;
use super::redact::Redactor;
use crate::report::Format;
use std::fmt;
use std::str::FromStr;
use std::time::UNIX_EPOCH;

/// The longest method, path or route in a name, in characters.
const MOST_OF_A_PART: usize = 100;

/// The longest name in bytes, less than file systems allow.
const MOST: usize = 200;

/// A format of names, with fields for what a request was and did.
#[derive(Clone, Debug)]
pub(super) struct FileName(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Word(Word),
    Number(Number, Option<usize>),
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Method,
    Path,
    Route,
    Status,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    /// In milliseconds.
    Elapsed,
    /// In seconds since 1970.
    Time,
    Id,
}

/// Why a format of file names is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNameError(String);

impl FileNameError {
    pub(super) fn of_ending(format: &str) -> Self {
        Self(format!(
            "the name's format `{format}` ends in no format of reports; the endings are {}",
            Format::endings()
        ))
    }
}

impl fmt::Display for FileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileNameError {}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(format: &str) -> Result<Self, FileNameError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = format;
        while let Some(letter) = rest.chars().next() {
            let doubled = rest.starts_with("{{") || rest.starts_with("}}");
            if doubled {
                text.push(letter);
                rest = &rest[2..];
            } else if letter == '{' {
                let Some((field, after)) = rest[1..].split_once('}') else {
                    return Err(FileNameError(format!(
                        "`{rest}` in a name's format has no `}}`; a literal brace is `{{{{`"
                    )));
                };
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(field.parse()?);
                rest = after;
            } else if letter == '}' {
                return Err(FileNameError(format!(
                    "`{rest}` in a name's format closes nothing; a literal brace is `}}}}`"
                )));
            } else {
                text.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
        pieces.push(Piece::Text(text));
        Ok(Self(pieces))
    }
}

impl FromStr for Piece {
    type Err = FileNameError;

    fn from_str(field: &str) -> Result<Self, FileNameError> {
        let (name, decimals) = match field.split_once(':') {
            Some((name, decimals)) => (name, Some(decimals)),
            None => (field, None),
        };
        let word = match name {
            "method" => Ok(Word::Method),
            "path" => Ok(Word::Path),
            "route" => Ok(Word::Route),
            "status" => Ok(Word::Status),
            "elapsed" => Err(Number::Elapsed),
            "time" => Err(Number::Time),
            "id" => Err(Number::Id),
            _ => {
                return Err(FileNameError(format!(
                    "a name's format has `{{{field}}}`; the fields are `{{method}}`, `{{path}}`, \
                     `{{route}}`, `{{status}}`, `{{id}}`, `{{elapsed}}` in ms and `{{time}}` in s"
                )));
            }
        };
        match (word, decimals) {
            (Ok(word), None) => Ok(Self::Word(word)),
            (Err(number), None) => Ok(Self::Number(number, None)),
            (Err(number), Some(decimals)) => {
                let digits = decimals
                    .strip_prefix('.')
                    .and_then(|text| text.strip_suffix('f'));
                let digits = digits.and_then(|digits| digits.parse().ok());
                match digits.filter(|digits| *digits <= 9) {
                    Some(digits) => Ok(Self::Number(number, Some(digits))),
                    None => Err(FileNameError(format!(
                        "a name's format has `{{{field}}}`; the number of decimals is written as \
                         `:.0f` to `:.9f`"
                    ))),
                }
            }
            (Ok(_), Some(_)) => Err(FileNameError(format!(
                "a name's format has `{{{field}}}`; `{name}` isn't a number with decimals"
            ))),
        }
    }
}

impl FileName {
    /// The name of the file for a profile.
    pub(super) fn of(&self, profile: &RequestProfile) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Word(word) => word.of(profile),
            Piece::Number(number, decimals) => number.of(profile, *decimals),
        });
        pieces.collect()
    }
}

impl Word {
    fn of(self, profile: &RequestProfile) -> String {
        match self {
            Self::Method => part(profile.method.as_str()),
            Self::Path => path(&profile.path),
            Self::Route => path(profile.route.as_deref().unwrap_or(&profile.path)),
            Self::Status => profile
                .outcome
                .status()
                .map_or_else(|| "none".to_owned(), |status| status.as_str().to_owned()),
        }
    }
}

impl Number {
    fn of(self, profile: &RequestProfile, decimals: Option<usize>) -> String {
        let since_1970 = profile.began.duration_since(UNIX_EPOCH);
        let number = match self {
            Self::Elapsed => profile.elapsed.as_secs_f64() * 1000.0,
            Self::Time => since_1970.unwrap_or_default().as_secs_f64(),
            Self::Id => return profile.id.to_string(),
        };
        match decimals {
            Some(decimals) => format!("{number:.decimals$}"),
            None => number.to_string(),
        }
    }
}

/// A path as a part of a name: `/1/update` becomes `1.update`, and `/` becomes `root`. Secrets
/// become `_`, since others may see the names of files.
fn path(path: &str) -> String {
    let redactor = Redactor::default();
    let path = redactor.address(path);
    let inner = path.trim_matches('/').replace('/', ".");
    if inner.is_empty() {
        "root".to_owned()
    } else {
        part(&inner)
    }
}

/// A part of a name, of at most [`MOST_OF_A_PART`] characters that every file system allows.
fn part(words: &str) -> String {
    let letters = words.chars().map(|letter| {
        let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_' | '~');
        if is_plain { letter } else { '_' }
    });
    letters.take(MOST_OF_A_PART).collect()
}

/// Makes any text the name of a file: in the folder itself, not hidden and not too long.
pub(super) fn of_a_file(name: &str) -> String {
    let letters = name.chars().map(|letter| {
        let is_special = letter.is_control()
            || matches!(letter, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
        if is_special { '_' } else { letter }
    });
    let name: String = letters.collect();
    let name = name.trim_start_matches('.');
    if name.len() <= MOST {
        return if name.is_empty() {
            "profile".to_owned()
        } else {
            name.to_owned()
        };
    }
    // Keep the ending, which selects the format.
    let ending = name.rfind('.').map_or("", |dot| &name[dot..]);
    let ending = if ending.len() <= 20 { ending } else { "" };
    let mut end = MOST - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}
