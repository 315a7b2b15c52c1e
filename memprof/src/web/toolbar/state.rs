//! The state of a toolbar.

use super::content::Panel;
use super::exchange::Exchange;
use super::history::History;
use super::limits;
use super::panels;
use super::settings::ToolbarSettings;
use crate::web::Access;
use std::fmt;
use std::sync::Arc;

/// A toolbar's settings, history and panels.
pub(super) struct Toolbar {
    pub(super) settings: ToolbarSettings,
    pub(super) history: Arc<History>,
    pub(super) panels: Vec<Arc<dyn Panel>>,
}

impl Toolbar {
    pub(super) fn new(settings: ToolbarSettings) -> Self {
        let history = Arc::new(History::new(settings.max_requests, settings.max_bytes));
        let mut panels = panels::built_in(&settings, &history);
        panels.extend(settings.panels.iter().cloned());
        Self {
            settings,
            history,
            panels,
        }
    }

    pub(super) fn access(&self) -> &Access {
        &self.settings.access
    }

    /// The most bytes that one request may capture.
    pub(super) fn most_bytes(&self) -> usize {
        self.settings.max_bytes / limits::PART_OF_A_REQUEST
    }

    /// The names of the panels in paths.
    pub(super) fn slugs(&self) -> Vec<String> {
        let mut slugs: Vec<String> = Vec::new();
        for (number, panel) in self.panels.iter().enumerate() {
            let letters = panel.title().chars().take(40);
            let slug: String = letters
                .map(|letter| match letter.to_ascii_lowercase() {
                    letter if letter.is_ascii_alphanumeric() => letter,
                    _ => '-',
                })
                .collect();
            if slug.is_empty() || slugs.contains(&slug) {
                slugs.push(format!("{slug}-{number}"));
            } else {
                slugs.push(slug);
            }
        }
        slugs
    }

    /// A panel's number for the bar. Empty if the panel panics.
    pub(super) fn number(panel: &dyn Panel, exchange: &Exchange) -> String {
        let number = std::panic::AssertUnwindSafe(|| panel.number(exchange));
        std::panic::catch_unwind(number).unwrap_or_default()
    }
}

impl fmt::Debug for Toolbar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toolbar")
            .field("prefix", &self.settings.prefix)
            .finish_non_exhaustive()
    }
}
