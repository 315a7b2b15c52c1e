//! The style sheet, which is compiled into the program.

use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::SystemTime;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::RANGE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::{
    AcceptRanges, CacheControl, ContentRange, ContentType, ETag, HeaderMapExt, IfModifiedSince,
    IfNoneMatch, LastModified, Mime,
};
use http_range_header::parse_range_header;
use sha2::{Digest, Sha256};

use crate::error::{AppError, page};

const STYLE: &str = include_str!("../static/style.css");

/// The style sheet's entity tag, a digest of its text.
static STYLE_TAG: LazyLock<ETag> = LazyLock::new(|| {
    let digest = Sha256::digest(STYLE);
    let tag = format!("\"{:.16}\"", format!("{digest:x}"));
    tag.parse().expect("hexadecimal digits are a tag")
});

/// The style sheet's modification time: it can only change when the program is restarted.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// `GET /static/style.css`; there is no other file.
pub(crate) async fn serve(
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    if !path.is_ok_and(|path| path.as_str() == "style.css") {
        return Err(AppError::NotFound);
    }
    let about = (
        TypedHeader(STYLE_TAG.clone()),
        TypedHeader(LastModified::from(*STARTED)),
        TypedHeader(AcceptRanges::bytes()),
        TypedHeader(CacheControl::new().with_no_cache()),
    );
    let css: Mime = "text/css; charset=utf-8"
        .parse()
        .map_err(|error| AppError::Internal(format!("style sheet: {error}")))?;
    let css = TypedHeader(ContentType::from(css));

    // A tag takes precedence over a date. Headers that can't be parsed are ignored.
    let is_known = match (headers.typed_get(), headers.typed_get()) {
        (Some::<IfNoneMatch>(tags), _) => !tags.precondition_passes(&STYLE_TAG),
        (None, Some::<IfModifiedSince>(date)) => !date.is_modified(*STARTED),
        (None, None) => false,
    };
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let Some(ranges) = range.and_then(|range| parse_range_header(range).ok()) else {
        return Ok((about, css, STYLE).into_response());
    };
    let length = STYLE.len() as u64;
    let ranges = ranges.validate(length).unwrap_or_default();
    // Of several ranges, only the first is sent.
    match ranges.first().and_then(part) {
        Some((range, text)) => {
            let range = ContentRange::bytes(range, length)
                .map_err(|error| AppError::Internal(format!("style sheet: {error}")))?;
            let head = (about, TypedHeader(range), css);
            Ok((StatusCode::PARTIAL_CONTENT, head, text).into_response())
        }
        None => {
            let range = TypedHeader(ContentRange::unsatisfied_bytes(length));
            let message = "The file has no such part.";
            Ok((range, page(StatusCode::RANGE_NOT_SATISFIABLE, message)).into_response())
        }
    }
}

/// A range of the style sheet, and its text.
fn part(range: &RangeInclusive<u64>) -> Option<(RangeInclusive<u64>, &'static str)> {
    let start = usize::try_from(*range.start()).ok()?;
    let last = usize::try_from(*range.end()).ok()?;
    // The style sheet is ASCII, so every byte is a character boundary.
    let text = STYLE.get(start..=last)?;
    Some((range.clone(), text))
}
