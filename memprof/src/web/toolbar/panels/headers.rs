//! The headers of a request and of its response.

use crate::web::toolbar::content::{Content, Panel};
use crate::web::toolbar::exchange::Exchange;

pub(super) struct Headers;

impl Panel for Headers {
    fn title(&self) -> &'static str {
        "Headers"
    }

    fn number(&self, exchange: &Exchange) -> String {
        let of_answer = exchange.response_headers().len();
        format!("{} + {of_answer}", exchange.request_headers().count())
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let (method, version) = (exchange.method(), exchange.version());
        let content = Content::new()
            .heading(format!("Request: {method}, {version:?}"))
            .pairs(exchange.request_headers());
        match exchange.status() {
            Some(status) => content
                .heading(format!("Response: {status}"))
                .pairs(exchange.response_headers()),
            None => content.heading("No response"),
        }
    }
}
