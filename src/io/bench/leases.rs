//! What the lease table promises each guest, for comparison with what it gets.

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::answer::Association;
use super::crowd::Crowd;
use super::report::Wrong;
use crate::lease::{LeaseTable, Port, PortId};
use crate::types::MacAddr;

/// The ports of all guests.
#[derive(Debug)]
pub(super) struct Leases {
    table: Arc<LeaseTable>,
    ports: Vec<PortId>,
}

impl Leases {
    /// The ports of the guests, on the VLAN of their frames or, behind a relay, on the network of its link-address.
    ///
    /// # Errors
    /// The first guest's MAC that has none.
    pub(super) fn of(
        table: Arc<LeaseTable>,
        crowd: &Crowd,
        vlan: u16,
        link: Option<Ipv6Addr>,
    ) -> Result<Self, MacAddr> {
        let network = link.and_then(|link| table.network_of_link(link));
        let port = |guest| {
            let mac = crowd.mac(guest);
            let found = match link {
                None => table.candidates(vlan, mac).next(),
                Some(_) => network.and_then(|network| table.find_on(network, mac)),
            };
            found.ok_or(mac)
        };
        let ports = (0..crowd.count()).map(port).collect::<Result<_, _>>()?;
        Ok(Self { table, ports })
    }

    fn port(&self, guest: u32) -> Option<Port<'_>> {
        self.table.port(*self.ports.get(guest as usize)?)
    }

    pub(super) fn address(&self, guest: u32, association: &Association<'_>) -> Result<(), Wrong> {
        let own = self.port(guest).map(|port| port.addresses()).unwrap_or_default();
        let all = association.addresses().all(|address| own.contains(&address));
        if all { Ok(()) } else { Err(Wrong::Address) }
    }

    pub(super) fn prefix(&self, guest: u32, association: &Association<'_>) -> Result<(), Wrong> {
        let own = self.port(guest).map(|port| port.prefixes()).unwrap_or_default();
        let is_own = |(prefix, length)| own.iter().any(|own| own.prefix == prefix && own.length == length);
        if association.prefixes().all(is_own) { Ok(()) } else { Err(Wrong::Prefix) }
    }

    pub(super) fn router(&self, guest: u32, router: Ipv6Addr) -> Result<(), Wrong> {
        let own = self.port(guest).map(|port| port.network().router_link_local());
        if own == Some(router) { Ok(()) } else { Err(Wrong::Router) }
    }
}
