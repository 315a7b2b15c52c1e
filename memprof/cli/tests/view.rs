//! What `memprof view` serves, and which requests it refuses.

use memprof::report::{Format, Report};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::iter;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running `memprof view`.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn of(path: &Path, port: u16) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_memprof"))
            .args(["view", "--server-only", "--port", &port.to_string()])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        let (_, rest) = said.split_once("http://127.0.0.1:").unwrap();
        let (port, _) = rest.split_once('/').unwrap();
        let port = port.parse().unwrap();
        Self { child, port }
    }

    /// The whole response to a GET request for `path`.
    fn get(&self, path: &str) -> String {
        self.ask("GET", path, &format!("127.0.0.1:{}", self.port))
    }

    fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_status(answer: &str, status: u16) {
    let head: String = answer.chars().take(600).collect();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
}

/// A folder with a subfolder of reports, and a report outside of the subfolder.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("reports")).unwrap();
    Report::default()
        .write(folder.path().join("secret.json"))
        .unwrap();
    for name in ["one.json", "a <b> & c.json"] {
        let path = folder.path().join("reports").join(name);
        Report::default().write(path).unwrap();
    }
    folder
}

#[test]
fn a_file_is_a_page_with_the_policy_as_a_header() {
    let folder = folder();
    let server = Server::of(&folder.path().join("secret.json"), 0);

    let answer = server.get("/");
    assert_status(&answer, 200);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&Format::html_policy()), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(body.contains("<title>memprof</title>"));
    assert!(body.contains("id=\"after.functions.calls\""));
    for other in ["/secret.json", "/favicon.ico", "//", "/.."] {
        assert_status(&server.get(other), 404);
    }
}

#[test]
fn a_file_is_read_anew_each_time() {
    let folder = folder();
    let path = folder.path().join("secret.json");
    let server = Server::of(&path, 0);
    assert_status(&server.get("/"), 200);

    fs::write(&path, "{\"format\": \"<script>").unwrap();
    let answer = server.get("/");
    assert_status(&answer, 500);
    assert!(answer.contains("<h1>No report to show</h1>"), "{answer}");
    assert!(answer.contains("it ends in the middle"), "{answer}");

    fs::remove_file(&path).unwrap();
    assert_status(&server.get("/"), 500);
    Report::default().write(&path).unwrap();
    assert_status(&server.get("/"), 200);
}

#[test]
fn a_folder_is_a_list_of_its_reports() {
    let folder = folder();
    let server = Server::of(&folder.path().join("reports"), 0);

    let answer = server.get("/");
    assert_status(&answer, 200);
    assert!(answer.contains(">a &lt;b&gt; &amp; c.json</a>"), "{answer}");
    assert!(
        answer.contains("href=\"/a%20%3Cb%3E%20%26%20c.json\""),
        "{answer}"
    );
    assert_status(&server.get("/a%20%3Cb%3E%20%26%20c.json"), 200);
    assert_status(&server.get("/one.json?again"), 200);
}

#[test]
fn memory_over_time_is_a_picture_in_the_page() {
    const TIMELINE: &str = "\
CMDLINE ./cache </svg><script>
MEM 5.000000 1000.0000
FUNC load<b> 5.0000 1000.1000 25.0000 1000.2000
MEM 25.000000 1000.3000
";
    let folder = folder();
    let reports = folder.path().join("reports");
    fs::write(reports.join("run.dat"), TIMELINE).unwrap();
    fs::write(reports.join("other.dat"), "nothing of the kind").unwrap();
    let server = Server::of(&reports, 0);
    assert!(server.get("/").contains("<a href=\"/run.dat\">run.dat</a>"));

    let answer = server.get("/run.dat");

    assert_status(&answer, 200);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&Format::html_policy()), "{head}");
    assert!(body.contains("<h1>run.dat</h1>\n<svg "), "{body}");
    assert!(body.contains("load&lt;b&gt;"), "{body}");
    assert_eq!(body.matches("</svg>").count(), 1, "{body}");
    assert!(
        !body.contains("<script") && !body.contains(" style="),
        "{body}"
    );
    let damaged = server.get("/other.dat");
    assert_status(&damaged, 500);
    assert!(damaged.contains("<h1>Nothing to draw</h1>"), "{damaged}");

    let alone = Server::of(&reports.join("run.dat"), 0);
    assert!(alone.get("/").contains("<h1>run.dat</h1>\n<svg "));
}

