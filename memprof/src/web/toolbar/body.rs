//! The body of an answer, which is streamed, and the bar that is added to it.

use super::cpu;
use super::current::{At, Running};
use super::exchange::{Exchange, Polls, Shared};
use crate::web::id;
use crate::web::service::ProfilerBody;
use bytes::Buf;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderName,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A longer last piece is not copied to put the bar inside; the bar follows it.
const MOST_COPIED_BYTES: usize = 1 << 20;

pin_project! {
    /// The body of an answer of a [`DebugToolbar`](super::DebugToolbar), with the
    /// bar added if it is an HTML page.
    #[derive(Debug)]
    pub struct DebugToolbarBody<B> {
        // `None` while it is being dropped, and of a page of our own.
        #[pin]
        body: Option<ProfilerBody<B>>,
        // What comes next, when the body has ended.
        last: Option<Vec<u8>>,
        // Trailers, which come after that.
        trailers: Option<HeaderMap>,
        exchange: Option<Shared>,
        running: Option<Running>,
    }

    impl<B> PinnedDrop for DebugToolbarBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let at = this.exchange.as_ref().map(At::new);
            this.body.set(None);
            drop(at);
        }
    }
}

impl<B> DebugToolbarBody<B> {
    pub(super) fn new(
        body: ProfilerBody<B>,
        bar: Option<Vec<u8>>,
        exchange: Option<(Shared, Running)>,
    ) -> Self {
        let (exchange, running) = exchange.unzip();
        Self {
            body: Some(body),
            last: bar,
            trailers: None,
            exchange,
            running,
        }
    }

    /// A page of the toolbar's own.
    pub(super) fn page(text: Vec<u8>) -> Self {
        Self {
            body: None,
            last: Some(text).filter(|text| !text.is_empty()),
            trailers: None,
            exchange: None,
            running: None,
        }
    }
}

impl<B> Body for DebugToolbarBody<B>
where
    B: Body,
    B::Data: From<Vec<u8>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            let frame = this.last.take().map(|last| Frame::data(last.into()));
            let frame = frame.or_else(|| this.trailers.take().map(Frame::trailers));
            return Poll::Ready(frame.map(Ok));
        };
        let polled = this
            .exchange
            .as_deref()
            .map(|exchange| Polled::new(exchange));
        let at = this.exchange.as_ref().map(At::new);
        let frame = body.as_mut().poll_frame(context);
        drop(at);
        drop(polled);
        if this.last.is_none() {
            return frame;
        }
        match frame {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Err(error))) => {
                *this.last = None;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(mut data) => {
                    if body.is_end_stream()
                        && data.remaining() <= MOST_COPIED_BYTES
                        && let Some(bar) = this.last.take()
                    {
                        data = with_bar(data, &bar).into();
                    }
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(frame) => {
                    *this.trailers = frame.into_trailers().ok();
                    let last = this.last.take().unwrap_or_default();
                    this.body.set(None);
                    Poll::Ready(Some(Ok(Frame::data(last.into()))))
                }
            },
            Poll::Ready(None) => {
                let last = this.last.take().unwrap_or_default();
                this.body.set(None);
                Poll::Ready(Some(Ok(Frame::data(last.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none()
            && self.trailers.is_none()
            && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, |last| last.len() as u64);
        let Some(body) = &self.body else {
            return SizeHint::with_exact(last);
        };
        let inner = body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(last)) {
            hint.set_upper(upper);
        }
        hint.set_lower(inner.lower().saturating_add(last));
        hint
    }
}

/// A page's last piece with the bar in it: before `</body>`, or after the whole page.
fn with_bar(mut data: impl Buf, bar: &[u8]) -> Vec<u8> {
    let mut page = Vec::with_capacity(data.remaining() + bar.len());
    while data.has_remaining() {
        let chunk = data.chunk();
        page.extend_from_slice(chunk);
        let length = chunk.len();
        data.advance(length);
    }
    let place = end_of_body(&page).unwrap_or(page.len());
    page.splice(place..place, bar.iter().copied());
    page
}

/// Where `</body>` begins, if only white space, comments and `</html>` follow it.
///
/// Any other `</body>` may be text: of a string in a script, where the bar's own end tag would
/// end the script, or of a comment, where the bar would not run.
fn end_of_body(page: &[u8]) -> Option<usize> {
    let mut rest = page;
    let mut html_may_end = true;
    loop {
        rest = rest.trim_ascii_end();
        if let Some(comment) = rest.strip_suffix(b"-->") {
            let begin = comment.windows(4).rposition(|word| word == b"<!--")?;
            rest = rest.get(..begin)?;
        } else if let Some(before) = without_end_tag(rest, b"</body") {
            return Some(before.len()).filter(|_| !ends_in_comment(before));
        } else {
            rest = without_end_tag(rest, b"</html").filter(|_| html_may_end)?;
            html_may_end = false;
        }
    }
}

fn ends_in_comment(page: &[u8]) -> bool {
    let begin = page.windows(4).rposition(|word| word == b"<!--");
    begin.is_some_and(|begin| !page[begin..].windows(3).any(|word| word == b"-->"))
}

/// `page` without the end tag `tag`, if it ends with that.
fn without_end_tag<'a>(page: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    let page = page.strip_suffix(b">")?.trim_ascii_end();
    let (before, end) = page.split_at_checked(page.len().checked_sub(tag.len())?)?;
    end.eq_ignore_ascii_case(tag).then_some(before)
}

/// Measures a poll, or the call before the polls, until it is dropped.
#[derive(Debug)]
pub(super) struct Polled<'a> {
    exchange: &'a Exchange,
    polls: u64,
    began: Instant,
    cpu: Option<std::time::Duration>,
}

