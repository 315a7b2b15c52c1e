//! How the application is configured.

use crate::web::toolbar::content::{Content, Panel};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::json::pretty;

pub(super) struct Config {
    /// Names, and values as JSON.
    lines: Vec<(String, String)>,
}

impl Config {
    pub(super) fn new(lines: Vec<(String, String)>) -> Self {
        Self { lines }
    }
}

impl Panel for Config {
    fn title(&self) -> &'static str {
        "Config"
    }

    fn number(&self, _: &Exchange) -> String {
        self.lines.len().to_string()
    }

    fn content(&self, _: &Exchange) -> Content {
        if self.lines.is_empty() {
            return Content::new().text(
                "No settings. Add them with the method `config` of \
                 memprof::web::DebugToolbarLayer.",
            );
        }
        let lines = self.lines.iter();
        Content::new().pairs(lines.map(|(name, value)| (name.as_str(), pretty(value))))
    }
}
