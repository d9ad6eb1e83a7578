//! Relay-forward → Relay-reply (RFC 9915 §19.3): who the client behind the relays is, and the way back to it.
//!
//! A relayed message is believed only from devices and addresses that the operator trusts as relays: on a guest's port it
//! could claim any MAC (RLY-001). The client's message is then answered exactly as a direct one, and silence inside is
//! silence outside (RLY-017).

use super::super::guard::Asker;
use super::super::{Outcome, Reason, Trace};
use crate::lease::{DeviceId, Identify, LeaseTable, PortId, Relay};
use crate::types::{MacAddr, ip6};
use crate::wire::Reader;
use crate::wire::dhcp6::{BadRelay, ClientMessage, RELAY_FORWARD, RelayChain, code};
use crate::wire::frame::{Frame, Udp};

/// The relays of the table, if this frame is a relayed message from one of them.
pub(in crate::answer) fn trusted<'t>(
    table: &'t LeaseTable,
    frame: &Frame<'_>,
    udp: &Udp<'_>,
    device: Option<DeviceId>,
) -> Option<Relay<'t>> {
    let relayed = udp.payload.first() == Some(&RELAY_FORWARD);
    table.relay().filter(|relay| relayed && relay.accepts(device, frame.source))
}

/// Answers a relayed message: the outcome, and the port of the client if it is known.
pub(in crate::answer) fn answer<T: Trace>(
    table: &LeaseTable,
    relay: &Relay<'_>,
    frame: &Frame<'_>,
    udp: &Udp<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> (Outcome, Option<PortId>) {
    // To all servers of the site, to all agents of the link (a relay on it), or to us (RFC 9915 §7.1; RLY-018).
    let to_us = [ip6::ALL_DHCP_SERVERS, ip6::ALL_DHCP_AGENTS].contains(&frame.destination)
        || relay.server_addresses().contains(&frame.destination.octets());
    if !to_us {
        return (Err(Reason::BadDestination), None);
    }
    let chain = match RelayChain::parse(udp.payload) {
        Ok(chain) => chain,
        Err(BadRelay::TooDeep) => return (Err(Reason::RelayTooDeep), None),
        Err(BadRelay::Malformed) => return (Err(Reason::BadRelay), None),
    };
    let port = match client(table, relay, &chain, trace) {
        Ok(port) => port,
        Err(reason) => return (Err(reason), None),
    };
    let Some(port) = table.port(port) else { return (Err(Reason::UnknownMac), None) };
    let asker = Asker { table, port, network: port.network(), frame, chain: Some(&chain) };
    let needs = super::kind(chain.message).and_then(super::validity);
    let outcome = needs.and_then(|needs| super::respond(&asker, needs, chain.message, out, trace));
    (outcome, Some(port.id()))
}

/// The port of the client: its network by the link-address closest to it, its MAC as the operator says that relays tell
/// it; never by an IPv6 source or an IAID (RLY-007, RLY-019, RLY-020).
fn client<T: Trace>(
    table: &LeaseTable,
    relay: &Relay<'_>,
    chain: &RelayChain<'_>,
    trace: &mut T,
) -> Result<PortId, Reason> {
    let link = chain.link().ok_or(Reason::RelayUnknownLink)?;
    let network = table.network_of_link(link).ok_or(Reason::RelayUnknownLink)?;
    let found = relay.identify().find_map(|way| identify(relay, chain, way).map(|mac| (way, mac)));
    let (way, mac) = found.ok_or(Reason::RelayUnidentified)?;
    trace.note(|| {
        let levels = chain.levels().len();
        format!("relayed through {levels} levels, link {link}: the client is {mac}, by its {way:?} (RLY-019, RLY-020)")
    });
    table.find_on(network, mac).ok_or(Reason::UnknownMac)
}

fn identify(relay: &Relay<'_>, chain: &RelayChain<'_>, way: Identify) -> Option<MacAddr> {
    match way {
        Identify::ClientLinkLayer => chain.client_link_layer(),
        Identify::RemoteId { enterprise, offset, text } => {
            let mut reader = Reader::new(chain.option(code::REMOTE_ID)?);
            let theirs = reader.u32().ok()? == enterprise;
            reader.take(offset).ok()?;
            let mac = if text { mac_in_text(reader.rest()) } else { reader.array().ok().map(MacAddr) };
            mac.filter(|_| theirs)
        }
        Identify::InterfaceId => relay.interface(chain.innermost().option(code::INTERFACE_ID)?),
        Identify::PeerAddress => ip6::mac_of_eui64(chain.innermost().peer),
        // The guest's own claim: good only where the operator says so, and then only for a DUID-LL of Ethernet.
        Identify::DuidLl => match ClientMessage::parse(chain.message).ok()?.client_id? {
            [0, 3, 0, 1, mac @ ..] => mac.try_into().ok().map(MacAddr),
            _ => None,
        },
    }
}

/// A MAC as switches write it: colons, hyphens or dots between its digits, or none.
fn mac_in_text(text: &[u8]) -> Option<MacAddr> {
    let mut mac = [0_u8; 6];
    let mut digits = 0_usize;
    for octet in text {
        let digit = match octet {
            b':' | b'-' | b'.' => continue,
            octet => char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok()),
        };
        let (Some(digit), Some(place)) = (digit, mac.get_mut(digits >> 1)) else { break };
        *place = *place << 4 | digit;
        digits = digits.saturating_add(1);
    }
    (digits == 12).then_some(MacAddr(mac))
}
