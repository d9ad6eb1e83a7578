//! Documents that are made of a port's own lease: OpenStack's tree and EC2's, as Nova serves them, with the session
//! tokens of IMDSv2. The guest, the request, the second and a secret key say the answer; nothing is kept.
//!
//! | file | holds |
//! |---|---|
//! | `instance.rs` | what the lease source says of the instance |
//! | `openstack.rs` | the tree below `/openstack` |
//! | `network.rs` | network_data.json |
//! | `ec2.rs` | the tree of EC2 |
//! | `token.rs` | session tokens |
//! | `reply.rs` | documents and refusals as answers of HTTP |

mod ec2;
mod instance;
mod network;
mod openstack;
mod reply;
mod token;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Response, request};

use super::Guest;
use super::path::{normalise, segments};
use crate::lease::record::NETWORK_TOKEN_REQUIRED;
use instance::Instance;
use reply::{Document, Refusal};
pub use token::Tokens;

/// The header of a session token, as `http` has it: in lower case.
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// The header that asks for a session of so many seconds, and says how many were given.
const SECONDS: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// What a proxy adds, which no guest's own program does.
const FORWARDED: &str = "x-forwarded-for";

/// When a request came, and what knows its tokens.
#[derive(Clone, Copy, Debug)]
struct Moment<'m> {
    now: u64,
    tokens: &'m Tokens,
}

/// Answers a request of a guest out of its lease. `now` is the time in seconds since 1970.
///
/// An answer to HEAD has the length of that to GET and no octets (RFC 9110 §9.3.2).
#[must_use]
pub fn respond(guest: &Guest, head: &request::Parts, now: u64, tokens: &Tokens) -> Response<Bytes> {
    let mut response = decide(guest, head, &Moment { now, tokens }).unwrap_or_else(Refusal::into_response);
    if head.method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    response
}

fn decide(guest: &Guest, head: &request::Parts, moment: &Moment<'_>) -> Result<Response<Bytes>, Refusal> {
    let path = normalise(head.uri.path()).ok_or(Refusal::Path)?;
    let path = segments(&path).ok_or(Refusal::Missing)?;
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    if path == ["latest", "api", "token"] {
        return session(guest, head, moment);
    }
    if head.method != Method::GET && head.method != Method::HEAD {
        return Err(Refusal::Method("GET, HEAD"));
    }
    let instance = Instance::of(guest).ok_or(Refusal::Missing)?;
    let mut tokens = head.headers.get_all(TOKEN).iter();
    let allowed = match (tokens.next(), tokens.next()) {
        (None, _) => !instance.port().network().has(NETWORK_TOKEN_REQUIRED),
        (Some(token), None) => moment.tokens.recognises(token.as_bytes(), &instance, moment.now),
        _ => false,
    };
    if !allowed {
        return Err(Refusal::Token);
    }
    let document = match path.as_slice() {
        ["openstack", path @ ..] => openstack::document(&instance, path, moment),
        ["ec2", path @ ..] | path => ec2::document(&instance, path),
    };
    document.map(Document::into_response).ok_or(Refusal::Missing)
}

/// `PUT /latest/api/token`.
fn session(guest: &Guest, head: &request::Parts, moment: &Moment<'_>) -> Result<Response<Bytes>, Refusal> {
    if head.method != Method::PUT {
        return Err(Refusal::Method("PUT"));
    }
    if head.headers.contains_key(FORWARDED) {
        return Err(Refusal::Forwarded);
    }
    let instance = Instance::of(guest).ok_or(Refusal::Missing)?;
    let seconds = the_only(&head.headers, SECONDS).and_then(|value| token::session(value.as_bytes()));
    let seconds = seconds.ok_or(Refusal::Seconds)?;
    let token = moment.tokens.issue(&instance, moment.now, seconds);
    let mut response = Document::lines([token.as_str()]).into_response();
    response.headers_mut().insert(SECONDS, HeaderValue::from(seconds));
    Ok(response)
}

fn the_only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}
