//! `memprof view`: serves reports and memory over time to a browser on this machine.
//!
//! A request can only reach the one file, or the reports in the one folder: its path is
//! compared with their names, and never used as a file path. A request whose `Host` isn't
//! `127.0.0.1` or `localhost` is refused, which prevents DNS rebinding: a site could let its own
//! name resolve to 127.0.0.1 and then read the pages.

use crate::over_time;
use crate::reading::read;
use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use memprof::__command::is_seen;
use memprof::report::Format;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime;
use tokio::task::spawn_blocking;

/// How many more ports are tried when the first one is taken.
const TRIES: u16 = 20;

#[expect(
    clippy::unnecessary_debug_formatting,
    reason = "`Debug` escapes control characters in the name"
)]
pub(crate) fn view(
    path: &Path,
    port: u16,
    opens_browser: bool,
    mut out: impl Write,
) -> Result<(), Box<dyn Error>> {
    let root = fs::canonicalize(path).map_err(|error| {
        format!(
            "{path:?} can't be read: {error}; it should be a report, a file of `memprof run`, or a \
             folder of such files"
        )
    })?;
    let (listener, port) = listen(port)?;
    let url = format!("http://127.0.0.1:{port}/");
    writeln!(out, "{url} shows {path:?}; Ctrl-C ends it")?;
    out.flush()?;
    if opens_browser && let Err(error) = open::that_detached(&url) {
        eprintln!("memprof: no browser could be started: {error}; open {url} in one");
    }
    // One thread serves all connections; pages are built on the blocking threads.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(listener, port, root.into()))?;
    Ok(())
}

fn listen(first: u16) -> Result<(TcpListener, u16), Box<dyn Error>> {
    let mut last_error = None;
    for port in first..=first.saturating_add(TRIES) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                let port = listener.local_addr()?.port();
                return Ok((listener, port));
            }
            Err(error) => last_error = Some(error),
        }
    }
    let last = first.saturating_add(TRIES);
    let why = last_error.map_or_else(String::new, |error| format!(": {error}"));
    Err(format!("no port from {first} to {last} is free{why}; choose another with --port").into())
}

/// Answers requests until the command is stopped. A client that neither reads nor writes doesn't
/// block the others.
async fn serve(listener: TcpListener, port: u16, root: Arc<Path>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let answers = Router::new().fallback(move |request: Request| {
        let root = Arc::clone(&root);
        let (parts, _) = request.into_parts();
        async move {
            if !is_by_our_name(&parts.headers, port) {
                let text = "This server answers only requests to 127.0.0.1 or localhost.";
                return page(StatusCode::FORBIDDEN, message("Not for this host", text));
            }
            if !matches!(parts.method, Method::GET | Method::HEAD) {
                let text = "This server answers only GET and HEAD requests.";
                return page(StatusCode::METHOD_NOT_ALLOWED, message("Not allowed", text));
            }
            let made = spawn_blocking(move || answer(&root, parts.uri.path())).await;
            made.unwrap_or_else(|_| {
                let text = "The page can't be shown; the terminal has the error.";
                page(StatusCode::INTERNAL_SERVER_ERROR, message("No page", text))
            })
        }
    });
    axum::serve(listener, answers).await
}

fn answer(root: &Path, asked: &str) -> Response {
    let asked = asked.strip_prefix('/').unwrap_or(asked);
    if !root.is_dir() {
        return match asked {
            "" => shown(root),
            _ => not_found(),
        };
    }
    match reports(root) {
        Err(error) => failed("The folder can't be read", &error.to_string()),
        Ok(names) if asked.is_empty() => page(StatusCode::OK, listing(root, &names)),
        Ok(names) => match names.iter().find(|name| in_url(name) == asked) {
            Some(name) => shown(&root.join(name)),
            None => not_found(),
        },
    }
}

fn is_by_our_name(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| is_our_name(host, port)),
        _ => false,
    }
}

