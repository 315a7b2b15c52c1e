//! Pretty-printed JSON, with a line for each key. The input may be cut anywhere.

/// How many levels of nested values are shown.
const DEPTH: usize = 12;

/// Pretty-prints JSON.
pub(super) fn pretty(json: &str) -> String {
    let mut writer = Writer {
        rest: json,
        text: String::with_capacity(2 * json.len()),
    };
    writer.value(0);
    writer.text.push_str(writer.rest.trim());
    writer.text
}

struct Writer<'a> {
    rest: &'a str,
    text: String,
}

impl<'a> Writer<'a> {
    fn value(&mut self, depth: usize) {
        self.skip_space();
        match self.rest.bytes().next() {
            Some(b'{') => self.list('}', depth),
            Some(b'[') => self.list(']', depth),
            _ => {
                let token = self.token();
                self.text.push_str(token);
            }
        }
    }

    /// An array or an object.
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
                    if close == '}' {
                        let key = self.token();
                        self.text.push_str(key);
                        self.skip_space();
                        if self.rest.starts_with(':') {
                            self.take(1);
                            self.text.push_str(": ");
                        }
                    }
                    self.value(depth + 1);
                    if self.rest.len() == before {
                        // An unmatched closing bracket.
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

    /// A string, a number or a word.
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

    #[test]
    fn each_key_has_a_line() {
        let text =
            pretty(r#"{"user":{"name":"a\"b","id":1},"list":[1,{"a":2}],"ok":true,"none":[]}"#);
        assert_eq!(
            text,
            "{\n  \"user\": {\n    \"name\": \"a\\\"b\",\n    \"id\": 1\n  },\n  \"list\": [\n    1,\n    \
             {\n      \"a\": 2\n    }\n  ],\n  \"ok\": true,\n  \"none\": []\n}"
        );
    }

    #[test]
    fn what_is_cut_is_shown_as_far_as_it_goes() {
        assert!(pretty(r#"{"a":{"b":[1,2…"#).ends_with("2…"));
        for odd in ["]", "}}{", "{]", "{\"a\"}", "[,,:]", "\"", "{:::}"] {
            pretty(odd);
        }
        pretty(&"[".repeat(100_000));
    }
}
