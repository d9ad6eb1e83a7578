//! Every bound of the metadata service. Each can be set in the configuration file; the defaults are for a hypervisor of
//! a few hundred guests.

use std::time::Duration;

/// The bounds of the service: what one guest may have, what all of them may have together, how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one guest. A crawler opens one at a time, a node of containers some dozens; a further SYN is
    /// dropped, so that the guest tries again. 1 to 1024.
    pub connections_per_guest: usize,
    /// Connections of all guests: 25 KiB of memory for each that is open, and up to 64 KiB more while an answer waits for
    /// the guest to take it. 1 to 1 000 000.
    pub connections: usize,
    /// Requests of one guest per second, in the long run; 0 for as many as it likes. A crawl of cloud-init is 25 GETs
    /// within seconds, and several crawlers may run in one guest.
    pub requests_per_second: u32,
    /// Requests that a guest may send at once after a pause, at least 1. A further one is answered 429.
    pub request_burst: u32,
    /// Octets of a request's head; a longer one is answered 431. At least 8192, because a request line of 8000 has to
    /// be read (RFC 9112 §3).
    pub head_octets: usize,
    /// Header fields of a request; more are answered 431.
    pub head_fields: usize,
    /// Octets of a request's body; a longer one is answered 413. Guests send tokens and passwords, no more.
    pub body_octets: u64,
    /// Until a request's head is complete, counted from its connection's opening or the end of the answer before; so it
    /// is also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// In this time a connection that has something to move must move 1 KiB, either way, or all that is left.
    pub stall_timeout: Duration,
    /// Until an upstream has begun to answer; then the guest is told 504.
    pub upstream_timeout: Duration,
    /// Until a connection to an upstream is open; then the next one is tried.
    pub connect_timeout: Duration,
    /// Requests of all guests that wait for one upstream at once; a further one is answered 503.
    pub upstream_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_guest: 32,
            connections: 4096,
            requests_per_second: 100,
            request_burst: 200,
            head_octets: 16 * 1024,
            head_fields: 100,
            body_octets: 64 * 1024,
            head_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(30),
            upstream_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(1),
            upstream_requests: 1024,
        }
    }
}
