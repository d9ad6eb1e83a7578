//! The rules of relays: whose link-address is whose, and nobody is trusted by accident.

use std::collections::HashSet;

use ipnet::Ipv6Net;

use crate::lease::compile::links;
use crate::lease::problem::{Field, Findings};
use crate::lease::record::{IDENTIFY_INTERFACE_ID, IDENTIFY_REMOTE_ID};
use crate::lease::source::{Relay, Source, WAYS};
use crate::types::MacAddr;

pub(super) fn check(source: &Source, out: &mut Findings) {
    overlaps(source, out);
    let Some(relay) = &source.relay else {
        for network in source.networks.iter().filter(|n| n.relayed == Some(true)) {
            let at = Field::network(&network.name).key("relayed");
            let what = "means nothing without [relay]: relayed messages are refused";
            out.warning(at, what, true, "write [relay] with the devices of the relays, or take it out");
        }
        return;
    };
    identify(relay, out);
    for (index, port) in source.ports.iter() {
        if let Some(device) = port.device.filter(|device| relay.devices.iter().any(|d| d == device)) {
            let remedy = "give relays a device of their own: a guest on it could claim any MAC address";
            out.error(Field::port(index).key("device"), "is a device of the relays", device, remedy);
        }
    }
    interfaces(source, relay, out);
}

/// Where two networks have a link-address in common, none could be told from it.
fn overlaps(source: &Source, out: &mut Findings) {
    let mut outermost: Option<(Ipv6Net, usize)> = None;
    for (inner, second) in links(source) {
        let Some((holder, first)) = outermost.filter(|(holder, _)| holder.contains(&inner)) else {
            outermost = Some((inner, second));
            continue;
        };
        let (Some(one), Some(other)) = (source.networks.get(first), source.networks.get(second)) else {
            continue;
        };
        if first == second {
            continue;
        }
        let subnet = other.subnets.iter().find(|subnet| subnet.cidr == inner);
        let at = Field::network(&other.name);
        let at = match subnet {
            Some(subnet) => at.key("subnets").index(subnet.index).key("cidr"),
            None => at.key("link_addresses"),
        };
        out.error(
            at,
            format!("overlaps {holder} of network {}: relays may mean either by a link-address", one.name),
            inner,
            format!("write relayed = false on network {} or {}", one.name, other.name),
        );
    }
}

fn identify(relay: &Relay, out: &mut Findings) {
    let at = |key: &'static str| Field::top().key("relay").key(key);
    let name = |way: u8| WAYS.iter().find(|(_, code)| *code == way).map_or("", |(name, _)| *name);
    for (i, way) in relay.identify.iter().enumerate() {
        if relay.identify.iter().take(i).any(|other| other == way) {
            out.error(at("identify").index(i), "is named twice", name(*way), "take one of them out");
        }
    }
    let uses = |way: u8| relay.ways().contains(&way);
    for (way, key, given, example) in [
        (IDENTIFY_REMOTE_ID, "remote_id", relay.remote_id.is_some(), "remote_id = { enterprise = 9 }"),
        (
            IDENTIFY_INTERFACE_ID,
            "interface_ids",
            !relay.interface_ids.is_empty(),
            "interface_ids = { \"Gi1/0/7\" = \"fa:16:3e:00:00:01\" }",
        ),
    ] {
        if uses(way) && !given {
            let what = format!("is missing though identify names {}", name(way));
            out.error(at(key), what, "", format!("write {example}, or take {} out", name(way)));
        }
        if given && !uses(way) {
            let what = format!("is never looked at: identify does not name {}", name(way));
            out.warning(at(key), what, "", format!("add {} to identify, or take it out", name(way)));
        }
    }
}

fn interfaces(source: &Source, relay: &Relay, out: &mut Findings) {
    if relay.interface_ids.is_empty() {
        return;
    }
    let macs: HashSet<MacAddr> = source.ports.iter().filter_map(|(_, port)| port.mac).collect();
    for (id, mac) in relay.interface_ids.iter().filter(|(_, mac)| !macs.contains(mac)) {
        let at = Field::top().key("relay").key("interface_ids").key(String::from_utf8_lossy(id).into_owned());
        out.warning(at, "no port has this MAC address", mac, "define the port, or take the interface out");
    }
}
