//! The database of posts, users and sessions: an `SQLite` file or a `MySQL` server.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, Connection};

use crate::Failure;

const SQLITE_SCHEMA: &str = include_str!("../schema/sqlite.sql");
const MYSQL_SCHEMA: &str = include_str!("../schema/mysql.sql");
const DROP: &str = "\
    DROP TABLE IF EXISTS session; DROP TABLE IF EXISTS post; DROP TABLE IF EXISTS user;";

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens a database. Missing tables are created; for `SQLite`, a missing file is, too.
///
/// # Errors
///
/// If the database can't be reached, or its tables can't be created.
pub async fn open(database: &str) -> Result<AnyPool, Failure> {
    let target = Target::parse(database)?;
    target.prepare(false).await?;
    Ok(target.pool())
}

/// Drops a database's tables with all their data, and creates empty ones.
///
/// # Errors
///
/// As for [`open`].
pub async fn init(database: &str) -> Result<(), Failure> {
    Target::parse(database)?.prepare(true).await
}

/// A database that the user named.
struct Target {
    options: AnyConnectOptions,
    is_sqlite: bool,
    /// The database as the user named it, without any password.
    shown: String,
}

impl Target {
    fn parse(database: &str) -> Result<Self, Failure> {
        install_default_drivers();
        if database.contains(":memory:") || database.contains("mode=memory") {
            let why = "a database in memory ends with each connection";
            return Err(cannot_use(database, why));
        }
        let is_server = ["mysql:", "mariadb:"]
            .iter()
            .any(|s| database.starts_with(s));
        let url = match database {
            url if is_server => url.to_owned(),
            url if url.starts_with("sqlite:") && url.contains('?') => url.to_owned(),
            url if url.starts_with("sqlite:") => format!("{url}?mode=rwc"),
            url if url.contains("://") => {
                let why = "the URL has to start with sqlite: or mysql:";
                return Err(cannot_use(&without_password(url), why));
            }
            path => sqlite_file(path)?,
        };
        let options: AnyConnectOptions = url
            .parse()
            .map_err(|error| cannot_use(&without_password(database), error))?;
        Ok(Self {
            options,
            is_sqlite: !is_server,
            shown: without_password(database),
        })
    }

    /// Creates missing tables. With `afresh`, drops existing tables first.
    async fn prepare(&self, afresh: bool) -> Result<(), Failure> {
        self.try_prepare(afresh)
            .await
            .map_err(|error| cannot_use(&self.shown, error))
    }

    async fn try_prepare(&self, afresh: bool) -> Result<(), sqlx::Error> {
        // A pool would keep retrying a server that refuses the connection.
        let mut connection = AnyConnection::connect_with(&self.options).await?;
        if afresh {
            sqlx::raw_sql(DROP).execute(&mut connection).await?;
        }
        let schema = if self.is_sqlite {
            SQLITE_SCHEMA
        } else {
            MYSQL_SCHEMA
        };
        sqlx::raw_sql(schema).execute(&mut connection).await?;
        connection.close().await
    }

    fn pool(&self) -> AnyPool {
        // SQLite allows only one writer at a time anyway.
        let connections = if self.is_sqlite { 1 } else { 10 };
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(self.options.clone())
    }
}

/// The URL of an `SQLite` file. Creates the file's directory.
fn sqlite_file(path: &str) -> Result<String, Failure> {
    if let Some(directory) = Path::new(path).parent() {
        std::fs::create_dir_all(directory).map_err(|error| cannot_use(path, error))?;
    }
    let path = utf8_percent_encode(path, NON_ALPHANUMERIC);
    Ok(format!("sqlite:{path}?mode=rwc"))
}

fn cannot_use(shown: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("use database {shown}"), why)
}

/// Turns `scheme://user:password@host` into `scheme://user@host`.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let Some((login, place)) = rest.rsplit_once('@') else {
        return url.to_owned();
    };
    let user = login.split(':').next().unwrap_or("");
    format!("{scheme}://{user}@{place}")
}
