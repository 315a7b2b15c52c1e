//! Sessions: identifies the user of a request by the token in a signed cookie.
//!
//! A session is a row of the database, which holds only a digest of the token. It ends when it
//! expires, on logout, and when the database is reset. A cookie with a wrong signature or an ended
//! session is ignored.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, header};
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use memprof::web::toolbar;
use minijinja::{Value, context};
use sha2::{Digest, Sha256, Sha512};

use crate::app::App;
use crate::error::AppError;

const COOKIE: &str = "session";

/// How long a session lasts. This is Flask's default.
const LIFETIME: Duration = Duration::from_hours(31 * 24);

// The cast is for MySQL, where a name has a binary type (see its schema).
const USER_OF_SESSION: &str = "\
    SELECT user.id, CAST(username AS CHAR) AS username
    FROM session JOIN user ON user.id = user_id
    WHERE token_digest = ? AND expires > ?";

const BEGIN: &str = "INSERT INTO session (token_digest, user_id, expires) VALUES (?, ?, ?)";

const END: &str = "DELETE FROM session WHERE token_digest = ? OR expires <= ?";

/// A logged-in user. A handler with this argument requires a login.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) username: String,
}

impl From<User> for Value {
    fn from(user: User) -> Self {
        context! { id => user.id, username => user.username }
    }
}

/// The sender of a request: a logged-in user, or `None`.
#[derive(Debug)]
pub(crate) struct Visitor(pub(crate) Option<User>);

impl FromRequestParts<App> for Visitor {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AppError> {
        let Ok(jar) = SignedCookieJar::<Key>::from_request_parts(parts, app).await;
        let Some(digest) = token_digest(&jar) else {
            return Ok(Self(None));
        };
        let now = seconds(SystemTime::now());
        let sql = toolbar::sql(USER_OF_SESSION).parameter(toolbar::Redacted(&digest));
        let sql = sql.parameter(now);
        let query = sqlx::query_as(USER_OF_SESSION).bind(digest).bind(now);
        let user: Option<User> = query.fetch_optional(&app.pool).await?;
        sql.rows(user.iter().count());
        Ok(Self(user))
    }
}

impl FromRequestParts<App> for User {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AppError> {
        let Visitor(user) = Visitor::from_request_parts(parts, app).await?;
        user.ok_or(AppError::LoginRequired)
    }
}

/// Whether the visitor's browser uses TLS, to this server or, according to the headers, to a
/// proxy.
///
/// The headers are trusted: a client that forges them only affects its own cookie, which its
/// browser then doesn't keep, or sends unencrypted.
#[derive(Debug)]
pub(crate) struct IsOverTls(pub(crate) bool);

impl<S: Sync> FromRequestParts<S> for IsOverTls {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let header = |name| {
            let value = parts.headers.get(name)?;
            Some(value.to_str().ok()?.to_ascii_lowercase())
        };
        let by_proxy = header(header::HeaderName::from_static("x-forwarded-proto"))
            .is_some_and(|protocols| protocols.split(',').next().map(str::trim) == Some("https"));
        let by_standard = header(header::FORWARDED).is_some_and(|hops| {
            let first = hops.split(',').next().unwrap_or_default();
            let mut pairs = first.split(';').map(|pair| pair.trim().replace('"', ""));
            pairs.any(|pair| pair == "proto=https")
        });
        let is_over_tls = parts.uri.scheme() == Some(&Scheme::HTTPS) || by_proxy || by_standard;
        Ok(Self(is_over_tls))
    }
}

/// Starts a session of this user, in place of the one in the jar.
pub(crate) async fn begin(
    app: &App,
    jar: SignedCookieJar,
    user_id: i64,
    is_over_tls: bool,
) -> Result<SignedCookieJar, AppError> {
    let jar = end(app, jar).await?;
    // The ID is only informative. The rest of the token is random.
    let random = Sha256::digest(Key::generate().signing());
    let token = format!("{user_id}:{random:x}");
    let expires = seconds(SystemTime::now() + LIFETIME);
    let query = sqlx::query(BEGIN).bind(digest(&token)).bind(user_id);
    query.bind(expires).execute(&app.pool).await?;
    let cookie = Cookie::build((COOKIE, token))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_over_tls);
    Ok(jar.add(cookie))
}

/// Ends the session in the jar, and deletes expired sessions.
pub(crate) async fn end(app: &App, jar: SignedCookieJar) -> Result<SignedCookieJar, AppError> {
    let query = sqlx::query(END).bind(token_digest(&jar));
    let query = query.bind(seconds(SystemTime::now()));
    query.execute(&app.pool).await?;
    Ok(jar.remove(Cookie::build(COOKIE).path("/")))
}

fn token_digest(jar: &SignedCookieJar) -> Option<String> {
    jar.get(COOKIE).map(|cookie| digest(cookie.value()))
}

fn digest(token: &str) -> String {
    format!("{:x}", Sha256::digest(token))
}

/// Seconds since the Unix epoch.
fn seconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// The values in the session of a request with these headers, for the toolbar.
pub(crate) fn values(headers: &HeaderMap, key: Key) -> Vec<(String, String)> {
    let jar = SignedCookieJar::from_headers(headers, key);
    let cookie = jar.get(COOKIE);
    let user_id = cookie.as_ref().and_then(|it| it.value().split_once(':'));
    user_id
        .map(|(id, _)| ("user id".to_owned(), id.to_owned()))
        .into_iter()
        .collect()
}

/// Derives a signing key from a secret of any length.
pub(crate) fn key(secret: &[u8]) -> Key {
    Key::from(&Sha512::digest(secret))
}
