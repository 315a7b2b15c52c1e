//! Who is asking, by the number in a signed cookie.
//!
//! A cookie that isn't ours, or names a user who is gone, is the same as none.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use memprof::web::toolbar;
use minijinja::{Value, context};
use sha2::{Digest, Sha512};

use crate::app::App;
use crate::error::AppError;

const COOKIE: &str = "session";

// The cast is for MySQL, where a name is bytes (see its schema).
const USER_BY_ID: &str = "SELECT id, CAST(username AS CHAR) AS username FROM user WHERE id = ?";

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
        let id: Option<i64> = jar.get(COOKIE).and_then(|c| c.value().parse().ok());
        let Some(id) = id else {
            return Ok(Self(None));
        };
        let sql = toolbar::sql(USER_BY_ID).parameter(id);
        let query = sqlx::query_as(USER_BY_ID).bind(id);
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

/// The jar with a session of this user, in place of any other.
pub(crate) fn begin(jar: SignedCookieJar, user_id: i64) -> SignedCookieJar {
    let cookie = Cookie::build((COOKIE, user_id.to_string()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax);
    jar.add(cookie)
}

/// The jar without a session.
pub(crate) fn end(jar: SignedCookieJar) -> SignedCookieJar {
    jar.remove(Cookie::build(COOKIE).path("/"))
}

/// What is in the session of a request with these headers, for people.
pub(crate) fn values(headers: &HeaderMap, key: Key) -> Vec<(String, String)> {
    let jar = SignedCookieJar::from_headers(headers, key);
    let id = jar.get(COOKIE);
    id.map(|id| ("user id".to_owned(), id.value().to_owned()))
        .into_iter()
        .collect()
}

/// A signing key out of a secret of any length.
pub(crate) fn key(secret: &[u8]) -> Key {
    Key::from(&Sha512::digest(secret))
}