#[test]
fn nothing_outside_of_the_folder_is_served() {
    let folder = folder();
    let reports = folder.path().join("reports");
    fs::create_dir(reports.join("inner")).unwrap();
    Report::default()
        .write(reports.join("inner/deep.json"))
        .unwrap();
    fs::write(reports.join("notes.txt"), "notes").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.json", reports.join("link.json")).unwrap();
    let server = Server::of(&reports, 0);

    for path in [
        "/../secret.json",
        "/..%2Fsecret.json",
        "/%2e%2e/secret.json",
        "/..\\secret.json",
        "/reports/../../secret.json",
        "/link.json",
        "/notes.txt",
        "/inner/deep.json",
        "/inner%2Fdeep.json",
        "/%00",
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    assert!(!server.get("/").contains("link.json"));
}

#[test]
fn who_asks_by_another_name_is_refused() {
    let folder = folder();
    let server = Server::of(&folder.path().join("secret.json"), 0);
    let port = server.port;

    assert_status(&server.ask("GET", "/", &format!("localhost:{port}")), 200);
    for host in [
        "example.com".to_owned(),
        format!("example.com:{port}"),
        format!("127.0.0.1.example.com:{port}"),
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{}", port ^ 1),
        String::new(),
    ] {
        assert_status(&server.ask("GET", "/", &host), 403);
    }
    let twice = format!("127.0.0.1:{port}\r\nHost: example.com");
    assert_status(&server.ask("GET", "/", &twice), 403);
    assert_status(&server.ask("POST", "/", &format!("127.0.0.1:{port}")), 405);
}

#[test]
fn a_client_that_reads_nothing_keeps_no_other_waiting() {
    let folder = folder();
    // The page is too large for the socket buffers of a connection.
    let server = Server::of(&large_report(folder.path()), 0);
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", server.port);
        stream.write_all(request.as_bytes()).unwrap();
        silent.push(stream);
        // And a client that stops in the middle of its request.
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(b"GET / HT").unwrap();
        silent.push(stream);
    }

    assert_status(&server.get("/"), 200);
    drop(silent);
}

/// A report whose page is several megabytes large.
fn large_report(folder: &Path) -> PathBuf {
    let path = folder.join("functions.json");
    Report::default().write(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    // A pseudo-random name, since pages are compressed.
    let mut state = 1_u64;
    let name: String = iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 60) as u8)
    })
    .take(3 << 20)
    .collect();
    let function = format!(
        "{{\"path\":\"{name}\",\"file\":\"a.rs\",\"line\":1,\"call_count\":1,\"own_ns\":0,\
         \"inclusive_ns\":0,\"lines\":[]}}"
    );
    let text = text.replacen(
        "\"functions\":[]",
        &format!("\"functions\":[{function}]"),
        1,
    );
    assert!(text.len() > 3 << 20);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_request_that_is_too_long_is_refused() {
    let folder = folder();
    let server = Server::of(&folder.path().join("secret.json"), 0);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nX-Long: ").unwrap();
    let part = vec![b'a'; 1 << 16];
    // The server closes the connection long before all of it is sent.
    let sent = (0..10_000).take_while(|_| stream.write_all(&part).is_ok());
    let sent = sent.count();

    assert!(sent < 10_000, "{sent}");
    assert_status(&server.get("/"), 200);
}

#[test]
fn the_next_port_is_taken_when_one_is_busy() {
    let folder = folder();
    let path = folder.path().join("secret.json");
    let first = Server::of(&path, 0);
    let second = Server::of(&path, first.port);
    assert_ne!(first.port, second.port);
    assert_status(&first.get("/"), 200);
    assert_status(&second.get("/"), 200);
}

#[test]
fn what_is_not_there_is_a_sentence_and_exit_code_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_memprof"))
        .args(["view", "--server-only", "/nowhere/report.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("\"/nowhere/report.json\" can't be read: "),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
