//! What a request logged.

use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::units::short_time;
use tracing_core::Level;

pub(super) struct Logging;

impl Panel for Logging {
    fn title(&self) -> &'static str {
        "Logging"
    }

    fn number(&self, exchange: &Exchange) -> String {
        exchange.state().lines.len().to_string()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let state = exchange.state();
        if state.lines.is_empty() {
            return Content::new().text(
                "Nothing was logged with tracing, or its subscriber has no \
                 memprof::web::toolbar::LogLayer.",
            );
        }
        let mut table = Table::new(["After", "Level", "Message", "Target", "From"]);
        for line in &state.lines {
            let after = line.time.duration_since(exchange.began());
            let place = line.about.file().zip(line.about.line());
            let place = place.map(|(file, line)| format!("{file}:{line}"));
            let cells = [
                short_time(after.unwrap_or_default()),
                line.about.level().to_string(),
                line.text.clone(),
                line.about.target().to_owned(),
                place.unwrap_or_default(),
            ];
            table.push(cells.into(), *line.about.level() <= Level::WARN);
        }
        Content::new().table(table)
    }
}
