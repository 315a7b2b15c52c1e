//! Removes memprof's own keys from the query of a request.
//!
//! The token of [`Access::token`](super::Access::token) is meant for the layers only. The outermost
//! layer removes it from the request's address and from its `Referer`, so the service neither sees
//! nor logs it. Inner layers find it in the request's extensions.

use form_urlencoded::parse;
use http::header::{HeaderValue, REFERER};
use http::uri::{PathAndQuery, Uri};
use http::{Extensions, Request};
use std::fmt;

/// The name of the token in a query, and of its cookie.
pub(super) const TOKEN_KEY: &str = "memprof_token";

/// The removed pairs of a query, as they were written.
#[derive(Clone)]
struct Taken(String);

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taken(..)")
    }
}

/// Moves the token from a request's query to its extensions, and removes it from the `Referer`.
pub(super) fn take_token<B>(request: &mut Request<B>) {
    let query = request.uri().query();
    if let Some((taken, _)) = query.and_then(|query| parted(query, is_token_key)) {
        let uri = without(request.uri(), is_token_key);
        request.extensions_mut().insert(Taken(taken));
        *request.uri_mut() = uri;
    }
    if !request.headers().contains_key(REFERER) {
        return;
    }
    let headers = request.headers_mut().iter_mut();
    for (_, referer) in headers.filter(|(name, _)| *name == REFERER) {
        let without = referer.to_str().ok().and_then(without_token);
        if let Some(without) = without.and_then(|it| HeaderValue::try_from(it).ok()) {
            *referer = without;
        }
    }
}

/// Whether a key of a query is that of a token.
pub(super) fn is_token_key(key: &str) -> bool {
    key == TOKEN_KEY
}

/// The address of a page without the token, if its query has one.
fn without_token(address: &str) -> Option<String> {
    let (before, rest) = address.split_once('?')?;
    let end = rest.find('#').unwrap_or(rest.len());
    let (query, fragment) = rest.split_at(end);
    let (_, kept) = parted(query, is_token_key)?;
    Some(joined(before, &kept) + fragment)
}

/// The token's pairs that an outer layer has removed.
pub(super) fn taken(extensions: &Extensions) -> &str {
    extensions.get::<Taken>().map_or("", |Taken(pairs)| pairs)
}

/// An address without the pairs of its query whose names are ours. The rest stays as it was
/// written.
pub(super) fn without(uri: &Uri, is_ours: impl Fn(&str) -> bool) -> Uri {
    let Some(query) = uri.query() else {
        return uri.clone();
    };
    let Some((_, kept)) = parted(query, is_ours) else {
        return uri.clone();
    };
    let path_and_query = joined(uri.path(), &kept);
    let mut parts = uri.clone().into_parts();
    // Parts of a valid address form a valid address.
    if let Ok(path_and_query) = path_and_query.parse::<PathAndQuery>() {
        parts.path_and_query = Some(path_and_query);
    }
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// The pairs of a query whose names are ours, and all other pairs. `None` if none is ours.
fn parted(query: &str, is_ours: impl Fn(&str) -> bool) -> Option<(String, String)> {
    let is_ours = |pair: &&str| {
        let name = parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| is_ours(&name))
    };
    if !query.split('&').any(|pair| is_ours(&pair)) {
        return None;
    }
    let (taken, kept): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_ours);
    Some((taken.join("&"), kept.join("&")))
}

fn joined(path: &str, query: &str) -> String {
    match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_taken_out_and_the_rest_is_as_it_was_written() {
        for (address, expected) in [
            ("/a?memprof_token=x", "/a"),
            ("/a?b=%20c&memprof_token=x&d", "/a?b=%20c&d"),
            ("/?%6demprof_token=x&memprof_token", "/"),
            ("/a?memprof_tokens=x", "/a?memprof_tokens=x"),
            ("/a?b&&c", "/a?b&&c"),
            ("/a?", "/a?"),
        ] {
            let referer = format!("http://localhost{address}#e");
            let request = Request::get(address).header(REFERER, referer);
            let mut request = request.body(()).unwrap();
            take_token(&mut request);
            assert_eq!(request.uri().to_string(), expected);
            let referer = request.headers()[REFERER].to_str().unwrap();
            assert_eq!(referer, format!("http://localhost{expected}#e"));
            let has_taken = !taken(request.extensions()).is_empty();
            assert_eq!(has_taken, expected != address);
        }
    }
}
