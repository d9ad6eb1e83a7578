//! Which relays are trusted, which network a link-address means, which port stands behind an Interface-Id.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::{Builder, TooLarge, append};
use crate::lease::derive;
use crate::lease::record::{InterfaceRecord, LinkRecord, RelayRecord};
use crate::lease::source::{Relay, Source};
use crate::types::ip6;

/// Every link-address and the number of the network that it means, sorted; those that lie in another one of the same
/// network are left out. The check leaves none that overlap and mean different networks.
pub(in crate::lease) fn links(source: &Source) -> Vec<(Ipv6Net, usize)> {
    let mut all: Vec<(Ipv6Net, usize)> = Vec::new();
    for (number, network) in source.networks.iter().enumerate().filter(|(_, n)| source.is_relayed(n)) {
        all.extend(network.subnets.iter().map(|subnet| (subnet.cidr, number)));
        all.extend(network.link_addresses.iter().map(|address| (Ipv6Net::from(*address), number)));
    }
    all.sort_unstable_by_key(|(net, number)| (net.addr(), net.prefix_len(), *number));
    all.dedup_by(|next, kept| kept.1 == next.1 && kept.0.contains(&next.0));
    all
}

impl Builder {
    pub(super) fn links(&mut self, source: &Source) -> Result<(), TooLarge> {
        for (net, number) in links(source) {
            self.out.links.push(LinkRecord {
                prefix: net.addr().octets(),
                length: net.prefix_len(),
                reserved: 0,
                network: u32::try_from(number).map_err(|_| TooLarge)?.into(),
            });
        }
        Ok(())
    }

    /// `devices` are the numbers of the relay's devices, ascending.
    pub(super) fn relay(&mut self, relay: &Relay, devices: &[u32]) -> Result<(), TooLarge> {
        let octets = |addresses: &[Ipv6Addr]| {
            let mut all: Vec<[u8; 16]> = addresses.iter().map(Ipv6Addr::octets).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let numbers: Vec<u8> = devices.iter().flat_map(|device| device.to_le_bytes()).collect();
        let remote = relay.remote_id.unwrap_or_default();
        let mac = relay.server_mac.unwrap_or_else(derive::relay_mac);
        let record = RelayRecord {
            devices: self.blobs.store(&numbers)?,
            identify: self.blobs.store(relay.ways())?,
            addresses: append(&mut self.out.addresses, octets(&relay.addresses))?,
            server_addresses: append(&mut self.out.addresses, octets(&relay.server_addresses))?,
            remote_enterprise: remote.enterprise.into(),
            remote_offset: remote.offset.into(),
            remote_text: remote.text.into(),
            reserved: 0,
            server_mac: mac.0,
            server_link_local: ip6::link_local(mac).octets(),
        };
        self.out.relays.push(record);
        for (id, mac) in &relay.interface_ids {
            let id = self.blobs.store(id)?;
            self.out.interfaces.push(InterfaceRecord { id, mac: mac.0 });
        }
        Ok(())
    }
}
