//! Who is asking, by the token in a signed cookie.
//!
//! A session is a row of the database, by its token's digest: it ends with its time, with
//! logging out, and with the database. A cookie that isn't ours, or whose session has ended, is
//! the same as none.

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

/// How long a session lasts, which is Flask's default.
const LIFETIME: Duration = Duration::from_hours(31 * 24);

// The cast is for MySQL, where a name is bytes (see its schema).
const USER_OF_SESSION: &str = "\
    SELECT user.id, CAST(username AS CHAR) AS username
    FROM session JOIN user ON user.id = user_id
    WHERE token_digest = ? AND expires > ?";

const BEGIN: &str = "INSERT INTO session (token_digest, user_id, expires) VALUES (?, ?, ?)";

const END: &str = "DELETE FROM session WHERE token_digest = ? OR expires <= ?";

/// A user who is logged in. As an argument of a handler it lets nobody else in.
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

/// Whoever is asking: a user, or nobody we know.
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

/// Whether the visitor's browser is connected by TLS: to this server or, as far as a proxy
/// says, to that.
///
/// A header that lies has its sender's browser keep no cookie, or send it in the clear: it harms
/// nobody else.
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

/// Begins a session of this user, in place of the one in the jar.
pub(crate) async fn begin(
    app: &App,
    jar: SignedCookieJar,
    user_id: i64,
    is_over_tls: bool,
) -> Result<SignedCookieJar, AppError> {
    let jar = end(app, jar).await?;
    // The number is for people. The rest is random, as a key has to be.
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

/// Ends the session in the jar, and those whose time is over.
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

/// Since 1970.
fn seconds(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

/// What is in the session of a request with these headers, for people.
pub(crate) fn values(headers: &HeaderMap, key: Key) -> Vec<(String, String)> {
    let jar = SignedCookieJar::from_headers(headers, key);
    let cookie = jar.get(COOKIE);
    let user_id = cookie.as_ref().and_then(|it| it.value().split_once(':'));
    user_id
        .map(|(id, _)| ("user id".to_owned(), id.to_owned()))
        .into_iter()
        .collect()
}

/// A signing key out of a secret of any length.
pub(crate) fn key(secret: &[u8]) -> Key {
    Key::from(&Sha512::digest(secret))
}
