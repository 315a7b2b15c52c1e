//! Events of `tracing`, recorded with their requests.

use super::current::current;
use super::exchange::Shared;
use super::limits::{LINE_BYTES, STATEMENT_BYTES};
use super::recorded::{Line, Statement};
use super::sql;
use super::text::{Cut, cut};
use crate::count::uncounted;
use crate::web::redact::Redactor;
use std::borrow::Cow;
use std::fmt::{Debug, Write};
use std::time::{Duration, SystemTime};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Event, Level, LevelFilter, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The target of sqlx's events for statements.
const SQLX: &str = "sqlx::query";

/// How much of a value is needed to decide whether it is a number.
const FEW_BYTES: usize = 32;

/// A layer of the program's `tracing` subscriber that shows events in the toolbar of their request.
///
/// An event belongs to the request whose future or body its thread is polling, or whose
/// [scope](crate::Scope) the thread is in, or in which its span was created. Other events are
/// ignored.
///
/// sqlx logs its statements at level `DEBUG`. They are shown in the SQL panel, unless
/// [`sql`](super::sql) reported them, but without their parameters and their line, which sqlx
/// doesn't log.
///
/// ```
/// use memprof::web::toolbar::LogLayer;
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(LogLayer::new());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LogLayer {
    level: Level,
}

impl Default for LogLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl LogLayer {
    /// Creates a layer that takes events of level `INFO` and above, and sqlx's statements.
    #[must_use]
    pub fn new() -> Self {
        Self { level: Level::INFO }
    }

    /// Takes events of this level and above.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        // sqlx logs statements at `DEBUG`.
        Some(self.level.max(Level::DEBUG).into())
    }

    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let (Some(exchange), Some(span)) = (current(), context.span(id)) {
            // Counted as the program's, since its registry frees it.
            span.extensions_mut().replace(Of(exchange));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() > self.level && about.target() != SQLX {
            return;
        }
        let by_span = || {
            let spans = context.event_scope(event)?;
            spans
                .into_iter()
                .find_map(|span| span.extensions().get::<Of>().map(|of| of.0.clone()))
        };
        if let Some(exchange) = current().or_else(by_span) {
            uncounted::during(false, || note(exchange, event));
        }
    }
}

/// The request in which a span was created.
struct Of(Shared);

fn note(exchange: Shared, event: &Event<'_>) {
    let about = event.metadata();
    if about.target() == SQLX {
        let mut query = Query::default();
        event.record(&mut query);
        if exchange.state().open_statements == 0 {
            sql::add(&exchange, query.statement());
        }
        return;
    }
    let mut fields = Fields {
        redactor: exchange.redactor(),
        text: Cut::new(LINE_BYTES),
        is_empty: true,
    };
    event.record(&mut fields);
    let line = Line {
        about,
        time: SystemTime::now(),
        text: fields.text.into_text(),
    };
    let bytes = size_of::<Line>() + line.text.capacity();
    exchange.add(bytes, |state| state.lines.push(line));
    drop(exchange);
}

/// The message of an event, and its other fields as `name=value`.
struct Fields<'a> {
    redactor: &'a Redactor,
    text: Cut,
    is_empty: bool,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let space = if self.is_empty { "" } else { " " };
        self.is_empty = false;
        // Fails only if there is no room left.
        let _ = match field.name() {
            "message" => write!(self.text, "{space}{value:?}"),
            name if self.redactor.hides(name) => {
                // Numbers may be counts, which are shown.
                let value = Cut::of(FEW_BYTES, |text| write!(text, "{value:?}"));
                let value = self.redactor.value(name, &value);
                write!(self.text, "{space}{name}={value}")
            }
            name => write!(self.text, "{space}{name}={value:?}"),
        };
    }
}

#[derive(Default)]
struct Query {
    summary: String,
    statement: String,
    rows: Option<u64>,
    elapsed: Duration,
}

impl Query {
    fn statement(self) -> Statement {
        // For a short statement, the summary is the whole statement.
        let text = match self.statement.trim() {
            "" => self.summary,
            text => text.to_owned(),
        };
        Statement {
            text: Cow::Owned(text),
            parameters: Vec::new(),
            elapsed: self.elapsed,
            rows: self.rows,
            place: None,
            plan: None,
        }
    }
}

impl Visit for Query {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // The number of returned rows or, without any, of changed rows.
        match field.name() {
            "rows_returned" if value > 0 || self.rows.is_none() => self.rows = Some(value),
            "rows_affected" if self.rows.unwrap_or(0) == 0 => self.rows = Some(value),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => self.summary = cut(value, STATEMENT_BYTES),
            "db.statement" => self.statement = cut(value, STATEMENT_BYTES),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
