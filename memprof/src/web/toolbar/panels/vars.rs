//! The data of a request: its query, form, cookies and session.

use crate::web::redact::DOTS;
use crate::web::toolbar::content::{Content, Panel};
use crate::web::toolbar::exchange::Exchange;
use crate::web::toolbar::limits::FORM_BYTES;
use crate::web::toolbar::settings::Session;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use std::sync::Arc;

pub(super) struct Vars {
    session: Option<Arc<Session>>,
    /// The names of cookies whose values are shown.
    shown_cookies: Vec<String>,
}

type Pairs = Vec<(String, String)>;

impl Vars {
    pub(super) fn new(session: Option<Arc<Session>>, shown_cookies: Vec<String>) -> Self {
        Self {
            session,
            shown_cookies,
        }
    }

    /// The cookies. Any of them may give access, whatever its name, so most are shown as dots.
    fn cookies(&self, exchange: &Exchange) -> Pairs {
        let shown = |name: &str, value: String| match self.shown_cookies.iter().any(|it| it == name)
        {
            true => value,
            false if value.is_empty() => value,
            false => DOTS.to_owned(),
        };
        let cookies = cookies(exchange).into_iter();
        cookies
            .map(|(name, value)| {
                let value = shown(&name, value);
                (name, value)
            })
            .collect()
    }

    fn session(&self, exchange: &Exchange) -> Pairs {
        let Some(session) = &self.session else {
            return Vec::new();
        };
        let mut headers = HeaderMap::new();
        for (name, value) in exchange.request_headers() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        session(&headers)
    }
}

fn decoded(text: &[u8]) -> Pairs {
    let pairs = form_urlencoded::parse(text);
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn query(exchange: &Exchange) -> Pairs {
    decoded(exchange.query().unwrap_or("").as_bytes())
}

fn cookies(exchange: &Exchange) -> Pairs {
    let headers = exchange.request_headers();
    let cookies = headers.filter(|(name, _)| *name == "cookie");
    let cookies = cookies.flat_map(|(_, value)| value.split(';'));
    let pairs = cookies.map(|cookie| cookie.split_once('=').unwrap_or((cookie, "")));
    pairs
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

impl Panel for Vars {
    fn title(&self) -> &'static str {
        "Request"
    }

    fn number(&self, exchange: &Exchange) -> String {
        let count = query(exchange).len() + decoded(&exchange.state().form).len();
        count.to_string()
    }

    fn content(&self, exchange: &Exchange) -> Content {
        let form = decoded(&exchange.state().form);
        let lists = [
            ("Query", query(exchange)),
            ("Form", form),
            ("Cookies", self.cookies(exchange)),
            ("Session", self.session(exchange)),
        ];
        let content = lists
            .into_iter()
            .fold(Content::new(), |content, (title, pairs)| {
                let content = content.heading(title);
                if pairs.is_empty() {
                    content.text("None.")
                } else {
                    content.pairs(pairs)
                }
            });
        if exchange.state().form_is_cut {
            content.text(format!("The form is cut after {FORM_BYTES} bytes."))
        } else {
            content
        }
    }
}
