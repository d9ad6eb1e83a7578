//! The envelope of an answer: Ethernet, VLAN tag, IPv6 and UDP, TCP or ICMPv6 around a message.
//!
//! An [`Open`] answer has no length to be sent with; [`Open::seal`] fills in lengths and checksum and gives it. The
//! buffer is cut to the link's MTU first, so an answer that would not fit cannot be written.

use std::net::Ipv6Addr;

use zerocopy::network_endian::U16;
use zerocopy::{Immutable, IntoBytes, Unaligned};

use super::checksum::addresses_and_message;
use super::frame::{ETHERTYPE_IPV6, ETHERTYPE_VLAN, ICMP6, Ipv6Header, TCP, UDP};
use super::writer::{Full, Writer};
use crate::types::MacAddr;

/// Hop limit of every answer: what Neighbor Discovery demands (RFC 4861 §4.2, §4.4) and link-local DHCPv6 bears.
pub const HOP_LIMIT: u8 = 255;

const IPV6_HEADER: usize = size_of::<Ipv6Header>();
/// Octets of the IPv6 header before its addresses.
const ADDRESSES: usize = 8;

/// From whom to whom an answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope {
    /// Ethernet source.
    pub source_mac: MacAddr,
    /// Ethernet destination.
    pub destination_mac: MacAddr,
    /// VLAN id of the tag to write; 0 for none.
    pub vlan: u16,
    /// IPv6 source.
    pub source: Ipv6Addr,
    /// IPv6 destination.
    pub destination: Ipv6Addr,
    /// Octets of the largest IPv6 packet that may go out.
    pub mtu: u32,
}

/// The upper layer of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// ICMPv6: the message starts with type and code, its checksum field is written as zero.
    Icmp6,
    /// UDP between these ports; the message is the payload.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// TCP: the message is the whole segment, its checksum field written as zero.
    Tcp,
}

/// An answer whose message is being written.
#[derive(Debug)]
pub struct Open<'b> {
    out: Writer<'b>,
    ip: usize,
    layer: Layer,
}

/// An EtherType and the IPv6 header behind it.
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct Ipv6 {
    ethertype: U16,
    header: Ipv6Header,
}

impl Envelope {
    /// Writes the headers into `buffer`.
    ///
    /// # Errors
    /// [`Full`] when the buffer does not hold them.
    #[inline]
    pub fn open<'b>(&self, buffer: &'b mut [u8], layer: Layer) -> Result<Open<'b>, Full> {
        let ip = if self.vlan == 0 { 14_usize } else { 18 };
        let mtu = usize::try_from(self.mtu).unwrap_or(usize::MAX);
        let end = buffer.len().min(ip.saturating_add(mtu));
        let mut out = Writer::new(buffer.get_mut(..end).ok_or(Full)?);
        // One by one: both together would be read as one right after they were written as two.
        out.put(&self.destination_mac.0)?;
        out.put(&self.source_mac.0)?;
        if self.vlan != 0 {
            out.u16(ETHERTYPE_VLAN)?;
            out.u16(self.vlan)?;
        }
        let header = Ipv6Header {
            version: [0x60, 0, 0, 0],
            payload_length: U16::ZERO,
            next_header: layer.next_header(),
            hop_limit: HOP_LIMIT,
            source: self.source.octets(),
            destination: self.destination.octets(),
        };
        out.put(Ipv6 { ethertype: ETHERTYPE_IPV6.into(), header }.as_bytes())?;
        if let Layer::Udp { source, destination } = layer {
            let [source, destination] = [source, destination].map(U16::new);
            out.put([source, destination, U16::ZERO, U16::ZERO].as_bytes())?;
        }
        Ok(Open { out, ip, layer })
    }
}

impl Layer {
    const fn next_header(self) -> u8 {
        match self {
            Self::Icmp6 => ICMP6,
            Self::Udp { .. } => UDP,
            Self::Tcp => TCP,
        }
    }

    /// Where in the message its checksum is (RFC 4443 §2.1, RFC 768, RFC 9293 §3.1).
    const fn checksum_offset(self) -> usize {
        match self {
            Self::Icmp6 => 2,
            Self::Udp { .. } => 6,
            Self::Tcp => 16,
        }
    }
}

impl<'b> Open<'b> {
    /// Where the message is written.
    pub fn message(&mut self) -> &mut Writer<'b> {
        &mut self.out
    }

    /// Fills in lengths and checksum, once; the octets of the whole frame.
    ///
    /// # Errors
    /// [`Full`] when the message is shorter than its own header or longer than IPv6 allows.
    // Not a call, and nothing is moved: what is moved waits for what was just stored.
    #[inline(always)]
    pub fn seal(&mut self) -> Result<usize, Full> {
        let packet = self.out.written_mut().get_mut(self.ip..).ok_or(Full)?;
        let message = packet.len().checked_sub(IPV6_HEADER).ok_or(Full)?;
        let length = u16::try_from(message).map_err(|_| Full)?;
        let is_udp = matches!(self.layer, Layer::Udp { .. });
        // A length that is only written afterwards: the sum would wait for what was just stored.
        let unwritten = if is_udp { length } else { 0 };
        let summed = packet.get(ADDRESSES..).ok_or(Full)?;
        let sum = match addresses_and_message(summed, self.layer.next_header(), unwritten) {
            // It would mean "none", which IPv6 forbids (RFC 8200 §8.1).
            0 if is_udp => 0xffff,
            sum => sum,
        };
        put(packet, 4, length)?;
        if is_udp {
            put(packet, IPV6_HEADER + 4, length)?;
        }
        put(packet, IPV6_HEADER.saturating_add(self.layer.checksum_offset()), sum)?;
        Ok(self.out.len())
    }
}

/// Writes a field of 16 bits at an offset.
#[inline]
fn put(packet: &mut [u8], offset: usize, value: u16) -> Result<(), Full> {
    let (_, field) = packet.split_at_mut_checked(offset).ok_or(Full)?;
    *field.first_chunk_mut().ok_or(Full)? = value.to_be_bytes();
    Ok(())
}
