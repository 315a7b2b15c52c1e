//! Runs the `blog` command as a process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

#[test]
fn the_demo_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();

    let output = blog(&directory)
        .arg("demo")
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();

    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "$ blog serve",
        "$ MEMPROF_COLUMNS=default,allocated blog serve --squares 1000000",
        "GET /1/update -> 200 OK",
    ] {
        assert!(printed.lines().any(|l| l == line), "no {line:?}: {printed}");
    }
    assert!(is_empty(directory.path()));
}

#[test]
fn the_demo_without_a_temporary_directory_says_so() {
    let directory = TempDir::new().unwrap();

    let output = blog(&directory)
        .arg("demo")
        .env("TMPDIR", directory.path().join("missing"))
        .output()
        .unwrap();

    assert_fails_with(&output, "error: cannot make a temporary directory: ");
}

#[test]
fn init_db_empties_the_database() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("instance/flaskr.sqlite");

    for _ in 0..2 {
        let output = blog(&directory).arg("init-db").output().unwrap();

        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"Initialized the database.\n");
        assert!(file.exists());
        assert_eq!(
            register(&directory, "--database", "instance/flaskr.sqlite"),
            302
        );
        assert_eq!(
            register(&directory, "--database", "instance/flaskr.sqlite"),
            200
        );
    }
}

#[test]
fn a_file_may_have_any_name() {
    let directory = TempDir::new().unwrap();

    for name in ["a b?mode=ro#c%41&.sqlite", "sqlite:second", "über/日本 [1]"] {
        assert_eq!(register(&directory, "--database", name), 302, "{name}");
        assert_eq!(register(&directory, "--database", name), 200, "{name}");
        let file = name.trim_start_matches("sqlite:");
        assert!(directory.path().join(file).exists(), "{name}");
    }
}

#[test]
fn the_flags_of_serve_go_without_its_name() {
    let directory = TempDir::new().unwrap();

    for args in [
        &["--addr", "127.0.0.1:0"][..],
        &["serve", "--addr", "127.0.0.1:0"],
    ] {
        let server = Server::start(blog(&directory).args(args));
        let hello = ureq::get(format!("{}/hello", server.address))
            .call()
            .unwrap();
        assert_eq!(hello.status(), 200);
    }
}

#[cfg(unix)]
#[test]
fn requests_are_profiled_when_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let mut command = blog(&directory);
    let command = command.args([
        "--addr",
        "127.0.0.1:0",
        "--profiler",
        "--profile-dir",
        "profiles",
    ]);
    let server = Server::start(command);
    let hello = ureq::get(format!("{}/hello", server.address)).call();
    assert_eq!(hello.unwrap().status(), 200);

    let stopped = server.stop();

    let printed = String::from_utf8(stopped.stdout).unwrap();
    assert!(printed.contains("GET \"/hello\": 200 OK\n"), "{printed}");
    let files = fs::read_dir(directory.path().join("profiles")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(
        names[0].starts_with("GET.hello.") && names[0].rsplit('.').next() == Some("prof"),
        "{names:?}"
    );
}

#[test]
fn a_request_shows_its_profile_when_that_is_asked_for() {
    let directory = TempDir::new().unwrap();
    let page = |args: &[&str]| {
        let mut command = blog(&directory);
        let server = Server::start(command.args(["--addr", "127.0.0.1:0"]).args(args));
        let url = format!("{}/?profile", server.address);
        let mut response = ureq::get(url).call().unwrap();
        response.body_mut().read_to_string().unwrap()
    };

    assert!(page(&[]).contains("<title>Posts - Flaskr</title>"));
    assert!(page(&["--query-profile"]).contains("<title>memprof</title>"));
    assert!(page(&["--toolbar"]).contains("<script src=\"/debug/toolbar/bar.js\""));
}

#[cfg(unix)]
#[test]
fn a_server_stops_when_told_to_and_says_that_its_sessions_end() {
    let directory = TempDir::new().unwrap();
    let mut command = blog(&directory);
    command
        .args(["--addr", "127.0.0.1:0"])
        .env_remove("BLOG_SECRET_KEY")
        .stderr(Stdio::piped());
    let server = Server::start(&mut command);

    let stopped = server.stop();

    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(
        String::from_utf8(stopped.stderr).unwrap(),
        "note: BLOG_SECRET_KEY is not set, so sessions end with this process\n"
    );
}

#[cfg(unix)]
#[test]
fn a_server_stops_when_told_to_though_what_it_prints_is_not_read() {
    let directory = TempDir::new().unwrap();
    let mut command = blog(&directory);
    let mut server = Server::start(command.args(["--addr", "127.0.0.1:0", "--profiler"]));
    // The tables of 500 requests don't fit into a pipe.
    for _ in 0..500 {
        let hello = ureq::get(format!("{}/hello", server.address)).call();
        assert_eq!(hello.unwrap().status(), 200);
    }

    let mut process = server.process.take().unwrap();
    let pid = process.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(told.success());

    assert!(process.wait().unwrap().success());
}

