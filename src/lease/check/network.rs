//! The rules of one network.

use ipnet::Ipv6Net;

use crate::lease::derive::{LEAST_ADVERTISE_MAX, special_range};
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Network, Router, Subnet};
use crate::types::{Lifetime, ip6};
use crate::wire::ndp::advertisement::prefix_length_code;

pub(super) fn check(network: &Network, out: &mut Findings) {
    let at = |key: &'static str| Field::network(&network.name).key(key);
    if network.advertises() && network.router.is_none() {
        let (what, field) = if network.subnets.iter().any(|subnet| subnet.ra_mode.is_some()) {
            ("is missing though a subnet has an ipv6_ra_mode", "ipv6_ra_mode")
        } else {
            ("is missing though prefixes are retiring", "retiring_prefixes")
        };
        out.error(
            at("router"),
            what,
            "",
            format!("write router = {{ mac_address = \"…\" }}, or take {field} out where another router advertises"),
        );
    }
    subnets(network, out);
    retiring(network, out);
    lifetimes(network, out);
    interval(network, out);
    routes(network, out);
    if network.metadata_route && !network.own_addresses().contains(&ip6::METADATA) {
        let remedy = "write metadata = true, or take it out";
        out.warning(
            at("metadata_route"),
            "leads to an address that is not answered for",
            ip6::METADATA,
            remedy,
        );
    }
    if let Some(nat64) = network.nat64_prefix
        && prefix_length_code(nat64.prefix_len()).is_none()
    {
        let remedy = "use a prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 8781)";
        out.error(at("nat64_prefix"), "has a length that PREF64 cannot say", nat64, remedy);
    }
}

fn subnets(network: &Network, out: &mut Findings) {
    for (i, subnet) in network.subnets.iter().enumerate() {
        let at = |key: &'static str| subnet_field(network, subnet).key(key);
        if let Some(range) = special_range(subnet.cidr) {
            let remedy = "use a prefix of global or unique local unicast addresses";
            out.error(at("cidr"), format!("overlaps the {range}"), subnet.cidr, remedy);
        }
        if subnet.is_autonomous() && subnet.cidr.prefix_len() != 64 {
            let remedy = "use a prefix of 64 bits, or dhcpv6-stateful (RFC 4862 §5.5.3)";
            out.error(at("cidr"), "hosts make their own address only in a /64", subnet.cidr, remedy);
        }
        if let (Some(ra), Some(address)) = (subnet.ra_mode, subnet.address_mode)
            && ra != address
        {
            out.error(
                at("ipv6_address_mode"),
                format!("cannot be combined with ipv6_ra_mode {}", ra.name()),
                address.name(),
                format!("write {} in both, or leave one of them out", ra.name()),
            );
        }
        gateway(network, subnet, out);
        flags(network, subnet, out);
        let earlier = network.subnets.iter().take(i);
        for other in earlier.filter(|o| o.cidr.contains(&subnet.cidr) || subnet.cidr.contains(&o.cidr)) {
            let what = format!("overlaps subnets[{}], {}", other.index, other.cidr);
            out.error(at("cidr"), what, subnet.cidr, "give each subnet of a network its own prefix");
        }
    }
}

/// What a PIO says of a subnet needs a PIO.
fn flags(network: &Network, subnet: &Subnet, out: &mut Findings) {
    let at = |key: &'static str| subnet_field(network, subnet).key(key);
    for (key, set) in [
        ("deprecated", subnet.deprecated && !subnet.is_assigned()),
        ("dhcpv6_pd_preferred", subnet.pd_preferred),
        ("router_address", subnet.router_address),
    ] {
        if set && subnet.ra_mode.is_none() {
            let remedy = "write an ipv6_ra_mode, or take it out";
            out.error(at(key), "is never told: the subnet has no ipv6_ra_mode", true, remedy);
        }
    }
    if subnet.router_address && subnet.gateway.is_none() {
        let remedy = "write gateway_ip: it is the address that is told (RFC 6275 §7.2)";
        out.error(at("router_address"), "there is no address to tell", true, remedy);
    }
}

/// A prefix is gone or it is not.
fn retiring(network: &Network, out: &mut Findings) {
    for (i, gone) in network.retiring.iter().enumerate() {
        let at = || Field::network(&network.name).key("retiring_prefixes").index(gone.index);
        if let Some(range) = special_range(gone.prefix) {
            let remedy = "use a prefix of global or unique local unicast addresses";
            out.error(at(), format!("overlaps the {range}"), gone.prefix, remedy);
        }
        let overlaps = |other: Ipv6Net| other.contains(&gone.prefix) || gone.prefix.contains(&other);
        if let Some(subnet) = network.subnets.iter().find(|subnet| overlaps(subnet.cidr)) {
            let what = format!("overlaps subnets[{}], {}", subnet.index, subnet.cidr);
            out.error(
                at(),
                what,
                gone.prefix,
                "take one of them out, or write deprecated = true on the subnet",
            );
        }
        if let Some(other) = network.retiring.iter().take(i).find(|other| overlaps(other.prefix)) {
            let what = format!("overlaps retiring_prefixes[{}], {}", other.index, other.prefix);
            out.error(at(), what, gone.prefix, "write each prefix once, as it was advertised");
        }
    }
}

