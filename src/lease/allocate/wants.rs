//! What each port wants out of pools, as far as the source alone tells.

use crate::lease::source::{Network, Port, Subnet};

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
