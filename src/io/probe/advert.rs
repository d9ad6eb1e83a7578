//! A reader of Router Advertisements that shares nothing with the `wire` room, so that each checks the other.
//!
//! Refuses what a host must discard (RFC 4861 §6.1.2) and reports what it must not see; an option that a host would
//! skip is skipped here too. Lengths are taken from slices only: nothing is read that is not there.

use std::net::Ipv6Addr;

use super::faults::Faults;
use super::report::{DnsServers, Nat64, PrefixInfo, RawOption, RouteInfo, RouterAdvert, SearchList, hex};
use crate::io::netns::Preference;
use crate::types::{Lifetime, MacAddr, ip6};

const RA: &str = "Router Advertisement";

/// Octets of the message before its options (RFC 4861 §4.2).
const HEADER: usize = 16;

/// Reads a whole ICMPv6 message of type 134; `None` when a host must discard it.
pub(super) fn read(icmp: &[u8], router: Ipv6Addr, mac: MacAddr, faults: &mut Faults) -> Option<RouterAdvert> {
    let (Some(header), Some(options)) = (icmp.first_chunk::<HEADER>(), icmp.get(HEADER..)) else {
        faults.add(RA, "RFC 4861 §6.1.2", "it is shorter than 16 octets");
        return None;
    };
    let [_, code, _, _, hop_limit, flags, life_high, life_low, rest @ ..] = *header;
    if code != 0 {
        faults.add(RA, "RFC 4861 §6.1.2", format!("its ICMP code is {code}, not 0"));
        return None;
    }
    let mut advert = RouterAdvert {
        router,
        mac,
        unicast: false,
        hop_limit,
        managed: flags & 0x80 != 0,
        other: flags & 0x40 != 0,
        preference: preference(flags, "router", faults).unwrap_or(Preference::Medium),
        lifetime: u16::from_be_bytes([life_high, life_low]),
        reachable_time: number(&rest, 0)?,
        retransmit_timer: number(&rest, 4)?,
        link_layer: None,
        mtu: None,
        prefixes: Vec::new(),
        routes: Vec::new(),
        dns: Vec::new(),
        search: Vec::new(),
        nat64: Vec::new(),
        captive_portal: None,
        unknown: Vec::new(),
    };
    let options = split(options, faults)?;
    for (kind, body) in options {
        if option(&mut advert, kind, body, faults).is_none() {
            faults.add(RA, rule(kind), format!("option {kind} is malformed: {}", hex(body)));
        }
    }
    Some(advert)
}

/// Types and bodies (without type and length) of the options; `None` when one has no length or is cut off, which
/// spoils the whole message.
fn split<'a>(mut octets: &'a [u8], faults: &mut Faults) -> Option<Vec<(u8, &'a [u8])>> {
    let mut options = Vec::new();
    while let [kind, units, ..] = *octets {
        let length = usize::from(units) * 8;
        if length == 0 {
            faults.add(RA, "RFC 4861 §4.6", format!("option {kind} has length 0"));
            return None;
        }
        let Some((option, rest)) = octets.split_at_checked(length) else {
            faults.add(RA, "RFC 4861 §6.1.2", format!("option {kind} is longer than the message"));
            return None;
        };
        options.push((kind, option.get(2..)?));
        octets = rest;
    }
    if !octets.is_empty() {
        faults.add(RA, "RFC 4861 §6.1.2", "an octet is left over after the last option");
        return None;
    }
    Some(options)
}

fn rule(kind: u8) -> &'static str {
    match kind {
        1 => "RFC 4861 §4.6.1",
        3 => "RFC 4861 §4.6.2",
        5 => "RFC 4861 §4.6.4",
        24 => "RFC 4191 §2.3",
        25 => "RFC 8106 §5.1",
        31 => "RFC 8106 §5.2",
        37 => "RFC 8910 §2.3",
        38 => "RFC 8781 §4",
        _ => "RFC 4861 §4.6",
    }
}

/// Reads one option into the advert; `None` when it is malformed and skipped.
fn option(advert: &mut RouterAdvert, kind: u8, body: &[u8], faults: &mut Faults) -> Option<()> {
    match kind {
        1 => advert.link_layer = Some(MacAddr(body.try_into().ok()?)),
        3 => advert.prefixes.extend(prefix(body, faults)?),
        5 => {
            let _reserved: [u8; 6] = body.try_into().ok()?;
            let mtu = number(body, 2)?;
            if mtu < crate::types::limits::MIN_MTU {
                faults.add(RA, "RFC 8200 §5", format!("the MTU is {mtu}, less than 1280"));
                return Some(());
            }
            advert.mtu = Some(mtu);
        }
        24 => advert.routes.extend(route(body, faults)?),
        25 => {
            let servers: Vec<Ipv6Addr> = addresses(body.get(6..)?)?;
            advert.dns.push(DnsServers { lifetime: Lifetime(number(body, 2)?), servers });
        }
        31 => {
            let domains = names(body.get(6..)?)?;
            advert.search.push(SearchList { lifetime: Lifetime(number(body, 2)?), domains });
        }
        37 => {
            let url = std::str::from_utf8(body).ok()?.trim_end_matches('\0');
            advert.captive_portal = Some(url.to_owned());
        }
        38 => advert.nat64.push(nat64(body)?),
        _ => advert.unknown.push(RawOption { code: kind.into(), data: hex(body) }),
    }
    Some(())
}

