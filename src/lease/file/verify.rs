//! Every reference and invariant of a table that came from outside, so that no look-up needs to doubt one.
//!
//! The checksum says that the octets are those that were written; this says that what was written is a table.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use crate::lease::options;
use crate::lease::record::{
    BlobRef, IDENTIFY_CLIENT_LINK_LAYER, IDENTIFY_DUID_LL, NETWORK_ADVERTISES, NO_DEVICE, NetworkRecord,
    PortRecord, PrefixRecord, RelayRecord, Span,
};
use crate::lease::table::{Sections, hash_key, span};
use crate::types::limits::{
    DUID_LENGTH, MAX_PORT_ADDRESSES, MAX_PORT_PREFIXES, MAX_SERVICE_ADDRESSES, MIN_MTU,
};
use crate::types::{MacAddr, ip6};

/// What is wrong, if anything is.
pub(super) fn verify(sections: &Sections) -> Result<(), String> {
    let blobs = &sections.blobs;
    let duid = blob(blobs, sections.server.duid).ok_or("the server's DUID lies outside the blobs")?;
    if !DUID_LENGTH.contains(&duid.len()) {
        return Err(format!("the server's DUID has {} octets", duid.len()));
    }
    for (i, record) in sections.networks.iter().enumerate() {
        network(sections, record).map_err(|why| format!("network {i}: {why}"))?;
    }
    for subnet in &sections.subnets {
        is_prefix(subnet.prefix, subnet.length)?;
    }
    for record in &sections.prefixes {
        prefix(record)?;
    }
    links(sections)?;
    devices(sections)?;
    interfaces(sections)?;
    match sections.relays.as_slice() {
        [] => {}
        [record] => relay(sections, record).map_err(|why| format!("its relay: {why}"))?,
        _ => return Err("it has more than one relay record".to_owned()),
    }
    let mut last = None;
    for (i, record) in sections.ports.iter().enumerate() {
        port(sections, record, &mut last).map_err(|why| format!("port {i}: {why}"))?;
    }
    index(sections)
}

fn is_prefix(prefix: [u8; 16], length: u8) -> Result<(), String> {
    let address = Ipv6Addr::from_octets(prefix);
    if length > 128 || ip6::mask(address, length) != address {
        return Err(format!("{address}/{length} is no prefix"));
    }
    Ok(())
}

fn prefix(record: &PrefixRecord) -> Result<(), String> {
    is_prefix(record.prefix, record.length)?;
    is_prefix(record.exclude, record.exclude_length)?;
    let (whole, part) = (Ipv6Addr::from_octets(record.prefix), Ipv6Addr::from_octets(record.exclude));
    let inside = record.exclude_length > record.length && ip6::in_prefix(part, whole, record.length);
    if record.exclude_length == 0 || inside {
        return Ok(());
    }
    Err(format!("{part}/{} is no part of {whole}/{}", record.exclude_length, record.length))
}

/// Sorted and disjoint, as the look-up by bisection needs them.
fn links(sections: &Sections) -> Result<(), String> {
    let mut last: Option<(Ipv6Addr, u8)> = None;
    for (i, link) in sections.links.iter().enumerate() {
        is_prefix(link.prefix, link.length)?;
        let start = Ipv6Addr::from_octets(link.prefix);
        if last.is_some_and(|(before, length)| start <= before || ip6::in_prefix(start, before, length)) {
            return Err(format!("link {i} is not behind the one before"));
        }
        if link.network.get() as usize >= sections.networks.len() || link.reserved != 0 {
            return Err(format!("link {i} has no network"));
        }
        last = Some((start, link.length));
    }
    Ok(())
}

fn interfaces(sections: &Sections) -> Result<(), String> {
    let mut last: Option<&[u8]> = None;
    for (i, interface) in sections.interfaces.iter().enumerate() {
        let id = blob(&sections.blobs, interface.id).ok_or_else(|| format!("interface {i} has no id"))?;
        if last.is_some_and(|last| last >= id) {
            return Err(format!("interface {i} is not in the order of ids"));
        }
        last = Some(id);
    }
    Ok(())
}

