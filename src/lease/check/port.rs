//! The rules of one port.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::size::Longest;
use crate::lease::allocate::address_subnets;
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Delegated, Mode, Network, Port, Source, Subnet, UNREAD_ADDRESS};
use crate::types::{Duid, MacAddr, ip6};

/// What is asked of a network once, not once for each of its ports.
struct Facts<'n> {
    network: &'n Network,
    own: Vec<Ipv6Addr>,
    longest: Longest<'n>,
    assigns: bool,
    /// Clients have no reason to ask DHCPv6.
    silent: bool,
    /// A subnet that tells hosts to ask for a prefix.
    promised: Option<Ipv6Net>,
}

pub(super) fn check(source: &Source, out: &mut Findings) {
    let duid = source.duid.as_ref().map_or(0, |duid: &Duid| duid.as_bytes().len());
    let facts = |network| Facts {
        network,
        own: source.taken_addresses(network),
        longest: Longest::new(network, duid),
        assigns: network.subnets.iter().any(Subnet::is_assigned),
        silent: network.advertises() && !network.managed() && !network.other(),
        promised: network.subnets.iter().find(|s| s.pd_preferred && s.ra_mode.is_some()).map(|s| s.cidr),
    };
    let facts: Vec<Facts<'_>> = source.networks.iter().map(facts).collect();
    for (index, port) in source.ports.iter() {
        if let Some(facts) = port.network.and_then(|n| facts.get(n as usize)) {
            one(index, &port, facts, out);
        }
    }
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
    for (i, delegated) in port.delegated_prefixes.iter().enumerate() {
        prefix(*delegated, || Field::port(index).key("delegated_prefixes").index(i), out);
    }
    if facts.silent && facts.promised.is_none() && !port.delegated_prefixes.is_empty() {
        out.warning(
            Field::port(index).key("delegated_prefixes"),
            format!("may not be asked for: network {} sets neither M nor O in its RAs", network.name),
            port.delegated_prefixes.len(),
            "use ipv6_ra_mode dhcpv6-stateless or dhcpv6-stateful",
        );
    }
    assignment(index, port, facts, out);
    super::pool::port(index, port, network, out);
    delegation(index, port, facts, out);
    facts.longest.check(index, port, out);
}

fn prefix(delegated: Delegated, at: impl Fn() -> Field, out: &mut Findings) {
    let Delegated { prefix, exclude } = delegated;
    if prefix.prefix_len() > 64 {
        let remedy = "delegate 64 bits or fewer (RFC 9663 §8)";
        out.warning(at(), "is too long for SLAAC behind the guest", prefix, remedy);
    }
    if let Some(part) = exclude
        && prefix.prefix_len() > 0
        && (!prefix.contains(&part) || part == prefix)
    {
        let remedy = format!("exclude a prefix of {prefix} that is longer (RFC 6603 §4.2)");
        out.error(at(), "excludes what is no part of it", part, remedy);
    }
}

/// A client that is sent to DHCPv6 for its address must get one.
fn assignment(index: usize, port: &Port<'_>, facts: &Facts<'_>, out: &mut Findings) {
    let assigned =
        |a: &Ipv6Addr| *a == UNREAD_ADDRESS || facts.network.subnet_of(*a).is_none_or(Subnet::is_assigned);
    let allocated = || address_subnets(facts.network, port).next().is_some();
    if facts.assigns && !facts.network.unread_subnets && !port.fixed_ips.iter().any(assigned) && !allocated()
    {
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

/// PD-025: a prefix with the P flag promises that every host on the link can get a prefix of its own (RFC 9762 §5).
fn delegation(index: usize, port: &Port<'_>, facts: &Facts<'_>, out: &mut Findings) {
    let Some(subnet) = facts.promised.filter(|_| !port.is_delegated()) else { return };
    out.error(
        Field::port(index).key("delegated_prefixes"),
        format!("is missing though {subnet} of network {} tells hosts to ask for one", facts.network.name),
        "",
        "write delegated_prefixes or delegate, or take dhcpv6_pd_preferred out (RFC 9762 §5)",
    );
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
    if Network::is_reserved(address, subnet) {
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
