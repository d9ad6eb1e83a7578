//! Reads `[server]`, `[networks]` and what is inside them.

use super::fields::{Fields, Path, Refusal};
use super::model::{
    AddressPool, Interval, Mode, Network, PrefixPool, Retiring, Route, Router, Source, Subnet,
};
use super::node::{Entry, Node, Value};
use super::options::{self, OPTION_FIELDS};
use super::{relay, service, values};
use crate::lease::derive;
use crate::lease::problem::Findings;
use crate::types::Duid;
use crate::types::limits::{MAX_SUBNETS, MIN_MTU};

/// Fields of the whole file.
const TOP: &[&str] = &["version", "server", "relay", "networks", "ports"];
const SERVER: &[&str] = &["cloud", "duid"];
const OWN: [&str; 27] = [
    "id",
    "vlan",
    "mtu",
    "router",
    "advertise_interval",
    "valid_lifetime",
    "preferred_lifetime",
    "renew_time",
    "rebind_time",
    "metadata",
    "metadata_route",
    "service_addresses",
    "metadata_upstream",
    "metadata_token",
    "subnets",
    "retiring_prefixes",
    "prefix_pools",
    "information_refresh_time",
    "sol_max_rt",
    "inf_max_rt",
    "routes",
    "nat64_prefix",
    "rapid_commit",
    "preference",
    "address_registration",
    "relayed",
    "link_addresses",
];
const NETWORK: [&str; OWN.len() + OPTION_FIELDS] = options::known(&OWN);
const ROUTER: &[&str] =
    &["mac_address", "link_local", "lifetime", "hop_limit", "preference", "reachable_time", "retrans_timer"];
const SUBNET: &[&str] = &[
    "id",
    "name",
    "cidr",
    "gateway_ip",
    "ipv6_ra_mode",
    "ipv6_address_mode",
    "allocation_pools",
    "deprecated",
    "dhcpv6_pd_preferred",
    "router_address",
];
const ROUTE: &[&str] = &["destination", "preference", "lifetime"];

/// The only version of the schema.
const VERSION: u32 = 1;

/// Largest payload of one IPv6 packet on any link, in octets (the MTU option has more bits than any link has use for).
const MAX_MTU: u32 = 65535;

/// Pools of one network or subnet: more make a pool that is too small no easier to read.
const MAX_POOLS: usize = 64;

/// Link-addresses of one network beside its subnets.
const MAX_LINK_ADDRESSES: usize = 256;

/// Longest Router Lifetime, in seconds (RFC 8319 §4).
const MAX_ROUTER_LIFETIME: u32 = 65535;

/// Longest Reachable Time, in milliseconds: one hour (RFC 4861 §6.2.1).
const MAX_REACHABLE_TIME: u32 = 3_600_000;

/// Reads everything but the ports, and returns the list of ports if there is one.
pub(super) fn read<'n, 's>(
    rest: &'n Node<'s>,
    source: &mut Source,
    out: &mut Findings,
) -> Option<&'n Entry<'s>> {
    let top = Fields::open(rest, rest.at, &Path::TOP, TOP, out)?;
    top.require("version", "write version = 1", out, |node| match &node.value {
        Value::Integer(Some(version), _) if *version == i64::from(VERSION) => Ok(()),
        Value::Integer(..) => Err(Refusal::new("is a version that this program does not know", "write 1")),
        _ => Err(Refusal::kind(node, "an integer")),
    });
    source.duid = server(&top, out);
    source.relay = top.entry("relay").and_then(|entry| relay::read(entry, out));
    if let Some(entry) = top.entry("networks") {
        networks(entry, source, out);
    }
    top.entry("ports")
}

fn server(top: &Fields<'_, '_, '_>, out: &mut Findings) -> Option<Duid> {
    let remedy = "write cloud = \"name of the cloud\", the same on every hypervisor, or duid = \"uuid:…\"";
    let Some(entry) = top.entry("server") else {
        top.missing("server", "write a table [server] with cloud or duid", out);
        return None;
    };
    let path = Path::TOP.key("server");
    let fields = Fields::open(&entry.node, entry.at, &path, SERVER, out)?;
    let cloud = fields.take("cloud", out, |node| {
        let cloud = values::text(node)?;
        if cloud.trim().is_empty() { Err(Refusal::new("is blank", remedy)) } else { Ok(cloud.to_owned()) }
    });
    let duid = fields.take("duid", out, values::duid);
    if fields.entry("cloud").is_none() && fields.entry("duid").is_none() {
        fields.missing("cloud", remedy, out);
    }
    duid.or_else(|| cloud.map(|cloud| derive::server_duid(&cloud)))
}

