//! Reading and writing posts.

use crate::support::on_each_database;

const SAVED: &[(&str, &str)] = &[("title", "a title"), ("body", "a body")];

#[test]
fn the_front_page_invites_a_visitor_to_log_in_or_register() {
    on_each_database(|site| {
        let front = site.visitor().get("/");

        front.assert_page_with("Log In");
        front.assert_page_with("Register");
        front.assert_page_with("<title>Posts - Flaskr</title>");
        assert!(!front.body.contains("/update"));
        assert!(!front.body.contains("href=\"/create\""));
    });
}

#[test]
fn the_front_page_shows_posts_and_lets_their_author_edit_them() {
    on_each_database(|site| {
        let front = site.user("test").get("/");

        front.assert_page_with("Log Out");
        front.assert_page_with("test title");
        front.assert_page_with("by test on 2018-01-01");
        front.assert_page_with("test\nbody");
        front.assert_page_with("href=\"/1/update\"");
        front.assert_page_with("href=\"/create\"");

        let others = site.user("other").get("/");
        assert!(!others.body.contains("href=\"/1/update\""));
    });
}

#[test]
fn posts_come_newest_first_with_a_rule_between_two() {
    on_each_database(|site| {
        let user = site.user("test");
        assert!(!user.get("/").body.contains("<hr>"));

        for title in ["second", "third"] {
            let form = [("title", title), ("body", "")];
            user.post("/create", &form).assert_redirects_to("/");
        }

        let front = user.get("/").body;
        let place = |title| front.find(title).unwrap();
        assert!(place("third") < place("second"));
        assert!(place("second") < place("test title"));
        assert_eq!(front.matches("<hr>").count(), 2);
    });
}

#[test]
fn an_anonymous_visitor_is_sent_to_log_in() {
    on_each_database(|site| {
        let visitor = site.visitor();

        for path in [
            "/create",
            "/1/update",
            "/9/update",
            "/99999999999999999999/update",
        ] {
            visitor.get(path).assert_redirects_to("/auth/login");
            visitor.post(path, SAVED).assert_redirects_to("/auth/login");
        }
        for path in ["/1/delete", "/9/delete"] {
            visitor.post(path, &[]).assert_redirects_to("/auth/login");
        }

        assert_eq!(site.posts().len(), 1);
    });
}

#[test]
fn only_the_author_may_edit_or_delete() {
    on_each_database(|site| {
        site.execute("UPDATE post SET author_id = 2 WHERE id = 1");
        let user = site.user("test");

        assert_eq!(user.get("/1/update").status, 403);
        assert_eq!(user.post("/1/update", SAVED).status, 403);
        assert_eq!(user.post("/1/update", &[]).status, 403);
        assert_eq!(user.post("/1/delete", &[]).status, 403);

        assert!(!user.get("/").body.contains("href=\"/1/update\""));
        assert_eq!(site.posts()[0].0, "test title");
    });
}

#[test]
fn a_post_has_to_exist() {
    on_each_database(|site| {
        let user = site.user("test");

        for (method, path, id) in [
            ("POST", "/2/update", "2"),
            ("POST", "/2/delete", "2"),
            ("GET", "/0/update", "0"),
            ("GET", "/002/update", "2"),
            ("GET", "/9223372036854775807/update", "9223372036854775807"),
            ("GET", "/9223372036854775808/update", "9223372036854775808"),
            (
                "POST",
                "/0099999999999999999999/delete",
                "99999999999999999999",
            ),
        ] {
            let answer = user.send(method, path, &[], b"");
            assert_eq!(answer.status, 404, "{path}");
            let message = format!("Post id {id} doesn't exist.");
            assert!(answer.body.contains(&message), "{path}: {}", answer.body);
        }
    });
}

