//! The blog: its front page, and writing, editing and deleting a post.
//!
//! The two functions under `#[memprofile]` are the ones that this example
//! profiles.

use std::hint::black_box;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use memprof::{memprofile, web::toolbar};
use minijinja::{Value, context};

use crate::app::App;
use crate::error::AppError;
use crate::forms::Form;
use crate::pages::redirect;
use crate::session::{User, Visitor};

/// A post and its author's name.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Post {
    id: i64,
    title: String,
    body: String,
    /// The date, in UTC.
    created: String,
    author_id: i64,
    username: String,
}

/// Loads the post `id`; with `check_author`, it must belong to `user`.
#[memprofile(precision = 4)]
pub(crate) async fn get_post(
    app: &App,
    user: &User,
    id: i64,
    check_author: bool,
) -> Result<Post, AppError> {
    let squares: Vec<u64> = (0..app.squares).map(|n| n * n).collect();
    let query = sqlx::query_as(POST_BY_ID).bind(id);
    let found: Option<Post> = query.fetch_optional(&app.pool).await?;
    let post = found.ok_or_else(|| AppError::NoSuchPost(id.to_string()))?;
    if check_author && post.author_id != user.id {
        return Err(AppError::Forbidden);
    }
    black_box(&squares);
    Ok(post)
}

/// `GET` and `POST /{id}/update`
#[memprofile(precision = 4)]
pub(crate) async fn update(
    State(app): State<App>,
    user: User,
    PostId(id): PostId,
    method: Method,
    form: Form,
) -> Result<Response, AppError> {
    let post = get_post(&app, &user, id, true).await?;
    let mut flash = None;
    if method == Method::POST {
        let title = form.field("title")?;
        let body = form.field("body")?;
        if !title.is_empty() {
            let query = sqlx::query(UPDATE_POST).bind(title).bind(body).bind(id);
            query.execute(&app.pool).await?;
            return Ok(redirect("/"));
        }
        flash = Some("Title is required.");
    }
    let values = context! { user, flash, form, post };
    app.pages.render("blog/update.html", values)
}

/// `GET /`
pub(crate) async fn index(
    State(app): State<App>,
    Visitor(user): Visitor,
) -> Result<Response, AppError> {
    let sql = toolbar::sql(ALL_POSTS);
    let posts: Vec<Post> = sqlx::query_as(ALL_POSTS).fetch_all(&app.pool).await?;
    tracing::info!("{} posts", posts.len());
    sql.rows(posts.len());
    // Converted once: the template and the toolbar both iterate over them.
    let posts: Vec<Value> = posts.into_iter().map(Value::from).collect();
    let values = context! { user, flash => (), posts };
    app.pages.render("blog/index.html", values)
}

/// `GET` and `POST /create`
pub(crate) async fn create(
    State(app): State<App>,
    user: User,
    method: Method,
    form: Form,
) -> Result<Response, AppError> {
    let mut flash = None;
    if method == Method::POST {
        let title = form.field("title")?;
        let body = form.field("body")?;
        if !title.is_empty() {
            let sql = toolbar::sql(ADD_POST).parameter(title).parameter(body);
            let sql = sql.parameter(user.id);
            let query = sqlx::query(ADD_POST).bind(title).bind(body).bind(user.id);
            sql.rows(query.execute(&app.pool).await?.rows_affected());
            return Ok(redirect("/"));
        }
        flash = Some("Title is required.");
    }
    let values = context! { user, flash, form };
    app.pages.render("blog/create.html", values)
}

/// `POST /{id}/delete`
pub(crate) async fn delete(
    State(app): State<App>,
    user: User,
    PostId(id): PostId,
) -> Result<Response, AppError> {
    get_post(&app, &user, id, true).await?;
    let sql = toolbar::sql(DELETE_POST).parameter(id);
    let query = sqlx::query(DELETE_POST).bind(id);
    sql.rows(query.execute(&app.pool).await?.rows_affected());
    Ok(redirect("/"))
}

impl From<Post> for Value {
    fn from(post: Post) -> Self {
        context! {
            id => post.id,
            title => post.title,
            body => post.body,
            created => post.created,
            author_id => post.author_id,
            username => post.username,
        }
    }
}

/// The ID in a post's path.
#[derive(Debug)]
pub(crate) struct PostId(i64);

impl FromRequestParts<App> for PostId {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, AppError> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Ok(Path(digits)) = path else {
            return Err(AppError::NotFound);
        };
        match digits.parse() {
            Ok(id) => Ok(Self(id)),
            // `only_digits` lets only digits through, so the number is too large.
            Err(_) => Err(AppError::NoSuchPost(
                digits.trim_start_matches('0').to_owned(),
            )),
        }
    }
}

/// Rejects a request as not found unless the post's ID consists of digits.
///
/// This runs before the method is checked and a login is required, so that
/// `/one/delete` is not found whatever the method and the user.
pub(crate) async fn only_digits(
    path: Result<Path<String>, PathRejection>,
    request: Request,
    next: Next,
) -> Result<Response, AppError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match path {
        Ok(Path(id)) if is_number(&id) => Ok(next.run(request).await),
        _ => Err(AppError::NotFound),
    }
}

// These statements work in SQLite and MySQL. The cast is for MySQL, where a
// name has a binary type (see its schema).

const POST_BY_ID: &str = "\
    SELECT post.id, title, body, substr(created, 1, 10) AS created,
        author_id, CAST(username AS CHAR) AS username
    FROM post JOIN user ON user.id = author_id
    WHERE post.id = ?";

const ALL_POSTS: &str = "\
    SELECT post.id, title, body, substr(created, 1, 10) AS created,
        author_id, CAST(username AS CHAR) AS username
    FROM post JOIN user ON user.id = author_id
    ORDER BY post.created DESC, post.id DESC";

const ADD_POST: &str = "INSERT INTO post (title, body, author_id) VALUES (?, ?, ?)";

const UPDATE_POST: &str = "UPDATE post SET title = ?, body = ? WHERE id = ?";

const DELETE_POST: &str = "DELETE FROM post WHERE id = ?";
