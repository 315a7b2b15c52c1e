//! HTTP details that browsers don't show: methods, headers, malformed forms, failures.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::on_each_database;

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn hello_is_said() {
    on_each_database(|site| {
        let answer = site.visitor().get("/hello");

        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "Hello, World!")
        );
    });
}

#[test]
fn every_answer_depends_on_the_cookie() {
    on_each_database(|site| {
        for path in [
            "/",
            "/hello",
            "/create",
            "/auth/login",
            "/static/style.css",
            "/nowhere",
        ] {
            assert_eq!(site.visitor().get(path).header("vary"), "Cookie", "{path}");
        }
    });
}

#[test]
fn an_unknown_path_is_not_found() {
    on_each_database(|site| {
        let visitor = site.visitor();
        for path in [
            "/nowhere",
            "/create/",
            "/auth",
            "/auth/update",
            "/1",
            "/static/",
            "/static/nothing.css",
            "/static/../Cargo.toml",
            "/static/%2e%2e/Cargo.toml",
            "/static/..%2f..%2fetc%2fpasswd",
            "/static/%FF",
        ] {
            let answer = visitor.get(path);
            assert_eq!(answer.status, 404, "{path}");
            assert!(answer.body.contains("Not Found"), "{path}");
        }
    });
}

#[test]
fn options_and_wrong_methods_are_told_what_is_allowed() {
    on_each_database(|site| {
        let visitor = site.visitor();
        for (path, allowed) in [
            ("/", "GET, HEAD, OPTIONS"),
            ("/hello", "GET, HEAD, OPTIONS"),
            ("/auth/logout", "GET, HEAD, OPTIONS"),
            ("/static/style.css", "GET, HEAD, OPTIONS"),
            ("/create", "GET, HEAD, POST, OPTIONS"),
            ("/auth/login", "GET, HEAD, POST, OPTIONS"),
            ("/auth/register", "GET, HEAD, POST, OPTIONS"),
            ("/1/update", "GET, HEAD, POST, OPTIONS"),
            ("/1/delete", "POST, OPTIONS"),
        ] {
            let options = visitor.send("OPTIONS", path, &[], b"");
            assert_eq!((options.status, options.body.as_str()), (200, ""), "{path}");
            assert_eq!(options.header("allow"), allowed, "{path}");

            let wrong = visitor.send("DELETE", path, &[], b"");
            assert_eq!(wrong.status, 405, "{path}");
            assert_eq!(wrong.header("allow"), allowed, "{path}");
        }
        assert_eq!(visitor.get("/1/delete").status, 405);
        assert_eq!(visitor.post("/", &[]).status, 405);
    });
}

#[test]
fn head_is_get_without_the_body() {
    on_each_database(|site| {
        let user = site.user("test");
        for path in ["/", "/hello", "/create", "/1/update", "/static/style.css"] {
            let head = user.send("HEAD", path, &[], b"");
            assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
            let length: usize = head.header("content-length").parse().unwrap();
            assert_eq!(length, user.get(path).body.len(), "{path}");
        }
    });
}

#[test]
fn the_style_sheet_is_sent_once() {
    on_each_database(|site| {
        let visitor = site.visitor();
        let first = visitor.get("/static/style.css");
        assert_eq!(first.status, 200);
        assert_eq!(first.header("content-type"), "text/css; charset=utf-8");
        let tag = first.header("etag");

        for known in [tag, "*", &format!("W/{tag}"), &format!("\"other\", {tag}")] {
            let headers = [("if-none-match", known)];
            let again = visitor.send("GET", "/static/style.css", &headers, b"");
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{known}");
            assert_eq!(again.header("etag"), tag);
        }
        let headers = [("if-none-match", "\"other\"")];
        let changed = visitor.send("GET", "/static/style.css", &headers, b"");
        assert_eq!(changed.status, 200);
    });
}

