//! Frames written once by `etherparse` and `dhcproto` for a sample guest, and patched for each guest.
//!
//! A value of a guest belongs wherever the sample's value stands in the sample's frame: the sample's values are chosen
//! so that they stand nowhere else. Lengths never change, so a frame is a copy, a few patches and a checksum.

use std::net::Ipv6Addr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, VlanId};

use super::message::{self, Sample};
use super::workload::{Step, Workload};
use crate::types::{MacAddr, ip6};

/// What a frame says of one guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fill<'a> {
    pub(super) mac: MacAddr,
    pub(super) link_local: Ipv6Addr,
    pub(super) xid: [u8; 3],
    pub(super) duid: &'a [u8],
    pub(super) iaid: [u8; 4],
    pub(super) address: Ipv6Addr,
    pub(super) prefix: (Ipv6Addr, u8),
    /// Hundredths of a second since the first transmission (RFC 9915 §21.9).
    pub(super) elapsed: u16,
}

/// How the guests' frames reach the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// VLAN id of the tag on every frame; 0 for none.
    pub(super) vlan: u16,
    /// The relay's MAC and the link-address that it writes.
    pub(super) relay: Option<(MacAddr, Ipv6Addr)>,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Mac,
    LinkLocal,
    /// The last three octets of a solicited-node group: of the link-local address, of the leased one.
    LinkLocalGroup,
    AddressGroup,
    Xid,
    Duid,
    Iaid,
    Address,
    Prefix,
    Elapsed,
}

/// A frame with places for a guest's values.
#[derive(Debug, Clone)]
pub(super) struct Template {
    octets: Vec<u8>,
    spots: Vec<(usize, Field)>,
    /// Octets before the IPv6 header.
    link: usize,
    /// Of the checksum, behind the IPv6 header.
    checksum: usize,
}

const SAMPLE_MAC: MacAddr = MacAddr([0x0a, 0x5a, 0xb1, 0xc2, 0xd3, 0xe4]);
const SAMPLE_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x1b2c, 0x3d4e, 0x5f6a, 0x7b8c);
const SAMPLE_XID: [u8; 3] = [0x9d, 0x8c, 0x7e];
const SAMPLE_DUID: [u8; 18] = [
    0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x89, 0x9a, 0xab, 0xbc, 0xcd, 0xde, 0xef, 0xf1, 0x83,
    0x94,
];
const SAMPLE_IAID: [u8; 4] = [0x91, 0xa5, 0xb7, 0xc9];
const SAMPLE_ADDRESS: Ipv6Addr =
    Ipv6Addr::new(0x2a5b, 0x1c2d, 0x3e4f, 0x5a6b, 0x7c8d, 0x9eaf, 0xb1c3, 0xd5e7);
const SAMPLE_PREFIX: (Ipv6Addr, u8) = (Ipv6Addr::new(0x3b5c, 0x4d6e, 0x7f8a, 0x9b00, 0, 0, 0, 0), 61);
const SAMPLE_ELAPSED: u16 = 0xd4e7;

/// UDP ports of clients and servers (RFC 9915 §7.2).
const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;

/// Hop limit of Neighbor Discovery (RFC 4861 §4.1).
const ND_HOPS: u8 = 255;

/// Octets of an IPv6 header, and where its addresses begin.
const IPV6: usize = 40;
const ADDRESSES: usize = 8;
const NEXT_HEADER: usize = 6;
const ICMPV6: u8 = 58;

/// Source link-layer address option for the sample (RFC 4861 §4.6.1).
const SOURCE_LINK_LAYER: [u8; 8] = [1, 1, 0x0a, 0x5a, 0xb1, 0xc2, 0xd3, 0xe4];

