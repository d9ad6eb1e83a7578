//! Bodies on their way through: a guest's to an upstream, an upstream's to a guest. Neither is ever held as a whole.

use std::cell::Cell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};

use crate::io::timed::Timed;

/// The body of a request to an upstream.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// The body of a request that is lent to one connection after the other, until one takes it.
#[derive(Clone)]
pub(super) struct Lent(Arc<Mutex<Outgoing>>);

impl Lent {
    pub(super) fn new(body: Outgoing) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// The body, for whoever may take it now.
    pub(super) fn lend(&self) -> Outgoing {
        UnsyncBoxBody::new(self.clone())
    }

    fn with<T>(&self, of: impl FnOnce(&mut Outgoing) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// One of the requests that are with upstreams; counted until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket(Rc<Cell<usize>>);

impl Ticket {
    /// One more, unless there are `limit` of them.
    pub(super) fn take(count: &Rc<Cell<usize>>, limit: usize) -> Option<Self> {
        let taken = count.get();
        (taken < limit).then(|| {
            count.set(taken + 1);
            Self(Rc::clone(count))
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// The body of an upstream's answer. It is read as the guest takes it, who is bounded by its connections.
pub type Relayed = Timed;
