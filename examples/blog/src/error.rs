//! Errors of requests, and the pages that visitors see for them.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::failure::one_line;
use crate::pages::redirect;

/// Why a request can't be answered with the page it asks for.
#[derive(Debug)]
pub(crate) enum AppError {
    /// The visitor isn't logged in, and is redirected to the login page.
    LoginRequired,
    /// The path doesn't exist.
    NotFound,
    /// No post has this ID, which is kept as digits since it may be too long for an integer.
    NoSuchPost(String),
    /// The post belongs to another user.
    Forbidden,
    /// The form lacks a field, or can't be parsed.
    BadForm,
    /// The form exceeds the application's limit.
    FormTooLong,
    /// A failure of the server. The cause goes to stderr and isn't shown to the visitor.
    Internal(String),
}

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(format!("database: {error}"))
    }
}

impl From<minijinja::Error> for AppError {
    fn from(error: minijinja::Error) -> Self {
        Self::Internal(format!("template: {error}"))
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::LoginRequired => redirect("/auth/login"),
            Self::NotFound => page(StatusCode::NOT_FOUND, "There is nothing at this address."),
            Self::NoSuchPost(id) => page(
                StatusCode::NOT_FOUND,
                &format!("Post id {id} doesn't exist."),
            ),
            Self::Forbidden => page(StatusCode::FORBIDDEN, "This post is somebody else's."),
            Self::BadForm => page(StatusCode::BAD_REQUEST, "The form is not complete."),
            Self::FormTooLong => page(StatusCode::PAYLOAD_TOO_LARGE, "The form is too long."),
            Self::Internal(why) => {
                eprintln!("error: {}", one_line(why));
                page(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The server could not answer.",
                )
            }
        }
    }
}

/// An error page. `message` isn't escaped: it must not contain anything a visitor sent.
pub(crate) fn page(status: StatusCode, message: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<title>{code} {reason}</title>\n<h1>{reason}</h1>\n<p>{message}</p>\n"
    );
    (status, Html(html)).into_response()
}
