//! Reads what servers and routers say, fast and without trust: a few bounded steps, no copies, no panic.
//!
//! Not the `wire` room's reader, so that each side checks the other; its tests hold it against `dhcproto`.

use std::net::Ipv6Addr;

use etherparse::checksum::Sum16BitWords;

use super::message::INTERFACE_ID;
use super::report::Wrong;
use super::workload::Flags;
use crate::engine::Checksum;
use crate::types::MacAddr;

/// A frame of a protocol that guests hear.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    pub(super) to: MacAddr,
    pub(super) from: MacAddr,
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    /// What is wrong with its envelope.
    pub(super) fault: Option<Wrong>,
    pub(super) said: Said<'a>,
}

#[derive(Debug)]
pub(super) enum Said<'a> {
    RouterAdvertisement(Flags),
    /// Target, and whether it is solicited.
    NeighborAdvertisement(Ipv6Addr, bool),
    /// Target.
    NeighborSolicitation(Ipv6Addr),
    Dhcp(Message<'a>),
    /// Peer-address and the message inside.
    Relayed(Ipv6Addr, Message<'a>),
    /// Octets that are none of these although they should be.
    Garbled,
}

/// A DHCPv6 message to a client.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) xid: [u8; 3],
    pub(super) client: Option<&'a [u8]>,
    pub(super) server: Option<&'a [u8]>,
    pub(super) status: u16,
    pub(super) addresses: Option<Association<'a>>,
    pub(super) prefixes: Option<Association<'a>>,
}

/// The first IA_NA or IA_PD of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Association<'a> {
    pub(super) iaid: [u8; 4],
    pub(super) status: u16,
    options: &'a [u8],
}

pub(super) const ADVERTISE: u8 = 2;
pub(super) const REPLY: u8 = 7;
const RELAY_REPLY: u8 = 13;

const IPV6: usize = 40;
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Octets of a relay's header before its options (RFC 9915 §9).
const RELAY_HEADER: usize = 34;

/// Option codes of RFC 9915 §21.
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_ADDRESS: u16 = 5;
const RELAY_MESSAGE: u16 = 9;
const STATUS: u16 = 13;
const INTERFACE: u16 = 18;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;

/// Reads a frame whose VLAN tag, if it had one, was taken out; `None` for what is none of our business.
pub(super) fn read(octets: &[u8], checksum: Checksum) -> Option<Heard<'_>> {
    let (to, rest) = octets.split_first_chunk::<6>()?;
    let (from, rest) = rest.split_first_chunk::<6>()?;
    let (ethertype, packet) = rest.split_first_chunk::<2>()?;
    let (header, behind) = packet.split_first_chunk::<IPV6>()?;
    if *ethertype != ETHERTYPE_IPV6 || header[0] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let (next, hops) = (header[6], header[7]);
    // Behind the packet there may be padding of Ethernet.
    let upper = behind.get(..length)?;
    let (said, hop_limit) = match next {
        ICMPV6 => (neighbor_discovery(upper)?, Some(255)),
        UDP => (dhcp(upper)?, None),
        _ => return None,
    };
    let fault = if hop_limit.is_some_and(|limit| hops != limit) {
        Some(Wrong::HopLimit)
    } else if checksum == Checksum::Unknown && !sums_up(packet.get(8..IPV6)?, next, upper) {
        Some(Wrong::Checksum)
    } else {
        None
    };
    let address = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
        Some(octets.into())
    };
    Some(Heard {
        to: MacAddr(*to),
        from: MacAddr(*from),
        source: address(8)?,
        destination: address(24)?,
        fault,
        said,
    })
}

/// A sum over everything, the checksum included, is zero in ones' complement when it is right (RFC 1071 §1).
fn sums_up(addresses: &[u8], next: u8, upper: &[u8]) -> bool {
    let Ok(length) = u32::try_from(upper.len()) else { return false };
    let mut sum = Sum16BitWords::new().add_slice(addresses);
    sum.add_4bytes(length.to_be_bytes()).add_2bytes([0, next]).add_slice(upper).ones_complement() == 0
}

fn neighbor_discovery(message: &[u8]) -> Option<Said<'_>> {
    let (head, body) = message.split_first_chunk::<8>()?;
    let target = body.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets));
    Some(match (head[0], target) {
        (134, _) => match body.get(8..) {
            Some(options) if head[1] == 0 && are_nd_options(options) => {
                Said::RouterAdvertisement(match head[5] & 0xc0 {
                    0 => Flags::Neither,
                    0x40 => Flags::Other,
                    _ => Flags::Managed,
                })
            }
            _ => Said::Garbled,
        },
        (135, Some(target)) => Said::NeighborSolicitation(target),
        (136, Some(target)) if body.get(16..).is_some_and(are_nd_options) => {
            Said::NeighborAdvertisement(target, head[4] & 0x40 != 0)
        }
        (135 | 136, _) => Said::Garbled,
        _ => return None,
    })
}

