//! Reports, and memory over time, as pages for a browser on this machine.
//!
//! Nothing but the one file, or the reports that are in the one folder, can be asked for:
//! a request is compared with their names, and no path is made of it. Who asks by another
//! name than this machine's is refused, since a site may have given its own name our
//! address.

use crate::over_time;
use crate::reading::read;
use memprof::Format;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use tiny_http::{Header, Method, Request, Response, Server};

/// How many ports are tried when the first one is taken.
const TRIES: u16 = 20;

#[expect(
    clippy::unnecessary_debug_formatting,
    reason = "a name may have anything in it"
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
    let (server, port) = server(port)?;
    let url = format!("http://127.0.0.1:{port}/");
    writeln!(out, "{url} shows {path:?}; Ctrl-C ends it")?;
    out.flush()?;
    if opens_browser && let Err(error) = open::that_detached(&url) {
        eprintln!("memprof: no browser could be started: {error}; open {url} in one");
    }
    for request in server.incoming_requests() {
        let response = answer(&root, port, &request);
        // Who has gone away in the middle misses nothing.
        let _ = request.respond(response);
    }
    Ok(())
}

fn server(first: u16) -> Result<(Server, u16), Box<dyn Error>> {
    let mut last_error = None;
    for port in first..=first.saturating_add(TRIES) {
        match Server::http(("127.0.0.1", port)) {
            Ok(server) => {
                let port = server.server_addr().to_ip().map_or(port, |ip| ip.port());
                return Ok((server, port));
            }
            Err(error) => last_error = Some(error),
        }
    }
    let last = first.saturating_add(TRIES);
    let why = last_error.map_or_else(String::new, |error| format!(": {error}"));
    Err(format!("no port from {first} to {last} is free{why}; choose another with --port").into())
}

fn answer(path: &Path, port: u16, request: &Request) -> Response<Cursor<Vec<u8>>> {
    if !is_by_our_name(request, port) {
        let text = "This server is for the browser on its own machine, by the name 127.0.0.1.";
        return page(403, message("Not for this host", text));
    }
    if !matches!(request.method(), Method::Get | Method::Head) {
        return page(
            405,
            message(
                "Not allowed",
                "There are pages to get here, and nothing else.",
            ),
        );
    }
    let (asked, _) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let asked = asked.strip_prefix('/').unwrap_or(asked);
    if !path.is_dir() {
        return match asked {
            "" => shown(path),
            _ => not_found(),
        };
    }
    match reports(path) {
        Err(error) => page(500, message("The folder can't be read", &error.to_string())),
        Ok(names) if asked.is_empty() => page(200, listing(path, &names)),
        Ok(names) => match names.iter().find(|name| in_url(name) == asked) {
            Some(name) => shown(&path.join(name)),
            None => not_found(),
        },
    }
}

fn is_by_our_name(request: &Request, port: u16) -> bool {
    let hosts = request.headers().iter();
    let mut hosts = hosts.filter(|header| header.field.equiv("Host"));
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_our_name(host.value.as_str(), port),
        _ => false,
    }
}

fn is_our_name(host: &str, port: u16) -> bool {
    // Browsers leave out the port that goes without saying.
    let (name, asked) = host.split_once(':').unwrap_or((host, "80"));
    matches!(name, "127.0.0.1" | "localhost") && asked == port.to_string()
}

/// Whether it is a file of `memprof run`, by its name.
fn is_over_time(path: impl AsRef<Path>) -> bool {
    path.as_ref()
        .extension()
        .is_some_and(|ending| ending == "dat")
}

/// The names of the files in a folder that may be reports, in their order. Links that lead
/// out of it aren't among them.
fn reports(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_inside = fs::canonicalize(folder.join(&name))
            .is_ok_and(|file| file.is_file() && file.parent() == Some(folder));
        if is_inside && (is_over_time(&name) || Format::of_path(&name) == Some(Format::Json)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn shown(path: &Path) -> Response<Cursor<Vec<u8>>> {
    if is_over_time(path) {
        timeline(path)
    } else {
        report(path)
    }
}

fn timeline(path: &Path) -> Response<Cursor<Vec<u8>>> {
    let name: PathBuf = path.iter().next_back().into_iter().collect();
    match over_time::svg(path) {
        Ok(picture) => page(200, document(&name.display().to_string(), &picture)),
        Err(error) => page(500, message("Nothing to draw", &error.to_string())),
    }
}

fn report(path: &Path) -> Response<Cursor<Vec<u8>>> {
    let mut text = Vec::new();
    let written = read(path).map_err(|error| error.to_string());
    let written = written.and_then(|report| {
        let written = report.write_to(Format::Page, &mut text);
        written.map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => page(200, text),
        Err(error) => page(500, message("No report to show", &error)),
    }
}

fn not_found() -> Response<Cursor<Vec<u8>>> {
    page(404, message("Not found", "No report has this address."))
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
            crate::units::bytes(size.into())
        );
    }
    if names.is_empty() {
        items.push_str(
            "<li>None: they are files that end in .json, or in .dat if `memprof run` wrote them.",
        );
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

fn page(status: u16, text: Vec<u8>) -> Response<Cursor<Vec<u8>>> {
    let policy = format!("{}; frame-ancestors 'none'", Format::page_policy());
    let headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", &policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        // What is in the file now, each time.
        ("Cache-Control", "no-store"),
    ];
    let mut response = Response::from_data(text).with_status_code(status);
    for (name, value) in headers {
        if let Ok(header) = Header::from_bytes(name, value) {
            response.add_header(header);
        }
    }
    response
}

/// A name as a part of an address.
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

/// A text as a part of a page.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            char if char.is_control() => escaped.push('\u{fffd}'),
            char => escaped.push(char),
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
