//! The built-in panels.

mod config;
mod headers;
mod logging;
mod memory;
mod profiler;
mod routes;
mod sql;
mod templates;
mod time;
mod vars;
mod versions;

pub(super) use sql::can_be_explained;

use super::content::Panel;
use super::history::History;
use super::settings::ToolbarSettings;
use std::sync::Arc;

/// The built-in panels, in the order of the bar.
pub(super) fn built_in(settings: &ToolbarSettings, history: &Arc<History>) -> Vec<Arc<dyn Panel>> {
    vec![
        Arc::new(time::Time),
        Arc::new(memory::Memory::new(Arc::clone(history))),
        Arc::new(profiler::Profiler),
        Arc::new(sql::SqlPanel::new(settings.explain.is_some())),
        Arc::new(templates::Templates),
        Arc::new(logging::Logging),
        Arc::new(vars::Vars::new(
            settings.session.clone(),
            settings.shown_cookies.clone(),
        )),
        Arc::new(headers::Headers),
        Arc::new(routes::Routes::new(settings.routes.clone())),
        Arc::new(config::Config::new(settings.config.clone())),
        Arc::new(versions::Versions::new(
            settings.cargo_lock,
            settings.application,
        )),
    ]
}
