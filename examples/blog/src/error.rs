//! What a visitor gets in place of a page.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use crate::failure::one_line;
use crate::pages::redirect;

/// Why a request has no page for an answer.
#[derive(Debug)]
pub(crate) enum AppError {
    /// Nobody is logged in, so the visitor is sent to do so.
    LoginRequired,
    /// No such path.
    NotFound,
    /// No post has this number, which is kept as digits: it may be too long
    /// for an integer.
    NoSuchPost(String),
    /// The post is somebody else's.
    Forbidden,
    /// The form lacks a field, or can't be read.
    BadForm,
    /// The form is longer than the application reads.
    FormTooLong,
    /// Not the visitor's fault, and not for their eyes.
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

/// A page that says what went wrong. `message` is ours, so it is not escaped.
pub(crate) fn page(status: StatusCode, message: &str) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<title>{code} {reason}</title>\n<h1>{reason}</h1>\n<p>{message}</p>\n"
    );
    (status, Html(html)).into_response()
}
