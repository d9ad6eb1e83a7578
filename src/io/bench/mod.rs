//! The load generator: many guests on one device, played by one thread.
//!
//! Against any server: what is sent and how answers are judged follows the standards, not this project. A second
//! implementation, like the probe: frames are `etherparse`'s and `dhcproto`'s, cut into templates once and patched for
//! each guest, and answers have a reader of their own; nothing of the `wire` room is used.
//!
//! Reading first: `workload` (what guests say), `pace` (when), `guests` (what answers mean), `desk` (all three
//! together), [`run`] (the loop around them).

mod answer;
mod cpu;
mod crowd;
mod desk;
mod frames;
mod guests;
mod leases;
mod message;
mod pace;
mod report;
mod retransmit;
mod run;
mod template;
mod workload;

use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

pub use crowd::{Crowd, Duids, LinkLocals, MAX_GUESTS};
pub use pace::Pace;
pub use report::{Counts, Latency, Report, Storm, Wrong};
pub use run::run;
pub use workload::Workload;

use crate::io::netns::{Link, Netlink, NetnsError};
use crate::lease::LeaseTable;
use crate::types::MacAddr;

/// How a run is to be made.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every guest does.
    pub workload: Workload,
    /// Who the guests are.
    pub crowd: Crowd,
    /// When exchanges begin.
    pub pace: Pace,
    /// VLAN id, 1 to 4094, of the tag on every frame; 0 for none.
    pub vlan: u16,
    /// How long is measured; in a storm, how long the guests may take.
    pub time: Duration,
    /// How long guests are played before, uncounted; a storm has none.
    pub warm_up: Duration,
    /// How long an answer is waited for before the exchange is lost; a storm repeats instead.
    pub timeout: Duration,
    /// What guests must be given; `None` for anything.
    pub leases: Option<Arc<LeaseTable>>,
    /// Link-address of the relay (RFC 9915 §13.1), for [`Workload::Relay`].
    pub link_address: Ipv6Addr,
    /// The router's address, for [`Workload::Ns`]; `None` to ask for it by a Router Solicitation.
    pub router: Option<Ipv6Addr>,
    /// Process whose processor time is measured, on this machine.
    pub server_pid: Option<u32>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What is being done.
    pub workload: Workload,
    /// Part of the time, or in a storm of the guests, that is through: 0 to 1.
    pub share: f64,
    /// Complete exchanges so far.
    pub exchanges: u64,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No device of that name in this namespace.
    #[error("there is no device {0} here")]
    NoDevice(String),
    /// The device is not up, or went down meanwhile.
    #[error("device {0} is down")]
    Down(String),
    /// Raw sockets are not for this user.
    #[error("not permitted to open a raw socket on {0}: run as root or with CAP_NET_RAW, or try --pair")]
    NotPermitted(String),
    /// The lease table does not know all guests.
    #[error(
        "the lease table has no port for the guest {0}: choose --guests and --base so that all of them have one"
    )]
    NotLeased(MacAddr),
    /// No such process to measure the time of.
    #[error("there is no process {0} here whose time could be measured")]
    NoProcess(u32),
    /// No router to send Neighbor Solicitations to.
    #[error("no router answered a Router Solicitation: name the address to solicit with --router")]
    NoRouter,
    /// The kernel refused something.
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

/// The device of that name in the namespace of the calling thread.
///
/// # Errors
/// When there is none, or it is down.
pub fn device(name: &str) -> Result<Link, BenchError> {
    let link = Netlink::open().and_then(|netlink| netlink.link(name)).map_err(|error| match error {
        NetnsError::NoDevice(name) => BenchError::NoDevice(name),
        other => BenchError::Netlink(other),
    })?;
    if link.running { Ok(link) } else { Err(BenchError::Down(name.into())) }
}
