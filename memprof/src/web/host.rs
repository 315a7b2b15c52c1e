//! Checks of a request's host and origin.
//!
//! A website can let its own host name resolve to our address (DNS rebinding). Browsers then treat
//! its pages and ours as the same origin. So requests for unknown host names are refused. IP
//! addresses are allowed, since no website can choose one as its name.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The hosts that requests may be for: IP addresses, `localhost` and allowed names, on any port.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    others: Vec<String>,
}

impl Hosts {
    /// Allows a host name, given without a port.
    pub(super) fn allow(&mut self, name: String) {
        self.others.push(name);
    }

    /// Whether a request is for one of these hosts.
    pub(super) fn are_asked(&self, authority: Option<&Authority>, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return false;
        }
        let is_ours = |host: &Authority| self.are_named(host);
        // HTTP/2 sends the host in the URI. If it is in the header too, both have to be allowed.
        let by_header = host.map(|host| {
            let host = host.to_str().ok().and_then(|host| host.parse().ok());
            host.as_ref().is_some_and(is_ours)
        });
        match (authority.map(is_ours), by_header) {
            (None, None) => false,
            (by_address, by_header) => by_address.unwrap_or(true) && by_header.unwrap_or(true),
        }
    }

    fn are_named(&self, host: &Authority) -> bool {
        let name = host.host();
        let v6 = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_address = match v6 {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<Ipv4Addr>().is_ok(),
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let is_ours = is_address || is("localhost") || self.others.iter().any(|other| is(other));
        // Check all of it: the URI parser accepts any text after a `]`, and any text as a port.
        let port = host.as_str().strip_prefix(name);
        is_ours && port.is_some_and(is_port)
    }
}

/// Whether `text` may follow a host: nothing, or a colon and a port, which may be empty.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some("") => true,
        Some(port) => port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => text.is_empty(),
    }
}

/// Whether no page of another origin can have sent this request.
///
/// Browsers send the origin of a request that changes something. A client that doesn't send it is
/// no browser, so it runs no pages of other sites.
pub(super) fn is_from_our_pages(uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(Authority::as_str));
    let origin = origin.to_str().unwrap_or_default();
    let origin = origin.split_once("://").map(|(_, host)| host);
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        let mut hosts = Hosts::default();
        hosts.allow("blog.test".to_owned());
        hosts.are_asked(None, &headers)
    }

    #[test]
    fn addresses_and_allowed_names_are_ours_on_any_port() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:5000",
            "10.0.0.7:65535",
            "[::1]",
            "[::1]:80",
            "localhost",
            "LocalHost:5000",
            "localhost:",
            "blog.test:8080",
        ] {
            assert!(is_ours(host), "{host}");
        }
    }

    #[test]
    fn what_only_begins_or_ends_like_a_name_of_ours_is_not() {
        for host in [
            "[::1].evil.test",
            "[::1]evil.test:80",
            "[::1",
            "::1",
            "127.0.0.1:abc",
            "127.0.0.1:+80",
            "127.0.0.1:65536",
            "127.0.0.1:80:80",
            "127.0.0.1.evil.test",
            "127.1",
            "0x7f.0.0.1",
            "localhost.evil.test",
            "evil.test@localhost",
            "localhost:80@evil.test",
            "user:80@127.0.0.1",
            "evil.test",
            "",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }
}
