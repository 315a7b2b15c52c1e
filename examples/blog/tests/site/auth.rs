//! Registering, logging in, logging out.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Answer, Browser, Site, on_each_database};

#[test]
fn a_new_user_registers_and_is_sent_to_log_in() {
    on_each_database(|site| {
        let visitor = site.visitor();
        visitor.get("/auth/register").assert_page_with("Register");

        let answer = register(&visitor, "a", "a");

        answer.assert_redirects_to("/auth/login");
        assert_eq!(count_of_users(site), 3);
        log_in(&visitor, "a", "a").assert_redirects_to("/");
    });
}

#[test]
fn registering_needs_a_free_name_and_a_password() {
    on_each_database(|site| {
        let visitor = site.visitor();

        register(&visitor, "", "").assert_page_with("Username is required.");
        register(&visitor, "a", "").assert_page_with("Password is required.");
        let taken = register(&visitor, "test", "test");
        taken.assert_page_with("User test is already registered.");

        assert_eq!(count_of_users(site), 2);
    });
}

#[test]
fn names_differ_by_case_accents_and_spaces() {
    on_each_database(|site| {
        let visitor = site.visitor();

        for name in [
            "Test",
            "test ",
            " test",
            "tést",
            "te\u{301}st",
            "'; --",
            "😀",
        ] {
            register(&visitor, name, "a").assert_redirects_to("/auth/login");
            log_in(&visitor, name, "a").assert_redirects_to("/");
        }

        log_in(&visitor, "TEST", "test").assert_page_with("Incorrect username.");
    });
}

#[test]
fn a_name_may_be_long() {
    on_each_database(|site| {
        let visitor = site.visitor();
        let name = "n".repeat(10_000);

        register(&visitor, &name, "a").assert_redirects_to("/auth/login");

        let again = register(&visitor, &name, "a");
        again.assert_page_with("is already registered.");
        log_in(&visitor, &name, "a").assert_redirects_to("/");
        visitor.get("/").assert_page_with(&name);
    });
}

#[test]
fn a_long_password_counts_to_its_end() {
    on_each_database(|site| {
        let visitor = site.visitor();
        let password = "p".repeat(5000);
        register(&visitor, "a", &password).assert_redirects_to("/auth/login");

        let nearly = format!("{}q", &password[1..]);

        log_in(&visitor, "a", &nearly).assert_page_with("Incorrect password.");
        log_in(&visitor, "a", &password).assert_redirects_to("/");
    });
}

#[test]
fn a_password_is_not_stored_as_it_is() {
    on_each_database(|site| {
        register(&site.visitor(), "a", "pass phrase").assert_redirects_to("/auth/login");

        let stored: Vec<(String,)> = site.rows("SELECT password FROM user WHERE id = 3");

        assert!(stored[0].0.starts_with("$argon2id$"));
    });
}

#[test]
fn a_user_logs_in_and_is_greeted_by_name() {
    on_each_database(|site| {
        let visitor = site.visitor();
        visitor.get("/auth/login").assert_page_with("Log In");

        let answer = log_in(&visitor, "test", "test");

        answer.assert_redirects_to("/");
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with("session="));
        assert!(cookie.contains("HttpOnly") && cookie.contains("Path=/"));
        let front = visitor.get("/");
        front.assert_page_with("<li>test</li>");
        front.assert_page_with("Log Out");
    });
}

#[test]
fn a_wrong_name_or_password_is_told_apart() {
    on_each_database(|site| {
        let visitor = site.visitor();

        log_in(&visitor, "a", "test").assert_page_with("Incorrect username.");
        log_in(&visitor, "test", "a").assert_page_with("Incorrect password.");
        log_in(&visitor, "", "").assert_page_with("Incorrect username.");

        visitor.get("/").assert_page_with("Log In");
    });
}

#[test]
fn another_login_replaces_the_first_and_a_failed_one_does_not() {
    on_each_database(|site| {
        let user = site.user("test");

        log_in(&user, "other", "wrong").assert_page_with("Incorrect password.");
        user.get("/").assert_page_with("<li>test</li>");

        log_in(&user, "other", "other").assert_redirects_to("/");
        user.get("/").assert_page_with("<li>other</li>");
    });
}

#[test]
fn a_user_logs_out() {
    on_each_database(|site| {
        let user = site.user("test");

        user.get("/auth/logout").assert_redirects_to("/");

        user.get("/").assert_page_with("Log In");
        let nobody = site.visitor().get("/auth/logout");
        nobody.assert_redirects_to("/");
    });
}