fn networks(entry: &Entry<'_>, source: &mut Source, out: &mut Findings) {
    let path = Path::TOP.key("networks");
    let Value::Table(entries) = &entry.node.value else {
        let _ = Fields::open(&entry.node, entry.at, &path, &[], out);
        return;
    };
    for entry in entries {
        let path = path.key(&entry.key);
        if entry.key.trim().is_empty() {
            out.error(path.field(), "a network needs a name", "", "write [networks.NAME]");
        }
        if let Some(network) = network(&entry.key, &entry.node, entry.at, &path, out) {
            source.networks.push(network);
        }
    }
    source.networks.sort_by(|a, b| a.name.cmp(&b.name));
}

fn network(name: &str, node: &Node<'_>, at: usize, path: &Path<'_>, out: &mut Findings) -> Option<Network> {
    let fields = Fields::open(node, at, path, &NETWORK, out)?;
    let mut network = Network { name: name.to_owned(), ..Network::default() };
    network.id = fields.take("id", out, values::free_text).unwrap_or_default();
    let vlan = fields.take("vlan", out, values::integer(1..=4094));
    network.vlan = vlan.and_then(|v| u16::try_from(v).ok()).unwrap_or(0);
    network.mtu = fields.take("mtu", out, values::integer(MIN_MTU..=MAX_MTU));
    network.router = fields.entry("router").map(|e| router(e, &path.key("router"), out));
    network.interval = fields.entry("advertise_interval").and_then(|e| interval(e, path, out));
    network.valid = fields.take("valid_lifetime", out, values::lifetime);
    network.preferred = fields.take("preferred_lifetime", out, values::lifetime);
    network.renew = fields.take("renew_time", out, values::lifetime);
    network.rebind = fields.take("rebind_time", out, values::lifetime);
    network.metadata = service::read(&fields, path, out);
    let mut count = 0;
    network.subnets = numbered(
        &fields,
        "subnets",
        out,
        |node, path, out| {
            count += 1;
            subnet(node, path, out)
        },
        |i, s| s.index = i,
    );
    network.unread_subnets = network.subnets.len() < count;
    limit(count, MAX_SUBNETS, "subnets", path, out);
    network.options = options::read(&fields, path, out);
    network.information_refresh_time =
        fields.take("information_refresh_time", out, values::integer(600..=u32::MAX)); // RFC 9915 §21.23
    network.sol_max_rt = fields.take("sol_max_rt", out, values::integer(60..=86400)); // RFC 9915 §21.24
    network.inf_max_rt = fields.take("inf_max_rt", out, values::integer(60..=86400)); // RFC 9915 §21.25
    network.routes = numbered(&fields, "routes", out, route, |i, r| r.index = i);
    network.nat64_prefix = fields.take("nat64_prefix", out, values::prefix);
    network.rapid_commit = fields.take("rapid_commit", out, values::boolean);
    let preference = fields.take("preference", out, values::integer(0..=255));
    network.preference = preference.and_then(|p| u8::try_from(p).ok());
    network.metadata_route = fields.take("metadata_route", out, values::boolean).unwrap_or(false);
    network.address_registration = fields.take("address_registration", out, values::boolean).unwrap_or(true);
    network.relayed = fields.take("relayed", out, values::boolean);
    network.link_addresses = fields.list("link_addresses", out, values::address).unwrap_or_default();
    network.retiring = numbered(&fields, "retiring_prefixes", out, retiring, |i, r| r.index = i);
    network.prefix_pools = numbered(&fields, "prefix_pools", out, prefix_pool, |i, p| p.index = i);
    limit(network.retiring.len(), MAX_SUBNETS, "retiring_prefixes", path, out);
    limit(network.prefix_pools.len(), MAX_POOLS, "prefix_pools", path, out);
    limit(network.link_addresses.len(), MAX_LINK_ADDRESSES, "link_addresses", path, out);
    Some(network)
}

/// A list of tables whose entries keep the numbers that they have in the source.
fn numbered<'s, T>(
    fields: &Fields<'_, 's, '_>,
    name: &'static str,
    out: &mut Findings,
    mut read: impl FnMut(&Node<'s>, &Path<'_>, &mut Findings) -> Option<T>,
    set: impl Fn(usize, &mut T),
) -> Vec<T> {
    let all = fields.tables(name, out, |node, path, out| Some(read(node, path, out))).unwrap_or_default();
    let entries = all.into_iter().enumerate().filter_map(|(i, entry)| Some((i, entry?)));
    entries
        .map(|(i, mut entry)| {
            set(i, &mut entry);
            entry
        })
        .collect()
}

pub(super) fn limit(count: usize, most: usize, name: &'static str, path: &Path<'_>, out: &mut Findings) {
    if count > most {
        let remedy = format!("keep at most {most}");
        out.error(path.key(name).field(), "too many entries", count, remedy);
    }
}

