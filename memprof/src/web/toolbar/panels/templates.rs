//! The templates that a request rendered.

use crate::web::toolbar::content::{Content, Panel};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::json::pretty;

pub(super) struct Templates;

impl Panel for Templates {
    fn title(&self) -> &'static str {
        "Templates"
    }

    fn number(&self, exchange: &Exchange) -> String {
        exchange.state().templates.len().to_string()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let state = exchange.state();
        if state.templates.is_empty() {
            return Content::new()
                .text("No templates. Report them with memprof::web::toolbar::template.");
        }
        let templates = state.templates.iter();
        templates.fold(Content::new(), |content, template| {
            let context = pretty(&template.context);
            content.heading(template.name.as_str()).code(context)
        })
    }
}
