//! Neighbor Solicitation → Neighbor Advertisement for our own addresses (RFC 4861 §7.2.4).
//!
//! Only addresses of ours are ever answered for: answering a guest's probe for its own address would make it drop that
//! address (ND-003). No neighbour cache is kept.

use std::net::Ipv6Addr;

use super::guard::{Asker, check_on_link};
use super::{AnswerKind, Outcome, Reason, Trace};
use crate::lease::Relay;
use crate::lease::record::NETWORK_IS_ROUTER;
use crate::types::limits::MIN_MTU;
use crate::types::{MacAddr, ip6};
use crate::wire::envelope::{Envelope, Layer, Open};
use crate::wire::frame::Frame;
use crate::wire::ndp::{NEIGHBOR_ADVERTISEMENT, NeighborSolicitation, SourceLinkLayer, TARGET_LINK_LAYER};

/// The first 16 bits of groups of link scope (RFC 4291 §2.7).
const LINK_SCOPE_GROUP: u16 = 0xff02;

const ROUTER: u32 = 0x8000_0000;
const SOLICITED: u32 = 0x4000_0000;
const OVERRIDE: u32 = 0x2000_0000;

pub(super) fn answer<T: Trace>(asker: &Asker<'_, '_>, out: &mut [u8], trace: &mut T) -> Outcome {
    let frame = asker.frame;
    check_on_link(frame)?;
    let solicitation = NeighborSolicitation::parse(frame.message).map_err(|_| Reason::BadNd)?;
    let probe = frame.source.is_unspecified();
    check_probe(frame, &solicitation)?;
    if !asker.is_ours(solicitation.target) {
        return Err(Reason::NotOurAddress);
    }
    asker.check_link_layer(solicitation.source_link_layer)?;
    if !probe && !asker.is_its_address() {
        return Err(Reason::BadSource);
    }
    // Neighbors are on the link, and so are the groups that reach them.
    let [scope, ..] = frame.destination.segments();
    if scope != LINK_SCOPE_GROUP && !asker.is_ours(frame.destination) {
        return Err(Reason::BadDestination);
    }
    // RFC 4861 §7.2.4: S only to one who has an address; a probe is answered to all nodes, which defends the address.
    let (destination, solicited) = if probe { (ip6::ALL_NODES, 0) } else { (frame.source, SOLICITED) };
    let router = if asker.network.has(NETWORK_IS_ROUTER) { ROUTER } else { 0 };
    trace.note(|| {
        let rule = if probe {
            "a DAD probe for an address of ours (ND-012)"
        } else {
            "asked by a neighbour (ND-005)"
        };
        format!("RFC 4861 §7.2.4: {rule}; {} is at {}", solicitation.target, asker.network.router_mac())
    });
    let open = asker.open(out, solicitation.target, destination, Layer::Icmp6)?;
    advertise(open, router | solicited | OVERRIDE, solicitation.target, asker.network.router_mac())
}

/// Answers a relay that looks for our server addresses; `None` when it looks for something else.
pub(super) fn for_relay<T: Trace>(
    relay: &Relay<'_>,
    frame: &Frame<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Option<Outcome> {
    let solicitation = NeighborSolicitation::parse(frame.message).ok()?;
    let ours = |address: Ipv6Addr| {
        address == relay.server_link_local() || relay.server_addresses().contains(&address.octets())
    };
    if !ours(solicitation.target) {
        return None;
    }
    trace.note(|| {
        let (target, mac) = (solicitation.target, relay.server_mac());
        format!("RFC 4861 §7.2.4: a relay looks for our address {target}; it is at {mac}")
    });
    Some(advertise_to_relay(relay, frame, &solicitation, ours, out))
}

fn advertise_to_relay(
    relay: &Relay<'_>,
    frame: &Frame<'_>,
    solicitation: &NeighborSolicitation,
    ours: impl Fn(Ipv6Addr) -> bool,
    out: &mut [u8],
) -> Outcome {
    check_on_link(frame)?;
    let probe = frame.source.is_unspecified();
    check_probe(frame, solicitation)?;
    if ours(frame.source) {
        return Err(Reason::BadSource);
    }
    if !frame.destination.is_multicast() && !ours(frame.destination) {
        return Err(Reason::BadDestination);
    }
    let (destination, solicited) = if probe { (ip6::ALL_NODES, 0) } else { (frame.source, SOLICITED) };
    let envelope = Envelope {
        source_mac: relay.server_mac(),
        destination_mac: frame.source_mac,
        vlan: frame.vlan,
        source: solicitation.target,
        destination,
        mtu: MIN_MTU,
    };
    let open = envelope.open(out, Layer::Icmp6)?;
    // We are no router there (RFC 4861 §4.4).
    advertise(open, solicited | OVERRIDE, solicitation.target, relay.server_mac())
}

/// RFC 4861 §7.1.1: a probe goes to a solicited-node group and has no source link-layer address.
fn check_probe(frame: &Frame<'_>, solicitation: &NeighborSolicitation) -> Result<(), Reason> {
    let lawful = ip6::is_solicited_node(frame.destination)
        && solicitation.source_link_layer == SourceLinkLayer::Absent;
    if frame.source.is_unspecified() && !lawful { Err(Reason::BadNd) } else { Ok(()) }
}

fn advertise(mut open: Open<'_>, flags: u32, target: Ipv6Addr, mac: MacAddr) -> Outcome {
    let message = open.message();
    message.put(&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0])?;
    message.u32(flags)?;
    message.put(&target.octets())?;
    message.put(&[TARGET_LINK_LAYER, 1])?;
    message.put(&mac.0)?;
    Ok((AnswerKind::NeighborAdvertisement, open.seal()?))
}
