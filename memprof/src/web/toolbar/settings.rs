//! The settings of [`DebugToolbarLayer`](super::DebugToolbarLayer).

use super::content::Panel;
use crate::web::Access;
use crate::web::redact::Redactor;
use http::HeaderMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The settings of a layer.
#[derive(Clone)]
pub(super) struct ToolbarSettings {
    pub(super) access: Access,
    pub(super) in_release: bool,
    pub(super) intercepts_redirects: bool,
    pub(super) prefix: String,
    pub(super) max_requests: usize,
    pub(super) max_bytes: usize,
    pub(super) redactor: Arc<Redactor>,
    pub(super) shown_cookies: Vec<String>,
    pub(super) cargo_lock: &'static str,
    pub(super) application: Option<(&'static str, &'static str)>,
    pub(super) config: Vec<(String, String)>,
    pub(super) routes: Vec<(String, String)>,
    pub(super) session: Option<Arc<Session>>,
    pub(super) explain: Option<Arc<Explain>>,
    pub(super) panels: Vec<Arc<dyn Panel>>,
}

pub(super) type Session = dyn Fn(&HeaderMap) -> Vec<(String, String)> + Send + Sync;
pub(super) type Explain = dyn Fn(String) -> Explained + Send + Sync;
pub(super) type Explained = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

impl ToolbarSettings {
    /// Whether a build with or without debug assertions has the toolbar.
    pub(super) fn is_on(&self, has_debug_assertions: bool) -> bool {
        has_debug_assertions || self.in_release
    }
}
