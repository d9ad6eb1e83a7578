//! The rules of pools and of what a port may want of them.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::lease::allocate::{address_subnets, prefix_length};
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Network, Port, Subnet};

pub(super) fn network(network: &Network, out: &mut Findings) {
    for subnet in &network.subnets {
        addresses(network, subnet, out);
    }
    for (i, pool) in network.prefix_pools.iter().enumerate() {
        let at = || Field::network(&network.name).key("prefix_pools").index(pool.index);
        if pool.length < pool.pool.prefix_len() {
            let remedy = format!("write at least {}, or a larger pool", pool.pool.prefix_len());
            out.error(
                at().key("length"),
                format!("is shorter than the pool {}", pool.pool),
                pool.length,
                remedy,
            );
        }
        if pool.length > 64 {
            let remedy = "write 64 or less (RFC 9663 §8)";
            out.warning(at().key("length"), "is too long for SLAAC behind the guest", pool.length, remedy);
        }
        let overlaps = |other: Ipv6Net| other.contains(&pool.pool) || pool.pool.contains(&other);
        if let Some(other) = network.prefix_pools.iter().take(i).find(|other| overlaps(other.pool)) {
            let what = format!("overlaps prefix_pools[{}], {}", other.index, other.pool);
            out.error(at().key("pool"), what, pool.pool, "give each pool of a network its own prefix");
        }
    }
}

fn addresses(network: &Network, subnet: &Subnet, out: &mut Findings) {
    let at = || Field::network(&network.name).key("subnets").index(subnet.index).key("allocation_pools");
    if !subnet.pools.is_empty() && !subnet.is_assigned() {
        out.error(
            at(),
            "are never used: DHCPv6 does not assign the addresses of this subnet",
            subnet.cidr,
            "write ipv6_address_mode = \"dhcpv6-stateful\", or take them out",
        );
    }
    for (i, pool) in subnet.pools.iter().enumerate() {
        let at = |key: &'static str| at().index(pool.index).key(key);
        for (key, address) in [("start", pool.start), ("end", pool.end)] {
            if !subnet.cidr.contains(&address) {
                let remedy = "write an address of the subnet";
                out.error(at(key), format!("lies outside {}", subnet.cidr), address, remedy);
            }
        }
        if pool.start > pool.end {
            let remedy = "write the lower address as start";
            out.error(at("start"), format!("is above the end, {}", pool.end), pool.start, remedy);
        }
        let apart = |start: Ipv6Addr, end: Ipv6Addr| end < pool.start || pool.end < start;
        if let Some(other) = subnet.pools.iter().take(i).find(|other| !apart(other.start, other.end)) {
            let what =
                format!("overlaps allocation_pools[{}], {} to {}", other.index, other.start, other.end);
            out.error(at("start"), what, pool.start, "give each pool of a subnet its own addresses");
        }
    }
}

/// What a port wants must be there to be had.
pub(super) fn port(index: usize, port: &Port<'_>, network: &Network, out: &mut Findings) {
    let name = &network.name;
    if port.allocate == Some(true) && address_subnets(network, port).next().is_none() {
        let pools = network.subnets.iter().any(|s| s.is_assigned() && !s.pools.is_empty());
        let (what, remedy) = if pools {
            (
                "has nothing to allocate: fixed_ips has an address of every subnet with a pool",
                "take one of the two out",
            )
        } else {
            (
                "has no pool to allocate from",
                "give a subnet of the network allocation_pools, or write fixed_ips",
            )
        };
        out.error(Field::port(index).key("allocate"), format!("{what} (network {name})"), true, remedy);
    }
    let Some(delegate) = port.delegate.filter(|delegate| delegate.count > 0) else { return };
    let length = prefix_length(network, port);
    if network.prefix_pools.iter().any(|pool| Some(pool.length) == length) {
        return;
    }
    let what = match length {
        Some(length) => format!("network {name} has no pool of /{length} prefixes"),
        None => format!("network {name} has no pool of prefixes"),
    };
    let remedy =
        format!("write [[networks.{name}.prefix_pools]] with pool and length, or delegated_prefixes");
    out.error(Field::port(index).key("delegate"), what, delegate.count, remedy);
}
