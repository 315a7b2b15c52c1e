//! `blog serve`: serves the application until Ctrl-C or SIGTERM.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use axum_extra::extract::cookie::Key;
use tokio::net::TcpListener;

use crate::app::App;
use crate::profiling::Profiling;
use crate::{Failure, database, debug};

/// How long pending requests may take to finish once the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// The start of the line that announces the server's address.
pub(crate) const READY: &str = "Listening on ";

/// The environment variable with the secret that signs session cookies.
pub(crate) const SECRET_KEY: &str = "BLOG_SECRET_KEY";

/// Serves the blog, with the layers of `profiling`, until Ctrl-C or SIGTERM.
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
    // The handlers are registered before the address is announced, so that no signal of a client
    // is missed.
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
    // A stuck request still holds its connection, so closing the pool needs a timeout.
    let _ = tokio::time::timeout(GRACE, pool.close()).await;
    served.map_err(|error| Failure::new(format!("serve on {addr}"), error))
}

/// Prints the address, and flushes: the program that started the server may wait for this line.
fn announce(bound: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}http://{bound}")?;
    out.flush()
}

/// The secret that signs session cookies, from the environment or random for this run.
fn secret() -> Vec<u8> {
    match std::env::var(SECRET_KEY) {
        Ok(secret) if !secret.is_empty() => secret.into_bytes(),
        _ => {
            eprintln!("note: {SECRET_KEY} is not set, so sessions end with this process");
            Key::generate().master().to_vec()
        }
    }
}

/// Registers handlers for Ctrl-C and SIGTERM at once. The returned future completes at the first
/// of these signals; if no handler can be registered, it never does.
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

/// Completes at Ctrl-C; if no handler can be registered, it never does.
#[cfg(not(unix))]
pub(crate) async fn told_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
