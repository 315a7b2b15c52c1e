//! What a request asks of the layer, by its query or its path.

use crate::web::access;
use crate::web::id::Id;
use crate::web::recording::Head;
use form_urlencoded::parse;
use http::Method;
use http::uri::{PathAndQuery, Uri};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The page in place of the response.
    Show,
    /// The response, and the page for later.
    Save,
    /// The page that was saved with this id.
    Saved(Id),
}

impl Asked {
    pub(super) fn of(head: &Head<'_>, key: &str, prefix: &str, any_method: bool) -> Option<Self> {
        if *head.method == Method::GET
            && let Some(id) = head.path.strip_prefix(prefix).and_then(Id::parse)
        {
            return Some(Self::Saved(id));
        }
        if !any_method && !head.method.is_safe() {
            return None;
        }
        // The first counts, if there are several.
        let mut pairs = parse(head.query?.as_bytes());
        let (_, value) = pairs.find(|(name, _)| name == key)?;
        match &*value {
            "" => Some(Self::Show),
            "save" => Some(Self::Save),
            _ => None,
        }
    }
}

/// The address without what is for the layer, so that the service sees what it would see
/// without it; the rest as it was written.
pub(super) fn without_ours(uri: &Uri, key: &str) -> Uri {
    let Some(query) = uri.query() else {
        return uri.clone();
    };
    let is_ours = |pair: &str| {
        let name = parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| name == key || access::is_token_key(&name))
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    let path_and_query = match rest.as_slice() {
        [] => uri.path().to_owned(),
        rest => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let mut parts = uri.clone().into_parts();
    // Parts of what was an address are one.
    if let Ok(path_and_query) = path_and_query.parse::<PathAndQuery>() {
        parts.path_and_query = Some(path_and_query);
    }
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}
