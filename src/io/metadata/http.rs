//! HTTP with guests: hyper reads and writes it, this decides who answers.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;

use super::desk::{Desk, count};
use super::stream::Stream;
use crate::io::timed::Timed;
use crate::io::upstream::{Answer, plain};
use crate::metadata::request::{self, Refusal};
use crate::metadata::stacks::ConnectionId;

/// Serves one connection to its end.
pub(super) async fn serve(desk: Rc<Desk>, id: ConnectionId) {
    let stream = Stream::new(Rc::clone(&desk), id);
    let limits = &desk.limits;
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.head_fields)
        .max_buf_size(limits.head_octets)
        .half_close(true);
    // Boxed: the future of an answer is large, and an idle connection is not to pay for it.
    let service = service_fn(|request| -> Answering { Box::pin(answer(Rc::clone(&desk), id, request)) });
    if let Err(error) = server.serve_connection(stream, service).await {
        let sender = desk.stacks.borrow().sender(id);
        let (mac, cause) =
            (sender.map(|sender| sender.mac.to_string()), error.source().map(ToString::to_string));
        tracing::debug!(mac, %error, cause, "metadata: a connection broke off");
    }
}

/// How long a request that came too early waits for its refusal.
const MAX_PAUSE: Duration = Duration::from_secs(1);

type Answering = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>>>>;

async fn answer(
    desk: Rc<Desk>,
    id: ConnectionId,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let started = desk.clock.now();
    count(&desk.tally.requests);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // A guest that is gone is waited for by nobody, least of all by an upstream.
    let gone = poll_fn(|context| desk.stacks.borrow_mut().poll_gone(id, context));
    let response = tokio::select! {
        response = decide(&desk, id, request) => response,
        () = gone => plain(StatusCode::REQUEST_TIMEOUT, ""),
    };
    desk.tally.answered(response.status());
    if tracing::enabled!(tracing::Level::DEBUG)
        && let Some(sender) = desk.stacks.borrow().sender(id)
    {
        let (status, took) = (response.status().as_u16(), desk.clock.now().since(started));
        tracing::debug!(mac = %sender.mac, vlan = sender.vlan, device = sender.device, %method, path, status, ?took, "metadata");
    }
    Ok(response)
}

async fn decide(desk: &Rc<Desk>, id: ConnectionId, request: Request<Incoming>) -> Response<Answer> {
    let admitted = desk.stacks.borrow_mut().admit(id, desk.clock.now());
    if let Err(pause) = admitted {
        count(&desk.tally.limited);
        // Whoever is too fast waits: meanwhile its window is closed, and refusing it costs next to nothing.
        tokio::time::sleep(pause.min(MAX_PAUSE)).await;
        return limited(pause);
    }
    let (head, body) = request.into_parts();
    if let Err(refusal) = request::check(&head, &desk.limits) {
        count(&desk.tally.refused);
        return refused(refusal);
    }
    let guest = desk.stacks.borrow().guest(id);
    let Ok(guest) = guest else {
        return plain(StatusCode::NOT_FOUND, "this guest is known no more");
    };
    let body = Timed::whole(body, desk.limits.stall_timeout);
    desk.backends.answer(&guest, Request::from_parts(head, body)).await
}

fn refused(refusal: Refusal) -> Response<Answer> {
    let mut response = plain(refusal.status(), refusal.text());
    // Where this request ends may be what is in doubt.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if refusal == Refusal::Method {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, POST"));
    }
    response
}

fn limited(pause: Duration) -> Response<Answer> {
    let mut response = plain(StatusCode::TOO_MANY_REQUESTS, "too many requests");
    let seconds = pause.as_secs().saturating_add(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
