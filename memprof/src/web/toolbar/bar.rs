//! The bar, and the head of a page that it is added to.

use crate::web::id;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// Whether an answer is a page that the bar can be added to, or to `HEAD` the headers of one.
pub(super) fn takes_bar(method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let rest = value.strip_prefix(b"text/html");
        // What isn't a superset of ASCII can't be added to like this.
        let is_wide = |rest: &[u8]| rest.windows(6).any(|word| word == b"utf-16");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b';' | b' ')) && !is_wide(rest))
    });
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let has_body = *method != Method::CONNECT
        && !status.is_informational()
        && !status.is_redirection()
        && ![
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
        ]
        .contains(&status);
    let is_saved = headers.get(CONTENT_DISPOSITION).is_some_and(|value| {
        let kind = value.as_bytes().get(..b"attachment".len());
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"attachment"))
    });
    is_page && is_plain && has_body && !is_saved && !headers.contains_key(CONTENT_RANGE)
}

/// Forbids caches to keep an answer with the bar, since they could show it to others.
pub(super) fn keep_from_caches(headers: &mut HeaderMap) {
    for name in ["cdn-cache-control", "expires", "surrogate-control"] {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Corrects an answer's headers for a page that is `more` bytes longer.
pub(super) fn lengthen(headers: &mut HeaderMap, more: usize) {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| {
        let length: u64 = value.to_str().ok()?.parse().ok()?;
        length.checked_add(more as u64)
    });
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    // Each time its bytes are others.
    let weak = headers.get(ETAG).and_then(|tag| {
        let tag = tag.to_str().ok()?;
        let weak = tag.starts_with('"').then(|| format!("W/{tag}"))?;
        HeaderValue::from_str(&weak).ok()
    });
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
    for name in ["content-digest", "content-md5", "digest", "repr-digest"] {
        headers.remove(HeaderName::from_static(name));
    }
}

/// The bar. Its length depends on the toolbar's prefix only.
pub(super) fn bar(prefix: &str, id: &str, nonce: &str) -> Vec<u8> {
    debug_assert_eq!([id.len(), nonce.len()], [id::LENGTH; 2]);
    format!(
        "<script src=\"{prefix}bar.js\" data-memprof=\"{id}\" nonce=\"{nonce}\" async></script>\n"
    )
    .into_bytes()
}
