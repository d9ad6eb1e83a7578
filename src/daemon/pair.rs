//! The dataplane and the load generator as a pair, on one machine: each at its end of a cable, in namespaces of their
//! own, so that one command says what this machine can do. Nothing of the machine is touched and nothing is left.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::Ipv6Addr;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::io::bench::{self, BenchError, Options, Progress, Report, Workload};
use crate::io::child::{ChildError, Server};
use crate::io::netns::{self, Link, Netlink, Netns, NetnsError};
use crate::types::MacAddr;

/// Why the pair could not be made, or measured nothing.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A namespace or a device could not be made; [`NetnsError::Forbidden`] when this machine does not allow it.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The dataplane did not start.
    #[error(transparent)]
    Dataplane(#[from] ChildError),
    /// The generator could not measure.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A temporary file could not be written.
    #[error("cannot write a temporary file: {0}")]
    File(#[from] io::Error),
}

/// The dataplane's end of the guests' cable.
pub const DEVICE: &str = "tap-bench";

/// The dataplane's end of the relay's cable: nobody is a guest where relays are believed.
pub const RELAYS: &str = "relay-bench";

/// The other ends, and their MACs: of a range of their own with the router's, so that no guest has one of them.
const ENDS: [(&str, &str, MacAddr); 2] =
    [(DEVICE, "guests", MacAddr([2, 0xfe, 0, 0, 0, 2])), (RELAYS, "relay", MacAddr([2, 0xfe, 0, 0, 0, 3]))];
const ROUTER: &str = "02:fe:00:00:00:01";

/// How long the dataplane may take to be ready: a million ports are compiled in a few seconds, on a busy machine in more.
const START: Duration = Duration::from_secs(120);

/// How long the cable may take to have its carrier.
const CARRIER: Duration = Duration::from_secs(5);

/// A running dataplane and the devices that lead to it.
#[derive(Debug)]
pub struct Pair {
    server: Server,
    guests: Netns,
    /// The guests' end and the relay's.
    links: [Link; 2],
}

impl Pair {
    /// Starts `dataplane`, which serves the lease file on its standard input on [`DEVICE`] and [`RELAYS`], and
    /// notifies `READY=1` (`sd_notify(3)`). Must be called while the process has one thread, which then is in a
    /// namespace of its own.
    ///
    /// # Errors
    /// [`PairError`] when there is nothing to measure.
    pub fn open(leases: &str, mut dataplane: Command) -> Result<Self, PairError> {
        netns::isolate()?;
        let guests = Netns::new()?;
        for netns in [&Netns::current()?, &guests] {
            // The kernels' own IPv6 stays out of it, as on devices that only the dataplane serves.
            netns.set_sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        }
        let (host, far) = (Netlink::open()?, guests.netlink()?);
        let cable = |(near, far_end, mac)| -> Result<Link, PairError> {
            let port = host.add_veth(near, far_end, mac, &guests)?;
            host.set_up(port)?;
            far.set_up(far.link(far_end)?.index)?;
            carrier(&far, far_end)
        };
        let [guests_end, relay_end] = ENDS;
        let links = [cable(guests_end)?, cable(relay_end)?];
        // A file without a name: it cannot be left behind.
        let mut file = tempfile::tempfile()?;
        file.write_all(leases.as_bytes())?;
        dataplane.stdin(file);
        let server = Server::start(dataplane, START)?;
        Ok(Self { server, guests, links })
    }

    /// Number of the dataplane's process.
    #[must_use]
    pub fn server_pid(&self) -> u32 {
        self.server.id()
    }

    /// Plays guests at their end of the cable, or behind the relay's.
    ///
    /// # Errors
    /// [`PairError`] when nothing can be measured.
    pub fn play(
        &self,
        options: &Options,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, PairError> {
        let [guests, relay] = &self.links;
        let link = if options.workload == Workload::Relay { relay } else { guests };
        Ok(self.guests.run(|| bench::run(link, options, progress))??)
    }
}

/// The device, once its cable carries.
fn carrier(netlink: &Netlink, name: &str) -> Result<Link, PairError> {
    let deadline = Instant::now() + CARRIER;
    loop {
        let link = netlink.link(name)?;
        if link.running {
            return Ok(link);
        }
        if Instant::now() > deadline {
            return Err(BenchError::Down(name.into()).into());
        }
        sleep(Duration::from_millis(1));
    }
}

/// The link that relayed guests are on: the network's subnet.
pub const LINK: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbe9c, 0, 0, 0, 0, 0);

/// A lease source with a port for each of `macs`: an address and a delegated prefix each, and what a usual network says
/// beside them.
pub fn leases(macs: impl Iterator<Item = MacAddr>) -> String {
    let mut text = format!(
        "version = 1\n\
         [server]\ncloud = \"bench\"\n\
         [relay]\ndevices = [\"{RELAYS}\"]\n\
         [networks.bench]\n\
         router = {{ mac_address = \"{ROUTER}\", lifetime = 1800 }}\n\
         dns_nameservers = [\"2001:db8:cafe:a::e\", \"2001:db8:cafe:a::f\"]\n\
         dns_domains = [\"example.com\"]\n\
         [[networks.bench.subnets]]\n\
         cidr = \"{LINK}/64\"\n\
         ipv6_ra_mode = \"dhcpv6-stateful\"\n\
         ipv6_address_mode = \"dhcpv6-stateful\"\n"
    );
    for (number, mac) in (0_u32..).zip(macs) {
        let address = Ipv6Addr::from_bits(LINK.to_bits() | 1 << 32 | u128::from(number));
        // 2001:db8:8000::/33 has room for 2³¹ of them.
        let prefix = Ipv6Addr::from_bits(0x2001_0db8_8000_0000 << 64 | u128::from(number) << 64);
        // Writing into memory does not fail.
        let _ = write!(
            text,
            "[[ports]]\nmac_address = \"{mac}\"\nnetwork = \"bench\"\nfixed_ips = [\"{address}\"]\n\
             delegated_prefixes = [\"{prefix}/64\"]\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::bench::{Crowd, Duids, LinkLocals};
    use crate::lease;

    #[test]
    fn the_generated_leases_hold_a_port_for_every_guest() {
        let base = "02:fd:00:00:00:00".parse().expect("a MAC");
        let crowd = Crowd::new(base, 300, LinkLocals::Eui64, Duids::LinkLayer).expect("a range");
        let text = leases((0..300).map(|guest| crowd.mac(guest)));
        let loaded = lease::load("generated", text.into_bytes()).expect("valid leases");
        assert_eq!(loaded.warnings, []);
        let port = loaded.table.candidates(0, crowd.mac(299)).next().expect("the last port");
        let port = loaded.table.port(port).expect("a port");
        assert_eq!((port.addresses().len(), port.prefixes().len()), (1, 1));
        assert_eq!(loaded.table.network_of_link(LINK), Some(port.network().id()));
    }
}
