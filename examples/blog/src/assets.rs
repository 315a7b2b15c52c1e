//! The style sheet, which is part of the program.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::error::AppError;

const STYLE: &str = include_str!("../static/style.css");

/// Changes whenever the style sheet does.
static STYLE_TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(STYLE);
    format!("\"{:.16}\"", format!("{digest:x}"))
});

/// `GET /static/style.css`; there is no other file.
pub(crate) async fn serve(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    if !path.is_ok_and(|path| path.as_str() == "style.css") {
        return Err(AppError::NotFound);
    }
    let tag = STYLE_TAG.as_str();
    let about = [(ETAG, tag), (CACHE_CONTROL, "no-cache")];
    if is_known(&headers, tag) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, [(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response())
}

/// Whether the visitor says that they have the file with this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
