//! The style sheet, which is part of the program.

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

/// Changes whenever the style sheet does.
static STYLE_TAG: LazyLock<ETag> = LazyLock::new(|| {
    let digest = Sha256::digest(STYLE);
    let tag = format!("\"{:.16}\"", format!("{digest:x}"));
    tag.parse().expect("hexadecimal digits are a tag")
});

/// When the style sheet can have changed last, which it does with the program.
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

    // A tag says more than a date, and what can't be read asks for nothing.
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
    // The first part that is asked for and there.
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

/// A part of the style sheet, and where it is.
fn part(range: &RangeInclusive<u64>) -> Option<(RangeInclusive<u64>, &'static str)> {
    let start = usize::try_from(*range.start()).ok()?;
    let last = usize::try_from(*range.end()).ok()?;
    // The style sheet is plain ASCII, so that it can be cut anywhere.
    let text = STYLE.get(start..=last)?;
    Some((range.clone(), text))
}
