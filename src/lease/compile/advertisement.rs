//! The Router Advertisements of a network, built once: one, or more where one would pass the MTU.

use std::net::Ipv6Addr;

use crate::lease::source::{Mode, Network, Subnet};
use crate::types::{DomainName, Lifetime, ip6};
use crate::wire::ndp::advertisement as ra;
use crate::wire::ndp::advertisement::Preference;
use crate::wire::{Full, Writer};

/// Octets that one option is built in: more than its length field can say (RFC 4861 §4.6).
const ROOM: usize = 4096;

/// Octets of the longest option: its length field counts 255 units of eight (RFC 4861 §4.6).
const LONGEST: usize = 255 * 8;

/// Octets of a DNS option before its servers or names (RFC 8106 §5.1, §5.2).
const DNS_HEAD: usize = 8;

/// Octets of the IPv6 header.
const IPV6_HEADER: usize = 40;

/// An option that no RA can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lease) struct TooLong {
    /// The field of the network that it is made of.
    pub(in crate::lease) field: &'static str,
    /// Octets of a packet that would hold it alone; `None` when its length field cannot say them.
    pub(in crate::lease) octets: Option<usize>,
}

/// The RAs from their ICMPv6 type to their last option, checksum zero; none when the network is advertised by somebody
/// else. Each has the same header and source link-layer address and a part of the other options, in their order: never
/// is an RA fragmented (RFC 4861 §6.2.3, RFC 6980 §5).
///
/// # Errors
/// [`TooLong`] when one option alone does not fit the link.
pub(in crate::lease) fn advertisements(network: &Network) -> Result<Vec<Vec<u8>>, TooLong> {
    if !network.advertises() {
        return Ok(Vec::new());
    }
    let most = network.largest_answer().saturating_sub(IPV6_HEADER);
    let head = written("router", |out| head(out, network))?;
    let mut messages = vec![head.clone()];
    for (field, option) in options(network, most.saturating_sub(head.len()))? {
        if head.len() + option.len() > most {
            return Err(TooLong { field, octets: Some(IPV6_HEADER + head.len() + option.len()) });
        }
        match messages.last_mut() {
            Some(last) if last.len() + option.len() <= most => last.extend_from_slice(&option),
            _ => messages.push([head.as_slice(), &option].concat()),
        }
    }
    Ok(messages)
}

fn written(
    field: &'static str,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>,
) -> Result<Vec<u8>, TooLong> {
    let mut buffer = [0; ROOM];
    let mut out = Writer::new(&mut buffer);
    body(&mut out).map_err(|Full| TooLong { field, octets: None })?;
    Ok(out.written().to_vec())
}

fn head(out: &mut Writer<'_>, network: &Network) -> Result<(), Full> {
    let router = network.router.as_ref();
    ra::header(
        out,
        &ra::Header {
            hop_limit: network.hop_limit(),
            managed: network.managed(),
            other: network.other(),
            preference: router.map(|r| r.preference).unwrap_or_default(),
            router_lifetime: network.router_lifetime(),
            reachable_time: router.map_or(0, |r| r.reachable_time),
            retrans_timer: router.map_or(0, |r| r.retrans_timer),
        },
    )?;
    ra::source_link_layer(out, network.answer_mac())
}

