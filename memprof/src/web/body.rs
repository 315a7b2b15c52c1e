//! The body of a response, which is streamed, and what its layer adds to it.

use super::end_of_page::with_text;
use super::recording::{self, Hooks, Outcome, Part, Recording};
use bytes::Buf;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A longer last frame is not copied to put the layer's text inside; the text follows it.
const MOST_COPIED_BYTES: usize = 1 << 20;

pin_project! {
    /// The body of a response of a [`Profiler`](super::Profiler): that of the inner service, with a
    /// text of the layer's at its end if there is one, or a text alone.
    #[derive(Debug)]
    pub struct ProfilerBody<B: Body> {
        // `None` once it has been dropped, and of a text alone.
        #[pin]
        body: Option<B>,
        recording: Option<Recording>,
        // Of those that the response stated, those that are still to come.
        stated_bytes: Option<u64>,
        // What comes next, when the body has ended.
        text: Option<Text<B>>,
        // Trailers, which come after that.
        trailers: Option<HeaderMap>,
    }

    impl<B: Body> PinnedDrop for ProfilerBody<B> {
        fn drop(this: Pin<&mut Self>) {
            this.discard();
        }
    }
}

/// A text of the layer's.
struct Text<B: Body> {
    bytes: Vec<u8>,
    to_data: fn(Vec<u8>) -> B::Data,
}

impl<B: Body> Text<B> {
    fn frame(self) -> Frame<B::Data> {
        Frame::data((self.to_data)(self.bytes))
    }
}

// Not derived, which would ask it of the body's data.
impl<B: Body> fmt::Debug for Text<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.bytes.len())
    }
}

impl<B: Body> ProfilerBody<B> {
    /// The body of the inner service.
    pub(super) fn new(
        body: B,
        head: &response::Parts,
        is_head: bool,
        mut recording: Option<Recording>,
    ) -> Self {
        let stated_bytes = stated_bytes(head, &body);
        let nobody_takes_it = is_head || has_no_body(head.status);
        let is_empty = body.is_end_stream() || stated_bytes == Some(0);
        if let Some(recording) = &mut recording {
            recording.set_outcome(Outcome::Aborted(head.status));
            if nobody_takes_it || is_empty {
                recording.end_body();
            }
        }
        Self {
            body: Some(body),
            recording,
            stated_bytes,
            text: None,
            trailers: None,
        }
    }

    /// A text of the layer's alone.
    pub(super) fn text(text: Vec<u8>, to_data: Option<fn(Vec<u8>) -> B::Data>) -> Self {
        Self {
            body: None,
            recording: None,
            stated_bytes: None,
            text: None,
            trailers: None,
        }
        .followed_by(text, to_data)
    }

    /// Adds a text of the layer's at the end.
    pub(super) fn followed_by(
        mut self,
        bytes: Vec<u8>,
        to_data: Option<fn(Vec<u8>) -> B::Data>,
    ) -> Self {
        let to_data = to_data.filter(|_| !bytes.is_empty());
        self.text = to_data.map(|to_data| Text { bytes, to_data });
        self
    }

    /// Drops the body, as one that has ended, and sends a text of the layer's instead.
    pub(super) fn replaced_by(
        mut self,
        text: Vec<u8>,
        to_data: Option<fn(Vec<u8>) -> B::Data>,
    ) -> Self {
        if let Some(recording) = &mut self.recording {
            recording.end_body();
        }
        drop(self);
        Self::text(text, to_data)
    }

    /// Drops the rest of the body in its scope, which ends the recording.
    pub(super) fn discard(self: Pin<&mut Self>) {
        let mut this = self.project();
        let recording = this.recording.take();
        recording::within(recording.as_ref(), Part::Drop, || this.body.set(None));
        // And only then what the body leaves behind is looked at.
        drop(recording);
    }

    /// The hooks of the layer, if the request is profiled.
    pub(super) fn hooks(&self) -> Option<&Arc<dyn Hooks>> {
        self.recording.as_ref().map(Recording::hooks)
    }
}

/// Whether servers send a response of this status without its body.
fn has_no_body(status: StatusCode) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    status.is_informational() || without.contains(&status)
}

/// The length of the body that a response states, in bytes.
fn stated_bytes(head: &response::Parts, body: &impl Body) -> Option<u64> {
    let header = head.headers.get(CONTENT_LENGTH);
    let stated = header.and_then(|value| value.to_str().ok()?.parse().ok());
    stated.or_else(|| body.size_hint().exact())
}

impl<B: Body> Body for ProfilerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.as_mut().project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            let text = this.text.take().map(Text::frame);
            let frame = text.or_else(|| this.trailers.take().map(Frame::trailers));
            return Poll::Ready(frame.map(Ok));
        };
        let (frame, is_end_stream) = recording::within(this.recording.as_ref(), Part::Poll, || {
            let frame = body.as_mut().poll_frame(context);
            let is_end_stream = matches!(frame, Poll::Ready(Some(Ok(_)))) && body.is_end_stream();
            (frame, is_end_stream)
        });
        // Whoever sees that it is at its end doesn't ask for what is after it.
        let is_at_end = match &frame {
            Poll::Pending | Poll::Ready(Some(Err(_))) => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining) as u64;
                *this.stated_bytes = this.stated_bytes.map(|rest| rest.saturating_sub(bytes));
                *this.stated_bytes == Some(0) || frame.is_trailers() || is_end_stream
            }
        };
        if is_at_end && let Some(recording) = this.recording {
            recording.end_body();
        }
        if this.text.is_none() {
            return frame;
        }
        match frame {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => {
                *this.text = None;
                return Poll::Ready(Some(Err(error)));
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(mut data) => {
                    if is_end_stream
                        && data.remaining() <= MOST_COPIED_BYTES
                        && let Some(Text { bytes, to_data }) = this.text.take()
                    {
                        data = to_data(with_text(data, &bytes));
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(frame) => *this.trailers = frame.into_trailers().ok(),
            },
            Poll::Ready(None) => {}
        }
        let text = this.text.take();
        self.discard();
        Poll::Ready(text.map(|text| Ok(text.frame())))
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none()
            && self.trailers.is_none()
            && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let text = self.text.as_ref().map_or(0, |text| text.bytes.len() as u64);
        let Some(body) = &self.body else {
            return SizeHint::with_exact(text);
        };
        let inner = body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(text)) {
            hint.set_upper(upper);
        }
        hint.set_lower(inner.lower().saturating_add(text));
        hint
    }
}