#[test]
fn a_session_ends_with_logging_out_for_all_who_have_its_cookie() {
    on_each_database(|site| {
        let user = site.visitor();
        let cookie = cookie_of(&log_in(&user, "test", "test"));
        let elsewhere = cookie_of(&log_in(&site.visitor(), "test", "test"));
        assert_ne!(cookie, elsewhere);

        user.get("/auth/logout").assert_redirects_to("/");

        front_page(site, &cookie).assert_page_with("Log In");
        front_page(site, &elsewhere).assert_page_with("Log Out");
    });
}

#[test]
fn another_login_ends_the_session_before() {
    on_each_database(|site| {
        let user = site.visitor();
        let before = cookie_of(&log_in(&user, "test", "test"));

        let after = cookie_of(&log_in(&user, "other", "other"));

        front_page(site, &before).assert_page_with("Log In");
        front_page(site, &after).assert_page_with("<li>other</li>");
    });
}

#[test]
fn a_session_ends_with_its_time() {
    on_each_database(|site| {
        let cookie = cookie_of(&log_in(&site.visitor(), "test", "test"));
        front_page(site, &cookie).assert_page_with("Log Out");
        let ends: Vec<(i64,)> = site.rows("SELECT expires FROM session");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let days = (ends[0].0 - i64::try_from(now.as_secs()).unwrap()) / (24 * 60 * 60);
        assert!((30..=31).contains(&days), "{days}");

        site.execute("UPDATE session SET expires = 1");

        front_page(site, &cookie).assert_page_with("Log In");
        // The next login deletes it.
        log_in(&site.visitor(), "test", "test");
        assert_eq!(site.rows::<(i64,)>("SELECT user_id FROM session").len(), 1);
    });
}

#[test]
fn the_database_has_no_token_that_opens_a_session() {
    on_each_database(|site| {
        let cookie = cookie_of(&log_in(&site.visitor(), "test", "test"));

        let stored: Vec<(String,)> = site.rows("SELECT token_digest FROM session");

        assert_eq!(stored[0].0.len(), 64);
        assert!(!cookie.contains(&stored[0].0));
    });
}

#[test]
fn the_cookie_is_for_tls_alone_where_the_visitor_is_connected_by_it() {
    on_each_database(|site| {
        for (header, value, is_secure) in [
            ("x-forwarded-proto", "https", true),
            ("x-forwarded-proto", "HTTPS, http", true),
            ("x-forwarded-proto", "http", false),
            ("x-forwarded-proto", "http, https", false),
            ("forwarded", "for=192.0.2.1;proto=https", true),
            ("forwarded", "Proto=\"https\"; for=_a, proto=http", true),
            ("forwarded", "for=192.0.2.1", false),
            ("x-other", "https", false),
        ] {
            let form = ("content-type", "application/x-www-form-urlencoded");
            let headers = [form, (header, value)];
            let body = b"username=test&password=test";
            let answer = site.visitor().send("POST", "/auth/login", &headers, body);
            let cookie = answer.header("set-cookie");
            assert_eq!(cookie.contains("Secure"), is_secure, "{header}: {value}");
        }
    });
}

#[test]
fn a_forged_cookie_is_nobodys() {
    on_each_database(|site| {
        let answer = log_in(&site.visitor(), "test", "test");
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        let mut forged = cookie.to_owned();
        let last = forged.pop().unwrap();
        forged.push(if last == '0' { '1' } else { '0' });

        for cookie in [
            &forged,
            "session=1",
            "session=",
            "session",
            "=;;=",
            "session=%FF%00",
        ] {
            let front = site.visitor().send("GET", "/", &[("cookie", cookie)], b"");
            front.assert_page_with("Log In");
        }
        let front = site.visitor().send("GET", "/", &[("cookie", cookie)], b"");
        front.assert_page_with("Log Out");
    });
}

#[test]
fn a_deleted_user_is_nobody() {
    on_each_database(|site| {
        let user = site.user("other");

        site.execute("DELETE FROM user WHERE id = 2");

        user.get("/").assert_page_with("Log In");
        user.get("/create").assert_redirects_to("/auth/login");
    });
}

fn cookie_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").split(';').next();
    cookie.unwrap().to_owned()
}

fn front_page(site: &Site, cookie: &str) -> Answer {
    let headers = [("cookie", cookie)];
    site.visitor().send("GET", "/", &headers, b"")
}

fn register(visitor: &Browser, username: &str, password: &str) -> Answer {
    let form = [("username", username), ("password", password)];
    visitor.post("/auth/register", &form)
}

fn log_in(visitor: &Browser, username: &str, password: &str) -> Answer {
    let form = [("username", username), ("password", password)];
    visitor.post("/auth/login", &form)
}

fn count_of_users(site: &Site) -> usize {
    site.rows::<(i64,)>("SELECT id FROM user").len()
}
