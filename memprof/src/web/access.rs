//! Rules for who may see profiles.

use super::host::Hosts;
use super::query::{self, TOKEN_KEY};
use super::recording::Head;
use crate::sys::output::say;
use form_urlencoded::parse;
use http::header::COOKIE;
use http::{Extensions, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Once};

/// The header that may carry a token. Browsers use a cookie or a [key of the query](TOKEN_KEY).
const TOKEN_HEADER: &str = "x-memprof-token";

/// A rule for which requests may see what a layer has recorded.
///
/// For all other requests, the service behaves as if it had no such layer.
#[derive(Clone)]
pub struct Access(Rule);

type Peer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;
type Allows = dyn Fn(&HeaderMap, &Extensions) -> bool + Send + Sync;

#[derive(Clone)]
enum Rule {
    Loopback(Arc<Peer>),
    /// The token's digest. The duration of a comparison of digests doesn't reveal how much of a
    /// guessed token is right.
    Token([u8; 32]),
    When(Arc<Allows>),
}

impl Access {
    /// Allows requests from the same machine, by the peer's address that `peer` returns.
    ///
    /// Don't use it behind a proxy on the same machine, where every peer has a loopback address;
    /// use [`token`](Self::token) there. Requests with a header that proxies add, such as
    /// `X-Forwarded-For`, `Via`, `X-Real-IP` or `CDN-Loop`, are refused, but not every proxy adds
    /// one. Requests whose Host isn't an IP address or `localhost` are also refused, which prevents
    /// DNS rebinding.
    ///
    /// With axum, serve the router with `into_make_service_with_connect_info`. Without it there is
    /// no peer address and every request is refused, which is reported once on standard error.
    ///
    /// ```
    /// use axum::extract::ConnectInfo;
    /// use memprof::web::Access;
    /// use std::net::SocketAddr;
    ///
    /// let access = Access::loopback(|extensions| {
    ///     let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    ///     Some(peer.ip())
    /// });
    /// # let app: axum::Router = axum::Router::new();
    /// let service = app.into_make_service_with_connect_info::<SocketAddr>();
    /// // axum::serve(listener, service).await?;
    /// ```
    #[must_use]
    pub fn loopback(peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Rule::Loopback(Arc::new(peer)))
    }

    /// Allows requests with this token in the header `x-memprof-token`, in the cookie
    /// `memprof_token` or as `memprof_token` in the query. An empty token allows no request.
    ///
    /// If the token is only in the query, the toolbar sets the cookie, so that the browser's next
    /// requests are allowed too. A token with spaces, non-ASCII letters or one of `",;\` can't be
    /// in a cookie.
    ///
    /// ```
    /// use memprof::web::Access;
    ///
    /// let access = match std::env::var("PROFILE_TOKEN") {
    ///     Ok(token) => Access::token(&token),
    ///     Err(_) => Access::from_fn(|_, _| false),
    /// };
    /// ```
    #[must_use]
    pub fn token(token: &str) -> Self {
        if token.is_empty() {
            return Self::from_fn(|_, _| false);
        }
        Self(Rule::Token(Sha256::digest(token).into()))
    }

    /// Allows requests for which `allows` returns true, given their headers and extensions.
    ///
    /// ```
    /// use memprof::web::Access;
    ///
    /// let access = Access::from_fn(|headers, _| headers.contains_key("x-staff"));
    /// ```
    #[must_use]
    pub fn from_fn(
        allows: impl Fn(&HeaderMap, &Extensions) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Rule::When(Arc::new(allows)))
    }

    pub(super) fn allows(&self, head: &Head<'_>) -> bool {
        match &self.0 {
            Rule::Loopback(peer) => {
                let peer = peer(head.extensions);
                if peer.is_none() {
                    say_that_nobody_is_near();
                }
                peer.is_some_and(|peer| peer.to_canonical().is_loopback())
                    && !is_forwarded(head.headers)
                    && Hosts::default().are_asked(head.authority, head.headers)
            }
            Rule::Token(digest) => tokens(head).any(|token| is_right(&token, digest)),
            Rule::When(allows) => allows(head.headers, head.extensions),
        }
    }

    /// The cookie that makes a browser send its token with later requests, if this request has the
    /// right token in the query only.
    #[cfg(feature = "toolbar")]
    pub(super) fn cookie(&self, head: &Head<'_>) -> Option<HeaderValue> {
        let Rule::Token(digest) = &self.0 else {
            return None;
        };
        let token = tokens_of_query(head).find(|token| is_right(token, digest))?;
        let is_kept = kept_tokens(head).any(|token| is_right(&token, digest));
        let is_plain = |it: u8| it.is_ascii_graphic() && !b"\",;\\".contains(&it);
        if is_kept || !token.bytes().all(is_plain) {
            return None;
        }
        let cookie = format!("{TOKEN_KEY}={token}; Path=/; HttpOnly; SameSite=Strict");
        HeaderValue::try_from(cookie).ok()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Rule::Loopback(_) => "Loopback(..)",
            Rule::Token(_) => "Token(..)",
            Rule::When(_) => "When(..)",
        })
    }
}