/// Prefix Information; `Some(None)` for one that a host must ignore.
fn prefix(body: &[u8], faults: &mut Faults) -> Option<Option<PrefixInfo>> {
    let body: &[u8; 30] = body.try_into().ok()?;
    let [length, flags, ..] = *body;
    let info = PrefixInfo {
        prefix: address(body.get(14..)?)?,
        length,
        on_link: flags & 0x80 != 0,
        autonomous: flags & 0x40 != 0,
        valid: Lifetime(number(body, 2)?),
        preferred: Lifetime(number(body, 6)?),
    };
    let name = format!("{}/{length}", info.prefix);
    if length > 128 {
        return None;
    }
    if info.prefix != ip6::mask(info.prefix, length) {
        faults.add(RA, "RFC 4861 §4.6.2", format!("prefix {name} has bits set after its length"));
    }
    if ip6::is_link_local(info.prefix) && length >= 10 {
        faults.add(RA, "RFC 4861 §4.6.2", format!("prefix {name} is the link-local one"));
        return Some(None);
    }
    if info.preferred.0 > info.valid.0 {
        faults.add(RA, "RFC 4862 §5.5.3", format!("prefix {name} is preferred for longer than it is valid"));
        return Some(None);
    }
    if info.autonomous && length != 64 {
        faults.add(RA, "RFC 2464 §4", format!("prefix {name} is for SLAAC and not 64 bits long"));
    }
    Some(Some(info))
}

/// Route Information; `Some(None)` for one that a host must ignore.
fn route(body: &[u8], faults: &mut Faults) -> Option<Option<RouteInfo>> {
    let [length, flags, _, _, _, _, prefix @ ..] = body else { return None };
    // 0, 8 or 16 octets of prefix; enough for its length, whose unused octets count as zero (RFC 4191 §2.3).
    let fits = match prefix.len() {
        0 => *length == 0,
        8 => *length <= 64,
        16 => *length <= 128,
        _ => false,
    };
    if !fits {
        return None;
    }
    let mut octets = [0; 16];
    octets.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
    let Some(preference) = preference(*flags, "route", faults) else { return Some(None) };
    Some(Some(RouteInfo {
        prefix: ip6::mask(octets.into(), *length),
        length: *length,
        preference,
        lifetime: Lifetime(number(body, 2)?),
    }))
}

/// PREF64: 13 bits of lifetime in units of 8 seconds, 3 bits of prefix length code (RFC 8781 §4).
fn nat64(body: &[u8]) -> Option<Nat64> {
    let body: &[u8; 14] = body.try_into().ok()?;
    let [high, low, prefix @ ..] = *body;
    let scaled = u16::from_be_bytes([high, low]);
    let length = *[96, 64, 56, 48, 40, 32].get(usize::from(scaled & 7))?;
    let mut octets = [0; 16];
    octets.iter_mut().zip(prefix).for_each(|(to, from)| *to = from);
    // The upper 13 bits times 8 are the lifetime: the field with its lower bits cleared.
    Some(Nat64 { prefix: octets.into(), length, lifetime: scaled & !7 })
}

/// Bits 4 and 3 of a flags octet; the reserved value is a fault (RFC 4191 §2.2).
fn preference(flags: u8, of: &str, faults: &mut Faults) -> Option<Preference> {
    match (flags >> 3) & 3 {
        0 => Some(Preference::Medium),
        1 => Some(Preference::High),
        3 => Some(Preference::Low),
        _ => {
            faults.add(RA, "RFC 4191 §2.1", format!("the {of}'s preference has the reserved value"));
            None
        }
    }
}

/// Uncompressed names of a search list, padded with zeros (RFC 8106 §5.2).
fn names(mut octets: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut labels: Vec<String> = Vec::new();
    while let Some((&length, rest)) = octets.split_first() {
        octets = match length {
            0 if labels.is_empty() => rest,
            0 => {
                names.push(labels.join("."));
                labels.clear();
                rest
            }
            1..=63 => {
                let (label, rest) = rest.split_at_checked(length.into())?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                rest
            }
            _ => return None,
        };
    }
    (labels.is_empty() && !names.is_empty()).then_some(names)
}

/// One address or more, and nothing else.
fn addresses(octets: &[u8]) -> Option<Vec<Ipv6Addr>> {
    let (chunks, rest) = octets.as_chunks::<16>();
    (rest.is_empty() && !chunks.is_empty())
        .then(|| chunks.iter().map(|chunk| Ipv6Addr::from(*chunk)).collect())
}

fn address(octets: &[u8]) -> Option<Ipv6Addr> {
    octets.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}