impl Template {
    /// The frame of a step. `duid` is the length of the guests' DUIDs; `server` the DUID that a Request is for; `router`
    /// whom a Neighbor Solicitation is for. `None` when it cannot be written, as with a DUID that no message holds.
    pub(super) fn new(
        workload: Workload,
        step: Step,
        path: Path,
        duid: usize,
        server: &[u8],
        router: Ipv6Addr,
    ) -> Option<Self> {
        let none = Ipv6Addr::UNSPECIFIED;
        match step {
            Step::ClaimLinkLocal => solicitation(path.vlan, none, SAMPLE_LINK_LOCAL),
            Step::ClaimAddress => solicitation(path.vlan, none, SAMPLE_ADDRESS),
            Step::NeighborSolicitation => solicitation(path.vlan, SAMPLE_LINK_LOCAL, router),
            Step::RouterSolicitation => {
                let step = ip(path.vlan, SAMPLE_MAC, SAMPLE_LINK_LOCAL, ip6::ALL_ROUTERS, ND_HOPS);
                let mut octets = Vec::new();
                step.icmpv6_raw(133, 0, [0; 4]).write(&mut octets, &SOURCE_LINK_LAYER).ok()?;
                Self::cut(octets, path.vlan, 0)
            }
            Step::Solicit | Step::Request | Step::InformationRequest => {
                let duid = SAMPLE_DUID.get(..duid)?;
                let sample = Sample {
                    xid: SAMPLE_XID,
                    duid,
                    iaid: SAMPLE_IAID,
                    address: SAMPLE_ADDRESS,
                    prefix: SAMPLE_PREFIX,
                    elapsed: SAMPLE_ELAPSED,
                };
                let message = message::client(workload, step, &sample, server)?;
                let octets = datagram(path, &message)?;
                Self::cut(octets, path.vlan, duid.len())
            }
        }
    }

    /// Finds the sample's values in a frame.
    fn cut(octets: Vec<u8>, vlan: u16, duid: usize) -> Option<Self> {
        let link = if vlan == 0 { 14 } else { 18 };
        let next = *octets.get(link + NEXT_HEADER)?;
        let checksum = if next == ICMPV6 { 2 } else { 6 };
        let group = |address: Ipv6Addr| {
            let [.., a, b, c] = address.octets();
            vec![0xff, a, b, c]
        };
        let (prefix, length) = SAMPLE_PREFIX;
        let [high, low] = SAMPLE_ELAPSED.to_be_bytes();
        // What to look for, and how many octets of it stand before the value: short values are looked for with what
        // always stands there, so that no DUID of a server can be taken for them.
        let patterns = [
            (Field::Mac, 0, SAMPLE_MAC.0.to_vec()),
            (Field::LinkLocal, 0, SAMPLE_LINK_LOCAL.octets().to_vec()),
            (Field::LinkLocalGroup, 1, group(SAMPLE_LINK_LOCAL)),
            (Field::AddressGroup, 1, group(SAMPLE_ADDRESS)),
            (Field::Duid, 0, SAMPLE_DUID.get(..duid)?.to_vec()),
            (Field::Iaid, 0, SAMPLE_IAID.to_vec()),
            (Field::Address, 0, SAMPLE_ADDRESS.octets().to_vec()),
            (Field::Prefix, 0, [&[length][..], &prefix.octets()].concat()),
            (Field::Elapsed, 4, vec![0, 8, 0, 2, high, low]),
        ];
        let mut spots = Vec::new();
        for (field, before, pattern) in patterns.into_iter().filter(|(.., pattern)| !pattern.is_empty()) {
            let found = octets.windows(pattern.len()).enumerate().filter(|(_, part)| *part == pattern);
            spots.extend(found.map(|(at, _)| (at + before, field)));
        }
        // The first one is in the header of the message, before any option.
        let xid = octets.windows(SAMPLE_XID.len()).position(|part| part == SAMPLE_XID);
        spots.extend(xid.filter(|_| duid > 0).map(|at| (at, Field::Xid)));
        Some(Self { octets, spots, link, checksum })
    }

    /// Writes a guest's frame; its length, or `None` when `out` is too short for it.
    pub(super) fn write(&self, fill: &Fill<'_>, out: &mut [u8]) -> Option<usize> {
        let length = self.octets.len();
        let out = out.get_mut(..length)?;
        out.copy_from_slice(&self.octets);
        for (at, field) in &self.spots {
            let mut put = |octets: &[u8]| -> Option<()> {
                out.get_mut(*at..*at + octets.len())?.copy_from_slice(octets);
                Some(())
            };
            match field {
                Field::Mac => put(&fill.mac.0),
                Field::LinkLocal => put(&fill.link_local.octets()),
                Field::LinkLocalGroup => put(fill.link_local.octets().get(13..)?),
                Field::AddressGroup => put(fill.address.octets().get(13..)?),
                Field::Xid => put(&fill.xid),
                Field::Duid => put(fill.duid),
                Field::Iaid => put(&fill.iaid),
                Field::Address => put(&fill.address.octets()),
                Field::Prefix => {
                    let mut octets = [fill.prefix.1; 17];
                    octets[1..].copy_from_slice(&fill.prefix.0.octets());
                    put(&octets)
                }
                Field::Elapsed => put(&fill.elapsed.to_be_bytes()),
            }?;
        }
        self.seal(out)?;
        Some(length)
    }

