//! One validated look at a received frame: Ethernet, one VLAN tag, IPv6, bounded extension headers, upper layer.
//!
//! To read before editing: RFC 8200 §3, §4; RFC 6980 §5; RFC 7112. Checksums and identity are not looked at here.

use std::net::Ipv6Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

use super::checksum::{Checksum, upper_layer};
use super::reader::{Reader, Short};
use crate::types::MacAddr;
use crate::types::limits::{MAX_EXTENSION_HEADERS, MAX_FRAME};

/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// EtherType of an IEEE 802.1Q tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// EtherType of an IEEE 802.1ad service tag.
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;
/// Next Header of TCP.
pub const TCP: u8 = 6;
/// Next Header of UDP.
pub const UDP: u8 = 17;
/// Next Header of ICMPv6.
pub const ICMP6: u8 = 58;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// A frame whose lengths are true.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Ethernet destination.
    pub destination_mac: MacAddr,
    /// Ethernet source: who the guest is.
    pub source_mac: MacAddr,
    /// VLAN id, 0 for untagged (a priority tag has VID 0).
    pub vlan: u16,
    /// IPv6 source.
    pub source: Ipv6Addr,
    /// IPv6 destination.
    pub destination: Ipv6Addr,
    /// IPv6 hop limit as received.
    pub hop_limit: u8,
    /// A Fragment header was there; the packet is whole all the same (RFC 6946: an atomic fragment).
    pub atomic_fragment: bool,
    /// Protocol number of `message`.
    pub next_header: u8,
    /// The upper-layer message, without Ethernet padding.
    pub message: &'a [u8],
}

/// Why octets are no frame that could be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not IPv6, or a protocol that is not spoken here.
    NotOurs,
    /// Shorter than its headers claim.
    Truncated,
    /// Longer than [`MAX_FRAME`].
    Oversized,
    /// A second VLAN tag.
    StackedVlan,
    /// A service tag (IEEE 802.1ad): of a network that we are not on.
    ForeignTag,
    /// Source MAC is a group address or zero (IP-002).
    BadSourceMac,
    /// Version, payload length or source address that cannot be.
    BadIpv6,
    /// A chain that is too long, broken or out of order.
    BadExtensionHeader,
    /// A real fragment.
    Fragment,
}

impl From<Short> for Refusal {
    fn from(_: Short) -> Self {
        Self::Truncated
    }
}

impl<'a> Frame<'a> {
    /// Reads a frame. `vlan` is the id of a tag that the kernel took out, 0 for none; `length` is the frame's length
    /// before a capture cut it.
    ///
    /// # Errors
    /// The first [`Refusal`] met from the outside in.
    // Not a call: what it returns is large, and a copy waits for what was just stored.
    #[inline(always)]
    pub fn parse(octets: &'a [u8], vlan: u16, length: usize) -> Result<Self, Refusal> {
        let mut reader = Reader::new(octets);
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, e0, e1] = reader.array()?;
        let destination_mac = MacAddr([d0, d1, d2, d3, d4, d5]);
        let source_mac = MacAddr([s0, s1, s2, s3, s4, s5]);
        let mut ethertype = u16::from_be_bytes([e0, e1]);
        let mut vid = vlan;
        // Two tags at most, and only where one of them gives nothing but a priority (VID 0): a kernel takes the outer one
        // out and says no more of it. Two networks in one frame are not ours to understand (SEC-015).
        for _ in 0..2 {
            if ethertype == ETHERTYPE_VLAN {
                let inner = reader.u16()? & 0x0fff;
                if vid != 0 && inner != 0 {
                    return Err(Refusal::StackedVlan);
                }
                vid = vid.max(inner);
                ethertype = reader.u16()?;
            }
        }
        match ethertype {
            ETHERTYPE_IPV6 => {}
            ETHERTYPE_VLAN => return Err(Refusal::StackedVlan),
            ETHERTYPE_SERVICE_VLAN if vid != 0 => return Err(Refusal::StackedVlan),
            ETHERTYPE_SERVICE_VLAN => return Err(Refusal::ForeignTag),
            _ => return Err(Refusal::NotOurs),
        }
        if length > MAX_FRAME {
            return Err(Refusal::Oversized);
        }
        if source_mac.is_group() || source_mac.is_zero() {
            return Err(Refusal::BadSourceMac);
        }
        Self::ipv6(reader, destination_mac, source_mac, vid)
    }

    #[inline(always)]
    fn ipv6(
        mut reader: Reader<'a>,
        destination_mac: MacAddr,
        source_mac: MacAddr,
        vlan: u16,
    ) -> Result<Self, Refusal> {
        let header: Ipv6Header = zerocopy::transmute!(reader.array::<{ size_of::<Ipv6Header>() }>()?);
        let [version, ..] = header.version;
        if version >> 4 != 6 {
            return Err(Refusal::BadIpv6);
        }
        let (first, hop_limit) = (header.next_header, header.hop_limit);
        let payload_length = usize::from(header.payload_length.get());
        let source = Ipv6Addr::from_octets(header.source);
        let destination = Ipv6Addr::from_octets(header.destination);
        // A payload length of 0 is a jumbogram or nothing at all (IP-008); neither is ours.
        if payload_length == 0 || source.is_multicast() {
            return Err(Refusal::BadIpv6);
        }
        // What lies behind the payload is Ethernet padding and is never read (IP-003).
        let payload = reader.take(payload_length)?;
        let chain = Chain::walk(first, payload)?;
        Ok(Self {
            destination_mac,
            source_mac,
            vlan,
            source,
            destination,
            hop_limit,
            atomic_fragment: chain.atomic_fragment,
            next_header: chain.next_header,
            message: chain.message,
        })
    }

    /// True when the upper-layer checksum is right as far as it can be known.
    #[must_use]
    pub fn is_checksum_right(&self, known: Checksum) -> bool {
        known != Checksum::Unknown
            || upper_layer(self.source, self.destination, self.next_header, self.message) == 0
    }
}

