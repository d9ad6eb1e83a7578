//! network_data.json: what the port's Router Advertisements and DHCPv6 say, in Nova's words (nova/virt/netutils.py).
//!
//! It is read out of the same table that they are, so that a guest that believes the document and one that believes the
//! wire end with the same configuration.

use std::net::Ipv6Addr;

use serde_json::{Value, json};

use super::instance::{Instance, Nic};
use crate::lease::options::entries;
use crate::lease::record::{
    NETWORK_DHCP, SUBNET_DEPRECATED, SUBNET_SLAAC, SUBNET_STATEFUL, SUBNET_STATELESS, SubnetRecord,
};
use crate::lease::{Network, Port};
use crate::types::ip6;
use crate::wire::ndp::NdOption;
use crate::wire::ndp::advertisement::HEADER_LENGTH;

/// RFC 4861 §4.6.4.
const MTU: u8 = 5;
/// RFC 4191 §2.3.
const ROUTE_INFORMATION: u8 = 24;
/// RFC 8106 §5.1.
const RDNSS: u8 = 25;
/// DHCPv6 option of DNS servers (RFC 3646 §3).
const DNS_SERVERS: u16 = 23;
/// The MTU of a link of which nothing is said (RFC 2464 §2).
const DEFAULT_MTU: u32 = 1500;

/// The document: all interfaces of the instance, whichever asks, as Nova's has them.
pub(super) fn data(instance: &Instance<'_>) -> Value {
    let (mut links, mut entries, mut services) = (Vec::new(), Vec::new(), Vec::new());
    for (i, nic) in instance.nics().iter().enumerate() {
        let network = nic.port.network();
        let link = link_id(nic, i);
        let dns: Vec<Value> = dns(&nic.port, &network)
            .iter()
            .map(|server| json!({ "type": "dns", "address": server.to_string() }))
            .collect();
        networks(&nic.port, &link, &dns, &mut entries);
        links.push(self::link(nic, &link));
        for service in dns {
            if !services.contains(&service) {
                services.push(service);
            }
        }
    }
    json!({ "links": links, "networks": entries, "services": services })
}

fn link(nic: &Nic<'_>, id: &str) -> Value {
    let mut link = json!({
        "id": id,
        "type": "phy",
        "mtu": mtu(&nic.port.network()),
        "ethernet_mac_address": nic.port.mac().to_string(),
    });
    if let (Some(id), Value::Object(members)) = (nic.id(), &mut link) {
        members.insert("vif_id".to_owned(), id.into());
    }
    link
}

/// As Neutron names the device, or the device that the port is pinned to.
fn link_id(nic: &Nic<'_>, number: usize) -> String {
    /// Characters of the port's id in the name of its tap: 15 octets less `tap` and a zero octet.
    const OF_ID: usize = 11;
    match (nic.device, nic.id()) {
        (Some(device), _) => device.to_owned(),
        (None, Some(id)) => format!("tap{}", id.chars().take(OF_ID).collect::<String>()),
        (None, None) => format!("interface{number}"),
    }
}

/// The MTU that hosts are told; null when they are told nothing and the link's own is meant.
fn mtu(network: &Network<'_>) -> Option<u32> {
    let told = said(network).find(|option| option.kind == MTU);
    let told =
        told.and_then(|option| option.value.get(2..)?.first_chunk::<4>().copied().map(u32::from_be_bytes));
    told.or_else(|| Some(network.record().mtu.get()).filter(|mtu| *mtu != DEFAULT_MTU))
}

/// The options of all RAs of a network.
fn said<'t>(network: &Network<'t>) -> impl Iterator<Item = NdOption<'t>> + use<'t> {
    network.router_advertisements().flat_map(|ra| {
        let mut rest = ra.get(HEADER_LENGTH..).unwrap_or(&[]);
        // As many as there are: the table has made sure that they end where the message ends.
        std::iter::from_fn(move || {
            let (head, _) = rest.split_first_chunk::<2>()?;
            let (option, tail) = rest.split_at_checked(usize::from(head[1]) * 8)?;
            rest = tail;
            Some(NdOption { kind: head[0], value: option.get(2..)? })
        })
    })
}

