//! Upstreams: services that answer guests' requests in our place, asked over HTTP.
//!
//! | file | holds |
//! |---|---|
//! | `connector.rs` | TCP, TLS and Unix sockets |
//! | `tls.rs` | whom we believe, and who we are |
//! | `endpoint.rs` | one endpoint's connections and health |
//! | `body.rs` | bodies on their way through |

mod body;
mod connector;
mod endpoint;
pub mod tls;

use std::cell::Cell;
use std::error::Error;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy;

pub use body::Relayed;
use body::{Lent, Outgoing, Ticket};
use connector::Connector;
use endpoint::{Place, Via, innermost, was_kept};

use crate::metadata::forward::{self, Head};
use crate::metadata::{Forwarding, Guest, Limits, UpstreamConfig};

/// The body of an answer: ours, or an upstream's on its way through.
pub type Answer = Either<Full<Bytes>, Relayed>;

/// One upstream: equal services behind several endpoints.
pub struct Upstream {
    name: String,
    forwarding: Forwarding,
    places: Vec<Rc<Place>>,
    /// Which place is asked first; they take turns.
    next: Cell<usize>,
    timeout: Duration,
    hedge: Duration,
    in_flight: Rc<Cell<usize>>,
    limit: usize,
}

/// Why there is no answer from a place.
enum Failure {
    /// It was not reached: another may be asked whatever the request was.
    Unreachable,
    /// A connection that was kept broke: the endpoint may have closed it, and never have seen the request.
    Stale,
    /// It was reached, and what came back is no answer.
    Broken,
}

impl Upstream {
    /// An upstream that is not connected to yet.
    ///
    /// # Errors
    /// Why an endpoint can never be connected to: a file of the TLS configuration.
    pub fn new(name: &str, config: &UpstreamConfig, limits: &Limits) -> Result<Self, String> {
        let connect = config.connect_timeout.unwrap_or(limits.connect_timeout);
        let place = |endpoint: &crate::metadata::Endpoint| {
            let connector = Connector::new(endpoint, &config.tls, connect)?;
            let authority = endpoint.authority();
            let authority = authority.parse().map_err(|_| format!("{authority:?} is no authority"))?;
            Ok(Rc::new(Place::new(endpoint.to_string(), authority, connector, config.hedge)))
        };
        Ok(Self {
            name: name.to_owned(),
            forwarding: Forwarding::new(&config.kind),
            places: config.endpoints.iter().map(place).collect::<Result<_, String>>()?,
            next: Cell::new(0),
            timeout: config.timeout.unwrap_or(limits.upstream_timeout),
            hedge: config.hedge,
            in_flight: Rc::default(),
            limit: limits.upstream_requests,
        })
    }

