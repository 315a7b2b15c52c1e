//! Visits the blog in Chromium, with the toolbar, the query profiler and the endpoints on.
//!
//! Skipped with a message if there is no Chromium. If `MEMPROF_SCREENSHOTS` names a folder, the
//! screenshots of the README are written there.

#[expect(dead_code, reason = "some of it is for pages of reports")]
#[path = "../../../tests/tests/report/page/browser.rs"]
mod browser;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use browser::Page;
use tempfile::TempDir;

/// A server with all layers on, killed on drop.
struct Blog {
    process: Child,
    address: String,
    debug: String,
}

impl Blog {
    fn serve(directory: &TempDir) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_blog"))
            .args([
                "serve",
                "--addr",
                "127.0.0.1:0",
                "--debug-addr",
                "127.0.0.1:0",
            ])
            .args(["--toolbar", "--query-profile", "--squares", "1000000"])
            .args(["--profiler", "--profile-dir", "profiles"])
            .current_dir(directory)
            .env("BLOG_SECRET_KEY", "the secret of the tests")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let first = |line: Option<std::io::Result<String>>| line.unwrap().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let mut stdout = stdout.lines();
        let said = first(stdout.next());
        let address = said.strip_prefix("Listening on ").unwrap().to_owned();
        // Reads the tables of requests, so that the pipe doesn't fill up.
        std::thread::spawn(move || stdout.for_each(drop));
        let stderr = BufReader::new(process.stderr.take().unwrap());
        let mut stderr = stderr.lines();
        let start = "note: the memory of this process is shown at ";
        let said = stderr.find_map(|line| line.unwrap().strip_prefix(start).map(str::to_owned));
        std::thread::spawn(move || stderr.for_each(drop));
        Self {
            process,
            address,
            debug: said.unwrap(),
        }
    }
}

impl Drop for Blog {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn whoever_walks_through_the_blog_sees_what_each_request_did() {
    let directory = TempDir::new().unwrap();
    let blog = Blog::serve(&directory);
    let home = format!("{}/", blog.address);
    let Some(page) = Page::at(&home, "auth/register", TempDir::new().unwrap()) else {
        return;
    };
    let go = |path: &str| page.go(&format!("{}{path}", blog.address));
    let send = |fields: &[(&str, &str)], arrives: &str| {
        for (name, value) in fields {
            page.get(&format!(
                "document.querySelector('form [name={name}]').value = '{value}'"
            ));
        }
        page.arrive(|| _ = page.get("document.querySelector('form [type=submit]').click()"));
        assert_eq!(page.text("location.pathname"), arrives);
    };

    let writer = [("username", "writer"), ("password", "a long one")];
    send(&writer, "/auth/login");
    send(&writer, "/");
    go("/create");
    send(&[("title", "First"), ("body", "Of many.")], "/");

    // The toolbar of a page, and one of its panels.
    go("/1/update");
    let bar = "document.getElementById('memprof-toolbar').contentDocument";
    page.until(&format!(
        "{bar}.querySelector('.strip nav a') && {bar}.readyState === 'complete'"
    ));
    for (panel, seen) in [
        ("Templates", "blog/update.html"),
        ("Memory", "let squares: Vec<u64>"),
        ("SQL", "FROM post"),
    ] {
        page.get(&format!(
            "[...{bar}.querySelectorAll('.strip nav a')]
                .find((link) => link.textContent.startsWith({panel:?})).click()"
        ));
        page.until(&format!(
            "{bar}.readyState === 'complete' && {bar}.querySelector('h2.title').textContent.startsWith({panel:?})"
        ));
        let text = page.text(&format!("{bar}.querySelector('main').innerText"));
        assert!(text.contains(seen), "{panel}: {text}");
    }
    page.screenshot("toolbar");

    // The history lists every request.
    go("/debug/toolbar/");
    let history = page.text("document.body.innerText");
    for seen in ["/auth/register", "/auth/login", "/create", "/1/update"] {
        assert!(history.contains(seen), "{seen}: {history}");
    }

    // `?profile` answers with the profile of the request.
    go("/1/update?profile");
    page.until("document.body.dataset.ready === 'yes'");
    assert_eq!(page.text("document.title"), "memprof: GET /1/update");
    let source = page.text("document.getElementById('source').innerText");
    assert!(source.contains("let squares: Vec<u64>"), "{source}");
    page.screenshot("query-profile");

    // The page sent no request to other hosts, and the console has no errors.
    page.assert_harmless();

    // The page of the process.
    page.go(&blog.debug);
    let process = page.text("document.body.innerText");
    assert!(
        process.contains("Is it a leak, or does the allocator keep it?"),
        "{process}"
    );
    page.screenshot("process");

    let files = fs::read_dir(directory.path().join("profiles")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(
        names
            .into_iter()
            .any(|name| name.starts_with("GET.1.update."))
    );
}
