//! What is taken already, and the lowest place that is not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::lease::source::{AddressPool, Given, Network, Source, Subnet};
use crate::types::MacAddr;

/// Whose a value of the source is: a network by its number, a MAC address on it, and the field's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) network: u32,
    pub(super) mac: MacAddr,
    /// Number of the port and of the entry in its list.
    pub(super) place: (usize, usize),
    /// The value as it is written there.
    pub(super) value: Given,
}

/// Addresses of the networks that have pools or lines in the lock file.
pub(super) struct Addresses {
    written: HashMap<(u32, Ipv6Addr), Owner>,
    taken: HashSet<(u32, Ipv6Addr)>,
    /// Where to look next, for each network, subnet and pool.
    next: HashMap<(u32, usize, usize), u128>,
}

impl Addresses {
    pub(super) fn of(source: &Source) -> Self {
        let mut written = HashMap::new();
        for (number, port) in source.ports.iter() {
            let (Some(network), Some(mac)) = (port.network, port.mac) else { continue };
            for (i, address) in port.fixed_ips.iter().enumerate() {
                let value = Given::Address(*address);
                written.insert((network, *address), Owner { network, mac, place: (number, i), value });
            }
        }
        let mut taken = HashSet::new();
        for (number, network) in (0..).zip(&source.networks) {
            taken.extend(source.taken_addresses(network).into_iter().map(|address| (number, address)));
        }
        Self { written, taken, next: HashMap::new() }
    }

    /// The port that has an address in the source.
    pub(super) fn owner(&self, network: u32, address: Ipv6Addr) -> Option<Owner> {
        self.written.get(&(network, address)).copied()
    }

    /// True when an address is the router's, a service's or a gateway's, or was occupied.
    pub(super) fn is_taken(&self, network: u32, address: Ipv6Addr) -> bool {
        self.taken.contains(&(network, address))
    }

    pub(super) fn occupy(&mut self, network: u32, address: Ipv6Addr) {
        self.taken.insert((network, address));
    }

    /// Takes the lowest free address of a subnet's pools, in their order.
    pub(super) fn take(&mut self, network: u32, number: usize, subnet: &Subnet) -> Option<Ipv6Addr> {
        subnet.pools.iter().enumerate().find_map(|(i, pool)| self.take_of(network, (number, i), subnet, pool))
    }

    fn take_of(
        &mut self,
        network: u32,
        (number, i): (usize, usize),
        subnet: &Subnet,
        pool: &AddressPool,
    ) -> Option<Ipv6Addr> {
        let next = self.next.entry((network, number, i)).or_insert(pool.start.to_bits());
        while *next <= pool.end.to_bits() {
            let address = Ipv6Addr::from_bits(*next);
            let free = !Network::is_reserved(address, subnet)
                && !self.taken.contains(&(network, address))
                && !self.written.contains_key(&(network, address));
            if free {
                self.taken.insert((network, address));
                return Some(address);
            }
            *next = next.checked_add(1)?;
        }
        None
    }
}

/// First and last address of a prefix.
fn range(net: Ipv6Net) -> (u128, u128) {
    (net.network().to_bits(), net.broadcast().to_bits())
}

/// Prefixes that are delegated or in use as subnets, whatever network they are of.
pub(super) struct Prefixes {
    /// Those that ports have in the source, by their first address: last address, owner. They are disjoint.
    written: BTreeMap<u128, (u128, Owner)>,
    /// Last address by the first one; disjoint.
    taken: BTreeMap<u128, u128>,
    /// Where to look next, by pool and length.
    next: HashMap<(Ipv6Net, u8), u128>,
}

impl Prefixes {
    pub(super) fn of(source: &Source) -> Self {
        let mut all = Self { written: BTreeMap::new(), taken: BTreeMap::new(), next: HashMap::new() };
        for (number, port) in source.ports.iter() {
            let (Some(network), Some(mac)) = (port.network, port.mac) else { continue };
            for (i, delegated) in port.delegated_prefixes.iter().enumerate() {
                let (first, last) = range(delegated.prefix);
                let value = Given::Prefix(delegated.prefix);
                all.written.insert(first, (last, Owner { network, mac, place: (number, i), value }));
                all.occupy(delegated.prefix);
            }
        }
        for subnet in source.networks.iter().flat_map(|network| &network.subnets) {
            all.occupy(subnet.cidr);
        }
        all
    }

    /// The port that has a prefix or a part of it, or one around it, in the source.
    pub(super) fn owner(&self, prefix: Ipv6Net) -> Option<Owner> {
        let (first, last) = range(prefix);
        let (_, (end, owner)) = self.written.range(..=last).next_back()?;
        (*end >= first).then_some(*owner)
    }

    /// Marks a prefix as taken. Of two of which one holds the other, the larger one is kept.
    pub(super) fn occupy(&mut self, prefix: Ipv6Net) {
        let (first, last) = range(prefix);
        if self.taken.range(..=first).next_back().is_some_and(|(_, end)| *end >= last) {
            return;
        }
        let inside: Vec<u128> = self.taken.range(first..=last).map(|(start, _)| *start).collect();
        for start in inside {
            self.taken.remove(&start);
        }
        self.taken.insert(first, last);
    }

    /// The end of something taken that overlaps a range.
    fn overlap(&self, first: u128, last: u128) -> Option<u128> {
        let (_, end) = self.taken.range(..=last).next_back()?;
        Some(*end).filter(|end| *end >= first)
    }

    /// The subnet of a network that overlaps a prefix.
    pub(super) fn subnet(source: &Source, prefix: Ipv6Net) -> Option<(&Network, Ipv6Net)> {
        let all =
            source.networks.iter().flat_map(|network| network.subnets.iter().map(move |s| (network, s.cidr)));
        all.into_iter().find(|(_, cidr)| cidr.contains(&prefix) || prefix.contains(cidr))
    }

    /// Takes the lowest free prefix of a length out of a network's pools, in their order.
    pub(super) fn take(&mut self, network: &Network, length: u8) -> Option<Ipv6Net> {
        let pools = network.prefix_pools.iter().filter(|pool| pool.length == length);
        pools.map(|pool| pool.pool).find_map(|pool| self.take_of(pool, length))
    }

    fn take_of(&mut self, pool: Ipv6Net, length: u8) -> Option<Ipv6Net> {
        let (start, end) = range(pool);
        let size = 1_u128.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let mut at = self.next.get(&(pool, length)).copied().unwrap_or(start);
        let mut taken = None;
        while taken.is_none() && at <= end {
            let last = at | size.wrapping_sub(1);
            let after = match self.overlap(at, last) {
                Some(busy) => busy | size.wrapping_sub(1),
                None => {
                    taken = Ipv6Net::new(Ipv6Addr::from_bits(at), length).ok();
                    last
                }
            };
            let Some(next) = after.checked_add(1) else { break };
            at = next;
        }
        self.next.insert((pool, length), at);
        if let Some(prefix) = taken {
            self.occupy(prefix);
        }
        taken
    }
}