/// Options whose lengths, in units of eight octets, are not zero and fit (RFC 4861 §4.6).
fn are_nd_options(mut octets: &[u8]) -> bool {
    while let Some(length) = octets.get(1) {
        match octets.get(usize::from(*length) * 8..) {
            Some(rest) if *length > 0 => octets = rest,
            _ => return false,
        }
    }
    octets.is_empty()
}

fn dhcp(datagram: &[u8]) -> Option<Said<'_>> {
    let (head, _) = datagram.split_first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let Some(message) = datagram.get(8..length) else { return Some(Said::Garbled) };
    match u16::from_be_bytes([head[2], head[3]]) {
        546 => Some(message_of(message).map_or(Said::Garbled, Said::Dhcp)),
        // To servers too: only what a server sends to a relay is for us.
        547 if message.first() == Some(&RELAY_REPLY) => Some(relayed(message).unwrap_or(Said::Garbled)),
        _ => None,
    }
}

fn relayed(message: &[u8]) -> Option<Said<'_>> {
    let (header, rest) = message.split_first_chunk::<RELAY_HEADER>()?;
    let peer: [u8; 16] = header.last_chunk::<16>().copied()?;
    let (mut inside, mut interface) = (None, None);
    for option in Options(rest) {
        match option? {
            (RELAY_MESSAGE, data) => inside = Some(data),
            (INTERFACE, data) => interface = Some(data),
            _ => {}
        }
    }
    // The relay could not send it on without the Interface-Id that it wrote (RFC 9915 §19.3).
    if interface != Some(INTERFACE_ID) {
        return None;
    }
    Some(Said::Relayed(peer.into(), message_of(inside?)?))
}

fn message_of(octets: &[u8]) -> Option<Message<'_>> {
    let ([kind, xid @ ..], rest) = octets.split_first_chunk::<4>()?;
    let mut message = Message { kind: *kind, xid: *xid, ..Message::default() };
    for option in Options(rest) {
        match option? {
            (CLIENT_ID, data) => message.client = Some(data),
            (SERVER_ID, data) => message.server = Some(data),
            (STATUS, data) => message.status = u16::from_be_bytes(*data.first_chunk()?),
            (IA_NA, data) if message.addresses.is_none() => message.addresses = Some(association(data)?),
            (IA_PD, data) if message.prefixes.is_none() => message.prefixes = Some(association(data)?),
            _ => {}
        }
    }
    Some(message)
}

fn association(data: &[u8]) -> Option<Association<'_>> {
    let (head, options) = data.split_first_chunk::<12>()?;
    let mut status = 0;
    for option in Options(options) {
        match option? {
            (STATUS, data) => status = u16::from_be_bytes(*data.first_chunk()?),
            (IA_ADDRESS, data) if data.len() < 24 => return None,
            (IA_PREFIX, data) if data.len() < 25 => return None,
            _ => {}
        }
    }
    Some(Association { iaid: *head.first_chunk()?, status, options })
}

impl<'a> Association<'a> {
    /// The addresses of an IA_NA.
    pub(super) fn addresses(&self) -> impl Iterator<Item = [u8; 16]> + use<'a> {
        let of = |(code, data): (u16, &'a [u8])| (code == IA_ADDRESS).then(|| data.first_chunk().copied());
        Options(self.options).flatten().filter_map(of).flatten()
    }

    /// The prefixes of an IA_PD and their lengths.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = ([u8; 16], u8)> + use<'a> {
        let of = |(code, data): (u16, &'a [u8])| {
            let data = data.get(8..).filter(|_| code == IA_PREFIX)?;
            let (length, prefix) = data.split_first()?;
            Some((*prefix.first_chunk()?, *length))
        };
        Options(self.options).flatten().filter_map(of)
    }
}

/// Options one after the other; one that claims more octets than there are is `None`, and the last.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let Some(([a, b, c, d], rest)) = rest.split_first_chunk::<4>() else { return Some(None) };
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        let Some((data, rest)) = rest.split_at_checked(length) else { return Some(None) };
        self.0 = rest;
        Some(Some((u16::from_be_bytes([*a, *b]), data)))
    }
}

#[cfg(test)]
mod tests;
