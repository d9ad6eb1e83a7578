//! The demo: a bridge with a guest for every port of a lease source, served by the real dataplane.
//!
//! Everything happens in namespaces of the process's own: no device, address or file of the machine is touched, and
//! nothing is left behind. The dataplane is a process of its own, started as on a hypervisor; the guests know nothing
//! of it. Their kernels do SLAAC; their DHCPv6 client, and the
//! program that fetches their metadata, is the probe, which shares no protocol code with the dataplane.

mod guest;
mod plan;

use std::io::{self, Write};
use std::process::Command;
use std::thread;
use std::time::Duration;

pub use guest::{Delegated, Guest, GuestAddress, GuestRoute};
pub use plan::{Plan, Promised};

use crate::io::child::{ChildError, Server};
use crate::io::netns::{self, Netlink, Netns, NetnsError};
use crate::io::probe::ProbeError;

/// Why the demo could not be held; a guest that does not come up is no error but its [`Guest::problems`].
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A namespace or a device could not be made; [`NetnsError::Forbidden`] when this machine does not allow it.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The dataplane did not start.
    #[error(transparent)]
    Dataplane(#[from] ChildError),
    /// A guest could not speak on its own device.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The lease source is not one that the demo can read.
    #[error("the demo's lease source: {0}")]
    Leases(String),
    /// A temporary file could not be written.
    #[error("cannot write a temporary file: {0}")]
    File(#[from] io::Error),
}

/// How long the dataplane may take to be ready.
const START: Duration = Duration::from_secs(10);

/// The bridge that the guests' ports belong to.
const BRIDGE: &str = "br0";

/// Boots a guest for every port of `leases` on one bridge and waits until all have come up or given up.
///
/// `dataplane` is the command that serves the lease file on its standard input on all devices called `tap…`; it must
/// notify `READY=1` (`sd_notify(3)`). Must be called while the process has one thread, which then is in a namespace of its own.
///
/// # Errors
/// [`DemoError`] when there is nothing to show.
pub fn run(leases: &str, mut dataplane: Command) -> Result<Vec<Guest>, DemoError> {
    let plans = plan::read(leases).map_err(DemoError::Leases)?;
    netns::isolate()?;
    let namespaces = build(&plans)?;
    // A file without a name: it cannot be left behind.
    let mut file = tempfile::tempfile()?;
    file.write_all(leases.as_bytes())?;
    dataplane.stdin(file);
    let _dataplane = Server::start(dataplane, START)?;
    thread::scope(|scope| {
        let guests: Vec<_> = plans
            .iter()
            .zip(&namespaces)
            .map(|(plan, netns)| scope.spawn(move || netns.run(|| guest::boot(plan, netns))?))
            .collect();
        guests
            .into_iter()
            .map(|guest| guest.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// The hypervisor's side: a bridge and a port for every guest. The host's own IPv6 stays out of it, as it should on
/// devices that only the dataplane serves.
fn build(plans: &[Plan]) -> Result<Vec<Netns>, DemoError> {
    let host = Netns::current()?;
    for which in ["all", "default"] {
        host.set_sysctl(&format!("ipv6/conf/{which}/disable_ipv6"), "1")?;
    }
    let netlink = Netlink::open()?;
    let bridge = netlink.add_bridge(BRIDGE, true)?;
    let plug_in = |plan: &Plan| -> Result<Netns, DemoError> {
        let netns = Netns::new()?;
        let port = netlink.add_veth(&plan.device, guest::NIC, plan.mac, &netns)?;
        netlink.set_bridge(port, bridge)?;
        netlink.set_up(port)?;
        Ok(netns)
    };
    plans.iter().map(plug_in).collect()
}
