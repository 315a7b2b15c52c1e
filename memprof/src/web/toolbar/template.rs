//! Templates that a request has rendered, as the application tells.

use super::current::current;
use super::limits::CONTEXT_BYTES;
use super::recorded::Rendered;
use super::text::cut;
use crate::count::uncounted;
use serde::Serialize;
use std::io;

/// Notes that the request renders a template with this context, for the toolbar's panel.
///
/// Does nothing where there is no request with a toolbar. Values under names of secrets
/// are shown as dots, and so is all that is [`Redacted`](super::Redacted).
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

/// The beginning of a value as JSON; or why it is none.
pub(super) fn json<C: Serialize + ?Sized>(value: &C) -> String {
    let mut out = Bounded(Vec::with_capacity(CONTEXT_BYTES));
    let written = serde_json::to_writer(&mut out, value);
    let is_full = out.0.len() >= CONTEXT_BYTES;
    // It may have been cut in the middle of a letter.
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

/// Takes so many bytes, and no more.
#[derive(Debug)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    // There are many small pieces.
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
