//! One GET as a guest's program makes it: hyper writes the request and reads the answer.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};

use super::MAX_BODY;
use super::report::Document;
use super::stack::Stream;
use crate::io::probe::Service;
use crate::io::probe::converse::micros;

/// What came of a document so far: kept by the caller, so that nothing is lost when it does not wait any longer.
pub(super) struct Got {
    pub(super) document: Document,
    pub(super) body: Vec<u8>,
}

/// Sends a request and writes down what comes, to the end of the answer.
///
/// # Errors
/// Why there is no whole answer.
pub(super) async fn get(stream: Stream<'_>, service: &Service, got: &RefCell<Got>) -> Result<(), String> {
    let request = request(service, &got.borrow().document.path)?;
    let (sender, connection) = http1::Builder::new().handshake(stream).await.map_err(|e| told(&e))?;
    let mut exchange = pin!(exchange(sender, request, got));
    let mut connection = pin!(connection);
    let mut connected = true;
    std::future::poll_fn(|context| {
        // Its errors are those of the exchange, which is told of them.
        connected = connected && connection.as_mut().poll(context).is_pending();
        exchange.as_mut().poll(context)
    })
    .await
}

fn request(service: &Service, path: &str) -> Result<Request<Empty<Bytes>>, String> {
    Request::get(path)
        .header(HOST, service.to_string())
        .header(USER_AGENT, concat!("frontdesk-probe/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| "not a path that can be asked for".to_owned())
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    got: &RefCell<Got>,
) -> Result<(), String> {
    let asked = Instant::now();
    let response = sender.send_request(request).await.map_err(|error| told(&error))?;
    {
        let document = &mut got.borrow_mut().document;
        document.first_byte_us = Some(micros(asked.elapsed()));
        document.status = Some(response.status().as_u16());
        let kind = response.headers().get(CONTENT_TYPE);
        document.content_type = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("{} inside the body", told(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        let got = &mut *got.borrow_mut();
        got.document.octets = got.document.octets.saturating_add(data.len() as u64);
        let room = MAX_BODY.saturating_sub(got.body.len()).min(data.len());
        got.body.extend_from_slice(&data[..room]);
    }
    Ok(())
}

/// What an error of hyper means to whoever waits for a document.
fn told(error: &hyper::Error) -> String {
    let reset = |source: &(dyn Error + 'static)| {
        source.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionReset)
    };
    if error.source().is_some_and(reset) {
        "connection reset (RST)".into()
    } else if error.is_parse() {
        format!("the answer is not HTTP: {error}")
    } else if error.is_incomplete_message() {
        "connection closed without a whole answer".into()
    } else {
        error.to_string()
    }
}

/// A status as it stands in an answer, with its name.
pub(super) fn status(code: u16) -> String {
    match StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason()) {
        Some(name) => format!("status {code} {name}"),
        None => format!("status {code}"),
    }
}
