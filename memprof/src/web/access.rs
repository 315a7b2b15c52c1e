//! Who may see profiles.

use super::host::Hosts;
use super::recording::Head;
use form_urlencoded::parse;
use http::header::COOKIE;
use http::{Extensions, HeaderMap};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

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
    /// Of axum, whose server is to be made with `into_make_service_with_connect_info`:
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
    /// ```
    #[must_use]
    pub fn loopback(peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Rule::Loopback(Arc::new(peer)))
    }

    /// Who has this token: in the header `x-memprof-token`, in the cookie `memprof_token`,
    /// or as `memprof_token` in the query. Nobody, if it is empty.
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
                peer(head.extensions).is_some_and(|peer| peer.to_canonical().is_loopback())
                    && !is_forwarded(head.headers)
                    && Hosts::default().are_asked(head.authority, head.headers)
            }
            Rule::Token(digest) => tokens(head).any(|token| {
                let given: [u8; 32] = Sha256::digest(token).into();
                given == *digest
            }),
            Rule::When(allows) => allows(head.headers, head.extensions),
        }
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
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let in_headers = head.headers.get_all(TOKEN_HEADER).iter().filter_map(text);
    let cookies = head.headers.get_all(COOKIE).iter().filter_map(text);
    let in_cookies = cookies.flat_map(|cookies| {
        let pairs = cookies.split(';').filter_map(|pair| pair.split_once('='));
        let tokens = pairs.filter(|(key, _)| key.trim() == TOKEN_KEY);
        tokens
            .map(|(_, token)| token.trim().to_owned())
            .collect::<Vec<_>>()
    });
    let query = parse(head.query.unwrap_or_default().as_bytes());
    let in_query = query.filter(|(key, _)| key == TOKEN_KEY);
    in_headers
        .chain(in_cookies)
        .chain(in_query.map(|(_, token)| token.into_owned()))
}
