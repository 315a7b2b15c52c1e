//! A request's body, copied while it is streamed.

use super::exchange::Shared;
use crate::count::uncounted;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The body of a request to a service with a [`DebugToolbarLayer`](super::DebugToolbarLayer).
    ///
    /// It passes the frames on unchanged, and copies the beginning of an urlencoded form.
    #[derive(Debug)]
    pub struct DebugToolbarRequestBody<B> {
        #[pin]
        body: B,
        copied_to: Option<Shared>,
    }
}

impl<B> DebugToolbarRequestBody<B> {
    pub(super) fn new(body: B, exchange: Option<&Shared>) -> Self {
        let copied_to = exchange.filter(|exchange| exchange.has_form()).cloned();
        Self { body, copied_to }
    }
}

impl<B: Default> Default for DebugToolbarRequestBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B: Body> Body for DebugToolbarRequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(context);
        if let (Some(exchange), Poll::Ready(Some(Ok(frame)))) = (this.copied_to, &frame)
            && let Some(data) = frame.data_ref()
        {
            // If the data has several chunks, the others can't be read without consuming them.
            uncounted::during(false, || exchange.copy_form(data.chunk()));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
