//! What a request asks of the layer, in its query or its path.

use crate::web::id::Id;
use crate::web::recording::Head;
use form_urlencoded::parse;
use http::Method;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Show the page instead of the response.
    Show,
    /// Pass the response on, and save the page.
    Save,
    /// Show the page that was saved with this id.
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
        // The first pair counts, if there are several.
        let mut pairs = parse(head.query?.as_bytes());
        let (_, value) = pairs.find(|(name, _)| name == key)?;
        match &*value {
            "" => Some(Self::Show),
            "save" => Some(Self::Save),
            _ => None,
        }
    }
}