impl<'a> Polled<'a> {
    pub(super) fn new(exchange: &'a Exchange) -> Self {
        Self::of(exchange, 1)
    }

    pub(super) fn calling(exchange: &'a Exchange) -> Self {
        Self::of(exchange, 0)
    }

    fn of(exchange: &'a Exchange, polls: u64) -> Self {
        Self {
            exchange,
            polls,
            began: Instant::now(),
            cpu: cpu::thread_time(),
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let cpu = cpu::thread_time().zip(self.cpu);
        let cpu = cpu.map(|(after, before)| after.saturating_sub(before));
        let mut state = self.exchange.state();
        let Polls { count, elapsed, .. } = state.polls;
        state.polls = Polls {
            count: count + self.polls,
            elapsed: elapsed + self.began.elapsed(),
            cpu: cpu.map(|cpu| state.polls.cpu.unwrap_or_default() + cpu),
        };
    }
}

/// Whether an answer is a page that the bar can be added to, or to `HEAD` the headers of one.
pub(super) fn takes_bar(method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let rest = value.strip_prefix(b"text/html");
        // What isn't a superset of ASCII can't be added to like this.
        let is_wide = |rest: &[u8]| rest.windows(6).any(|word| word == b"utf-16");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b';' | b' ')) && !is_wide(rest))
    });
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let has_body = *method != Method::CONNECT
        && !status.is_informational()
        && !status.is_redirection()
        && ![
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
        ]
        .contains(&status);
    let is_saved = headers.get(CONTENT_DISPOSITION).is_some_and(|value| {
        let kind = value.as_bytes().get(..b"attachment".len());
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"attachment"))
    });
    is_page && is_plain && has_body && !is_saved && !headers.contains_key(CONTENT_RANGE)
}

/// Forbids caches to keep an answer with the bar, since they could show it to others.
pub(super) fn keep_from_caches(headers: &mut HeaderMap) {
    for name in ["cdn-cache-control", "expires", "surrogate-control"] {
        headers.remove(name);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Corrects an answer's headers for a page that is `more` bytes longer.
pub(super) fn lengthen(headers: &mut HeaderMap, more: usize) {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| {
        let length: u64 = value.to_str().ok()?.parse().ok()?;
        length.checked_add(more as u64)
    });
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    // Each time its bytes are others.
    let weak = headers.get(ETAG).and_then(|tag| {
        let tag = tag.to_str().ok()?;
        let weak = tag.starts_with('"').then(|| format!("W/{tag}"))?;
        HeaderValue::from_str(&weak).ok()
    });
    if let Some(weak) = weak {
        headers.insert(ETAG, weak);
    }
    for name in ["content-digest", "content-md5", "digest", "repr-digest"] {
        headers.remove(HeaderName::from_static(name));
    }
}

/// The bar. Its length depends on the toolbar's prefix only.
pub(super) fn bar(prefix: &str, id: &str, nonce: &str) -> Vec<u8> {
    debug_assert_eq!([id.len(), nonce.len()], [id::LENGTH; 2]);
    format!(
        "<script src=\"{prefix}bar.js\" data-memprof=\"{id}\" nonce=\"{nonce}\" async></script>\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::with_bar;

    fn with(page: &str) -> String {
        String::from_utf8(with_bar(page.as_bytes(), b"BAR")).unwrap()
    }

    #[test]
    fn the_bar_is_before_the_end_of_the_body_or_after_the_page() {
        for (page, expected) in [
            ("<p></body>", "<p>BAR</body>"),
            ("<p></BODY></html>\n", "<p>BAR</BODY></html>\n"),
            ("<p></body\n></html >", "<p>BAR</body\n></html >"),
            (
                "<p></body> <!-- a --> </html><!-- </body> -->\n",
                "<p>BAR</body> <!-- a --> </html><!-- </body> -->\n",
            ),
            ("<p>", "<p>BAR"),
            ("", "BAR"),
            ("</html>", "</html>BAR"),
            ("</html></html></body>", "</html></html>BAR</body>"),
        ] {
            assert_eq!(with(page), expected);
        }
    }

    #[test]
    fn an_end_of_the_body_that_may_be_text_is_none() {
        for page in [
            // A page may leave its own end tags out.
            r#"<p><script>let d = "</body><img src=x onerror=a()>";</script>"#,
            r#"<script>let d = "</body>";</script></html>"#,
            "<p><!-- </body> -->",
            "<p><!-- </body> <!-- -->",
            "<p></body></html></html>",
            "<p></body>x",
            "<p></body></script>",
            "<p></body -->",
            "<p></bodyx>",
        ] {
            assert_eq!(with(page), format!("{page}BAR"));
        }
    }
}