fn relay(sections: &Sections, record: &RelayRecord) -> Result<(), &'static str> {
    let blobs = &sections.blobs;
    let devices = blob(blobs, record.devices).and_then(|octets| <[U32]>::ref_from_bytes(octets).ok());
    let devices = devices.ok_or("its devices lie outside the blobs")?;
    let known = |device: &U32| (device.get() as usize) < sections.devices.len();
    if devices.is_empty() || !devices.iter().all(known) || !devices.is_sorted_by_key(|d| d.get()) {
        return Err("its devices are none");
    }
    let ways = blob(blobs, record.identify).ok_or("its ways to identify lie outside the blobs")?;
    let each_once = (1..).zip(ways).all(|(behind, way)| !ways.iter().skip(behind).any(|other| other == way));
    let known = |way: &u8| (IDENTIFY_CLIENT_LINK_LAYER..=IDENTIFY_DUID_LL).contains(way);
    if ways.is_empty() || !ways.iter().all(known) || !each_once {
        return Err("its ways to identify are none");
    }
    if !is_inside(&sections.addresses, record.addresses)
        || !is_inside(&sections.addresses, record.server_addresses)
    {
        return Err("its addresses lie outside the section");
    }
    let sources = sections.addresses.iter().skip(record.addresses.first.get() as usize);
    if !sources.take(record.addresses.count.get().into()).is_sorted() {
        return Err("its sources are not in order");
    }
    if record.remote_text > 1 || record.reserved != 0 {
        return Err("its Remote-ID is none");
    }
    if MacAddr(record.server_mac).is_group() || !ip6::is_link_local(record.server_link_local.into()) {
        return Err("its answers have no source");
    }
    Ok(())
}

fn blob(blobs: &[u8], at: BlobRef) -> Option<&[u8]> {
    let first = at.offset.get() as usize;
    blobs.get(first..first.checked_add(at.length.get() as usize)?)
}

fn is_inside<T>(section: &[T], span: Span) -> bool {
    span.first.get() as usize + usize::from(span.count.get()) <= section.len()
}

fn network(sections: &Sections, record: &NetworkRecord) -> Result<(), &'static str> {
    let blobs = &sections.blobs;
    let name = blob(blobs, record.name).ok_or("its name lies outside the blobs")?;
    std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    let ra = blob(blobs, record.ra).ok_or("its RA lies outside the blobs")?;
    let told = record.flags.get() & NETWORK_ADVERTISES != 0 || !ra.is_empty();
    if told && !advertisement(ra) {
        return Err("its RA is none");
    }
    let more = blob(blobs, record.ra_more).ok_or("its further RAs lie outside the blobs")?;
    if !further_advertisements(more) || ra.is_empty() && !more.is_empty() {
        return Err("its further RAs are none");
    }
    let block = blob(blobs, record.options).ok_or("its options lie outside the blobs")?;
    if !options::verify(block) {
        return Err("its options are no block");
    }
    if !is_inside(&sections.addresses, record.own_addresses) || record.own_addresses.count.get() == 0 {
        return Err("it has no address of its own");
    }
    if !is_inside(&sections.subnets, record.subnets) {
        return Err("its subnets lie outside the section");
    }
    services(sections, record)?;
    for (text, why) in
        [(record.metadata_upstream, "its upstream has no name"), (record.id, "its id is not UTF-8")]
    {
        let octets = blob(blobs, text).ok_or(why)?;
        std::str::from_utf8(octets).map_err(|_| why)?;
    }
    if record.mtu.get() < MIN_MTU {
        return Err("its MTU is below 1280");
    }
    if record.vlan.get() > 4094 || record.reserved != 0 {
        return Err("its VLAN is none");
    }
    if MacAddr(record.router_mac).is_group() || !ip6::is_link_local(record.router_link_local.into()) {
        return Err("its answers have no source");
    }
    if record.preferred_lifetime.get() > record.valid_lifetime.get() {
        return Err("its preferred lifetime is longer than the valid one");
    }
    let (renew, rebind) = (record.renew_time.get(), record.rebind_time.get());
    if renew > rebind && rebind != 0 {
        return Err("its T1 is longer than T2");
    }
    let (min, max) = (record.advertise_min.get(), record.advertise_max.get());
    if min < 3 || max < 4 || min > max {
        return Err("its pauses between RAs are none");
    }
    Ok(())
}

/// Where the metadata service is reached: addresses that are answered for, each port once.
fn services(sections: &Sections, record: &NetworkRecord) -> Result<(), &'static str> {
    if !is_inside(&sections.services, record.services)
        || usize::from(record.services.count.get()) > MAX_SERVICE_ADDRESSES
    {
        return Err("its services are too many or lie outside the section");
    }
    let services = span(&sections.services, record.services);
    let own = span(&sections.addresses, record.own_addresses);
    for (i, service) in services.iter().enumerate() {
        let twice = services.iter().take(i).any(|other| other == service);
        let routers = service.address == record.router_link_local;
        if service.port.get() == 0 || twice || routers || !own.contains(&service.address) {
            return Err("its services are none");
        }
    }
    Ok(())
}

/// An ICMPv6 Router Advertisement whose options end where it ends.
fn advertisement(ra: &[u8]) -> bool {
    use crate::wire::ndp::advertisement::{HEADER_LENGTH, ROUTER_ADVERTISEMENT};
    let Some((header, mut rest)) = ra.split_at_checked(HEADER_LENGTH) else { return false };
    while let [_, units, ..] = rest {
        match rest.get(usize::from(*units) * 8..) {
            Some(tail) if *units > 0 => rest = tail,
            _ => return false,
        }
    }
    header.starts_with(&[ROUTER_ADVERTISEMENT, 0, 0, 0]) && rest.is_empty()
}

