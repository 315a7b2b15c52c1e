//! The debug toolbar of `serve --toolbar`, with what the layer can't observe itself.

use axum::http::HeaderMap;
use memprof::web::toolbar::LogLayer;
use memprof::web::{Access, DebugToolbarLayer};
use sqlx::{AnyPool, AssertSqlSafe, Row};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::app::{App, ROUTES};
use crate::session;

/// A toolbar for the requests that `access` allows. Installs a subscriber that sends the log to
/// it.
pub(crate) fn layer(app: &App, database: &str, access: Access) -> DebugToolbarLayer {
    // Fails only in tests, which may have installed a subscriber before.
    let _ = tracing_subscriber::registry()
        .with(LogLayer::new())
        .try_init();
    let (pool, key) = (app.pool.clone(), app.key.clone());
    DebugToolbarLayer::new(access)
        // The flag asks for the toolbar explicitly, so it is on in release builds, too.
        .in_release()
        .application(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .cargo_lock(include_str!("../../../Cargo.lock"))
        .config("database", database)
        .config("squares", &app.squares)
        .config("secret key", key.master())
        .routes(ROUTES)
        .session(move |headers: &HeaderMap| session::values(headers, key.clone()))
        .explain(move |statement| explain(pool.clone(), statement))
}

/// The database's query plan for a statement, with `NULL` for all values.
async fn explain(pool: AnyPool, statement: String) -> Result<String, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let (explain, column) = match connection.backend_name() {
        "SQLite" => ("EXPLAIN QUERY PLAN", "detail"),
        _ => ("EXPLAIN FORMAT=JSON", "EXPLAIN"),
    };
    // The statement is one of the application's constants, which the toolbar has recorded.
    let explained = AssertSqlSafe(format!("{explain} {statement}"));
    let values = statement.matches('?');
    let query = values.fold(sqlx::query(explained), |query, _| query.bind(None::<i64>));
    let rows = query.fetch_all(&mut *connection).await?;
    let lines = rows.iter().map(|row| row.try_get::<String, _>(column));
    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n"))
}
