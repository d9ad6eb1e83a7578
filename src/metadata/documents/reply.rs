//! Documents and refusals as answers of HTTP.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::TOKEN;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=UTF-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A document: what it is and its octets.
#[derive(Debug)]
pub(super) struct Document {
    kind: HeaderValue,
    octets: Bytes,
}

impl Document {
    /// Lines without a line feed behind the last, as Nova prints them.
    pub(super) fn lines<'l>(lines: impl IntoIterator<Item = &'l str>) -> Self {
        let lines: Vec<&str> = lines.into_iter().collect();
        Self { kind: TEXT, octets: lines.join("\n").into() }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self { kind: JSON, octets: value.to_string().into() }
    }

    /// Octets of which nothing is known.
    pub(super) fn octets(octets: Bytes) -> Self {
        Self { kind: OCTETS, octets }
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        response(StatusCode::OK, self.kind, self.octets)
    }
}

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The target is no path.
    Path,
    /// The seconds of a session are missing, given twice or out of range.
    Seconds,
    /// A token is missing, another guest's, or has ended.
    Token,
    /// A proxy asks for a token.
    Forwarded,
    /// There is nothing at this path, or the guest is no instance.
    Missing,
    /// Only these methods have a meaning here.
    Method(&'static str),
}

impl Refusal {
    pub(super) fn into_response(self) -> Response<Bytes> {
        let (status, text) = match self {
            Self::Path => (StatusCode::BAD_REQUEST, "the request's target is no path\n"),
            Self::Seconds => (
                StatusCode::BAD_REQUEST,
                "X-aws-ec2-metadata-token-ttl-seconds has to be given once, from 1 to 21600\n",
            ),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "a session token is needed in X-aws-ec2-metadata-token: PUT /latest/api/token gives one\n",
            ),
            Self::Forwarded => (StatusCode::FORBIDDEN, "no tokens through a proxy\n"),
            Self::Missing => (StatusCode::NOT_FOUND, "there is no such document\n"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "this method has no meaning here\n"),
        };
        let mut response = response(status, TEXT, Bytes::from_static(text.as_bytes()));
        match self {
            Self::Method(allowed) => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            }
            // RFC 9110 §15.5.2 wants a challenge; the scheme is that of the header to send.
            Self::Token => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(TOKEN));
            }
            _ => {}
        }
        response
    }
}

fn response(status: StatusCode, kind: HeaderValue, octets: Bytes) -> Response<Bytes> {
    let length = HeaderValue::from(octets.len());
    let mut response = Response::new(octets);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}
