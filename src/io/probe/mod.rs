//! A guest on the wire: asks for Router Advertisements, addresses, prefixes, settings and metadata as a host would, and
//! reports what it got, how long it took, and what was wrong with the answers.
//!
//! A second implementation: DHCPv6 is `dhcproto`'s, frames are `etherparse`'s, TCP is `smoltcp`'s, HTTP is `hyper`'s,
//! Router and Neighbor Advertisements have readers of their own here; nothing of the `wire` room is used, so that each side checks the other. Changes nothing on the
//! host: what is leased is reported, not configured. Runs no duplicate address detection for its link-local address.
//!
//! Reading first: RFC 4861 §6.3.7 (Router Solicitation), RFC 9915 §15 (retransmission) and §18.2 (client exchanges),
//! RFC 4861 §7.2 (address resolution).

mod advert;
mod converse;
mod envelope;
mod faults;
mod guard;
mod guest;
mod message;
mod metadata;
mod neighbor;
mod port;
mod reply;
pub mod report;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

pub use report::Report;

use crate::io::netns::{Netlink, NetnsError};
use crate::types::{MacAddr, ip6};

/// UDP port of DHCPv6 clients (RFC 9915 §7.2).
const CLIENT_PORT: u16 = 546;
/// UDP port of DHCPv6 servers (RFC 9915 §7.2).
const SERVER_PORT: u16 = 547;

/// TCP port of HTTP.
pub const HTTP: u16 = 80;

/// What to ask routers and DHCPv6 servers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// A Router Advertisement.
    pub ra: bool,
    /// Addresses by DHCPv6, IA_NA.
    pub stateful: bool,
    /// Delegated prefixes, IA_PD.
    pub pd: bool,
    /// Settings by Information-request.
    pub stateless: bool,
}

impl Wanted {
    /// All of them.
    pub const ALL: Self = Self { ra: true, stateful: true, pd: true, stateless: true };
}

/// The metadata service to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its address; asked for through the router when it is not on the link.
    pub address: Ipv6Addr,
    /// Its TCP port.
    pub port: u16,
    /// Paths of documents, all of them required; empty for `meta_data.json` of OpenStack, which is required, and
    /// `user_data`, which not every instance has.
    pub paths: Vec<String>,
}

impl Default for Service {
    /// OpenStack's documents at fe80::a9fe:a9fe.
    fn default() -> Self {
        Self { address: ip6::METADATA, port: HTTP, paths: Vec::new() }
    }
}

impl fmt::Display for Service {
    /// Host and port as in a URL (RFC 3986 §3.2): the port of HTTP is left out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            HTTP => write!(out, "[{}]", self.address),
            port => write!(out, "[{}]:{port}", self.address),
        }
    }
}

/// How a run is to be made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the device, in the namespace of the calling thread.
    pub device: String,
    /// The MAC to speak with; `None` for the device's own.
    pub mac: Option<MacAddr>,
    /// VLAN id, 1 to 4094, of the tag to speak with; 0 for none.
    pub vlan: u16,
    /// The DUID to show, 3 to 130 octets; `None` for a DUID-LL of the MAC.
    pub duid: Option<Vec<u8>>,
    /// The IAID of both associations; `None` for the last four octets of the MAC.
    pub iaid: Option<u32>,
    /// Ask for the two-message exchange (RFC 9915 §18.2.1).
    pub rapid_commit: bool,
    /// Release what was leased when all is done.
    pub release: bool,
    /// What to ask for, all of it required; `None` for what a guest asks: a Router Advertisement, then addresses
    /// (required) and prefixes (if there are any) when its M flag is set, or settings when only its O flag is.
    pub wanted: Option<Wanted>,
    /// The metadata service to ask for documents after all that; `None` for none.
    pub metadata: Option<Service>,
    /// How long each exchange may take.
    pub timeout: Duration,
}

impl Options {
    /// What a guest does on `device`, with 10 seconds for each exchange.
    pub fn new(device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            mac: None,
            vlan: 0,
            duid: None,
            iaid: None,
            rapid_commit: false,
            release: false,
            wanted: None,
            metadata: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Why a run could not be made; an answer that does not come is no error but [`Report::missing`].
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No device of that name in this namespace.
    #[error("there is no device {0} here")]
    NoDevice(String),
    /// The device is not up.
    #[error("device {0} is down: set it up first")]
    Down(String),
    /// Raw sockets are not for this user.
    #[error("not permitted to open a raw socket on {0}: run as root or with CAP_NET_RAW")]
    NotPermitted(String),
    /// The kernel refused something else.
    #[error("{what} on {device}: {source}")]
    Os {
        /// The device.
        device: String,
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The device could not be looked up.
    #[error(transparent)]
    Netlink(NetnsError),
}

/// Acts as a guest on a device of the calling thread's namespace until everything is answered or timed out.
///
/// # Errors
/// [`ProbeError`] when the device cannot be spoken on at all.
pub fn run(options: &Options) -> Result<Report, ProbeError> {
    let link =
        Netlink::open().and_then(|netlink| netlink.link(&options.device)).map_err(|error| match error {
            NetnsError::NoDevice(name) => ProbeError::NoDevice(name),
            other => ProbeError::Netlink(other),
        })?;
    guest::Guest::on(&link, options)?.boot()
}
