//! Registering, logging in, logging out.

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
fn a_forged_cookie_is_nobodys() {
    on_each_database(|site| {
        let answer = log_in(&site.visitor(), "test", "test");
        let cookie = answer.header("set-cookie").split(';').next().unwrap();
        let mut forged = cookie.to_owned();
        let user_id = forged.pop().unwrap();
        assert_eq!(user_id, '1');
        forged.push('2');

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
