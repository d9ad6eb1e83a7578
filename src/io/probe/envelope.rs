//! Ethernet, VLAN, IPv6, UDP, TCP and ICMPv6 around what the probe says and hears, by `etherparse`.

use std::net::Ipv6Addr;

use etherparse::{
    EtherType, Ethernet2Header, LinkSlice, NetSlice, PacketBuilder, PacketBuilderStep, SingleVlanHeader,
    SlicedPacket, TransportSlice, UdpHeader, VlanId,
};

use super::{CLIENT_PORT, SERVER_PORT};
use crate::types::{MacAddr, ip6};

/// ICMPv6 types of Neighbor Discovery (RFC 4861 §4).
pub(super) mod nd {
    pub(in crate::io::probe) const ROUTER_SOLICITATION: u8 = 133;
    pub(in crate::io::probe) const ROUTER_ADVERTISEMENT: u8 = 134;
    pub(in crate::io::probe) const NEIGHBOR_SOLICITATION: u8 = 135;
    pub(in crate::io::probe) const NEIGHBOR_ADVERTISEMENT: u8 = 136;
}

/// Who speaks: the addresses of every frame that the probe sends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Speaker {
    pub(super) mac: MacAddr,
    pub(super) address: Ipv6Addr,
    /// VLAN id of the tag put on every frame; 0 for none.
    pub(super) vlan: u16,
}

impl Speaker {
    /// A Neighbor Discovery message; `word` is its octets 5 to 8, `body` the rest.
    pub(super) fn nd(&self, to: (MacAddr, Ipv6Addr), kind: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
        let step = self.to(to, 255).icmpv6_raw(kind, 0, word);
        written(|out| step.write(out, body).is_ok())
    }

    /// A DHCPv6 message from the client's port to the servers' (RFC 9915 §7.2).
    pub(super) fn dhcp(&self, message: &[u8]) -> Vec<u8> {
        let to = (ip6::group_mac(ip6::ALL_DHCP_AGENTS), ip6::ALL_DHCP_AGENTS);
        let step = self.to(to, 1).udp(CLIENT_PORT, SERVER_PORT);
        written(|out| step.write(out, message).is_ok())
    }

    /// A frame around a packet that is complete from its IPv6 header on.
    pub(super) fn packet(&self, to: MacAddr, packet: &[u8]) -> Vec<u8> {
        let ethernet = Ethernet2Header { source: self.mac.0, destination: to.0, ether_type: EtherType::IPV6 };
        let frame = match VlanId::try_new(self.vlan) {
            Ok(vlan_id) if self.vlan != 0 => {
                let tag = SingleVlanHeader { vlan_id, ether_type: EtherType::IPV6, ..Default::default() };
                let ethernet = Ethernet2Header { ether_type: EtherType::VLAN_TAGGED_FRAME, ..ethernet };
                [&ethernet.to_bytes()[..], &tag.to_bytes()].concat()
            }
            _ => ethernet.to_bytes().to_vec(),
        };
        [frame.as_slice(), packet].concat()
    }

    /// The same speaker with another address.
    pub(super) fn with_address(&self, address: Ipv6Addr) -> Self {
        Self { address, ..*self }
    }

    fn to(
        &self,
        (mac, address): (MacAddr, Ipv6Addr),
        hop_limit: u8,
    ) -> PacketBuilderStep<etherparse::IpHeaders> {
        let ethernet = PacketBuilder::ethernet2(self.mac.0, mac.0);
        let (from, to) = (self.address.octets(), address.octets());
        match VlanId::try_new(self.vlan) {
            Ok(vlan) if self.vlan != 0 => ethernet.single_vlan(vlan).ipv6(from, to, hop_limit),
            _ => ethernet.ipv6(from, to, hop_limit),
        }
    }
}

/// Writing into memory fails only when the payload is longer than 64 KiB, which nothing here is.
fn written(write: impl FnOnce(&mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut frame = Vec::new();
    if write(&mut frame) { frame } else { Vec::new() }
}

/// A frame that may concern the probe.
pub(super) struct Heard<'a> {
    pub(super) source_mac: MacAddr,
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    /// False when the checksum is wrong, or zero in UDP (RFC 8200 §8.1).
    pub(super) checksum_holds: bool,
    pub(super) upper: Upper<'a>,
}

pub(super) enum Upper<'a> {
    /// The whole ICMPv6 message.
    RouterAdvertisement(&'a [u8]),
    /// The target.
    NeighborSolicitation(Ipv6Addr),
    /// The whole ICMPv6 message.
    NeighborAdvertisement(&'a [u8]),
    /// The UDP payload of a datagram to the client's port.
    Dhcp(&'a [u8]),
    /// The packet from its IPv6 header on.
    Tcp(&'a [u8]),
}

/// Reads a frame; `None` for what is none of the probe's business, being another protocol or addressed to another
/// host. `partial_checksum` says that the checksum is not finished and must not be looked at.
pub(super) fn read<'a>(octets: &'a [u8], me: &Speaker, partial_checksum: bool) -> Option<Heard<'a>> {
    let packet = SlicedPacket::from_ethernet(octets).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else { return None };
    let to = MacAddr(ethernet.destination());
    if to != me.mac && !to.is_group() {
        return None;
    }
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { return None };
    let header = ip.header();
    let (source, destination) = (header.source(), header.destination());
    let (checksum_holds, upper) = match packet.transport.as_ref()? {
        TransportSlice::Icmpv6(icmp) => {
            let upper = match icmp.type_u8() {
                nd::ROUTER_ADVERTISEMENT => Upper::RouterAdvertisement(icmp.slice()),
                nd::NEIGHBOR_SOLICITATION => {
                    let target: [u8; 16] = icmp.slice().get(8..24)?.try_into().ok()?;
                    Upper::NeighborSolicitation(target.into())
                }
                nd::NEIGHBOR_ADVERTISEMENT => Upper::NeighborAdvertisement(icmp.slice()),
                _ => return None,
            };
            (icmp.is_checksum_valid(source, destination), upper)
        }
        TransportSlice::Udp(udp) if udp.destination_port() == CLIENT_PORT => {
            let claimed = udp.to_header();
            let zeroed = UdpHeader { checksum: 0, ..claimed.clone() };
            let right = zeroed.calc_checksum_ipv6_raw(source, destination, udp.payload()).ok();
            (claimed.checksum != 0 && right == Some(claimed.checksum), Upper::Dhcp(udp.payload()))
        }
        TransportSlice::Tcp(tcp) if packet.link_exts.is_empty() => {
            let right = tcp.calc_checksum_ipv6(source, destination).ok();
            (right == Some(tcp.checksum()), Upper::Tcp(octets.get(Ethernet2Header::LEN..)?))
        }
        _ => return None,
    };
    Some(Heard {
        source_mac: MacAddr(ethernet.source()),
        source: source.into(),
        destination: destination.into(),
        hop_limit: header.hop_limit(),
        checksum_holds: checksum_holds || partial_checksum,
        upper,
    })
}
