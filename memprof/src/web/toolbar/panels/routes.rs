//! The application's routes, and the one that a request matched.

use crate::web::toolbar::content::{Content, Panel, Table};
use crate::web::toolbar::exchange::Exchange;

pub(super) struct Routes {
    /// Methods and patterns.
    routes: Vec<(String, String)>,
    /// The first route with each pattern.
    patterns: matchit::Router<usize>,
}

impl Routes {
    pub(super) fn new(routes: Vec<(String, String)>) -> Self {
        let mut patterns = matchit::Router::new();
        for (place, (_, pattern)) in routes.iter().enumerate() {
            // Duplicates and invalid patterns are only listed.
            let _ = patterns.insert(pattern, place);
        }
        Self { routes, patterns }
    }

    /// The pattern that the path matches, chosen as axum chooses it.
    fn pattern(&self, exchange: &Exchange) -> Option<&str> {
        let place = *self.patterns.at(exchange.path()).ok()?.value;
        self.routes.get(place).map(|(_, pattern)| pattern.as_str())
    }
}

impl Panel for Routes {
    fn title(&self) -> &'static str {
        "Routes"
    }

    fn number(&self, exchange: &Exchange) -> String {
        if self.routes.is_empty() {
            return String::new();
        }
        self.pattern(exchange).unwrap_or("none").to_owned()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        if self.routes.is_empty() {
            return Content::new().text(
                "No routes. Add them with the method `routes` of memprof::web::DebugToolbarLayer.",
            );
        }
        let pattern = self.pattern(exchange);
        let mut table = Table::new(["", "Methods", "Path"]);
        for (methods, path) in &self.routes {
            let is_taken = pattern == Some(path);
            let mark = if is_taken { "→" } else { "" };
            let cells = [mark.to_owned(), methods.clone(), path.clone()];
            table.push(cells.into(), is_taken);
        }
        Content::new().table(table)
    }
}
