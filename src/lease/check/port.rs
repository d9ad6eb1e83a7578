//! The rules of one port.

use std::net::Ipv6Addr;

use super::size::Longest;
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Mode, Network, Port, Source, Subnet, UNREAD_ADDRESS};
use crate::types::{Duid, MacAddr, ip6};

/// What is asked of a network once, not once for each of its ports.
struct Facts<'n> {
    network: &'n Network,
    own: Vec<Ipv6Addr>,
    longest: Longest<'n>,
    assigns: bool,
    /// Clients have no reason to ask DHCPv6.
    silent: bool,
}

pub(super) fn check(source: &Source, out: &mut Findings) {
    let duid = source.duid.as_ref().map_or(0, |duid: &Duid| duid.as_bytes().len());
    let facts = |network| Facts {
        network,
        own: own_addresses(network),
        longest: Longest::new(network, duid),
        assigns: network.subnets.iter().any(Subnet::is_assigned),
        silent: network.advertises() && !network.managed() && !network.other(),
    };
    let facts: Vec<Facts<'_>> = source.networks.iter().map(facts).collect();
    for (index, port) in source.ports.iter() {
        if let Some(facts) = port.network.and_then(|n| facts.get(n as usize)) {
            one(index, &port, facts, out);
        }
    }
}

/// Addresses that no guest may have: ours, and the gateways of others.
fn own_addresses(network: &Network) -> Vec<Ipv6Addr> {
    let gateways = network.subnets.iter().filter_map(|subnet| subnet.gateway);
    network.own_addresses().into_iter().chain(gateways).collect()
}

fn one(index: usize, port: &Port<'_>, facts: &Facts<'_>, out: &mut Findings) {
    let network = facts.network;
    if port.mac.is_some_and(|mac| mac == network.answer_mac()) {
        out.error(
            Field::port(index).key("mac_address"),
            format!("is the router's own on network {}", network.name),
            network.answer_mac(),
            "give the guest another MAC address",
        );
    }
    for (i, address) in port.fixed_ips.iter().enumerate().filter(|(_, a)| **a != UNREAD_ADDRESS) {
        let at = || Field::port(index).key("fixed_ips").index(i);
        if port.fixed_ips.iter().take(i).any(|other| other == address) {
            out.error(at(), "is given to this port twice", address, "take one of them out");
        }
        fixed_ip(*address, port.mac, facts, at, out);
    }
    for (i, prefix) in port.delegated_prefixes.iter().enumerate().filter(|(_, p)| p.prefix_len() > 64) {
        out.warning(
            Field::port(index).key("delegated_prefixes").index(i),
            "is too long for SLAAC behind the guest",
            prefix,
            "delegate 64 bits or fewer (RFC 9663 §8)",
        );
    }
    if facts.silent && !port.delegated_prefixes.is_empty() {
        out.warning(
            Field::port(index).key("delegated_prefixes"),
            format!("may not be asked for: network {} sets neither M nor O in its RAs", network.name),
            port.delegated_prefixes.len(),
            "use ipv6_ra_mode dhcpv6-stateless or dhcpv6-stateful",
        );
    }
    assignment(index, port, facts, out);
    facts.longest.check(index, port, out);
}

/// A client that is sent to DHCPv6 for its address must get one.
fn assignment(index: usize, port: &Port<'_>, facts: &Facts<'_>, out: &mut Findings) {
    let assigned =
        |a: &Ipv6Addr| *a == UNREAD_ADDRESS || facts.network.subnet_of(*a).is_none_or(Subnet::is_assigned);
    if facts.assigns && !facts.network.unread_subnets && !port.fixed_ips.iter().any(assigned) {
        let stateful = facts.network.subnets.iter().find(|subnet| subnet.is_assigned());
        let example = stateful.map_or_else(String::new, |subnet| format!(" of {}", subnet.cidr));
        out.error(
            Field::port(index).key("fixed_ips"),
            format!(
                "has no address on network {}, whose addresses are assigned by DHCPv6",
                facts.network.name
            ),
            "",
            format!("write an address{example}"),
        );
    }
}

fn fixed_ip(
    address: Ipv6Addr,
    mac: Option<MacAddr>,
    facts: &Facts<'_>,
    at: impl Fn() -> Field,
    out: &mut Findings,
) {
    let network = facts.network;
    let Some(subnet) = network.subnet_of(address) else {
        if !network.unread_subnets {
            let known: Vec<String> = network.subnets.iter().map(|s| s.cidr.to_string()).collect();
            let remedy = match known.as_slice() {
                [] => format!("give network {} a subnet", network.name),
                known => format!("write an address of {}", known.join(" or ")),
            };
            out.error(at(), format!("lies in no subnet of network {}", network.name), address, remedy);
        }
        return;
    };
    if is_reserved(address, subnet) {
        let remedy = "write another address of the subnet";
        out.error(at(), "is reserved (RFC 5453, RFC 4291 §2.6.1)", address, remedy);
    }
    if facts.own.contains(&address) {
        let remedy = "write another address of the subnet";
        out.error(at(), "is an address of the router or of a service", address, remedy);
    }
    let mode: Option<Mode> = subnet.ra_mode.or(subnet.address_mode);
    if let (Some(mode), Some(mac)) = (mode.filter(|m| m.is_autonomous()), mac) {
        let made = ip6::slaac(subnet.cidr.addr(), mac);
        if made != address && subnet.cidr.prefix_len() == 64 {
            let what = format!("is not the address that {mac} makes of {} ({})", subnet.cidr, mode.name());
            out.error(at(), what, address, format!("write {made} or leave it out"));
        }
    }
}

/// RFC 5453 names interface identifiers of 64 bits; the subnet-router anycast address exists in every subnet but the
/// two-address ones of RFC 6164.
fn is_reserved(address: Ipv6Addr, subnet: &Subnet) -> bool {
    let length = subnet.cidr.prefix_len();
    let anycast = length < 127 && address == subnet.cidr.addr();
    anycast || length <= 64 && ip6::is_reserved_iid(address)
}
