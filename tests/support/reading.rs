//! Answers, taken apart by etherparse and by the definition of the checksum, never by the crate's own readers.
#![allow(dead_code, reason = "every test uses its part")]

use std::net::Ipv6Addr;

use etherparse::{LinkSlice, NetSlice, SlicedPacket, TransportSlice};

/// An answer, taken apart by etherparse.
#[derive(Clone, Debug)]
pub struct Answer {
    pub octets: Vec<u8>,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    pub vlan: Option<u16>,
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub hop_limit: u8,
    /// Source and destination port, for UDP and TCP.
    pub ports: Option<(u16, u16)>,
    /// ICMPv6 message from its type on, TCP segment from its ports on, or UDP payload.
    pub message: Vec<u8>,
}

impl Answer {
    pub fn parse(octets: &[u8]) -> Self {
        let packet = SlicedPacket::from_ethernet(octets).expect("etherparse reads it");
        let ethernet = match packet.link.clone() {
            Some(LinkSlice::Ethernet2(ethernet)) => ethernet,
            other => panic!("{other:?}"),
        };
        let Some(NetSlice::Ipv6(v6)) = packet.net.clone() else { panic!("not IPv6") };
        let header = v6.header();
        let total = usize::from(header.payload_length());
        let start = octets.len() - total;
        let upper = octets.get(start..).expect("the upper layer");
        let (source, destination) = (header.source_addr(), header.destination_addr());
        assert_eq!(checksum(source, destination, header.next_header().0, upper), 0, "the checksum is right");
        let (ports, message) = match packet.transport.clone().expect("an upper layer") {
            TransportSlice::Udp(udp) => {
                assert_ne!(udp.checksum(), 0, "IP-006");
                assert_eq!(usize::from(udp.length()), total);
                (Some((udp.source_port(), udp.destination_port())), udp.payload().to_vec())
            }
            TransportSlice::Icmpv6(_) => (None, upper.to_vec()),
            TransportSlice::Tcp(tcp) => (Some((tcp.source_port(), tcp.destination_port())), upper.to_vec()),
            other => panic!("{other:?}"),
        };
        Self {
            source_mac: ethernet.source(),
            destination_mac: ethernet.destination(),
            vlan: packet.vlan().and_then(|v| match v {
                etherparse::VlanSlice::SingleVlan(tag) => Some(tag.vlan_identifier().value()),
                etherparse::VlanSlice::DoubleVlan(_) => None,
            }),
            source,
            destination,
            hop_limit: header.hop_limit(),
            ports,
            message,
            octets: octets.to_vec(),
        }
    }
}

/// RFC 1071 by its definition, one word after the other.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    let pseudo =
        [&source.octets(), &destination.octets(), length.as_slice(), &[0, 0, 0, next_header], message]
            .concat();
    let mut sum = 0_u32;
    for word in pseudo.chunks(2) {
        sum += u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}
