//! Who may see profiles.

use super::host::Hosts;
use super::recording::Head;
use crate::output;
use form_urlencoded::parse;
use http::header::COOKIE;
use http::{Extensions, HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Once};

/// The header a token may be in; for browsers, a cookie or a key of the query, with `_`.
const TOKEN_HEADER: &str = "x-memprof-token";
const TOKEN_KEY: &str = "memprof_token";

/// A rule for who may see what a layer has recorded; to all others it isn't there.
#[derive(Clone)]
pub struct Access(Rule);

type Peer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;
type Allows = dyn Fn(&HeaderMap, &Extensions) -> bool + Send + Sync;

#[derive(Clone)]
enum Rule {
    Loopback(Arc<Peer>),
    /// Its digest: a comparison of digests doesn't tell how much of a guess was right.
    Token([u8; 32]),
    When(Arc<Allows>),
}

impl Access {
    /// Who is on the same machine, by the peer's address that `peer` finds.
    ///
    /// Behind a proxy on this machine all peers are this machine, and not every proxy says
    /// in a header that it is one: there, take [`token`](Self::token). A request whose
    /// headers say that it was forwarded is not allowed, and neither is one that is for
    /// a name other than `localhost`: a page from elsewhere can have its own lead here.
    ///
    /// Of axum, whose server is to be made with `into_make_service_with_connect_info`: without
    /// it there is no address, and nobody is allowed, which is said once on the standard
    /// error.
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

    /// Who has this token: in the header `x-memprof-token`, in the cookie `memprof_token`,
    /// or as `memprof_token` in the query. Nobody, if it is empty.
    ///
    /// The toolbar gives a browser that comes with the query the cookie, so that its bar and
    /// its pages are there from then on; a token with spaces or one of `",;\` can be in none.
    ///
    /// ```
    /// use memprof::web::Access;
    ///
    /// let access = match std::env::var("PROFILE_TOKEN") {
    ///     Ok(token) => Access::token(&token),
    ///     Err(_) => Access::when(|_, _| false),
    /// };
    /// ```
    #[must_use]
    pub fn token(token: &str) -> Self {
        if token.is_empty() {
            return Self::when(|_, _| false);
        }
        Self(Rule::Token(Sha256::digest(token).into()))
    }

    /// Whose request's headers and extensions are answered with yes.
    ///
    /// ```
    /// use memprof::web::Access;
    ///
    /// let access = Access::when(|headers, _| headers.contains_key("x-staff"));
    /// ```
    #[must_use]
    pub fn when(allows: impl Fn(&HeaderMap, &Extensions) -> bool + Send + Sync + 'static) -> Self {
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

    /// The cookie that has a browser come with its token to where a page of ours leads, too,
    /// if it has come with one in the query alone.
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

/// Whether a key of a query is for us alone.
pub(super) fn is_token_key(key: &str) -> bool {
    key == TOKEN_KEY
}

fn is_right(token: &str, digest: &[u8; 32]) -> bool {
    let given: [u8; 32] = Sha256::digest(token).into();
    given == *digest
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    let says_so = |name: &str| {
        let by_custom = [
            "cf-connecting-ip",
            "forwarded",
            "true-client-ip",
            "via",
            "x-client-ip",
            "x-real-ip",
        ];
        name.starts_with("x-forwarded-") || by_custom.contains(&name)
    };
    headers.keys().any(|name| says_so(name.as_str()))
}

/// What may be a token in a request.
fn tokens<'a>(head: &Head<'a>) -> impl Iterator<Item = String> + use<'a> {
    kept_tokens(head).chain(tokens_of_query(head))
}

/// Those that come with each request of who has them, in a header or a cookie.
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
    let in_query = query.filter(|(key, _)| key == TOKEN_KEY);
    in_query.map(|(_, token)| token.into_owned())
}

fn say_that_nobody_is_near() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        output::say(
            "`Access::loopback` finds no address of who asks, and allows nobody: of axum, serve \
             `app.into_make_service_with_connect_info::<SocketAddr>()`",
        );
    });
}

#[cfg(all(test, feature = "toolbar"))]
mod tests {
    use super::*;
    use http::Request;

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