/// The options behind the head, each with the field that it is made of. Lists of DNS that are longer than an option or
/// than `room` are several options (RA-051, RA-052).
fn options(network: &Network, room: usize) -> Result<Vec<(&'static str, Vec<u8>)>, TooLong> {
    let mut all = Vec::new();
    let mut add = |field, body: &dyn Fn(&mut Writer<'_>) -> Result<(), Full>| {
        written(field, body).map(|option| all.push((field, option)))
    };
    if let Some(mtu) = network.mtu {
        add("mtu", &|out| ra::mtu(out, mtu))?;
    }
    for prefix in prefixes(network) {
        add("subnets", &|out| ra::prefix(out, &prefix))?;
    }
    for prefix in retiring(network) {
        add("retiring_prefixes", &|out| ra::prefix(out, &prefix))?;
    }
    let lifetime = network.advertised_lifetime();
    if network.metadata_route {
        add("metadata_route", &|out| ra::route(out, ip6::METADATA, 128, Preference::Medium, lifetime))?;
    }
    for route in &network.routes {
        let (destination, length) = (route.destination.addr(), route.destination.prefix_len());
        // A default route must agree with the router's lifetime (RFC 4191 §2.3; RA-049); other routes are there although
        // the router is nobody's default.
        let default = if length == 0 {
            Lifetime(network.router_lifetime().into())
        } else {
            network.advertised_lifetime()
        };
        let lifetime = route.lifetime.unwrap_or(default);
        add("routes", &|out| ra::route(out, destination, length, route.preference, lifetime))?;
    }
    let options = &network.options;
    // A whole number of units, and within what the length field can say.
    let list = (room.min(LONGEST) / 8 * 8).saturating_sub(DNS_HEAD);
    for servers in split(options.dns_nameservers.as_deref().unwrap_or(&[]), list, |_: &Ipv6Addr| 16) {
        add("dns_nameservers", &|out| ra::dns_servers(out, lifetime, servers))?;
    }
    let octets = |domain: &DomainName| domain.as_wire().len();
    for domains in split(options.dns_domains.as_deref().unwrap_or(&[]), list, octets) {
        add("dns_domains", &|out| ra::dns_search_list(out, lifetime, domains))?;
    }
    if let Some(nat64) = network.nat64_prefix {
        add("nat64_prefix", &|out| ra::nat64(out, nat64.addr(), nat64.prefix_len(), lifetime))?;
    }
    if let Some(uri) = &options.captive_portal {
        add("captive_portal", &|out| ra::captive_portal(out, uri))?;
    }
    for resolver in options.dnr.as_deref().unwrap_or(&[]) {
        let resolver = ra::Resolver {
            priority: resolver.priority,
            name: &resolver.name,
            addresses: &resolver.addresses,
            params: &resolver.params,
        };
        add("dnr", &|out| ra::encrypted_dns(out, lifetime, &resolver))?;
    }
    Ok(all)
}

/// A list in parts of at most `room` octets each, and of one item at least.
fn split<T>(list: &[T], room: usize, octets: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let mut used = 0;
        let fits = rest.iter().take_while(|item| {
            used += octets(item);
            used <= room
        });
        let (part, later) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

/// RA-034, RA-035: L is always set, A where hosts make their own address.
fn prefixes(network: &Network) -> Vec<ra::Prefix> {
    let told = |subnet: &Subnet| {
        let mode = subnet.ra_mode?;
        // RFC 6275 §7.2: with the R flag the field holds the router's whole address.
        let router: Option<Ipv6Addr> = subnet.gateway.filter(|_| subnet.router_address);
        Some(ra::Prefix {
            prefix: router.unwrap_or(subnet.cidr.addr()),
            length: subnet.cidr.prefix_len(),
            on_link: true,
            autonomous: mode.is_autonomous(),
            router_address: router.is_some(),
            pd_preferred: subnet.pd_preferred,
            valid: network.valid_lifetime(),
            // RFC 4862 §5.5.4: no new connections from a deprecated prefix.
            preferred: if subnet.deprecated { Lifetime::ZERO } else { network.preferred_lifetime() },
        })
    };
    network.subnets.iter().filter_map(told).collect()
}

/// RFC 9096 §3.5: what is gone is told with lifetimes of zero and the flags that it had.
fn retiring(network: &Network) -> Vec<ra::Prefix> {
    let told = |prefix: ipnet::Ipv6Net, mode: Mode| ra::Prefix {
        prefix: prefix.addr(),
        length: prefix.prefix_len(),
        on_link: true,
        autonomous: mode.is_autonomous(),
        router_address: false,
        pd_preferred: false,
        valid: Lifetime::ZERO,
        preferred: Lifetime::ZERO,
    };
    network.retiring.iter().map(|r| told(r.prefix, r.mode)).collect()
}
