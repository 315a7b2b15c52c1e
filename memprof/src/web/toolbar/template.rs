//! Templates that the application reports.

use super::current::current;
use super::limits::CONTEXT_BYTES;
use super::recorded::Rendered;
use super::text::cut;
use crate::count::uncounted;
use serde::Serialize;
use std::io;

/// Reports a template that the current request renders, and its context, for the templates panel.
///
/// Does nothing outside of requests with a toolbar. Values with the name of a secret and
/// [`Redacted`](super::Redacted) values are shown as dots.
///
/// ```
/// use memprof::web::toolbar;
///
/// #[derive(serde::Serialize)]
/// struct Context<'a> {
///     user: &'a str,
/// }
///
/// toolbar::template("blog/index.html", &Context { user: "test" });
/// ```
pub fn template<C: Serialize + ?Sized>(name: &str, context: &C) {
    let Some(exchange) = current() else { return };
    uncounted::during(false, || {
        let rendered = Rendered {
            name: cut(name, 256),
            context: json(context),
        };
        let bytes = size_of::<Rendered>() + rendered.name.len() + rendered.context.capacity();
        exchange.add(bytes, |state| state.templates.push(rendered));
        drop(exchange);
    });
}

/// The first [`CONTEXT_BYTES`] of a value as JSON, or why it can't be serialized.
pub(super) fn json<C: Serialize + ?Sized>(value: &C) -> String {
    let mut out = Bounded(Vec::with_capacity(CONTEXT_BYTES));
    let written = serde_json::to_writer(&mut out, value);
    let is_full = out.0.len() >= CONTEXT_BYTES;
    // The JSON may be cut in the middle of a character.
    let mut text = String::from_utf8(out.0)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    match written {
        Err(_) if is_full => text.push('…'),
        Err(error) => {
            let error = error.to_string();
            text = format!("\"it can't be shown: {}\"", error.escape_debug());
        }
        Ok(()) => {}
    }
    text
}

/// Takes up to [`CONTEXT_BYTES`] bytes, then fails.
#[derive(Debug)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    // Serialization writes many small pieces.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = CONTEXT_BYTES.saturating_sub(self.0.len());
        match bytes.get(..room) {
            Some(start) if start.len() < bytes.len() => {
                self.0.extend_from_slice(start);
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => {
                self.0.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