#[test]
fn a_number_is_digits_and_nothing_else() {
    on_each_database(|site| {
        let user = site.user("test");

        user.get("/01/update").assert_page_with("test title");

        for id in [
            "-1", "+1", "1.0", "0x1", "one", "1%20", "%FF", "1;1", "%D9%A1",
        ] {
            let path = format!("/{id}/update");
            assert_eq!(user.get(&path).status, 404, "{path}");
            assert_eq!(site.visitor().get(&path).status, 404, "{path}");
            let path = format!("/{id}/delete");
            assert_eq!(user.get(&path).status, 404, "{path}");
        }
    });
}

#[test]
fn a_user_writes_a_post() {
    on_each_database(|site| {
        let user = site.user("test");
        user.get("/create")
            .assert_page_with("<title>New Post - Flaskr</title>");

        let form = [("title", "created"), ("body", "")];
        user.post("/create", &form).assert_redirects_to("/");

        let created = ("created".to_owned(), String::new());
        assert_eq!(site.posts()[1..], [created]);
    });
}

#[test]
fn an_author_edits_a_post() {
    on_each_database(|site| {
        let user = site.user("test");
        let page = user.get("/1/update");
        page.assert_page_with("<title>Edit \"test title\" - Flaskr</title>");
        page.assert_page_with("value=\"test title\"");
        page.assert_page_with(">test\nbody</textarea>");

        let form = [("title", "updated"), ("body", "")];
        user.post("/1/update", &form).assert_redirects_to("/");

        assert_eq!(site.posts(), [("updated".to_owned(), String::new())]);
        user.get("/").assert_page_with("by test on 2018-01-01");
    });
}

#[test]
fn a_post_needs_a_title() {
    on_each_database(|site| {
        let user = site.user("test");
        let form = [("title", ""), ("body", "kept body")];

        let created = user.post("/create", &form);
        created.assert_page_with("Title is required.");
        created.assert_page_with(">kept body</textarea>");

        let updated = user.post("/1/update", &form);
        updated.assert_page_with("Title is required.");
        updated.assert_page_with("value=\"test title\"");
        updated.assert_page_with(">kept body</textarea>");

        let emptied = user.post("/1/update", &[("title", ""), ("body", "")]);
        emptied.assert_page_with(">test\nbody</textarea>");
        assert_eq!(site.posts()[0].0, "test title");
        assert_eq!(site.posts().len(), 1);
    });
}

#[test]
fn an_author_deletes_a_post() {
    on_each_database(|site| {
        let user = site.user("test");

        user.post("/1/delete", &[]).assert_redirects_to("/");

        assert!(site.posts().is_empty());
        assert_eq!(user.get("/1/update").status, 404);
    });
}

#[test]
fn text_is_stored_as_sent() {
    on_each_database(|site| {
        let user = site.user("test");
        let texts = [
            " ",
            "a\r\nb",
            "'; DROP TABLE post; --",
            "\\%_`\"",
            "日本 😀",
            "a\0b",
        ];

        for text in texts {
            let form = [("title", text), ("body", text)];
            user.post("/create", &form).assert_redirects_to("/");
        }

        let stored = &site.posts()[1..];
        for (text, (title, body)) in texts.iter().zip(stored) {
            assert_eq!((text, text), (&title.as_str(), &body.as_str()));
        }
        assert_eq!(stored.len(), texts.len());
    });
}

#[test]
fn text_is_never_markup() {
    on_each_database(|site| {
        let user = site.user("test");
        let markup = "\"></textarea><script>alert('x')</script>{{ 7 * 7 }}";
        let form = [("title", markup), ("body", markup)];

        user.post("/create", &form).assert_redirects_to("/");

        for path in ["/", "/2/update"] {
            let page = user.get(path);
            page.assert_page_with("&lt;script&gt;");
            page.assert_page_with("{{ 7 * 7 }}");
            assert!(!page.body.contains("<script>"), "{}", page.body);
        }
        let name = [("username", "<b>"), ("password", "a")];
        user.post("/auth/register", &name)
            .assert_redirects_to("/auth/login");
        let again = user.post("/auth/register", &name);
        again.assert_page_with("User &lt;b&gt; is already registered.");
    });
}