    /// Asks the upstream for a guest. Whatever goes wrong becomes an answer: 404 for a guest that the upstream cannot be
    /// told of, 503 when no endpoint can be reached or too many requests are with upstreams, 504 when none answers in
    /// time, 502 when what comes back is no answer.
    pub async fn forward<B>(&self, guest: &Guest, request: Request<B>) -> Response<Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let head = match self.forwarding.request(guest, &head, body.size_hint().exact()) {
            Ok(head) => head,
            Err(refusal) => return plain(refusal.status(), "this is not forwarded\n"),
        };
        let Some(_ticket) = Ticket::take(&self.in_flight, self.limit) else {
            return unavailable("too many requests are under way\n", Duration::from_secs(1));
        };
        let answer = async {
            if body.is_end_stream() && may_be_repeated(&head.method) {
                self.ask_in_turn(&head).await
            } else {
                self.ask_once(&head, &Lent::new(body.map_err(Into::into).boxed_unsync())).await
            }
        };
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(response)) => self.relay(&head.method, response),
            Ok(Err(Failure::Unreachable)) => unavailable("the upstream cannot be reached\n", self.pause()),
            Ok(Err(Failure::Stale | Failure::Broken)) => {
                plain(StatusCode::BAD_GATEWAY, "the upstream's answer is none\n")
            }
            Err(_) => {
                tracing::debug!(upstream = %self.name, "metadata: no answer in time");
                plain(StatusCode::GATEWAY_TIMEOUT, "the upstream does not answer\n")
            }
        }
    }

    fn relay(&self, method: &Method, response: Response<Incoming>) -> Response<Answer> {
        let (mut head, body) = response.into_parts();
        if forward::answer(method, &mut head, body.size_hint().exact()).is_err() {
            return plain(StatusCode::BAD_GATEWAY, "the upstream's answer is none\n");
        }
        let refused = head.status == StatusCode::FORBIDDEN;
        tracing::debug!(upstream = %self.name, status = head.status.as_u16(), hint = refused.then_some("does the shared secret match?"), "metadata: answered");
        Response::from_parts(head, Either::Right(Relayed::pieces(body, self.timeout)))
    }

    /// Until when it is worth the guest's while to ask again.
    fn pause(&self) -> Duration {
        self.places.iter().map(|place| place.pause()).min().unwrap_or_default()
    }

    /// The places that are thought to be there, the one whose turn it is first, and those that were slow last.
    fn turn(&self) -> Vec<Rc<Place>> {
        let first = self.next.get();
        self.next.set(first.wrapping_add(1));
        let count = self.places.len().max(1);
        let order = (0..count).filter_map(|i| self.places.get((first.wrapping_add(i)) % count));
        let mut order: Vec<Rc<Place>> = order.filter(|place| place.is_up()).map(Rc::clone).collect();
        order.sort_by_key(|place| place.is_slow());
        order
    }

    /// A request that may change something is sent once, on a connection of its own: none that could be closed under it.
    /// A place that is not there has seen nothing of it, so the next one is asked.
    async fn ask_once(&self, head: &Head, body: &Lent) -> Result<Response<Incoming>, Failure> {
        for place in self.turn() {
            match ask(&place, Via::Fresh, head, body.lend()).await {
                Err(Failure::Unreachable) => {}
                outcome => return outcome,
            }
        }
        Err(Failure::Unreachable)
    }

    /// A request without a body that may be sent twice is sent to one place after the other until one answers; when it
    /// changes nothing, to the next one already when the first one takes its time.
    async fn ask_in_turn(&self, head: &Head) -> Result<Response<Incoming>, Failure> {
        let mut failure = Failure::Unreachable;
        let places = self.turn();
        let mut places = places.iter();
        while let Some(place) = places.next() {
            let first = ask_again(place, head);
            let next = places.as_slice().first().filter(|_| head.method.is_safe());
            let outcome = match next {
                Some(second) => {
                    let second = || {
                        places.next();
                        ask_again(second, head)
                    };
                    hedged(first, self.hedge, second).await
                }
                None => first.await,
            };
            match outcome {
                Ok(response) => return Ok(response),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }
}

/// True for methods whose requests may arrive twice (RFC 9110 §9.2.2), among those that guests use.
fn may_be_repeated(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS].contains(method)
}

/// The first answer of two: the second is asked when the first one has taken its time.
async fn hedged<T, E, A, B>(first: A, patience: Duration, second: impl FnOnce() -> B) -> Result<T, E>
where
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>>,
{
    let mut first = pin!(first);
    if let Ok(outcome) = tokio::time::timeout(patience, &mut first).await {
        return outcome;
    }
    let mut second = pin!(second());
    tokio::select! {
        outcome = &mut first => match outcome {
            Ok(answer) => Ok(answer),
            Err(_) => second.await,
        },
        outcome = &mut second => match outcome {
            Ok(answer) => Ok(answer),
            Err(_) => first.await,
        },
    }
}

/// Asks a place for what may be asked twice: once more on a connection of its own, when one that was kept broke.
async fn ask_again(place: &Rc<Place>, head: &Head) -> Result<Response<Incoming>, Failure> {
    match ask(place, Via::Kept, head, empty()).await {
        Err(Failure::Stale) => ask(place, Via::Fresh, head, empty()).await,
        outcome => outcome,
    }
}

async fn ask(
    place: &Rc<Place>,
    connection: Via,
    head: &Head,
    body: Outgoing,
) -> Result<Response<Incoming>, Failure> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = head.fields.clone();
    place.ask(request, head.target.clone(), connection).await.map_err(|error: legacy::Error| {
        tracing::debug!(endpoint = place.name(), error = %innermost(&error), "metadata: not answered");
        if error.is_connect() {
            place.fell(&error);
            Failure::Unreachable
        } else if was_kept(&error) {
            Failure::Stale
        } else {
            Failure::Broken
        }
    })
}

fn empty() -> Outgoing {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An answer of a few words.
#[must_use]
pub fn plain(status: StatusCode, text: &'static str) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn unavailable(text: &'static str, pause: Duration) -> Response<Answer> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    let seconds = pause.as_secs().saturating_add(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
