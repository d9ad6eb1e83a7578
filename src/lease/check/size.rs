//! What must fit one packet: a DHCPv6 message has no second part, and an RA is not fragmented (RFC 4861 §6.2.3).

use crate::lease::allocate::address_subnets;
use crate::lease::compile::{self, TooLong};
use crate::lease::options::{Entry, entries};
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Network, Options, Port, Subnet};
use crate::types::limits::DUID_LENGTH;

/// Octets of the headers of IPv6 and UDP and of the DHCPv6 message.
const HEADERS: usize = 40 + 8 + 4;
/// Octets of an option's code and length.
const OPTION: usize = 4;
/// Octets of an IA_NA or IA_PD with its IAID, T1 and T2 (RFC 9915 §21.4, §21.21).
const IA: usize = OPTION + 12;
/// Octets of an address with its lifetimes (RFC 9915 §21.6).
const ADDRESS: usize = OPTION + 24;
/// Octets of a prefix with its lifetimes and length (RFC 9915 §21.22).
const PREFIX: usize = OPTION + 25;
/// Octets of what is excluded from a prefix, at most (RFC 6603 §4.2).
const EXCLUDE: usize = OPTION + 17;
/// Octets of Preference and Rapid Commit (RFC 9915 §21.8, §21.14).
const PREFERENCE_AND_RAPID_COMMIT: usize = OPTION + 1 + OPTION;
/// Octets of a Client FQDN's code, length and flags (RFC 4704 §4.1).
const FQDN: usize = OPTION + 1;

/// Says so when an option of the RA does not fit the link alone; several that do not fit together are several RAs.
pub(super) fn advertisement(network: &Network, out: &mut Findings) {
    let most = network.largest_answer();
    let Err(TooLong { field, octets }) = compile::advertisements(network) else { return };
    let length =
        octets.map_or_else(|| "more than 2040 octets in one option".to_owned(), |o| format!("{o} octets"));
    out.error(
        Field::network(&network.name).key(field),
        format!("a Router Advertisement with nothing else does not fit {most} octets"),
        length,
        "shorten it, or raise mtu",
    );
}

/// Octets of the longest packet that answers a port of this network: everything that it may ask for at once.
pub(super) struct Longest<'n> {
    network: &'n Network,
    /// Octets of what does not depend on the port.
    fixed: usize,
    /// Octets of the network's own options.
    options: Option<usize>,
}

impl<'n> Longest<'n> {
    /// For the ports of a network, answered by a server whose DUID has so many octets.
    pub(super) fn new(network: &'n Network, server_duid: usize) -> Self {
        let identifiers = OPTION + DUID_LENGTH.end() + OPTION + server_duid;
        let fixed = HEADERS + identifiers + PREFERENCE_AND_RAPID_COMMIT;
        Self { network, fixed, options: on_the_wire(network, None) }
    }

    /// Says so when the answer to a port does not fit.
    pub(super) fn check(&self, index: usize, port: &Port<'_>, out: &mut Findings) {
        let most = self.network.largest_answer();
        let assigned = |a: &&std::net::Ipv6Addr| self.network.subnet_of(**a).is_some_and(Subnet::is_assigned);
        let allocated = address_subnets(self.network, port).count();
        let addresses = match port.fixed_ips.iter().filter(assigned).count() + allocated {
            0 => 0,
            count => IA + count * ADDRESS,
        };
        let allocated = port.delegate.map_or(0, |delegate| delegate.count.into());
        let prefixes = match port.delegated_prefixes.len() + allocated {
            0 => 0,
            count => {
                let excludes = port.delegated_prefixes.iter().filter(|p| p.exclude.is_some()).count();
                IA + count * PREFIX + excludes * EXCLUDE
            }
        };
        let name = if port.hostname.is_empty() { 0 } else { FQDN + port.hostname.len() };
        let options = match port.options {
            None => self.options,
            own => on_the_wire(self.network, own),
        };
        let length = options.map(|options| self.fixed + addresses + prefixes + name + options);
        if length.is_none_or(|length| length > most) {
            let shown = length.map_or_else(|| "more than 65535".to_owned(), |length| length.to_string());
            out.error(
                Field::port(index),
                format!("the longest DHCPv6 answer does not fit {most} octets"),
                format!("{shown} octets"),
                "take out addresses, prefixes or options, or raise the network's mtu",
            );
        }
    }
}

/// Octets of a block's options in a message that has as many of them as one can; `None` when one is longer than an
/// option can be.
fn on_the_wire(network: &Network, own: Option<&Options>) -> Option<usize> {
    let block = compile::block(network, own).ok()?;
    let all: Vec<Entry<'_>> = entries(&block).collect();
    let longest = |same: &[Entry<'_>]| {
        let of = |conditional: bool| {
            same.iter().filter(move |e| e.is_conditional() == conditional).map(|e| e.wire.len())
        };
        of(true).max().unwrap_or(0).max(of(false).sum())
    };
    Some(all.chunk_by(|a, b| a.code == b.code).map(longest).sum())
}