#[test]
fn the_style_sheet_comes_in_parts_and_not_twice() {
    on_each_database(|site| {
        let visitor = site.visitor();
        let get = |name: &str, value: &str| {
            visitor.send("GET", "/static/style.css", &[(name, value)], b"")
        };
        let whole = visitor.get("/static/style.css");
        let length = whole.body.len();
        assert_eq!(whole.header("accept-ranges"), "bytes");

        let last = format!("bytes={}-", length - 5);
        for (range, part) in [
            ("bytes=0-9", &whole.body[..10]),
            ("bytes=-5", &whole.body[length - 5..]),
            (&last, &whole.body[length - 5..]),
            // Beyond the end of the file.
            ("bytes=0-18446744073709551615", &whole.body),
            ("bytes=-1000000", &whole.body),
            ("bytes=-18446744073709551615", &whole.body),
        ] {
            let answer = get("range", range);
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (206, part),
                "{range}"
            );
        }
        let first = get("range", "bytes=0-9");
        assert_eq!(first.header("content-range"), format!("bytes 0-9/{length}"));
        let beyond = get("range", &format!("bytes={length}-"));
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
        for range in ["bytes=18446744073709551615-", "bytes=-0"] {
            assert_eq!(get("range", range).status, 416, "{range}");
        }

        let modified = whole.header("last-modified");
        assert_eq!(get("if-modified-since", modified).status, 304);
        assert_eq!(
            get("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT").status,
            200
        );
        // Headers that can't be parsed are ignored.
        assert_eq!(get("if-modified-since", "yesterday").status, 200);
        for range in ["lines=1-2", "bytes=", "bytes=a-b", "bytes=2-1"] {
            assert_eq!(get("range", range).status, 200, "{range}");
        }
    });
}

#[test]
fn errors_are_pages() {
    on_each_database(|site| {
        let user = site.user("test");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let part = ("content-type", "multipart/form-data; boundary=a");
        let many = "a=&".repeat(1001);
        let long = "a".repeat((16 << 20) + 1);
        let style = "/static/style.css";
        for (method, path, header, body, status) in [
            ("GET", "/nowhere", form, "", 404),
            ("GET", "/%FF", form, "", 404),
            ("GET", "/static/%FF", form, "", 404),
            ("GET", "/9/update", form, "", 404),
            ("GET", "/x/update", form, "", 404),
            ("DELETE", "/", form, "", 405),
            ("POST", "/create", form, "title=a", 400),
            ("POST", "/create", part, "--a", 400),
            ("POST", "/create", form, &many, 413),
            ("POST", "/create", form, &long, 413),
            ("GET", style, ("range", "bytes=1000000-"), "", 416),
        ] {
            let answer = user.send(method, path, &[header], body.as_bytes());
            assert_eq!(answer.status, status, "{method} {path}");
            let kind = answer.header("content-type");
            assert_eq!(kind, "text/html; charset=utf-8", "{method} {path}");
            assert!(answer.body.contains("<h1>"), "{method} {path}");
        }
        site.execute("DROP TABLE post");
        let broken = user.get("/");
        assert_eq!(broken.status, 500);
        assert!(broken.body.contains("<h1>Internal Server Error</h1>"));
    });
}

#[test]
fn a_form_has_a_thousand_fields_at_the_most() {
    on_each_database(|site| {
        let user = site.user("test");
        let urlencoded = |others: usize| format!("title=a&body=b{}", "&x=".repeat(others));
        assert_eq!(
            user.post_form("/create", urlencoded(998).as_bytes()).status,
            302
        );
        assert_eq!(
            user.post_form("/create", urlencoded(999).as_bytes()).status,
            413
        );

        let multipart = |others: usize| {
            let field = |name: &str| {
                format!("--a\r\ncontent-disposition: form-data; name={name}\r\n\r\nx\r\n")
            };
            let body = [field("title"), field("body"), field("x").repeat(others)].concat();
            let headers = [("content-type", "multipart/form-data; boundary=a")];
            user.send("POST", "/create", &headers, (body + "--a--\r\n").as_bytes())
        };
        assert_eq!(multipart(998).status, 302);
        assert_eq!(multipart(999).status, 413);
    });
}

