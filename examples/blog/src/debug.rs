//! `blog serve --debug-addr`: serves memprof's endpoints on a separate address.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use crate::Failure;

/// Serves memprof's endpoints until the process ends.
///
/// # Errors
///
/// If the address can't be listened on.
pub(crate) async fn serve(addr: SocketAddr) -> Result<(), Failure> {
    let cannot_listen = |error| Failure::new(format!("listen on --debug-addr {addr}"), error);

    let listener = TcpListener::bind(addr).await.map_err(cannot_listen)?;
    let bound = listener.local_addr().map_err(cannot_listen)?;
    eprintln!("note: the memory of this process is shown at http://{bound}/debug/memprof/");
    let router = Router::new().fallback_service(memprof::web::debug_routes());
    // The task needs no graceful shutdown: no data is lost if it ends with the process.
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(())
}