fn is_right(token: &str, digest: &[u8; 32]) -> bool {
    let given: [u8; 32] = Sha256::digest(token).into();
    given == *digest
}

/// Whether a header shows that a proxy has forwarded the request.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_of_a_proxy(name.as_str()))
}

/// Whether proxies add a header of this name.
///
/// There are too many to list them all. Most names say which address the header has, or contain the
/// name of the proxy or of its service. Browsers don't send such headers on their own.
fn is_of_a_proxy(name: &str) -> bool {
    /// Words of names: `X-Forwarded-For`, `X-ProxyUser-IP`, `Proxy-Client-IP`, `CDN-Loop`.
    const WORDS: [&str; 24] = [
        "akamai",
        "amz",
        "amzn",
        "appengine",
        "appgw",
        "arr",
        "azure",
        "cdn",
        "cf",
        "client",
        "cloudfront",
        "envoy",
        "fastly",
        "fly",
        "forward",
        "forwarded",
        "incap",
        "nf",
        "proxy",
        "proxyuser",
        "sucuri",
        "varnish",
        "vercel",
        "via",
    ];
    /// Ends of names: `X-Real-IP`, `X-Original-Host`, `Remote-Addr`.
    const ENDS: [&str; 14] = [
        "-ip",
        "-addr",
        "-address",
        "connecting-ip",
        "original-host",
        "original-proto",
        "original-uri",
        "original-url",
        "real-port",
        "request-start",
        "url-scheme",
        "x-host",
        "x-scheme",
        "front-end-https",
    ];
    name.split('-').any(|word| WORDS.contains(&word)) || ENDS.iter().any(|end| name.ends_with(end))
}

/// All tokens of a request.
fn tokens<'a>(head: &Head<'a>) -> impl Iterator<Item = String> + use<'a> {
    kept_tokens(head).chain(tokens_of_query(head))
}

/// The tokens in headers and cookies, which a client sends with every request.
fn kept_tokens<'a>(head: &Head<'a>) -> impl Iterator<Item = String> + use<'a> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let in_headers = head.headers.get_all(TOKEN_HEADER).iter().filter_map(text);
    let cookies = head.headers.get_all(COOKIE).iter().filter_map(text);
    let in_cookies = cookies.flat_map(|cookies| {
        let pairs = cookies.split(';').filter_map(|pair| pair.split_once('='));
        let tokens = pairs.filter(|(key, _)| key.trim() == TOKEN_KEY);
        tokens
            .map(|(_, token)| token.trim().to_owned())
            .collect::<Vec<_>>()
    });
    in_headers.chain(in_cookies)
}

fn tokens_of_query<'a>(head: &Head<'a>) -> impl Iterator<Item = String> + use<'a> {
    let query = parse(head.query.unwrap_or_default().as_bytes());
    let query = query.chain(parse(query::taken(head.extensions).as_bytes()));
    let in_query = query.filter(|(key, _)| key == TOKEN_KEY);
    in_query.map(|(_, token)| token.into_owned())
}

