//! Registering, logging in, logging out.

use std::fmt::Display;
use std::num::NonZero;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::SignedCookieJar;
use memprof::web::toolbar;
use minijinja::context;
use tokio::task::spawn_blocking;

use crate::app::App;
use crate::error::AppError;
use crate::forms::Form;
use crate::pages::redirect;
use crate::session::{self, IsOverTls, Visitor};

const USER_BY_NAME: &str = "SELECT id, password FROM user WHERE username = ?";

const ADD_USER: &str = "INSERT INTO user (username, password) VALUES (?, ?)";

/// `GET /auth/register`
pub(crate) async fn register_page(
    State(app): State<App>,
    visitor: Visitor,
) -> Result<Response, AppError> {
    form_page(&app, "auth/register.html", visitor, None)
}

/// `POST /auth/register`
pub(crate) async fn register(
    State(app): State<App>,
    visitor: Visitor,
    form: Form,
) -> Result<Response, AppError> {
    let username = form.field("username")?;
    let password = form.field("password")?;

    let problem = if username.is_empty() {
        "Username is required.".to_owned()
    } else if password.is_empty() {
        "Password is required.".to_owned()
    } else if add_user(&app, username, password).await? {
        return Ok(redirect("/auth/login"));
    } else {
        format!("User {username} is already registered.")
    };
    form_page(&app, "auth/register.html", visitor, Some(&problem))
}

/// `GET /auth/login`
pub(crate) async fn login_page(
    State(app): State<App>,
    visitor: Visitor,
) -> Result<Response, AppError> {
    form_page(&app, "auth/login.html", visitor, None)
}

/// `POST /auth/login`
pub(crate) async fn login(
    State(app): State<App>,
    visitor: Visitor,
    IsOverTls(is_over_tls): IsOverTls,
    jar: SignedCookieJar,
    form: Form,
) -> Result<Response, AppError> {
    let username = form.field("username")?;
    let password = form.field("password")?;

    let sql = toolbar::sql(USER_BY_NAME).parameter(username);
    let query = sqlx::query_as(USER_BY_NAME).bind(username);
    let found: Option<(i64, String)> = query.fetch_optional(&app.pool).await?;
    sql.rows(found.iter().count());

    let problem = match found {
        None => "Incorrect username.",
        Some((id, hash)) if is_password(&app, password, &hash).await? => {
            tracing::info!(id, "{username} has logged in");
            let jar = session::begin(&app, jar, id, is_over_tls).await?;
            return Ok((jar, redirect("/")).into_response());
        }
        Some(_) => "Incorrect password.",
    };
    tracing::warn!("{username} has not logged in: {problem}");
    form_page(&app, "auth/login.html", visitor, Some(problem))
}

/// `GET /auth/logout`
pub(crate) async fn logout(
    State(app): State<App>,
    jar: SignedCookieJar,
) -> Result<Response, AppError> {
    let jar = session::end(&app, jar).await?;
    Ok((jar, redirect("/")).into_response())
}

fn form_page(
    app: &App,
    template: &str,
    Visitor(user): Visitor,
    flash: Option<&str>,
) -> Result<Response, AppError> {
    app.pages.render(template, context! { user, flash })
}

/// Adds a user. Returns `false` if the name is taken.
async fn add_user(app: &App, username: &str, password: &str) -> Result<bool, AppError> {
    let hash = hash(app, password).await?;
    let sql = toolbar::sql(ADD_USER).parameter(username);
    let sql = sql.parameter(toolbar::Redacted(&hash));
    let query = sqlx::query(ADD_USER).bind(username).bind(hash);
    match query.execute(&app.pool).await {
        Ok(added) => {
            sql.rows(added.rows_affected());
            Ok(true)
        }
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How many passwords may be hashed at once: each hash occupies a processor and 19 MiB of memory.
pub(crate) fn hashes_at_once() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// A salted hash of the whole password.
async fn hash(app: &App, password: &str) -> Result<String, AppError> {
    let password = password.to_owned();
    let hash = move || Argon2::default().hash_password(password.as_bytes());
    let hash = hashing(app, hash).await?;
    hash.map(|hash| hash.to_string()).map_err(not_hashed)
}

async fn is_password(app: &App, password: &str, hash: &str) -> Result<bool, AppError> {
    let password = password.to_owned();
    let hash = hash.to_owned();
    let verify = move || match PasswordHash::new(&hash) {
        Ok(hash) => Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok(),
        Err(_) => false,
    };
    hashing(app, verify).await
}

/// Runs password hashing, which is slow on purpose, on a blocking thread, where it doesn't delay
/// other requests. Waits until fewer than [`hashes_at_once`] are running.
async fn hashing<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    let place = Arc::clone(&app.hashing).acquire_owned().await;
    let place = place.map_err(not_hashed)?;
    let work = move || {
        // Held until the work is done, even if the request was dropped before.
        let _place = place;
        work()
    };
    spawn_blocking(work).await.map_err(not_hashed)
}

fn not_hashed(error: impl Display) -> AppError {
    AppError::Internal(format!("password: {error}"))
}
