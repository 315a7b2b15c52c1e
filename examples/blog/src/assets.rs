//! The style sheet, which is part of the program.

use std::ops::Bound;
use std::sync::LazyLock;
use std::time::SystemTime;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::{
    AcceptRanges, CacheControl, ContentRange, ContentType, ETag, HeaderMapExt, IfModifiedSince,
    IfNoneMatch, LastModified, Mime, Range,
};
use sha2::{Digest, Sha256};

use crate::error::AppError;

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
    let Some(range) = headers.typed_get::<Range>() else {
        return Ok((about, css, STYLE).into_response());
    };
    let length = STYLE.len() as u64;
    match part(&range) {
        Some((start, text)) => {
            let bytes = start..start + text.len() as u64;
            let range = ContentRange::bytes(bytes, length)
                .map_err(|error| AppError::Internal(format!("style sheet: {error}")))?;
            let head = (about, TypedHeader(range), css);
            Ok((StatusCode::PARTIAL_CONTENT, head, text).into_response())
        }
        None => {
            let range = TypedHeader(ContentRange::unsatisfied_bytes(length));
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response())
        }
    }
}

/// The first part of the style sheet that is asked for, and where it starts.
fn part(range: &Range) -> Option<(u64, &'static str)> {
    let length = STYLE.len() as u64;
    let (start, end) = range.satisfiable_ranges(length).next()?;
    let start = match start {
        Bound::Included(start) => start,
        Bound::Excluded(before) => before + 1,
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(last) => last + 1,
        Bound::Excluded(end) => end,
        Bound::Unbounded => length,
    };
    let bytes = usize::try_from(start).ok()?..usize::try_from(end.min(length)).ok()?;
    // The style sheet is plain ASCII, so that it can be cut anywhere.
    STYLE
        .get(bytes)
        .filter(|text| !text.is_empty())
        .map(|text| (start, text))
}