fn is_our_name(host: &str, port: u16) -> bool {
    // Browsers leave out the default port of HTTP.
    let (name, asked) = host.split_once(':').unwrap_or((host, "80"));
    matches!(name, "127.0.0.1" | "localhost") && asked == port.to_string()
}

/// Whether the extension is that of a file of `memprof run`.
fn is_over_time(path: impl AsRef<Path>) -> bool {
    path.as_ref()
        .extension()
        .is_some_and(|ending| ending == "dat")
}

/// The names of the files in a folder that may be reports, sorted. Links to files outside of the
/// folder are left out.
fn reports(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_inside = fs::canonicalize(folder.join(&name))
            .is_ok_and(|file| file.is_file() && file.parent() == Some(folder));
        if is_inside && (is_over_time(&name) || Format::from_path(&name) == Some(Format::Json)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn shown(path: &Path) -> Response {
    if is_over_time(path) {
        timeline(path)
    } else {
        report(path)
    }
}

fn timeline(path: &Path) -> Response {
    let name: PathBuf = path.iter().next_back().into_iter().collect();
    match over_time::svg(path) {
        Ok(picture) => page(
            StatusCode::OK,
            document(&name.display().to_string(), &picture),
        ),
        Err(error) => failed("Nothing to draw", &error.to_string()),
    }
}

fn report(path: &Path) -> Response {
    let mut text = Vec::new();
    let written = read(path).map_err(|error| error.to_string());
    let written = written.and_then(|report| {
        let written = report.write_to(Format::Html, &mut text);
        written.map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => page(StatusCode::OK, text),
        Err(error) => failed("No report to show", &error),
    }
}

fn not_found() -> Response {
    let text = "There is no report at this address.";
    page(StatusCode::NOT_FOUND, message("Not found", text))
}

fn failed(title: &str, why: &str) -> Response {
    page(StatusCode::INTERNAL_SERVER_ERROR, message(title, why))
}

fn listing(folder: &Path, names: &[OsString]) -> Vec<u8> {
    let mut items = String::new();
    for name in names {
        let size = fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        let _ = writeln!(
            items,
            "<li><a href=\"/{}\">{}</a> {}",
            in_url(name),
            escaped(&name.to_string_lossy()),
            memprof::__command::units::bytes(size.into())
        );
    }
    if names.is_empty() {
        items.push_str("<li>None: reports are .json files, and `memprof run` writes .dat files.");
    }
    let folder: PathBuf = folder.iter().next_back().into_iter().collect();
    document(
        &format!("Reports in {}", folder.display()),
        &format!("<ul>\n{items}</ul>"),
    )
}

fn message(title: &str, text: &str) -> Vec<u8> {
    document(title, &format!("<p>{}</p>", escaped(text)))
}

fn document(title: &str, body: &str) -> Vec<u8> {
    let title = escaped(title);
    let head = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
                <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">";
    format!("{head}<title>{title}</title>\n<h1>{title}</h1>\n{body}\n").into_bytes()
}

fn page(status: StatusCode, text: Vec<u8>) -> Response {
    let policy = format!("{}; frame-ancestors 'none'", Format::html_policy());
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, &policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        // Each load shows what is in the file now.
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text).into_response()
}

/// A file name, percent-encoded for a URL.
fn in_url(name: &OsString) -> String {
    let mut text = String::new();
    for byte in name.as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

/// A text escaped for HTML. Characters that aren't visible become U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            char if is_seen(char) => escaped.push(char),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::is_our_name;

    #[test]
    fn the_port_of_http_goes_without_saying() {
        assert!(is_our_name("127.0.0.1", 80));
        assert!(is_our_name("localhost:80", 80));
        assert!(is_our_name("localhost:8642", 8642));
        for other in [
            "127.0.0.1:80",
            "127.0.0.1",
            "localhost:",
            "localhost:8642:8642",
            "a:8642",
        ] {
            assert!(!is_our_name(other, 8642), "{other}");
        }
    }
}