/// Messages behind lengths of 16 bits, up to the end.
fn further_advertisements(mut rest: &[u8]) -> bool {
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        match tail.split_at_checked(usize::from(u16::from_be_bytes(*length))) {
            Some((ra, tail)) if advertisement(ra) => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn devices(sections: &Sections) -> Result<(), String> {
    let mut last: Option<&[u8]> = None;
    for (i, device) in sections.devices.iter().enumerate() {
        let name = blob(&sections.blobs, *device).filter(|name| std::str::from_utf8(name).is_ok());
        let name = name.ok_or_else(|| format!("device {i} has no name"))?;
        if last.is_some_and(|last| last >= name) {
            return Err(format!("device {i} is not in the order of names"));
        }
        last = Some(name);
    }
    Ok(())
}

/// `last` is the block of options that was found right last: most ports share one.
fn port(sections: &Sections, record: &PortRecord, last: &mut Option<BlobRef>) -> Result<(), &'static str> {
    let blobs = &sections.blobs;
    let network = sections.networks.get(record.network.get() as usize).ok_or("it has no network")?;
    if network.vlan != record.vlan {
        return Err("its VLAN is not its network's");
    }
    if record.reserved != [0; 12] {
        return Err("its last octets are not zero");
    }
    let device = record.device.get();
    if device != NO_DEVICE && device as usize >= sections.devices.len() {
        return Err("its device is none");
    }
    if !is_inside(&sections.addresses, record.addresses)
        || usize::from(record.addresses.count.get()) > MAX_PORT_ADDRESSES
    {
        return Err("its addresses are too many or lie outside the section");
    }
    if !is_inside(&sections.prefixes, record.prefixes)
        || usize::from(record.prefixes.count.get()) > MAX_PORT_PREFIXES
    {
        return Err("its prefixes are too many or lie outside the section");
    }
    if *last != Some(record.options) {
        let block = blob(blobs, record.options).ok_or("its options lie outside the blobs")?;
        if !options::verify(block) {
            return Err("its options are no block");
        }
        *last = Some(record.options);
    }
    let name = blob(blobs, record.hostname).ok_or("its host name lies outside the blobs")?;
    if !is_wire_name(name) {
        return Err("its host name is no name");
    }
    blob(blobs, record.metadata).ok_or("its metadata lie outside the blobs")?;
    Ok(())
}

/// Nothing, or labels and the root (RFC 1035 §3.1).
fn is_wire_name(name: &[u8]) -> bool {
    if name.is_empty() {
        return true;
    }
    let mut rest = name;
    while let Some((length, tail)) = rest.split_first() {
        match (*length, tail.get(usize::from(*length)..)) {
            (0, _) => return tail.is_empty() && name.len() <= 255,
            (1..=63, Some(tail)) => rest = tail,
            _ => return false,
        }
    }
    false
}

/// Every port stands in the index once, under its own tag, and no empty slot lies between its home and its slot.
fn index(sections: &Sections) -> Result<(), String> {
    let (index, ports) = (&sections.index, &sections.ports);
    if !index.len().is_power_of_two() || index.len() < ports.len().saturating_mul(2) {
        return Err(format!("its index has {} slots for {} ports", index.len(), ports.len()));
    }
    let mask = index.len() - 1;
    // A run of used slots may go round the end, so the walk starts behind an empty slot; half of them are.
    let start = index.iter().position(|slot| slot.port.get() == 0).unwrap_or(0);
    let mut seen = vec![false; ports.len()];
    let mut run = 0_usize;
    for step in 1..=index.len() {
        let at = (start + step) & mask;
        let Some(slot) = index.get(at).filter(|slot| slot.port.get() != 0) else {
            run = 0;
            continue;
        };
        let number = slot.port.get() as usize - 1;
        let port = ports.get(number).ok_or_else(|| format!("slot {at} of its index has no port"))?;
        let hash = hash_key(port.vlan.get(), MacAddr(port.mac));
        let distance = at.wrapping_sub(hash as usize) & mask;
        if slot.tag.get() != (hash >> 32) as u32 || distance > run {
            return Err(format!("port {number} cannot be found through its index"));
        }
        if seen.get_mut(number).is_none_or(|seen| std::mem::replace(seen, true)) {
            return Err(format!("port {number} stands in its index twice"));
        }
        run += 1;
    }
    match seen.iter().position(|seen| !seen) {
        Some(number) => Err(format!("port {number} is not in its index")),
        None => Ok(()),
    }
}
