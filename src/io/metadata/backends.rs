//! Who answers guests' requests: documents of their leases, or an upstream.

use std::io;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};

use super::http::{Timed, plain};
use crate::metadata::{Guest, Limits};

/// The body of an answer.
pub(super) type Answer = Either<Full<Bytes>, Full<Bytes>>;

/// x
#[derive(Debug)]
pub struct Service;

impl Service {
    pub(super) fn open(self, _: &Limits) -> io::Result<Backends> {
        Ok(Backends)
    }
}

#[derive(Debug)]
pub(super) struct Backends;

impl Backends {
    pub(super) async fn answer(&self, _: &Guest, _: Request<Timed>) -> Response<Answer> {
        plain(StatusCode::NOT_FOUND, "x")
    }
}
