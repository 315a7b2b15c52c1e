//! `blog serve`: the application on a socket, until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum_extra::extract::cookie::Key;
use tokio::net::TcpListener;

use crate::app::App;
use crate::profiling::Profiling;
use crate::{Failure, database, debug};

/// How long requests under way may take to finish once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// What the line that tells the server's address starts with.
pub(crate) const READY: &str = "Listening on ";

/// The environment variable that holds the secret of the session cookies.
pub(crate) const SECRET_KEY: &str = "BLOG_SECRET_KEY";

/// Serves the blog until Ctrl-C or SIGTERM, and records of its requests what is wanted.
///
/// # Errors
///
/// If the database can't be used or an address can't be listened on.
pub async fn serve(
    addr: SocketAddr,
    database: &str,
    squares: u64,
    profiling: &Profiling,
) -> Result<(), Failure> {
    let cannot_listen = |error| Failure::new(format!("listen on {addr}"), error);

    let pool = database::open(database).await?;
    let listener = TcpListener::bind(addr).await.map_err(cannot_listen)?;
    let bound = listener.local_addr().map_err(cannot_listen)?;
    if let Some(addr) = profiling.debug_addr {
        debug::serve(addr).await?;
    }
    let app = App::new(pool.clone(), &secret(), squares);
    // Before anybody learns that there is a server to be stopped.
    let (stop, grace) = (told_to_stop(), told_to_stop());
    announce(bound).map_err(|error| Failure::new("write to standard output", error))?;

    let service = profiling
        .around(&app, database)
        .into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop);
    let served = tokio::select! {
        served = serving => served,
        () = async { grace.await; tokio::time::sleep(GRACE).await } => Ok(()),
    };
    // A request that is stuck has its connection.
    let _ = tokio::time::timeout(GRACE, pool.close()).await;
    served.map_err(|error| Failure::new(format!("serve on {addr}"), error))
}

/// Flushed, since whoever started the server may be waiting for this line.
fn announce(bound: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}http://{bound}")?;
    out.flush()
}

/// The secret that signs session cookies: the user's, or one for this run.
fn secret() -> Vec<u8> {
    match std::env::var(SECRET_KEY) {
        Ok(secret) if !secret.is_empty() => secret.into_bytes(),
        _ => {
            eprintln!("note: {SECRET_KEY} is not set, so sessions end with this process");
            Key::generate().master().to_vec()
        }
    }
}

/// Listens for Ctrl-C and SIGTERM from now on. What is returned is done at the
/// first of them; where neither can be heard, never.
#[cfg(unix)]
pub(crate) fn told_to_stop() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    async fn heard(listener: io::Result<Signal>) {
        match listener {
            Ok(mut signals) => drop(signals.recv().await),
            Err(_) => std::future::pending().await,
        }
    }

    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let [interrupt, terminate] = kinds.map(signal);
    async {
        tokio::select! {
            () = heard(interrupt) => {}
            () = heard(terminate) => {}
        }
    }
}

/// Done at Ctrl-C; where it can't be heard, never.
#[cfg(not(unix))]
pub(crate) async fn told_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
