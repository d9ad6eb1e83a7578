//! One endpoint of an upstream: its connections, and whether it is thought to be there.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::uri::{self, Authority, PathAndQuery, Uri};
use http::{Extensions, Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::Outgoing;
use super::connector::{Connector, Used};

/// Idle connections kept for the next requests: what a boot of some dozens of guests has in flight.
const IDLE: usize = 64;

/// How long an idle one is kept; less than servers keep theirs.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// Octets of an answer that are read ahead of the guest.
const READ_AHEAD: usize = 16 * 1024;

/// Pause before an endpoint that failed is tried again; doubled each time, up to the second.
const PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// How long an endpoint that takes its time is asked after the others.
const SLOW_TIME: Duration = Duration::from_secs(10);

/// One endpoint.
pub(super) struct Place {
    name: String,
    authority: Authority,
    connector: Connector,
    /// Keeps connections.
    client: Client<Connector, Outgoing>,
    /// Opens a connection for each request.
    opener: Client<Connector, Outgoing>,
    /// After so long an answer is late.
    patience: Duration,
    /// Until when others are asked before it.
    slow: Cell<Option<Instant>>,
    /// Since when and until when it is thought to be gone.
    down: Cell<Option<Down>>,
}

/// By which connection a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// One that was kept, if there is one.
    Kept,
    /// One of its own.
    Fresh,
}

#[derive(Clone, Copy)]
struct Down {
    until: Instant,
    pause: Duration,
}

impl Place {
    pub(super) fn new(name: String, authority: Authority, connector: Connector, patience: Duration) -> Self {
        let client = |idle| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIME)
                .pool_max_idle_per_host(idle)
                .http1_max_buf_size(READ_AHEAD)
                .build(connector.clone())
        };
        let (client, opener) = (client(IDLE), client(0));
        let (slow, down) = (Cell::new(None), Cell::new(None));
        Self { name, authority, connector, client, opener, patience, slow, down }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(
        &self,
        mut request: Request<Outgoing>,
        target: PathAndQuery,
        connection: Via,
    ) -> Result<Response<Incoming>, Error> {
        let bodiless = request.body().is_end_stream();
        let mut uri = uri::Parts::default();
        // Whether it is TLS is the connector's business.
        uri.scheme = Some(uri::Scheme::HTTP);
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(target);
        // Never fails with all three of them.
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        let client = if connection == Via::Kept { &self.client } else { &self.opener };
        let mut answer = pin!(client.request(request));
        let outcome = match tokio::time::timeout(self.patience, &mut answer).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // A request with a body may be waiting for the guest.
                if bodiless {
                    self.slow.set(Some(Instant::now() + SLOW_TIME));
                }
                answer.await
            }
        };
        if let Some(used) = outcome.as_ref().ok().and_then(|response| response.extensions().get::<Used>()) {
            used.set();
        }
        outcome
    }

    /// True when an answer took its time lately.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.get().is_some_and(|until| Instant::now() < until)
    }

    /// The endpoint as the operator wrote it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_up(&self) -> bool {
        self.down.get().is_none()
    }

    /// How long until it is looked at again; zero when it is up.
    pub(super) fn pause(&self) -> Duration {
        self.down.get().map_or(Duration::ZERO, |down| down.until.saturating_duration_since(Instant::now()))
    }

    /// It could not be reached: it is left alone until a connection to it opens again, which is tried in the background.
    pub(super) fn fell(self: &Rc<Self>, error: &dyn std::error::Error) {
        if !self.is_up() {
            return;
        }
        tracing::warn!(endpoint = %self.name, error = %innermost(error), "metadata: an endpoint cannot be reached");
        self.down.set(Some(Down { until: Instant::now() + PAUSE, pause: PAUSE }));
        let place = Rc::clone(self);
        tokio::task::spawn_local(async move { place.watch().await });
    }

    async fn watch(&self) {
        while let Some(Down { until, pause }) = self.down.get() {
            tokio::time::sleep_until(until.into()).await;
            if self.connector.open().await.is_ok() {
                tracing::info!(endpoint = %self.name, "metadata: the endpoint is there again");
                self.down.set(None);
                return;
            }
            let pause = (pause * 2).min(MAX_PAUSE);
            self.down.set(Some(Down { until: Instant::now() + pause, pause }));
        }
    }
}

/// True when a request broke a connection that had carried an answer before: the endpoint may have closed it without
/// having seen the request.
pub(super) fn was_kept(error: &Error) -> bool {
    let mut found = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut found);
    }
    found.get::<Used>().is_some_and(Used::get)
}

/// The error that says why, below those that say where.
pub(super) fn innermost(error: &dyn std::error::Error) -> &dyn std::error::Error {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
