//! Bodies that must come in time: whoever sends one slowly holds nothing for long.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

/// A body with a deadline.
#[derive(Debug)]
pub struct Timed {
    body: Incoming,
    span: Duration,
    /// Each piece has the whole span, not all of them together.
    each: bool,
    /// Begins with the first wait.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// A body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct Late;

impl Timed {
    /// A body that must be complete within `span` once it is waited for.
    pub(super) fn whole(body: Incoming, span: Duration) -> Self {
        Self { body, span, each: false, deadline: None }
    }

    /// A body whose every piece must come within `span`.
    pub(super) fn pieces(body: Incoming, span: Duration) -> Self {
        Self { body, span, each: true, deadline: None }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if self.each {
                self.deadline = None;
            }
            // Trailers stay behind: nobody asked for them (RFC 9112 §7.1.2).
            return Poll::Ready(match frame {
                Some(Ok(frame)) if frame.is_trailers() => None,
                frame => frame.map(|frame| frame.map_err(Into::into)),
            });
        }
        let span = self.span;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(span)));
        deadline.as_mut().poll(context).map(|()| Some(Err(Late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