#[test]
fn a_busy_port_is_named() {
    let directory = TempDir::new().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = busy.local_addr().unwrap().to_string();

    let output = blog(&directory).args(["--addr", &addr]).output().unwrap();

    assert_fails_with(&output, &format!("error: cannot listen on {addr}: "));
}

#[cfg(unix)]
#[test]
fn the_memory_of_the_process_is_shown_on_an_address_of_its_own() {
    let directory = TempDir::new().unwrap();
    let mut command = blog(&directory);
    let command = command.args(["--addr", "127.0.0.1:0", "--debug-addr", "127.0.0.1:0"]);
    let mut server = Server::start(command.stderr(Stdio::piped()));
    let mut said = String::new();
    let stderr = server.process.as_mut().unwrap().stderr.take().unwrap();
    BufReader::new(stderr).read_line(&mut said).unwrap();
    let start = "note: the memory of this process is shown at ";
    let page = said.trim_end().strip_prefix(start).unwrap();

    let shown = ureq::get(page).call().unwrap();
    let metrics = page.replace("/debug/memprof/", "/metrics");
    let metrics = ureq::get(&metrics)
        .call()
        .unwrap()
        .body_mut()
        .read_to_string();
    let elsewhere = ureq::get(format!("{}/debug/memprof/", server.address)).call();

    assert_eq!(shown.status(), 200);
    let metrics = metrics.unwrap();
    assert!(metrics.contains("\nmemprof_live_bytes "), "{metrics}");
    assert!(matches!(elsewhere, Err(ureq::Error::StatusCode(404))));
    // Connections to the second address don't delay the shutdown.
    assert!(server.stop().status.success());
}

#[test]
fn a_busy_port_for_the_memory_of_the_process_is_named() {
    let directory = TempDir::new().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = busy.local_addr().unwrap().to_string();

    let args = ["--addr", "127.0.0.1:0", "--debug-addr", &addr];
    let output = blog(&directory).args(args).output().unwrap();

    assert_fails_with(
        &output,
        &format!("error: cannot listen on --debug-addr {addr}: "),
    );
}

#[test]
fn an_unusable_database_is_named() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("text"), "not a database".repeat(100)).unwrap();

    for (database, shown) in [
        ("text", "text"),
        ("text/flaskr.sqlite", "text/flaskr.sqlite"),
        (".", "."),
        (
            "sqlite:missing/flaskr.sqlite",
            "sqlite:missing/flaskr.sqlite",
        ),
        ("sqlite::memory:", "sqlite::memory:"),
        ("postgres://me:secret@host/db", "postgres://me@host/db"),
        (
            "mysql://me:se@cret@127.0.0.1:1/db",
            "mysql://me@127.0.0.1:1/db",
        ),
        (
            "mysql://localhost/db?socket=missing",
            "mysql://localhost/db?socket=missing",
        ),
    ] {
        for command in ["serve", "init-db"] {
            let mut blog = blog(&directory);
            let output = blog
                .args([command, "--database", database])
                .output()
                .unwrap();
            assert_fails_with(&output, &format!("error: cannot use database {shown}: "));
        }
    }
}

/// The command, run in this directory.
fn blog(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blog"));
    command
        .current_dir(directory)
        .env("BLOG_SECRET_KEY", "the secret of the tests")
        .env_remove("MEMPROF_COLUMNS");
    command
}

#[track_caller]
fn assert_fails_with(output: &Output, start: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with(start), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// The status of registering a user on a server with these arguments.
fn register(directory: &TempDir, flag: &str, value: &str) -> u16 {
    let mut command = blog(directory);
    let server = Server::start(command.args(["--addr", "127.0.0.1:0", flag, value]));
    let agent = ureq::Agent::config_builder().max_redirects(0).build();
    let answer = ureq::Agent::from(agent)
        .post(format!("{}/auth/register", server.address))
        .send_form([("username", "a"), ("password", "a")]);
    answer.unwrap().status().as_u16()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

/// A server, killed on drop unless it was stopped.
struct Server {
    process: Option<Child>,
    address: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("Listening on ").unwrap();
        Self {
            address: address.to_owned(),
            process: Some(process),
        }
    }

    /// Tells the server to stop, and waits for it to exit.
    #[cfg(unix)]
    fn stop(mut self) -> Output {
        let process = self.process.take().unwrap();
        let pid = process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        process.wait_with_output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}