fn gateway(network: &Network, subnet: &Subnet, out: &mut Findings) {
    let Some(gateway) = subnet.gateway else { return };
    if !subnet.cidr.contains(&gateway) {
        out.error(
            subnet_field(network, subnet).key("gateway_ip"),
            format!("lies outside {}", subnet.cidr),
            gateway,
            "write an address of the subnet, or leave it out: hosts use the router's link-local address",
        );
    }
}

fn subnet_field(network: &Network, subnet: &Subnet) -> Field {
    Field::network(&network.name).key("subnets").index(subnet.index)
}

fn lifetimes(network: &Network, out: &mut Findings) {
    let at = |key: &'static str| Field::network(&network.name).key(key);
    let (valid, preferred) = (network.valid_lifetime(), network.preferred_lifetime());
    if preferred > valid {
        out.error(
            at("preferred_lifetime"),
            format!("is longer than the valid lifetime, {valid}"),
            preferred,
            "hosts discard such an address (RFC 9915 §21.6): lower it or raise valid_lifetime",
        );
    }
    let (renew, rebind) = network.timers();
    if renew > rebind && rebind != Lifetime::ZERO {
        out.error(
            at("renew_time"),
            format!("T1 is longer than T2, {rebind}"),
            renew,
            "clients discard such an answer (RFC 9915 §21.4): lower it or raise rebind_time",
        );
    }
    for (key, name, value) in [("renew_time", "T1", network.renew), ("rebind_time", "T2", network.rebind)] {
        if let Some(value) = value.filter(|value| *value > preferred) {
            let what = format!("{name} is longer than the preferred lifetime, {preferred}");
            out.warning(at(key), what, value, "addresses are deprecated before they are renewed: lower it");
        }
    }
    router_lifetime(network, out);
}

/// A default route that ends before the next RA can come is none (RFC 4861 §6.2.1; RA-031).
fn router_lifetime(network: &Network, out: &mut Findings) {
    let lifetime = u32::from(network.router_lifetime());
    if network.advertises() && (1..LEAST_ADVERTISE_MAX).contains(&lifetime) {
        let what = format!("is shorter than the shortest pause between RAs, {LEAST_ADVERTISE_MAX} s");
        let remedy = format!("write 0 for no default route, or at least {LEAST_ADVERTISE_MAX}");
        let field = Field::network(&network.name).key("router").key("lifetime");
        out.error(field, what, format!("{lifetime} s"), remedy);
    }
}

/// RFC 4861 §6.2.1.
fn interval(network: &Network, out: &mut Findings) {
    let Some(interval) = network.interval else { return };
    let at = |key: &'static str| Field::network(&network.name).key("advertise_interval").key(key);
    let max = network.configured_max();
    if let Some(min) = interval.min
        && u64::from(min) * 4 > u64::from(max) * 3
    {
        let what = format!("is more than three quarters of max, {max} s");
        out.error(at("min"), what, format!("{min} s"), format!("write at most {}", u64::from(max) * 3 / 4));
    }
    let lifetime = u32::from(network.router_lifetime());
    if network.advertises() && lifetime > 0 && lifetime < max {
        let (_, effective) = network.advertise_interval();
        out.warning(
            at("max"),
            format!("is longer than the router's lifetime, {lifetime} s; every {effective} s is used"),
            format!("{max} s"),
            "raise router.lifetime or lower it",
        );
    }
}

fn routes(network: &Network, out: &mut Findings) {
    let lifetime = network.router.as_ref().map(|_: &Router| network.router_lifetime());
    for (i, route) in network.routes.iter().enumerate() {
        let at = |key: &'static str| Field::network(&network.name).key("routes").index(route.index).key(key);
        if let Some(other) = network.routes.iter().take(i).find(|o| o.destination == route.destination) {
            let what = format!("is the destination of routes[{}] too", other.index);
            out.error(at("destination"), what, route.destination, "give each destination once (RFC 4191 §4)");
        }
        if route.destination.addr().is_multicast() {
            let remedy = "write a prefix of unicast addresses: groups are not routed by their destination (RFC 4191 §2.3)";
            out.error(at("destination"), "is a group", route.destination, remedy);
        }
        // A route to everywhere and the Router Lifetime are the same promise (RFC 4191 §3.1).
        let ends = route.lifetime.map(|l| l == Lifetime::ZERO);
        if let (0, Some(ends), Some(lifetime)) = (route.destination.prefix_len(), ends, lifetime)
            && ends != (lifetime == 0)
        {
            let what = format!("contradicts router.lifetime, {lifetime} s");
            let remedy = "let both be zero or none, or leave the route to ::/0 out";
            out.error(at("lifetime"), what, route.lifetime.unwrap_or_default(), remedy);
        }
    }
    if !network.routes.is_empty() && !network.advertises() {
        let remedy = "give a subnet an ipv6_ra_mode, or take the routes out";
        let what = "are never told: no subnet has an ipv6_ra_mode";
        out.warning(Field::network(&network.name).key("routes"), what, network.routes.len(), remedy);
    }
}