fn router(entry: &Entry<'_>, path: &Path<'_>, out: &mut Findings) -> Router {
    let Some(fields) = Fields::open(&entry.node, entry.at, path, ROUTER, out) else {
        return Router::default();
    };
    let remedy = "write the MAC address that the router's answers come from";
    let small = |value: Option<u32>| value.and_then(|v| u16::try_from(v).ok());
    Router {
        mac: fields.require("mac_address", remedy, out, values::mac),
        link_local: fields.take("link_local", out, values::link_local),
        lifetime: small(fields.take("lifetime", out, values::integer(0..=MAX_ROUTER_LIFETIME))),
        hop_limit: fields.take("hop_limit", out, values::integer(0..=255)).and_then(|h| u8::try_from(h).ok()),
        preference: fields.take("preference", out, values::preference).unwrap_or_default(),
        reachable_time: fields
            .take("reachable_time", out, values::integer(0..=MAX_REACHABLE_TIME))
            .unwrap_or(0),
        retrans_timer: fields.take("retrans_timer", out, values::integer(0..=u32::MAX)).unwrap_or(0),
    }
}

/// RFC 4861 §6.2.1, with the upper bound of RFC 8319 §4.
fn interval(entry: &Entry<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Interval> {
    let path = path.key("advertise_interval");
    let fields = Fields::open(&entry.node, entry.at, &path, &["min", "max"], out)?;
    Some(Interval {
        min: fields.take("min", out, values::integer(3..=49151)),
        max: fields.take("max", out, values::integer(4..=65535)),
    })
}

fn subnet(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Subnet> {
    let fields = Fields::open(node, node.at, path, SUBNET, out)?;
    for name in ["id", "name"] {
        let _ = fields.take(name, out, values::free_text);
    }
    let cidr = fields.require_prefix(
        "cidr",
        "write the prefix of the subnet, as 2001:db8:1::/64",
        out,
        values::prefix,
    );
    let ra_mode = fields.take("ipv6_ra_mode", out, values::mode);
    let address_mode = fields.take("ipv6_address_mode", out, values::mode);
    let gateway = fields.take("gateway_ip", out, values::address);
    let mut flag = |name| fields.take(name, out, values::boolean).unwrap_or(false);
    let (deprecated, pd_preferred) = (flag("deprecated"), flag("dhcpv6_pd_preferred"));
    let router_address = flag("router_address");
    let pools = numbered(&fields, "allocation_pools", out, address_pool, |i, p| p.index = i);
    limit(pools.len(), MAX_POOLS, "allocation_pools", path, out);
    Some(Subnet {
        index: 0,
        cidr: cidr?,
        ra_mode,
        address_mode,
        gateway,
        deprecated,
        pd_preferred,
        router_address,
        pools,
    })
}

fn address_pool(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<AddressPool> {
    let fields = Fields::open(node, node.at, path, &["start", "end"], out)?;
    let start = fields.require("start", "write the first address of the range", out, values::address);
    let end = fields.require("end", "write the last address of the range", out, values::address);
    Some(AddressPool { index: 0, start: start?, end: end? })
}

fn prefix_pool(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<PrefixPool> {
    let fields = Fields::open(node, node.at, path, &["pool", "length"], out)?;
    let remedy = "write the prefix that is divided among the ports, as 2001:db8::/40";
    let pool = fields.require_prefix("pool", remedy, out, values::delegated_prefix);
    let remedy = "write the length of the prefixes that ports get, as 60";
    let length = fields.require("length", remedy, out, values::integer(1..=128));
    Some(PrefixPool { index: 0, pool: pool?, length: u8::try_from(length?).ok()? })
}

/// A prefix, or a table of the prefix and the mode in which it was advertised.
fn retiring(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Retiring> {
    let slaac = |prefix| Retiring { index: 0, prefix, mode: Mode::Slaac };
    if let Value::Table(_) = node.value {
        let fields = Fields::open(node, node.at, path, &["prefix", "ipv6_ra_mode"], out)?;
        let prefix = fields.require_prefix("prefix", "write the prefix that is gone", out, values::prefix);
        let mode = fields.take("ipv6_ra_mode", out, values::mode).unwrap_or(Mode::Slaac);
        return Some(Retiring { mode, ..slaac(prefix?) });
    }
    let prefix = values::prefix(node).map_err(|refusal| refusal.report(node, node.at, path, out));
    prefix.ok().or_else(|| values::meant_prefix(node)).map(slaac)
}

fn route(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Route> {
    let fields = Fields::open(node, node.at, path, ROUTE, out)?;
    let destination =
        fields.require_prefix("destination", "write the prefix of the route", out, values::prefix);
    let preference = fields.take("preference", out, values::preference).unwrap_or_default();
    let lifetime = fields.take("lifetime", out, values::lifetime);
    Some(Route { index: 0, destination: destination?, preference, lifetime })
}
