//! Responses of memprof itself, next to those of the application.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};

/// An extension that marks a response as memprof's own, so that no other layer changes it.
#[derive(Clone, Debug)]
pub(super) struct PageOfOurs;

/// Sets a response's content type, its policies for browsers, and that it may not be cached.
pub(super) fn describe(headers: &mut HeaderMap, content_type: &str, policy: &str, referrer: &str) {
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, referrer),
        (CACHE_CONTROL, "no-store"),
    ] {
        // All of them are valid values.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
}
