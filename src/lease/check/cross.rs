//! The rules between ports: nothing is given twice.
//!
//! Sorted lists, not tables of tables: a million ports cost three sorts.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Port, Source, UNREAD_ADDRESS};
use crate::types::MacAddr;

/// Ports that are worth a second thread.
const MANY: usize = 4096;

/// `others` are rules that need no order among themselves and these: with many ports they are looked at meanwhile.
/// Their findings come first.
pub(super) fn check(source: &Source, out: &mut Findings, others: impl FnOnce(&mut Findings)) {
    let given = |source| {
        let mut found = Findings::default();
        addresses(source, &mut found);
        prefixes(source, &mut found);
        found
    };
    if source.ports.len() < MANY {
        others(out);
        macs(source, out);
        out.0.extend(given(source).0);
        return;
    }
    std::thread::scope(|scope| {
        let given = scope.spawn(|| given(source));
        others(out);
        macs(source, out);
        let given = given.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        out.0.extend(given.0);
    });
}

/// The same MAC on one VLAN can be told apart only by the device, and on one network not at all.
fn macs(source: &Source, out: &mut Findings) {
    let key = |(i, port): (usize, Port<'_>)| {
        let network = source.networks.get(port.network? as usize)?;
        Some((network.vlan, port.mac?, i))
    };
    let mut keys: Vec<(u16, MacAddr, usize)> = Vec::with_capacity(source.ports.len());
    keys.extend(source.ports.iter().filter_map(key));
    keys.sort_unstable();
    for group in keys.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|group| group.len() > 1) {
        for (n, (vlan, mac, index)) in group.iter().enumerate().skip(1) {
            let earlier = group.iter().take(n).map(|(_, _, i)| *i);
            same_mac(source, (*vlan, *mac, *index), earlier, out);
        }
    }
}

fn same_mac(
    source: &Source,
    (vlan, mac, index): (u16, MacAddr, usize),
    earlier: impl Iterator<Item = usize>,
    out: &mut Findings,
) {
    let Some((network, device)) = source.ports.place(index) else { return };
    for other in earlier {
        let Some((other_network, other_device)) = source.ports.place(other) else { continue };
        let at = Field::port(index).key("mac_address");
        let found = other_network.and_then(|n| source.networks.get(n as usize));
        let name = found.map_or("", |n| n.name.as_str());
        if network == other_network {
            let what = format!("is the MAC of ports[{other}] on network {name} too");
            out.error(at, what, mac, "give each port of a network its own MAC address");
            return;
        }
        if device.is_none() || other_device.is_none() || device == other_device {
            let tag = if vlan == 0 { "untagged".to_owned() } else { format!("on VLAN {vlan}") };
            let what = format!("is the MAC of ports[{other}] on network {name} too, both {tag}");
            out.error(at, what, mac, "pin each of them to a device of its own, or change one");
            return;
        }
    }
}

fn addresses(source: &Source, out: &mut Findings) {
    let mut all: Vec<(u32, Ipv6Addr, usize, usize)> = Vec::with_capacity(source.ports.address_count());
    for (index, port) in source.ports.iter() {
        let Some(network) = port.network else { continue };
        let given = port.fixed_ips.iter().enumerate().filter(|(_, a)| **a != UNREAD_ADDRESS);
        all.extend(given.map(|(i, address)| (network, *address, index, i)));
    }
    all.sort_unstable();
    for pair in all.windows(2) {
        let [(network, address, other, _), (same, again, index, i)] = pair else { continue };
        if (network, address) == (same, again) && other != index {
            out.error(
                Field::port(*index).key("fixed_ips").index(*i),
                format!("is an address of ports[{other}] on the same network too"),
                address,
                "give each port its own address",
            );
        }
    }
}

/// Whose a prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Number of the network and of the subnet in its list.
    Subnet(usize, usize),
    /// Number of the port and of the prefix in its list.
    Port(usize, usize),
}

/// Prefixes are disjoint or one holds the other. In the order of their first address, shorter first, the holders of
/// each are those on a stack.
fn prefixes(source: &Source, out: &mut Findings) {
    let delegated = source.ports.iter().flat_map(|(i, port)| {
        let real = port.delegated_prefixes.iter().enumerate().filter(|(_, p)| p.prefix.prefix_len() > 0);
        real.map(move |(j, delegated)| (delegated.prefix, Owner::Port(i, j)))
    });
    let subnets: usize = source.networks.iter().map(|network| network.subnets.len()).sum();
    let mut all: Vec<(Ipv6Net, Owner)> = Vec::with_capacity(source.ports.prefix_count() + subnets);
    all.extend(delegated);
    if all.is_empty() {
        return;
    }
    for (i, network) in source.networks.iter().enumerate() {
        all.extend(network.subnets.iter().map(|subnet| (subnet.cidr, Owner::Subnet(i, subnet.index))));
    }
    all.sort_unstable_by_key(|(net, owner)| (net.addr(), net.prefix_len(), *owner));
    let mut holders: Vec<(Ipv6Net, Owner)> = Vec::new();
    for (net, owner) in all {
        while holders.last().is_some_and(|(holder, _)| !holder.contains(&net)) {
            holders.pop();
        }
        match owner {
            Owner::Port(..) => {
                if let Some(holder) = holders.last() {
                    overlap(source, (net, owner), *holder, out);
                }
            }
            // Subnets of different networks may overlap; a delegated prefix around one is that prefix's fault.
            Owner::Subnet(..) => {
                let prefix = holders.iter().rev().find(|(_, owner)| matches!(owner, Owner::Port(..)));
                if let Some(prefix) = prefix {
                    overlap(source, *prefix, (net, owner), out);
                }
            }
        }
        holders.push((net, owner));
    }
}

fn overlap(source: &Source, at: (Ipv6Net, Owner), other: (Ipv6Net, Owner), out: &mut Findings) {
    let (net, Owner::Port(port, index)) = at else { return };
    let what = match other {
        (same, Owner::Port(i, j)) if same == net => {
            format!("is delegated to ports[{i}] too (delegated_prefixes[{j}])")
        }
        (holder, Owner::Port(i, _)) => format!("overlaps {holder}, which is delegated to ports[{i}]"),
        (cidr, Owner::Subnet(n, i)) => {
            let name = source.networks.get(n).map_or("", |network| network.name.as_str());
            format!("overlaps {cidr}, subnets[{i}] of network {name}")
        }
    };
    let remedy = "delegate a prefix that nobody else has";
    out.error(Field::port(port).key("delegated_prefixes").index(index), what, net, remedy);
}
