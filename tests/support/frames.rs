//! Frames of guests, built by etherparse and from the RFCs' layouts, never by the crate's own encoder.
#![allow(dead_code, reason = "every test and bench uses its part")]

use std::net::Ipv6Addr;

use etherparse::PacketBuilder;
use frontdesk::types::{MacAddr, ip6};

/// One network of each mode, and ports that differ in what they hold.
pub const LEASES: &str = include_str!("leases.toml");

/// The server's DUID of [`LEASES`]: DUID-LL of fa:16:3e:06:17:6f.
pub const SERVER_ID: [u8; 10] = [0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0x06, 0x17, 0x6f];
/// The router of every network of [`LEASES`].
pub const ROUTER_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0x77, 0xe5, 0xa0];
/// Its link-local address, by EUI-64.
pub const ROUTER: &str = "fe80::f816:3eff:fe77:e5a0";

/// A guest: its MAC, its link-local address and where it sits.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    pub mac: [u8; 6],
    pub address: Ipv6Addr,
    pub device: u32,
    pub vlan: u16,
}

pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an IPv6 address")
}

impl Guest {
    /// A guest with a MAC of OpenStack's range that ends in `last`, an EUI-64 link-local, on device 1, untagged.
    pub fn new(last: u8) -> Self {
        Self::with_mac([0xfa, 0x16, 0x3e, 0, 0, last])
    }

    pub fn with_mac(mac: [u8; 6]) -> Self {
        Self { mac, address: ip6::link_local(MacAddr(mac)), device: 1, vlan: 0 }
    }

    pub fn at(self, address: &str) -> Self {
        Self { address: ip(address), ..self }
    }

    pub fn on(self, device: u32) -> Self {
        Self { device, ..self }
    }

    /// Its DUID-LL.
    pub fn duid(&self) -> Vec<u8> {
        [&[0, 3, 0, 1], self.mac.as_slice()].concat()
    }

    /// An ICMPv6 message (type, code, then `rest` behind the checksum) to `destination`.
    pub fn icmp(&self, destination: &str, hop_limit: u8, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
        let (head, body) = rest.split_first_chunk::<4>().expect("four octets behind the checksum");
        let destination = ip(destination);
        let builder = PacketBuilder::ethernet2(self.mac, mac_of(destination))
            .ipv6(self.address.octets(), destination.octets(), hop_limit)
            .icmpv6_raw(kind, code, *head);
        let mut frame = Vec::new();
        builder.write(&mut frame, body).expect("a frame");
        frame
    }

    /// A UDP datagram.
    pub fn udp(&self, destination: &str, source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
        let destination = ip(destination);
        let builder = PacketBuilder::ethernet2(self.mac, mac_of(destination))
            .ipv6(self.address.octets(), destination.octets(), 1)
            .udp(source_port, destination_port);
        let mut frame = Vec::new();
        builder.write(&mut frame, payload).expect("a frame");
        frame
    }

    /// A TCP segment of these flags (FIN 1, SYN 2, RST 4, ACK 16), numbered `sequence` and acknowledging 900.
    pub fn tcp(
        &self,
        destination: &str,
        destination_port: u16,
        flags: u8,
        sequence: u32,
        data: &[u8],
    ) -> Vec<u8> {
        let destination = ip(destination);
        let mut header = etherparse::TcpHeader::new(40_000, destination_port, sequence, 4096);
        header.acknowledgment_number = 900;
        (header.fin, header.syn) = (flags & 1 != 0, flags & 2 != 0);
        (header.rst, header.ack) = (flags & 4 != 0, flags & 16 != 0);
        let builder = PacketBuilder::ethernet2(self.mac, mac_of(destination))
            .ipv6(self.address.octets(), destination.octets(), 64)
            .tcp_header(header);
        let mut frame = Vec::new();
        builder.write(&mut frame, data).expect("a frame");
        frame
    }

    /// A DHCPv6 message to ff02::1:2 from port 546.
    pub fn dhcp(&self, kind: u8, options: &[u8]) -> Vec<u8> {
        self.udp("ff02::1:2", 546, 547, &message(kind, options))
    }

    /// A Router Solicitation with its source link-layer address.
    pub fn rs(&self) -> Vec<u8> {
        self.icmp("ff02::2", 255, 133, 0, &[&[0, 0, 0, 0, 1, 1], self.mac.as_slice()].concat())
    }

    /// A Neighbor Solicitation to the target's solicited-node group, with its source link-layer address.
    pub fn ns(&self, target: &str) -> Vec<u8> {
        let group = ip6::solicited_node(ip(target)).to_string();
        let body = [&[0; 4], ip(target).octets().as_slice(), &[1, 1], &self.mac].concat();
        self.icmp(&group, 255, 135, 0, &body)
    }
}

/// The Ethernet address that a host would send to.
fn mac_of(destination: Ipv6Addr) -> [u8; 6] {
    if destination.is_multicast() { ip6::group_mac(destination).0 } else { ROUTER_MAC }
}

/// A DHCPv6 message with the transaction id 85680b of the OpenStack capture.
pub fn message(kind: u8, options: &[u8]) -> Vec<u8> {
    [&[kind, 0x85, 0x68, 0x0b], options].concat()
}

/// One DHCPv6 option.
pub fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a short option");
    [code.to_be_bytes().as_slice(), &length.to_be_bytes(), value].concat()
}

pub fn client_id(guest: &Guest) -> Vec<u8> {
    option(1, &guest.duid())
}

pub fn server_id() -> Vec<u8> {
    option(2, &SERVER_ID)
}

pub fn oro(codes: &[u16]) -> Vec<u8> {
    option(6, &codes.iter().flat_map(|c| c.to_be_bytes()).collect::<Vec<_>>())
}

/// An IA_NA with T1 3600 and T2 5400, as dnsmasq's clients send them, and the addresses it names.
pub fn ia_na(iaid: u32, addresses: &[&str]) -> Vec<u8> {
    let inner = addresses.iter().flat_map(|a| {
        option(5, &[ip(a).octets().as_slice(), &7200_u32.to_be_bytes(), &7500_u32.to_be_bytes()].concat())
    });
    ia(3, iaid, &inner.collect::<Vec<_>>())
}

/// An IA_PD and the prefixes it names.
pub fn ia_pd(iaid: u32, prefixes: &[(&str, u8)]) -> Vec<u8> {
    let inner = prefixes.iter().flat_map(|(prefix, length)| {
        option(26, &[&[0; 8], [*length].as_slice(), &ip(prefix).octets()].concat())
    });
    ia(25, iaid, &inner.collect::<Vec<_>>())
}

fn ia(code: u16, iaid: u32, inner: &[u8]) -> Vec<u8> {
    let fixed = [iaid.to_be_bytes(), 3600_u32.to_be_bytes(), 5400_u32.to_be_bytes()].concat();
    option(code, &[fixed.as_slice(), inner].concat())
}
