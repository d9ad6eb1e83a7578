//! A guest's TCP segment on its way from the packet thread to the guest's stack.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::lease::{LeaseTable, PortId};
use crate::types::MacAddr;
use crate::wire::frame::{Frame, TCP};

/// Octets of an IPv6 header.
const HEADER: usize = 40;

/// One segment to a service address, from a guest that is known and may use its source address; its checksum is right
/// as far as that can be known.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Number of the device that it came in on.
    pub device: u32,
    /// VLAN id of its frame, 0 for untagged.
    pub vlan: u16,
    /// Source MAC of its frame.
    pub mac: MacAddr,
    /// The table that the guest was found in.
    pub table: Arc<LeaseTable>,
    /// The guest's port in that table.
    pub port: PortId,
    /// IPv6 header without extensions, and the TCP segment.
    packet: Box<[u8]>,
}

impl Segment {
    /// Takes a segment out of a frame. Extension headers stay behind: they have been judged.
    #[must_use]
    pub fn new(device: u32, frame: &Frame<'_>, table: &Arc<LeaseTable>, port: PortId) -> Self {
        let mut packet = Vec::with_capacity(HEADER.saturating_add(frame.message.len()));
        let length = u16::try_from(frame.message.len()).unwrap_or(u16::MAX).to_be_bytes();
        packet.extend_from_slice(&[0x60, 0, 0, 0]);
        packet.extend_from_slice(&length);
        packet.extend_from_slice(&[TCP, frame.hop_limit]);
        packet.extend_from_slice(&frame.source.octets());
        packet.extend_from_slice(&frame.destination.octets());
        packet.extend_from_slice(frame.message);
        let (vlan, mac, table) = (frame.vlan, frame.source_mac, Arc::clone(table));
        Self { device, vlan, mac, table, port, packet: packet.into_boxed_slice() }
    }

    /// The whole packet: an IPv6 header of 40 octets and the segment.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// The TCP segment.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        self.packet.get(HEADER..).unwrap_or_default()
    }

    /// IPv6 source.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        self.address(8)
    }

    /// IPv6 destination.
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        self.address(24)
    }

    fn address(&self, at: usize) -> Ipv6Addr {
        let octets = self.packet.get(at..).and_then(<[u8]>::first_chunk::<16>);
        octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from_octets(*octets))
    }
}
