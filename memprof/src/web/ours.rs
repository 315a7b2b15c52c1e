//! Responses of ours, beside those of the application.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// Marks a response as a page of ours, which no other layer is to change.
#[derive(Clone, Debug)]
pub(super) struct PageOfOurs;

/// Says of a response what it is, what a browser is to allow it, and that nobody is to keep
/// it.
pub(super) fn describe(headers: &mut HeaderMap, content_type: &str, policy: &str, referrer: &str) {
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, referrer),
        (CACHE_CONTROL, "no-store"),
    ] {
        // All of them are of letters that may be in a header.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}