fn say_that_nobody_is_near() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        say(
            "`Access::loopback` finds no peer address and refuses every request: with axum, serve \
             `app.into_make_service_with_connect_info::<SocketAddr>()`",
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// Request headers that proxies, content delivery networks, load balancers and hosting services
    /// add according to their documentation.
    const OF_PROXIES: &str = "\
        Akamai-Origin-Hop Ali-CDN-Real-IP CDN-Loop CF-Connecting-IP CF-IPCountry CF-Ray \
        CF-Visitor Client-IP CloudFront-Viewer-Address DO-Connecting-IP Fastly-Client-IP \
        Fastly-FF Fastly-SSL Fly-Client-IP Fly-Forwarded-Port Forwarded Front-End-Https \
        HTTP-Client-IP Incap-Client-IP Proxy-Client-IP Remote-Addr True-Client-IP Via \
        WL-Proxy-Client-IP X-Akamai-Config-Log-Detail X-Amz-Cf-Id X-Amzn-Trace-Id \
        X-Appengine-User-IP X-AppGW-Trace-Id X-ARR-LOG-ID X-ARR-SSL X-Azure-ClientIP \
        X-Azure-SocketIP X-Client-IP X-Cluster-Client-IP X-Envoy-Expected-Rq-Timeout-Ms \
        X-Envoy-External-Address X-Forward-For X-Forwarded X-Forwarded-By X-Forwarded-For \
        X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto \
        X-Forwarded-Server X-Host X-NF-Client-Connection-IP X-Original-Forwarded-For \
        X-Original-Host X-Original-URL X-Originating-IP X-ProxyUser-IP X-Real-IP X-Real-Port \
        X-Remote-Addr X-Remote-IP X-Request-Start X-Scheme X-Sucuri-ClientIP X-URL-Scheme \
        X-Varnish X-Vercel-Forwarded-For X-Vercel-Id";

    /// Request headers that browsers, curl and scripts send.
    const OF_CLIENTS: &str = "\
        Accept Accept-Encoding Accept-Language Authorization Cache-Control Connection \
        Content-Length Content-Type Cookie DNT Host HX-Request If-None-Match Origin Pragma Range \
        Referer Sec-CH-UA Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site \
        Sec-Fetch-User Sec-GPC Sec-WebSocket-Key TE Traceparent Upgrade Upgrade-Insecure-Requests \
        User-Agent X-CSRF-Token X-Memprof-Token X-Request-Id X-Requested-With";

    #[test]
    fn a_request_with_a_header_of_a_proxy_is_not_from_this_machine() {
        let is_allowed = |header: Option<&str>| {
            let mut request = Request::get("/").header("host", "localhost:5000");
            if let Some(name) = header {
                request = request.header(name, "1");
            }
            let request = request.body(()).unwrap();
            let peer = |_: &Extensions| Some(IpAddr::from([127, 0, 0, 1]));
            Access::loopback(peer).allows(&Head::of(&request))
        };
        assert!(is_allowed(None));
        for name in OF_PROXIES.split_whitespace() {
            assert!(!is_allowed(Some(name)), "{name}");
        }
        for name in OF_CLIENTS.split_whitespace().filter(|name| *name != "Host") {
            assert!(is_allowed(Some(name)), "{name}");
        }
    }

    #[cfg(feature = "toolbar")]
    #[test]
    fn a_token_in_the_query_is_kept_in_a_cookie_if_one_can_have_it() {
        let cookie = |access: &Access, uri: &str, cookie: Option<&str>| {
            let mut request = Request::get(uri);
            if let Some(cookie) = cookie {
                request = request.header(COOKIE, cookie);
            }
            let request = request.body(()).unwrap();
            let cookie = access.cookie(&Head::of(&request));
            cookie.map(|it| it.to_str().unwrap().to_owned())
        };
        let access = Access::token("a+b/c=");
        let kept = "memprof_token=a+b/c=; Path=/; HttpOnly; SameSite=Strict";
        let uri = "/?a=b&memprof_token=a%2Bb%2Fc%3D";
        assert_eq!(cookie(&access, uri, None).as_deref(), Some(kept));
        assert_eq!(
            cookie(&access, uri, Some("memprof_token=old")).as_deref(),
            Some(kept)
        );
        assert_eq!(cookie(&access, uri, Some("memprof_token=a+b/c=")), None);
        assert_eq!(cookie(&access, "/?memprof_token=x", None), None);
        assert_eq!(cookie(&access, "/", Some("memprof_token=a+b/c=")), None);
        let access = Access::token("a;b");
        assert_eq!(cookie(&access, "/?memprof_token=a;b", None), None);
    }
}
