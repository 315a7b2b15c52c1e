//! A toolbar for HTML pages and a history of the last requests, whose panels show what each request
//! did.
//!
//! Put [`DebugToolbarLayer`] around the application. Report what the layer can't observe with
//! [`template`] and [`sql`]; they do nothing without a toolbar, so the calls can stay in the code.
//! [`LogLayer`] adds the events of `tracing`.

mod bar;
mod content;
mod cpu;
mod current;
mod exchange;
mod history;
mod json;
mod layer;
mod limits;
mod log;
mod pages;
mod panels;
mod policy;
mod polled;
mod recorded;
mod redacted;
mod request;
mod request_body;
mod settings;
mod shown;
mod sql;
mod state;
mod template;
mod text;
mod units;

pub use content::{Content, Panel, Table};
pub use current::current_id;
pub use exchange::Exchange;
pub use layer::DebugToolbarLayer;
pub use log::LogLayer;
pub use redacted::Redacted;
pub use request_body::DebugToolbarRequestBody;
pub use sql::{Sql, sql};
pub use template::template;
