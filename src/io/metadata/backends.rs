//! Who answers guests' requests: documents of their leases, or an upstream.

use std::collections::BTreeMap;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};

use crate::io::timed::Timed;
use crate::io::upstream::{Answer, Upstream, plain};
use crate::metadata::documents::{self, Tokens};
use crate::metadata::{Config, DOCUMENTS, Guest};

/// Those that can be asked, by their names.
pub(super) struct Backends {
    tokens: Tokens,
    default: String,
    upstreams: BTreeMap<String, Upstream>,
}

impl Backends {
    /// Prepares all upstreams; none is connected to before it is needed.
    ///
    /// # Errors
    /// No randomness, or a file of an upstream's TLS configuration that is no good.
    pub(super) fn open(config: &Config) -> io::Result<Self> {
        let mut key = [0; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key)
            .map_err(|_| io::Error::other("the kernel gives no random octets"))?;
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.upstreams {
            let upstream = Upstream::new(name, upstream, &config.limits)
                .map_err(|why| io::Error::other(format!("metadata.upstreams.{name}: {why}")))?;
            upstreams.insert(name.clone(), upstream);
        }
        Ok(Self { tokens: Tokens::new(key), default: config.default.clone(), upstreams })
    }

    /// Asks whoever answers for the guest's network.
    pub(super) async fn answer(&self, guest: &Guest, request: Request<Timed>) -> Response<Answer> {
        let chosen = guest.port().map_or("", |port| port.network().metadata_upstream());
        let name = if chosen.is_empty() { self.default.as_str() } else { chosen };
        if name == DOCUMENTS {
            let (head, _) = request.into_parts();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            return documents::respond(guest, &head, now, &self.tokens)
                .map(|octets| Either::Left(Full::new(octets)));
        }
        match self.upstreams.get(name) {
            Some(upstream) => upstream.forward(guest, request).await,
            // A table that names an upstream which is not configured is refused when it is loaded.
            None => plain(StatusCode::SERVICE_UNAVAILABLE, "nobody answers for this network\n"),
        }
    }
}