/// One entry for each subnet that the port has an address in; those that are being given up come last. The routes are in
/// the first.
fn networks(port: &Port<'_>, link: &str, services: &[Value], entries: &mut Vec<Value>) {
    let network = port.network();
    let mut subnets: Vec<&SubnetRecord> = network.subnets().iter().collect();
    subnets.sort_by_key(|subnet| subnet.flags & SUBNET_DEPRECATED);
    let id = if network.uuid().is_empty() { network.name() } else { network.uuid() };
    let mut routes = routes(&network);
    for subnet in subnets {
        let Some((kind, address)) = address(port, subnet) else { continue };
        entries.push(json!({
            "id": format!("network{}", entries.len()),
            "type": kind,
            "link": link,
            "network_id": id,
            "ip_address": address.to_string(),
            "netmask": mask(subnet.length).to_string(),
            "routes": std::mem::take(&mut routes),
            "services": services,
        }));
    }
}

/// How the port gets its address in a subnet, and the address.
fn address(port: &Port<'_>, subnet: &SubnetRecord) -> Option<(&'static str, Ipv6Addr)> {
    let prefix = Ipv6Addr::from_octets(subnet.prefix);
    if subnet.flags & SUBNET_STATEFUL != 0 {
        let mut assigned = port.addresses().iter().map(|address| Ipv6Addr::from_octets(*address));
        let address = assigned.find(|address| ip6::in_prefix(*address, prefix, subnet.length))?;
        return Some(("ipv6_dhcpv6-stateful", address));
    }
    let kind = match subnet.flags & (SUBNET_SLAAC | SUBNET_STATELESS) {
        0 => return None,
        SUBNET_SLAAC => "ipv6_slaac",
        _ => "ipv6_dhcpv6-stateless",
    };
    Some((kind, ip6::slaac(prefix, port.mac())))
}

fn mask(length: u8) -> Ipv6Addr {
    ip6::mask(Ipv6Addr::from_bits(u128::MAX), length)
}

/// The default route and those of RFC 4191 that the RAs tell, by the address that they come from.
fn routes(network: &Network<'_>) -> Vec<Value> {
    let gateway = network.router_link_local().to_string();
    let route = |prefix: Ipv6Addr, length| json!({ "network": prefix.to_string(), "netmask": mask(length).to_string(), "gateway": gateway });
    let lifetime = network.router_advertisement().get(6..8).is_some_and(|lifetime| lifetime != [0, 0]);
    let default = lifetime.then(|| route(Ipv6Addr::UNSPECIFIED, 0));
    let others = said(network).filter(|option| option.kind == ROUTE_INFORMATION).filter_map(|option| {
        let (head, prefix) = option.value.split_first_chunk::<6>()?;
        let [length, _, lifetime @ ..] = *head;
        let mut address = [0; 16];
        address.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        let prefix = Ipv6Addr::from_octets(address);
        let told = length > 0 && lifetime != [0; 4] && !ip6::is_link_local(prefix);
        told.then(|| route(ip6::mask(prefix, length), length))
    });
    default.into_iter().chain(others).collect()
}

/// The DNS servers that a guest hears of: by DHCPv6 first, where it may be asked, then by RAs.
fn dns(port: &Port<'_>, network: &Network<'_>) -> Vec<Ipv6Addr> {
    let asked = if network.has(NETWORK_DHCP) { port.options() } else { &[] };
    let by_dhcp = entries(asked).filter(|entry| entry.code == DNS_SERVERS && !entry.is_conditional());
    let by_dhcp = by_dhcp.filter_map(|entry| entry.wire.get(4..));
    let by_ra =
        said(network).filter(|option| option.kind == RDNSS).filter_map(|option| option.value.get(6..));
    let mut servers: Vec<Ipv6Addr> = Vec::new();
    for octets in by_dhcp.chain(by_ra) {
        let (addresses, _) = octets.as_chunks::<16>();
        for address in addresses.iter().map(|address| Ipv6Addr::from_octets(*address)) {
            if !servers.contains(&address) {
                servers.push(address);
            }
        }
    }
    servers
}