/// An IPv6 header (RFC 8200 §3).
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Ipv6Header {
    /// Version in the upper four bits, traffic class and flow label.
    pub(super) version: [u8; 4],
    pub(super) payload_length: U16,
    pub(super) next_header: u8,
    pub(super) hop_limit: u8,
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
}

struct Chain<'a> {
    next_header: u8,
    message: &'a [u8],
    atomic_fragment: bool,
}

impl<'a> Chain<'a> {
    #[inline(always)]
    fn walk(first: u8, payload: &'a [u8]) -> Result<Self, Refusal> {
        let mut chain = Self { next_header: first, message: payload, atomic_fragment: false };
        for position in 0..=MAX_EXTENSION_HEADERS {
            match chain.next_header {
                UDP | ICMP6 | TCP => return Ok(chain),
                // Hop-by-Hop stands only directly behind the IPv6 header (RFC 8200 §4.1).
                HOP_BY_HOP if position != 0 => return Err(Refusal::BadExtensionHeader),
                HOP_BY_HOP | DESTINATION_OPTIONS => chain.skip_options()?,
                // Type 0 is dropped everywhere (RFC 5095); the others have no business on a guest's link.
                ROUTING => return Err(Refusal::BadExtensionHeader),
                FRAGMENT => chain.skip_fragment()?,
                _ => return Err(Refusal::NotOurs),
            }
        }
        Err(Refusal::BadExtensionHeader)
    }

    fn skip_options(&mut self) -> Result<(), Refusal> {
        let mut reader = Reader::new(self.message);
        let broken = |_| Refusal::BadExtensionHeader;
        let next = reader.u8().map_err(broken)?;
        let units = reader.u8().map_err(broken)?;
        reader.take(usize::from(units).saturating_mul(8).saturating_add(6)).map_err(broken)?;
        *self = Self { next_header: next, message: reader.rest(), ..*self };
        Ok(())
    }

    fn skip_fragment(&mut self) -> Result<(), Refusal> {
        let mut reader = Reader::new(self.message);
        let [next, _, offset_high, offset_low, ..] =
            reader.array::<8>().map_err(|_| Refusal::BadExtensionHeader)?;
        // Offset and M flag zero: an atomic fragment, whole in itself (RFC 6946). Anything else cannot be answered
        // from one frame (IP-012).
        if u16::from_be_bytes([offset_high, offset_low]) & 0xfff9 != 0 || self.atomic_fragment {
            return Err(Refusal::Fragment);
        }
        *self = Self { next_header: next, message: reader.rest(), atomic_fragment: true };
        Ok(())
    }
}

/// A UDP datagram whose length is true.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Checksum field as received.
    pub checksum: u16,
    /// The octets behind the header.
    pub payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// Reads a UDP datagram; its length field must be the message's (IP-007).
    ///
    /// # Errors
    /// [`Short`] when header or length do not fit.
    #[inline]
    pub fn parse(message: &'a [u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(message);
        let source_port = reader.u16()?;
        let destination_port = reader.u16()?;
        let length = reader.u16()?;
        let checksum = reader.u16()?;
        if usize::from(length) != message.len() {
            return Err(Short);
        }
        Ok(Self { source_port, destination_port, checksum, payload: reader.rest() })
    }
}

/// The byte pre-test: false only for frames that [`Frame::parse`] and the answers would pass by. Never false for a
/// frame that could be answered, whatever its extension headers; costs a few nanoseconds.
#[must_use]
#[inline]
pub fn may_be_ours(octets: &[u8]) -> bool {
    let Some((head, _)) = octets.split_first_chunk::<14>() else { return false };
    match *head {
        [.., 0x86, 0xdd] => {
            // Next Header at octet 20; the first octet of the upper layer at 54.
            match octets.get(20) {
                Some(&ICMP6) => matches!(octets.get(54), Some(128 | 133..=137)),
                Some(&UDP) => matches!(octets.get(56..58), Some([0x02, 0x22 | 0x23])),
                Some(&TCP) => true,
                Some(&(HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS)) => true,
                _ => false,
            }
        }
        // A tag that is still inside: rare enough to be parsed.
        [.., 0x81, 0x00] => true,
        [.., 0x88, 0xa8] => true,
        _ => false,
    }
}
