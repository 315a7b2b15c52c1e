//! A toolbar for web pages, and a history of the last requests: what each of them did, in
//! panels.
//!
//! [`DebugToolbarLayer`] goes around the application. What it
//! can't see, the application tells: [`template`] and [`sql`] do nothing where there is no
//! request with a toolbar, so that they can stay where they are. [`LogLayer`] brings the
//! lines of the log.

mod body;
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
mod recorded;
mod redacted;
mod request_body;
mod service;
mod settings;
mod shown;
mod sql;
mod state;
mod template;
mod text;
mod units;

pub use body::DebugToolbarBody;
pub use content::{Content, Panel, Table};
pub use current::current_id;
pub use exchange::Exchange;
pub use layer::DebugToolbarLayer;
pub use log::LogLayer;
pub use redacted::Redacted;
pub use request_body::DebugToolbarRequestBody;
pub use service::{DebugToolbar, DebugToolbarFuture};
pub use sql::{Sql, sql};
pub use template::template;
