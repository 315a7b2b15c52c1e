//! `blog demo`: shows what memprof prints when a post is opened for editing.
//!
//! The demo runs `blog serve` twice, each time in a separate process with a new database, and
//! sends it requests over HTTP. However the demo ends, also by a signal, dropping the locals of
//! `run_once` kills the process and removes the database.

use std::env;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use axum_extra::extract::cookie::Key;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::Failure;
use crate::server::{READY, SECRET_KEY, told_to_stop};

/// The environment variable from which memprof reads the columns to print.
const COLUMNS: &str = "MEMPROF_COLUMNS";

/// How long the server may take to start, and to answer a request.
const PATIENCE: Duration = Duration::from_mins(1);

/// Serves the blog, opens a post for editing, and prints what the server printed; then repeats
/// this with a million squares in memory.
///
/// # Errors
///
/// If the server doesn't start or doesn't answer as it should, or at a signal.
pub async fn run() -> Result<(), Failure> {
    tokio::select! {
        done = run_both() => done,
        () = told_to_stop() => Err(cannot_run("told to stop")),
    }
}

async fn run_both() -> Result<(), Failure> {
    say("$ blog serve\n")?;
    run_once(&[], &[]).await?;

    let squares = ["--squares", "1000000"];
    // If the user has set the variable, it applies to both runs.
    if env::var_os(COLUMNS).is_some() {
        say("\n$ blog serve --squares 1000000\n")?;
        run_once(&squares, &[]).await
    } else {
        say(&format!(
            "\n$ {COLUMNS}=default,allocated blog serve --squares 1000000\n"
        ))?;
        run_once(&squares, &[(COLUMNS, "default,allocated")]).await
    }
}

/// Runs the server once.
async fn run_once(args: &[&str], environment: &[(&str, &str)]) -> Result<(), Failure> {
    // Created before the server, and therefore dropped after it.
    let directory = tempfile::Builder::new()
        .prefix("blog-demo-")
        .tempdir()
        .map_err(|error| Failure::new("make a temporary directory", error))?;
    let mut server = Command::new(env::current_exe().map_err(cannot_run)?)
        .args(["serve", "--addr", "127.0.0.1:0", "--database"])
        .arg(directory.path().join("flaskr.sqlite"))
        .args(args)
        .env(SECRET_KEY, random_secret())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot_run)?;

    let printed = converse(&mut server).await?;
    say(&format!("\n{printed}"))?;

    directory
        .close()
        .map_err(|error| Failure::new("remove a temporary directory", error))
}

/// Sends requests to the server, stops it, and returns what it printed.
async fn converse(server: &mut Child) -> Result<String, Failure> {
    let stdout = server.stdout.take();
    let stdout = stdout.ok_or_else(|| cannot_run("the server has no output"))?;
    let mut stdout = BufReader::new(stdout);

    let address = timeout(PATIENCE, address(&mut stdout))
        .await
        .map_err(|_| cannot_run("the server did not start"))??;
    spawn_blocking(move || visit(&address))
        .await
        .map_err(cannot_run)??;

    server.kill().await.map_err(cannot_run)?;
    let mut printed = String::new();
    stdout
        .read_to_string(&mut printed)
        .await
        .map_err(cannot_run)?;
    Ok(printed)
}

/// Reads the address that the server prints when it is ready.
async fn address(stdout: &mut (impl AsyncBufReadExt + Unpin)) -> Result<String, Failure> {
    let mut line = String::new();
    stdout.read_line(&mut line).await.map_err(cannot_run)?;
    match line.trim_end().strip_prefix(READY) {
        Some(address) => Ok(address.to_owned()),
        None => Err(cannot_run("the server did not say where it listens")),
    }
}

/// Registers, logs in, writes a post, and opens it for editing.
fn visit(address: &str) -> Result<(), Failure> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let login = [("username", "reader"), ("password", "a demo's password")];
    let text = [("title", "First post"), ("body", "Hello.")];

    let post = |path: &str, form: &[(&str, &str)]| {
        let answer = agent
            .post(format!("{address}{path}"))
            .send_form(form.iter().copied());
        check(&format!("POST {path}"), answer, StatusCode::FOUND)
    };
    post("/auth/register", &login)?;
    post("/auth/login", &login)?;
    post("/create", &text)?;

    let answer = agent.get(format!("{address}/1/update")).call();
    check("GET /1/update", answer, StatusCode::OK)
}

/// Prints a request and its response's status, and fails if it isn't `status`.
fn check(
    request: &str,
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    expected: StatusCode,
) -> Result<(), Failure> {
    let mut response = answer.map_err(|error| Failure::new(request, error))?;
    // The server has printed its tables before the end of the response.
    response
        .body_mut()
        .read_to_vec()
        .map_err(|error| Failure::new(request, error))?;
    say(&format!("{request} -> {}\n", response.status()))?;
    match response.status() {
        status if status == expected => Ok(()),
        status => Err(cannot_run(format!("{request} was answered {status}"))),
    }
}

/// Prints and flushes. `println!` would panic on a closed pipe.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new("write to standard output", error))
}

fn random_secret() -> String {
    format!("{:x}", Sha256::digest(Key::generate().master()))
}

fn cannot_run(why: impl std::fmt::Display) -> Failure {
    Failure::new("run the demo", why)
}
