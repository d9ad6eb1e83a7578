//! What each port wants out of pools, as far as the source alone tells.

use crate::lease::source::{Network, Port, Source, Subnet};
use crate::types::MacAddr;

/// What one port wants.
#[derive(Debug)]
pub(super) struct Want {
    /// Number of its network.
    pub(super) network: u32,
    pub(super) mac: MacAddr,
    /// Number of the port.
    pub(super) port: usize,
    /// Numbers of the subnets in the network that it wants an address of.
    pub(super) addresses: Vec<usize>,
    /// How many prefixes it wants.
    pub(super) prefixes: u8,
    /// Of which length.
    pub(super) length: u8,
}

/// All wants, in the order of networks and MAC addresses.
pub(super) fn wants(source: &Source) -> Vec<Want> {
    let pools = |network: &Network| {
        !network.prefix_pools.is_empty() || network.subnets.iter().any(|subnet| !subnet.pools.is_empty())
    };
    if !source.networks.iter().any(pools) {
        return Vec::new();
    }
    let mut wants: Vec<Want> = source.ports.iter().filter_map(|(i, port)| want(source, i, &port)).collect();
    wants.sort_unstable_by_key(|want| (want.network, want.mac));
    wants
}

fn want(source: &Source, number: usize, port: &Port<'_>) -> Option<Want> {
    let network = source.networks.get(port.network? as usize)?;
    let addresses: Vec<usize> = address_subnets(network, port).map(|(number, _)| number).collect();
    let length = prefix_length(network, port).unwrap_or(0);
    let prefixes = port.delegate.filter(|_| length > 0).map_or(0, |delegate| delegate.count);
    let want = Want { network: port.network?, mac: port.mac?, port: number, addresses, prefixes, length };
    Some(want).filter(|want| want.prefixes > 0 || !want.addresses.is_empty())
}

/// The subnets with pools that a port gets an address of: by default when none of its own is assigned by DHCPv6; on
/// request in those where it has none; never when it says so.
pub(in crate::lease) fn address_subnets<'n>(
    network: &'n Network,
    port: &Port<'n>,
) -> impl Iterator<Item = (usize, &'n Subnet)> + use<'n> {
    let fixed = port.fixed_ips;
    let has_one = |subnet: &&Subnet| subnet.is_assigned() && fixed.iter().any(|a| subnet.cidr.contains(a));
    let wanted = port.allocate.unwrap_or_else(|| !network.subnets.iter().any(|s| has_one(&s)));
    let subnets = network.subnets.iter().enumerate().filter(move |_| wanted);
    subnets.filter(move |(_, subnet)| {
        subnet.is_assigned() && !subnet.pools.is_empty() && !fixed.iter().any(|a| subnet.cidr.contains(a))
    })
}

/// The length of the prefixes that a port gets: the one it names, or that of the network's first pool.
pub(in crate::lease) fn prefix_length(network: &Network, port: &Port<'_>) -> Option<u8> {
    port.delegate?.length.or_else(|| network.prefix_pools.first().map(|pool| pool.length))
}
