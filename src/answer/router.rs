//! Router Solicitation → Router Advertisement (RFC 4861 §6.2.6), and the unsolicited one (§6.2.4).
//!
//! The advertisement was encoded when the table was compiled; only addresses and checksum differ from guest to guest.

use std::net::Ipv6Addr;

use super::guard::{Asker, check_on_link, envelope};
use super::{AnswerKind, Outcome, Reason, Trace};
use crate::lease::Port;
use crate::lease::record::NETWORK_ADVERTISES;
use crate::types::ip6;
use crate::wire::envelope::Layer;
use crate::wire::ndp::{self, RouterSolicitation};

pub(super) fn answer<T: Trace>(asker: &Asker<'_, '_>, out: &mut [u8], trace: &mut T) -> Outcome {
    let frame = asker.frame;
    check_on_link(frame)?;
    let solicitation = RouterSolicitation::parse(frame.message).map_err(|_| Reason::BadNd)?;
    asker.check_link_layer(solicitation.source_link_layer)?;
    if !frame.source.is_unspecified() && !asker.is_its_address() {
        return Err(Reason::BadSource);
    }
    // RFC 4861 §4.1: typically all routers; a router's own address and all nodes do no harm (RA-005).
    let to_us =
        [ip6::ALL_ROUTERS, ip6::ALL_NODES].contains(&frame.destination) || asker.is_ours(frame.destination);
    if !to_us {
        return Err(Reason::BadDestination);
    }
    if !asker.network.has(NETWORK_ADVERTISES) {
        return Err(Reason::NotAdvertising);
    }
    // RFC 4861 §6.2.6: to the asker, or to all nodes when it has no address yet (RA-008, RA-009).
    let destination = if frame.source.is_unspecified() { ip6::ALL_NODES } else { frame.source };
    let name = asker.network.name();
    trace.note(|| {
        format!(
            "RFC 4861 §6.2.6 (RA-008): the RA of networks.{name}, to {destination}; its header from \
             networks.{name}.router and the ipv6_ra_mode of its subnets"
        )
    });
    if T::READS {
        let options = asker.network.router_advertisement().get(16..).unwrap_or(&[]);
        for option in ndp::options(options).flatten() {
            trace.note(|| format!("RA option {} from networks.{name}.{}", option.kind, field(option.kind)));
        }
    }
    let length = advertisement(&asker.port, destination, 0, out)?;
    Ok((AnswerKind::RouterAdvertisement, length))
}

/// The field of the lease source that an option of an RA comes from.
const fn field(kind: u8) -> &'static str {
    match kind {
        1 => "router.mac_address",
        3 => "subnets: cidr, ipv6_ra_mode, and the network's lifetimes",
        5 => "mtu",
        24 => "routes",
        25 => "dns_nameservers",
        31 => "dns_domains",
        37 => "captive_portal",
        38 => "nat64_prefix",
        144 => "dnr",
        _ => "router",
    }
}

/// Writes the unsolicited RA of a port's network for that port alone: to ff02::1 inside, to the guest's MAC outside
/// (RFC 6085). An RA that would pass the MTU is several (RFC 4861 §6.2.3; RA-016); `part` counts them from 0. The length
/// of the frame; `None` when there is no such part, the network is advertised by somebody else, or `out` is too short.
#[must_use]
pub fn unsolicited(port: &Port<'_>, part: usize, out: &mut [u8]) -> Option<usize> {
    if !port.network().has(NETWORK_ADVERTISES) {
        return None;
    }
    advertisement(port, ip6::ALL_NODES, part, out).ok()
}

fn advertisement(
    port: &Port<'_>,
    destination: Ipv6Addr,
    part: usize,
    out: &mut [u8],
) -> Result<usize, Reason> {
    let network = port.network();
    let message = network.router_advertisements().nth(part).ok_or(Reason::NotAdvertising)?;
    let envelope = envelope(&network, port.mac(), network.router_link_local(), destination);
    let mut open = envelope.open(out, Layer::Icmp6)?;
    open.message().put(message)?;
    Ok(open.seal()?)
}