#[test]
fn a_form_without_its_fields_is_a_bad_request() {
    on_each_database(|site| {
        let user = site.user("test");
        for path in ["/create", "/1/update"] {
            assert_eq!(user.post(path, &[]).status, 400, "{path}");
            assert_eq!(user.post(path, &[("title", "a")]).status, 400, "{path}");
            assert_eq!(user.post(path, &[("body", "a")]).status, 400, "{path}");
        }
        for path in ["/auth/register", "/auth/login"] {
            assert_eq!(user.post(path, &[]).status, 400, "{path}");
            assert_eq!(user.post(path, &[("username", "a")]).status, 400, "{path}");
        }
        assert_eq!(site.posts().len(), 1);
    });
}

#[test]
fn json_is_no_form() {
    on_each_database(|site| {
        let user = site.user("test");
        let body = br#"{"title": "a", "body": "b", "username": "a", "password": "b"}"#;

        for path in ["/create", "/1/update", "/auth/register", "/auth/login"] {
            let answer = user.send("POST", path, &[JSON], body);
            assert_eq!(answer.status, 400, "{path}");
            assert!(answer.body.contains("Bad Request"), "{path}");
        }
        assert_eq!(user.send("POST", "/create", &[], b"").status, 400);
    });
}

#[test]
fn the_first_of_a_repeated_field_counts() {
    on_each_database(|site| {
        let user = site.user("test");

        let answer = user.post_form("/create", b"title=one&title=two&body=b&body=");

        answer.assert_redirects_to("/");
        assert_eq!(site.posts()[1], ("one".to_owned(), "b".to_owned()));
    });
}

#[test]
fn a_multipart_form_is_a_form() {
    on_each_database(|site| {
        let user = site.user("test");
        let multipart = ("content-type", "multipart/form-data; boundary=line");
        let body = b"--line\r\n\
            Content-Disposition: form-data; name=\"title\"\r\n\r\nin parts\r\n\
            --line\r\n\
            Content-Disposition: form-data; name=\"body\"\r\n\r\n\xFF\r\n\
            --line--\r\n";

        let answer = user.send("POST", "/create", &[multipart], body);

        answer.assert_redirects_to("/");
        assert_eq!(
            site.posts()[1],
            ("in parts".to_owned(), "\u{FFFD}".to_owned())
        );

        let cut_short = user.send("POST", "/create", &[multipart], &body[..70]);
        assert_eq!(cut_short.status, 400);
        let no_boundary = ("content-type", "multipart/form-data");
        let answer = user.send("POST", "/create", &[no_boundary], body);
        assert_eq!(answer.status, 400);
    });
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    on_each_database(|site| {
        let user = site.user("test");

        let answer = user.post_form("/create", b"title=%FFa\xFE&body=%zz%E2%82");

        answer.assert_redirects_to("/");
        let stored = ("\u{FFFD}a\u{FFFD}".to_owned(), "%zz\u{FFFD}".to_owned());
        assert_eq!(site.posts()[1], stored);
    });
}

#[test]
fn a_form_may_be_several_megabytes() {
    on_each_database(|site| {
        let user = site.user("test");
        let body = "b".repeat(5 * 1024 * 1024);

        let form = [("title", "long"), ("body", &body)];
        user.post("/create", &form).assert_redirects_to("/");

        assert_eq!(site.posts()[1].1, body);
    });
}

#[test]
fn a_form_over_the_limit_is_refused() {
    on_each_database(|site| {
        let length = 16 * 1024 * 1024 + 1;
        let mut stream = TcpStream::connect(site.host()).unwrap();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nHost: blog\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'a'; length]).unwrap();

        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();

        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    });
}

#[test]
fn a_database_failure_is_not_shown_to_visitors() {
    on_each_database(|site| {
        site.execute("DROP TABLE post");

        let answer = site.visitor().get("/");

        assert_eq!(answer.status, 500);
        assert!(answer.body.contains("Internal Server Error"));
        assert!(!answer.body.contains("post"), "{}", answer.body);
    });
}

#[test]
fn many_visitors_are_served_at_once() {
    on_each_database(|site| {
        let user = site.user("test");
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| user.get("/1/update").assert_page_with("test title"));
            }
        });
    });
}