    /// Writes the checksum over pseudo-header and message (RFC 8200 §8.1).
    fn seal(&self, frame: &mut [u8]) -> Option<()> {
        let place = self.link + IPV6 + self.checksum;
        frame.get_mut(place..place + 2)?.fill(0);
        let next = *frame.get(self.link + NEXT_HEADER)?;
        let (addresses, upper) = frame.get(self.link + ADDRESSES..)?.split_at_checked(32)?;
        let length = u32::try_from(upper.len()).ok()?;
        let mut sum = Sum16BitWords::new().add_slice(addresses);
        let sum = sum.add_4bytes(length.to_be_bytes()).add_2bytes([0, next]).add_slice(upper);
        let sum = sum.to_ones_complement_with_no_zero().to_be();
        frame.get_mut(place..place + 2)?.copy_from_slice(&sum.to_be_bytes());
        Some(())
    }
}

fn ip(vlan: u16, mac: MacAddr, source: Ipv6Addr, to: Ipv6Addr, hops: u8) -> PacketBuilderStep<IpHeaders> {
    let ethernet = PacketBuilder::ethernet2(mac.0, ip6::group_mac(to).0);
    match VlanId::try_new(vlan) {
        Ok(id) if vlan != 0 => ethernet.single_vlan(id).ipv6(source.octets(), to.octets(), hops),
        _ => ethernet.ipv6(source.octets(), to.octets(), hops),
    }
}

/// A Neighbor Solicitation; from the unspecified address for duplicate address detection, then without a link-layer
/// address (RFC 4861 §4.3).
fn solicitation(vlan: u16, source: Ipv6Addr, target: Ipv6Addr) -> Option<Template> {
    let mut body = target.octets().to_vec();
    if !source.is_unspecified() {
        body.extend(SOURCE_LINK_LAYER);
    }
    let mut octets = Vec::new();
    let step = ip(vlan, SAMPLE_MAC, source, ip6::solicited_node(target), ND_HOPS);
    step.icmpv6_raw(135, 0, [0; 4]).write(&mut octets, &body).ok()?;
    Template::cut(octets, vlan, 0)
}

/// A message on its way to all servers of the link, from the guest or from its relay.
fn datagram(path: Path, message: &[u8]) -> Option<Vec<u8>> {
    let (mac, source, port, payload) = match path.relay {
        None => (SAMPLE_MAC, SAMPLE_LINK_LOCAL, CLIENT_PORT, message.to_vec()),
        Some((mac, link)) => {
            let relayed = message::relayed(link, SAMPLE_LINK_LOCAL, SAMPLE_MAC.0, message)?;
            (mac, ip6::link_local(mac), SERVER_PORT, relayed)
        }
    };
    let mut octets = Vec::new();
    let step = ip(path.vlan, mac, source, ip6::ALL_DHCP_AGENTS, 1);
    step.udp(port, SERVER_PORT).write(&mut octets, &payload).ok()?;
    Some(octets)
}

/// A Neighbor Advertisement of a guest, for a server whose kernel asks before it answers (RFC 4861 §7.2.4).
pub(super) fn advertisement(
    vlan: u16,
    (mac, address): (MacAddr, Ipv6Addr),
    (to_mac, to): (MacAddr, Ipv6Addr),
) -> Option<Vec<u8>> {
    let ethernet = PacketBuilder::ethernet2(mac.0, to_mac.0);
    let step = match VlanId::try_new(vlan) {
        Ok(id) if vlan != 0 => ethernet.single_vlan(id).ipv6(address.octets(), to.octets(), ND_HOPS),
        _ => ethernet.ipv6(address.octets(), to.octets(), ND_HOPS),
    };
    let body = [&address.octets()[..], &[2, 1], &mac.0].concat();
    let mut octets = Vec::new();
    // Solicited and Override.
    step.icmpv6_raw(136, 0, [0x60, 0, 0, 0]).write(&mut octets, &body).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests;
