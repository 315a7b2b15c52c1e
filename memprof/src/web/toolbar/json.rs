//! JSON for people: a key to a line, and without secrets. It may be cut anywhere.

use super::secrets::{DOTS, Secrets, without_secrets};

/// Values inside each other are shown so deep.
const DEPTH: usize = 12;

/// JSON as lines, with dots for what is under the name of a secret.
pub(super) fn pretty(json: &str, secrets: &Secrets) -> String {
    let mut writer = Writer {
        rest: json,
        text: String::with_capacity(2 * json.len()),
        secrets,
    };
    writer.value(0, false);
    writer.text.push_str(writer.rest.trim());
    writer.text
}

struct Writer<'a> {
    rest: &'a str,
    text: String,
    secrets: &'a Secrets,
}

impl<'a> Writer<'a> {
    /// One value, shown or not.
    fn value(&mut self, depth: usize, is_secret: bool) {
        self.skip_space();
        if is_secret {
            self.text.push_str(DOTS);
            self.skip_value();
            return;
        }
        match self.rest.bytes().next() {
            Some(b'{') => self.list('}', depth),
            Some(b'[') => self.list(']', depth),
            _ => {
                let token = self.token();
                self.text.push_str(&without_secrets(token));
            }
        }
    }

    /// What is between two brackets.
    fn list(&mut self, close: char, depth: usize) {
        let open = self.take(1);
        self.text.push_str(open);
        if depth >= DEPTH {
            self.text.push('…');
            self.rest = "";
            return;
        }
        let mut is_empty = true;
        loop {
            self.skip_space();
            match self.rest.chars().next() {
                None => return,
                Some(letter) if letter == close => {
                    self.take(1);
                    break;
                }
                Some(',') => {
                    let comma = self.take(1);
                    self.text.push_str(comma);
                }
                Some(_) => {
                    let before = self.rest.len();
                    is_empty = false;
                    self.line(depth + 1);
                    let mut is_secret = false;
                    if close == '}' {
                        let key = self.token();
                        self.text.push_str(key);
                        self.skip_space();
                        if self.rest.starts_with(':') {
                            self.take(1);
                            self.text.push_str(": ");
                        }
                        is_secret = self.secrets.has(key);
                    }
                    self.value(depth + 1, is_secret);
                    if self.rest.len() == before {
                        // A bracket that closes something else.
                        return;
                    }
                }
            }
        }
        if !is_empty {
            self.line(depth);
        }
        self.text.push(close);
    }

    fn line(&mut self, depth: usize) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", depth));
    }

    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            self.skip_space();
            let Some(byte) = self.rest.bytes().next() else {
                return;
            };
            match byte {
                b',' | b':' | b'}' | b']' if depth == 0 => return,
                b'{' | b'[' => {
                    depth += 1;
                    self.take(1);
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.take(1);
                }
                b',' | b':' => _ = self.take(1),
                _ => _ = self.token(),
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// A text, a number or a word.
    fn token(&mut self) -> &'a str {
        let length = if self.rest.starts_with('"') {
            let mut is_escaped = false;
            let end = self.rest.bytes().skip(1).position(|byte| {
                let is_end = byte == b'"' && !is_escaped;
                is_escaped = byte == b'\\' && !is_escaped;
                is_end
            });
            end.map_or(self.rest.len(), |end| end + 2)
        } else {
            let end = self.rest.find([',', ':', '{', '}', '[', ']', '"']);
            end.unwrap_or(self.rest.len())
        };
        self.take(length).trim_end()
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str) -> String {
        pretty(json, &Secrets::default())
    }

    #[test]
    fn secrets_are_dots_whatever_they_are() {
        let json =
            r#"{"user":{"password":"a\"b","id":1},"tokens":[1,{"a":2}],"ok":true,"none":[]}"#;
        let text = shown(json);
        assert_eq!(
            text,
            "{\n  \"user\": {\n    \"password\": ••••••,\n    \"id\": 1\n  },\n  \"tokens\": ••••••,\n  \
             \"ok\": true,\n  \"none\": []\n}"
        );
    }

    #[test]
    fn what_is_cut_is_shown_as_far_as_it_goes() {
        let json = r#"{"a":{"secret":"abc","b":[1,2,{"c":"xyz"}]}}"#;
        for (end, _) in json.char_indices() {
            let text = shown(&json[..end]);
            assert!(!text.contains("ab"), "{text}");
        }
        assert!(shown(r#"{"a":{"secret":"abc","b":[1,2…"#).ends_with("2…"));
        for odd in ["]", "}}{", "{]", "{\"a\"}", "[,,:]", "\"", "{:::}"] {
            shown(odd);
        }
        shown(&"[".repeat(100_000));
    }
}
