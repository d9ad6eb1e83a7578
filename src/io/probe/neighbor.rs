//! Address resolution: who answers for an address of the link (RFC 4861 §7.2).

use std::net::Ipv6Addr;

use super::envelope::{Heard, Speaker, nd};
use super::faults::Faults;
use crate::types::{MacAddr, ip6};

/// Name of the answer.
pub(super) const NA: &str = "Neighbor Advertisement";

/// Octets of the message before its options (RFC 4861 §4.4).
const HEADER: usize = 24;

/// Target Link-layer Address (RFC 4861 §4.6.1).
const TARGET_LINK_LAYER: u8 = 2;

/// Who has the address asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advert {
    pub(super) mac: MacAddr,
    /// O: takes the place of what was known before. Anycast addresses, which several may have, are told without it.
    pub(super) overrides: bool,
}

/// Asks all whose addresses end like `target` for its MAC (RFC 4861 §7.2.2).
pub(super) fn solicit(me: &Speaker, target: Ipv6Addr) -> Vec<u8> {
    let group = ip6::solicited_node(target);
    let [a, b, c, d, e, f] = me.mac.0;
    let body = [target.octets().as_slice(), &[1, 1, a, b, c, d, e, f]].concat();
    me.nd((ip6::group_mac(group), group), nd::NEIGHBOR_SOLICITATION, [0; 4], &body)
}

/// Reads a whole ICMPv6 message of type 136; `None` when it is about another address than `target`, or a host must
/// discard it (RFC 4861 §7.1.2), or it does not say a MAC.
pub(super) fn read(icmp: &[u8], heard: &Heard<'_>, target: Ipv6Addr, faults: &mut Faults) -> Option<Advert> {
    let (header, mut options) = icmp.split_first_chunk::<HEADER>()?;
    let [_, code, _, _, flags, _, _, _, about @ ..] = *header;
    if Ipv6Addr::from_octets(about) != target {
        return None;
    }
    let mut wrong = |what: String| faults.add(NA, "RFC 4861 §7.1.2", what);
    if heard.hop_limit != 255 {
        wrong(format!("its hop limit is {}, not 255", heard.hop_limit));
        return None;
    }
    if !heard.checksum_holds || code != 0 {
        wrong(if code == 0 { "its checksum is wrong".into() } else { format!("its code is {code}, not 0") });
        return None;
    }
    if flags & 0x40 != 0 && heard.destination.is_multicast() {
        wrong("it is solicited and goes to a group".into());
        return None;
    }
    let mut mac = None;
    while let [kind, units, ..] = *options {
        let split = options.split_at_checked(usize::from(units) * 8).filter(|_| units != 0);
        let Some((option, rest)) = split else {
            wrong(format!("option {kind} has a wrong length"));
            return None;
        };
        if kind == TARGET_LINK_LAYER {
            mac = option.get(2..).and_then(|octets| octets.try_into().ok()).map(MacAddr);
        }
        options = rest;
    }
    if mac.is_none() {
        faults.add(NA, "RFC 4861 §7.2.4", "it does not say the MAC of the address");
    }
    Some(Advert { mac: mac?, overrides: flags & 0x20 != 0 })
}
