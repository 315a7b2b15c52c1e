use super::*;

fn shown(text: &str) -> String {
    Redactor::default().text(text).into_owned()
}

#[test]
fn what_is_said_with_a_name_is_hidden_and_the_rest_is_shown() {
    for (text, expected) in [
        (
            r#"User { name: "ada", password: "hun\"ter 2", age: 7 }"#,
            r#"User { name: "ada", password: "••••••", age: 7 }"#,
        ),
        (
            r#"token: Some("abc"), key: b"x", pin: [1, 2], secret: S { s: "x" }, a: 1"#,
            r#"token: ••••••, key: b"••••••", pin: [••••••], secret: ••••••, a: 1"#,
        ),
        (
            r#"{"password":"hunter2","a":{"apiKey" : 'x'},"pin":1234,"note":"ok"}"#,
            r#"{"password":"••••••","a":{"apiKey" : '••••••'},"pin":••••••,"note":"ok"}"#,
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
        (
            "curl -H 'Authorization: Basic x' http://h/",
            "curl -H 'Authorization: ••••••' http://h/",
        ),
        ("password=\"cut in the midd", "password=\"••••••"),
        (
            r#"{"token":{"scopes":["a"],"value":"ab}c"},"passwords":[{"v":"d"}],"e":1}"#,
            r#"{"token":{••••••},"passwords":[••••••],"e":1}"#,
        ),
        ("secret: S { of: [T { a: 1 }, T { a: 2", "secret: ••••••"),
        (
            r#"[("password", "x"), ("a", "b")]"#,
            r#"[("password", "••••••"), ("a", "b")]"#,
        ),
        (r#"("pin", 1234)"#, r#"("pin", ••••••)"#),
        (
            r#"Password("x") ApiKey("y")"#,
            "Password(••••••) ApiKey(••••••)",
        ),
        (
            "password=\"\"x y\"\", a=\"\"b\"\"",
            "password=\"\"••••••\"\", a=\"\"b\"\"",
        ),
        ("--password x --verbose", "--password •••••• --verbose"),
        (
            r#"["--token", "x", "-v"]"#,
            r#"["--token", "••••••", "-v"]"#,
        ),
        (
            "<a><password>x</password></a>",
            "<a><password>••••••</password></a>",
        ),
        (
            "<wsse:Password Type=\"t\">x</wsse:Password>",
            "<wsse:Password Type=\"t\">••••••</wsse:Password>",
        ),
        (
            r#"{"name":"password","value":"x","b":1}"#,
            r#"{"name":"password","value":"••••••","b":1}"#,
        ),
        (
            "<input type=\"text\" name=\"api_key\" value=\"x\">",
            "<input type=\"text\" name=\"api_key\" value=\"••••••\">",
        ),
        (
            "/cb?code=7&token=a,b;c'd#e=1",
            "/cb?code=7&token=••••••#e=1",
        ),
        (
            "user[password]=x&tokens[0]=y&a[]=z",
            "user[password]=••••••&tokens[0]=••••••&a[]=z",
        ),
        (
            r#"[Pair { key: "password", value: "x" }]"#,
            r#"[Pair { key: "password", value: "••••••" }]"#,
        ),
        (
            r#""\"password\":\"x\"" a"#,
            r#""\"password\":\"••••••\"" a"#,
        ),
        (
            "card_number: 4111 1111 1111 1111 of",
            "card_number: •••••• of",
        ),
        ("https://a:b@host/c.git", "https://••••••@host/c.git"),
        ("the password hunter2 of ada", "the password •••••• of ada"),
        ("password=don't tell", "password=•••••• tell"),
        ("password=a,b;c, next=d", "password=••••••, next=d"),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn secrets_in_sql_are_hidden() {
    for (text, expected) in [
        (
            "WHERE password = crypt('x', gen_salt('bf'))",
            "WHERE password = ••••••",
        ),
        (
            "ALTER USER ada WITH PASSWORD 'x'",
            "ALTER USER ada WITH PASSWORD '••••••'",
        ),
        (
            "CREATE USER ada IDENTIFIED BY 'x'",
            "CREATE USER ada IDENTIFIED BY '••••••'",
        ),
        (
            "ALTER USER ada IDENTIFIED BY tiger;",
            "ALTER USER ada IDENTIFIED BY ••••••;",
        ),
        (
            "ALTER USER a IDENTIFIED WITH caching_sha2_password BY 'x'",
            "ALTER USER a IDENTIFIED WITH caching_sha2_password BY '••••••'",
        ),
        (
            "SET PASSWORD FOR 'ada'@'h' = PASSWORD('x')",
            "SET PASSWORD FOR 'ada'@'h' = ••••••",
        ),
        (
            "SELECT 1 WHERE password LIKE 'x' OR token IN ('a', 'b') OR pw <> N'c'",
            "SELECT 1 WHERE password LIKE '••••••' OR token IN (••••••) OR pw <> N'••••••'",
        ),
        (
            "INSERT INTO u (name, \"password\") VALUES ('ada', 'x)'), ('bob', ?)",
            "INSERT INTO u (name, \"password\") VALUES ('ada', ••••••), ('bob', ?)",
        ),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn users_in_addresses_are_hidden_if_they_have_passwords() {
    for (text, expected) in [
        (
            "mysql://root:hunter2@localhost/db",
            "mysql://root:••••••@localhost/db",
        ),
        (
            "mysql://root:p@ss:w@rd@localhost/db?a=b@c",
            "mysql://root:••••••@localhost/db?a=b@c",
        ),
        (
            "postgres://u:p/w#x@h/db and",
            "postgres://u:••••••@h/db and",
        ),
        ("https://TOKEN@host/a", "https://••••••@host/a"),
        ("git+https://a:b@host", "git+https://••••••@host"),
        ("redis://:x@h", "redis://:••••••@h"),
        ("https://user:pa…", "https://user:••••••"),
        ("ada:x@tcp(h:3306)/db", "ada:••••••@tcp(h:3306)/db"),
    ] {
        assert_eq!(shown(text), expected);
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "session: started, pass: 2 of 3, key=post:5",
        "Token::new(5), token == other, token: None, password: ''",
        "SET password = EXCLUDED.password WHERE s.session_id = t.session_id",
        "author: ada, monkey=x",
        "http://localhost:5000/a@b",
        "http://{host}:{port}/ ssh://git@github.com/a/b",
        "SELECT a.b FROM c WHERE d = 'e:f' AND t.token = $1 AND password = :password",
        "the token, the password is wrong, no cookie",
        "a passenger tokenizes: tokenizer=bpe, author=ada",
        "/posts/how-to-sign-in?page=2&id=550e8400-e29b-41d4-a716-446655440000",
        "commit 9fed4d9a1c0b7e6f5d4c3b2a190817263544f5e6",
        r#"{"id":1,"size":"12 KiB","signature":"fn(u8) -> u8","max_tokens":4096,"tokens":12}"#,
        "INSERT INTO post (title, body) VALUES ('a', 'b')",
        "SELECT p.id, title, created FROM post p JOIN user u ON p.author_id = u.id",
        "unexpected token `,` at 5",
        "bearer of bad news, basic understanding",
        "token_type=bearer&expires_in=3600&token_count=5",
        "C:\\temp\\new folder\\100%",
        "password={password} token=<token> key=${KEY} pw=%s",
        "state=running code=404",
        "self.session.insert(\"user\", 5)",
        "the password must have 8 letters: password authentication failed for user \"ada\"",
        "CREATE TABLE user (id INT, password VARCHAR(60) NOT NULL, token TEXT)",
        "{\"error\":\"invalid token\",\"code\":401,\"grant_type\":\"password\"}",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn a_text_without_its_secrets_stays_as_it_is() {
    for text in [
        r#"{"token":{"a":1},"passwords":[1],"pin":5}"#,
        "password=x&a=b Authorization: Basic abc\nhttps://a@b/ AKIAIOSFODNN7EXAMPLE",
        "secret: S { a: 1 }, token: Some(\"x\")",
    ] {
        let once = shown(text);
        assert_eq!(shown(&once), once);
    }
}

#[test]
fn what_is_under_too_many_layers_is_hidden() {
    let mut text = "password=s3cr3t".replace('=', "%3D");
    for _ in 0..12 {
        assert!(
            !shown(&format!("a={text}&b=1")).contains("s3cr3t"),
            "{text}"
        );
        text = text.replace('%', "%25");
    }
}

#[cfg(feature = "toolbar")]
#[test]
fn a_name_that_is_told_is_hidden_everywhere() {
    let mut redactor = Redactor::default();
    redactor.names.add("Gift-Card");
    assert_eq!(redactor.text("/?giftCard2=x&a=b"), "/?giftCard2=••••••&a=b");
    assert_eq!(redactor.value("gift_card", "x"), DOTS);
}

/// The units are beginnings of secrets, repeated without an end.
#[test]
fn the_walk_is_linear_in_its_text() {
    let units = [
        "eyJhbGciOi.",
        "eyJ",
        "password=",
        "password",
        "\"password\",[",
        "[\"password\",",
        "a://b:c/",
        "https://",
        "@tcp(",
        "$2b$",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "insert into a(",
        "insert into a(password) values ('",
        "key=a/",
        "code=\"",
        "code='a\\",
        "bearer ",
        "Basic+",
        "identified by ",
        "\\\\",
        "%25",
        "&amp;",
        "\\\"password\\\":",
        "name:password,",
        "<password>",
        "token: Some(",
        "password ",
        "token: A::",
        "\"token\" ",
        "a,b=",
        "password=a,",
        "cookie: a;",
        "pw==",
        "sk-",
        "md5a",
        "{ssha}",
        "password\"\"",
        " ",
        "\"",
        "é",
        "signature: {",
        "pass(",
    ];
    let steps = |text: &str| walk::secrets(text, &Names::default(), false).steps;
    let is_linear = |unit: &str, small: usize, large: usize| {
        let text = |bytes: usize| unit.repeat(bytes / unit.len());
        let (few, many) = (steps(&text(small)), steps(&text(large)));
        let times = (large / small) as u64;
        assert!(
            many < 2 * times * few.max(small as u64),
            "{unit}: {few} and {many}"
        );
    };
    for unit in units {
        is_linear(unit, 1 << 13, 1 << 17);
    }
    for unit in ["eyJhbGciOi.", "password=", "\\\"", "%25", &units.concat()] {
        is_linear(unit, 1 << 14, 1 << 20);
    }
}

const NAMES: [&str; 34] = [
    "password",
    "passwd",
    "pwd",
    "pw",
    "passcode",
    "passphrase",
    "token",
    "access_token",
    "id_token",
    "refreshToken",
    "api_key",
    "X-Api-Key",
    "client_secret",
    "code_verifier",
    "sig",
    "signature",
    "hmac",
    "totp",
    "otp",
    "cvv",
    "card_number",
    "SAMLResponse",
    "assertion",
    "client_assertion",
    "ticket",
    "csrf_token",
    "session_id",
    "PHPSESSID",
    "connect.sid",
    "authorization",
    "private_key",
    "DB_PASS",
    "credentials",
    "jwt",
];

const LOOKS: [&str; 20] = [
    "AKIAS3CR3TS3CR3TS3CR",
    "ghp_s3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3cr3t",
    "github_pat_11s3cr3ts3cr3ts3cr3t_s3cr3ts3cr3t",
    "xoxb-123456789012-s3cr3ts3cr3t",
    "sk_live_s3cr3ts3cr3ts3cr3t",
    "glpat-s3cr3ts3cr3ts3cr3t",
    "AIzas3cr3ts3cr3ts3cr3ts3cr3ts3cr3ts3cr3",
    "SG.s3cr3ts3cr3ts3cr3t.s3cr3ts3cr3t",
    "npm_s3cr3ts3cr3ts3cr3ts3cr3ts3cr3t",
    "pypi-s3cr3ts3cr3ts3cr3t",
    "hf_s3cr3ts3cr3ts3cr3ts3cr3t",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIis3cr3t.s3cr3ts3cr3t",
    "$2b$12$s3cr3ts3cr3ts3cr3ts3cr3t",
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$s3cr3ts3cr3t",
    "$6$salt$s3cr3ts3cr3t",
    "pbkdf2_sha256$600000$salt$s3cr3ts3cr3t=",
    "{SSHA}s3cr3ts3cr3ts3cr3t=",
    "https://s3cr3t@localhost/a",
    "postgres://ada:s3cr3t@localhost/a",
    "Bearer s3cr3ts3cr3t",
];

/// Notations of a name and its value.
fn notations(name: &str, value: &str) -> Vec<String> {
    vec![
        format!("{name}={value}"),
        format!("{name}: {value}"),
        format!("{name}=\"{value}\""),
        format!("{{\"{name}\":\"{value}\"}}"),
        format!("{{\"a\":{{\"{name}\" : [\"{value}\"]}}}}"),
        format!("Login {{ name: \"ada\", {name}: \"{value}\" }}"),
        format!("{name}: Some(\"{value}\")"),
        format!("(\"{name}\", \"{value}\")"),
        format!("[(\"a\", \"b\"), (\"{name}\", Some(\"{value}\"))]"),
        format!("{{'{name}': '{value}'}}"),
        format!("/a?b=c&{name}={value}&d=e"),
        format!("http://localhost/a#{name}={value}"),
        format!("\"{name}\" => \"{value}\""),
        format!("UPDATE a SET `{name}` = '{value}' WHERE b = 1"),
    ]
}

fn percent(text: &str) -> String {
    let letter = |it: u8| match it {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'.' => char::from(it).to_string(),
        _ => format!("%{it:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn percent_all(text: &str) -> String {
    let letter = |it: u8| format!("%{it:02x}");
    text.bytes().map(letter).collect()
}

fn html(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

fn unicode(text: &str) -> String {
    let letter = |it: char| match it {
        'a'..='z' | 'A'..='Z' | '0'..='9' => it.to_string(),
        _ => format!("\\u{:04x}", u32::from(it)),
    };
    text.chars().map(letter).collect()
}

fn debug(text: &str) -> String {
    format!("{text:?}")
}

/// Whether a text contains `secret` in any layer of its escapes.
fn is_readable(text: &str, secret: &str) -> bool {
    let mut layer = Some(decode::Layer::of(text));
    while let Some(one) = layer {
        let text = String::from_utf8_lossy(one.from(0)).to_lowercase();
        if text.contains(secret) {
            return true;
        }
        layer = one.decoded();
    }
    false
}

type Escape = fn(&str) -> String;

const ESCAPES: [Escape; 6] = [str::to_owned, percent, html, unicode, debug, percent_all];

#[test]
fn no_secret_is_readable_in_any_notation_under_any_escapes() {
    let named = NAMES.iter().flat_map(|name| notations(name, "s3cr3t"));
    let looks = LOOKS.iter().flat_map(|look| {
        [
            look.to_string(),
            format!("see {look}, there"),
            format!("{{\"a\":\"{look}\"}}"),
            format!("a={look}&b=c"),
        ]
    });
    let texts: Vec<String> = named.chain(looks).collect();
    for (number, text) in texts.iter().enumerate() {
        for (one, first) in ESCAPES.iter().enumerate() {
            for (other, second) in ESCAPES.iter().enumerate() {
                // All pairs of escapes, each for a sixth of the texts.
                if (number + one) % ESCAPES.len() != other {
                    continue;
                }
                let escaped = second(&first(text));
                for whole in [
                    escaped.clone(),
                    format!("/a?next={escaped}&b=c"),
                    format!("said \"{escaped}\" to ada"),
                ] {
                    let shown = shown(&whole);
                    assert!(
                        !is_readable(&shown, "s3cr3t"),
                        "{one} {other}: {whole}\n{shown}"
                    );
                    let shown = Redactor::default().value("a", &whole).into_owned();
                    assert!(
                        !is_readable(&shown, "s3cr3t"),
                        "{one} {other}: {whole}\n{shown}"
                    );
                }
            }
        }
    }
}

#[test]
fn values_of_any_letters_are_hidden_to_their_end() {
    let value = "hunter&two;three,four=five#six\"seven'eight nine\\ten%41<eleven>{";
    let words = [
        "hunter", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    ];
    for name in NAMES {
        let form = format!("a=b&{name}={}&c=d", percent(value));
        let json = format!("{{\"a\":1,\"{name}\":{value:?},\"b\":2}}");
        let nested = format!("/a?next={}&b=c", percent(&format!("/cb?{form}")));
        let said = format!("body={json:?} b=c");
        let json_in_form = format!("/a?q={}&b=c", percent(&json));
        let twice = format!("said {said:?}");
        for text in [form, json, nested, said, json_in_form, twice] {
            let shown = shown(&text);
            for word in words {
                assert!(!is_readable(&shown, word), "{word}: {text}\n{shown}");
            }
        }
    }
}
