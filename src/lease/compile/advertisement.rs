//! The Router Advertisement of a network, built once.

use std::net::Ipv6Addr;

use crate::lease::source::Network;
use crate::types::Lifetime;
use crate::wire::ndp::advertisement as ra;
use crate::wire::{Full, Writer};

/// Octets that an RA is built in: far more than any link carries, so that the check can say how much too long it is.
const ROOM: usize = 1 << 16;

/// The RA from its ICMPv6 type to its last option, checksum zero; empty when the network is advertised by somebody else.
///
/// # Errors
/// [`Full`] when one option would be longer than its length field can say.
pub(in crate::lease) fn advertisement(network: &Network) -> Result<Vec<u8>, Full> {
    if !network.advertises() {
        return Ok(Vec::new());
    }
    let mut buffer = vec![0; ROOM];
    let mut out = Writer::new(&mut buffer);
    let router = network.router.as_ref();
    ra::header(
        &mut out,
        &ra::Header {
            hop_limit: network.hop_limit(),
            managed: network.managed(),
            other: network.other(),
            preference: router.map(|r| r.preference).unwrap_or_default(),
            router_lifetime: network.router_lifetime(),
            reachable_time: router.map_or(0, |r| r.reachable_time),
            retrans_timer: router.map_or(0, |r| r.retrans_timer),
        },
    )?;
    ra::source_link_layer(&mut out, network.answer_mac())?;
    if let Some(mtu) = network.mtu {
        ra::mtu(&mut out, mtu)?;
    }
    prefixes(&mut out, network)?;
    for route in &network.routes {
        let lifetime = route.lifetime.unwrap_or(Lifetime(network.router_lifetime().into()));
        let destination: Ipv6Addr = route.destination.addr();
        ra::route(&mut out, destination, route.destination.prefix_len(), route.preference, lifetime)?;
    }
    let lifetime = network.advertised_lifetime();
    if let Some(servers) = network.options.dns_nameservers.as_deref().filter(|s| !s.is_empty()) {
        ra::dns_servers(&mut out, lifetime, servers)?;
    }
    if let Some(domains) = network.options.dns_domains.as_deref().filter(|d| !d.is_empty()) {
        ra::dns_search_list(&mut out, lifetime, domains)?;
    }
    if let Some(nat64) = network.nat64_prefix {
        ra::nat64(&mut out, nat64.addr(), nat64.prefix_len(), lifetime)?;
    }
    if let Some(uri) = &network.options.captive_portal {
        ra::captive_portal(&mut out, uri)?;
    }
    Ok(out.written().to_vec())
}

/// RA-034, RA-035: L is always set, A where hosts make their own address.
fn prefixes(out: &mut Writer<'_>, network: &Network) -> Result<(), Full> {
    for subnet in &network.subnets {
        let Some(mode) = subnet.ra_mode else { continue };
        let prefix = ra::Prefix {
            prefix: subnet.cidr.addr(),
            length: subnet.cidr.prefix_len(),
            on_link: true,
            autonomous: mode.is_autonomous(),
            valid: network.valid_lifetime(),
            preferred: network.preferred_lifetime(),
        };
        ra::prefix(out, &prefix)?;
    }
    Ok(())
}
