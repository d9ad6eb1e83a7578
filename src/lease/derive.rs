//! What a source leaves open and the protocols need: defaults, derived identifiers, effective timers.
//!
//! Check and compile both ask here, so that what was checked is what is compiled.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use uuid::Uuid;

use super::record::{IDENTIFY_CLIENT_LINK_LAYER, IDENTIFY_PEER_ADDRESS};
use super::source::{Mode, Network, Relay, Source, Subnet};
use crate::types::limits::MAX_FRAME;
use crate::types::{Duid, Lifetime, MacAddr, ip6};

/// MTU of a link whose network gives none (RFC 2464 §2).
const DEFAULT_MTU: u32 = 1500;
const DEFAULT_VALID: Lifetime = Lifetime(86400);
const DEFAULT_PREFERRED: Lifetime = Lifetime(14400);
const DEFAULT_ROUTER_LIFETIME: u16 = 1800;
const DEFAULT_HOP_LIMIT: u8 = 64;
/// Longest pause between unsolicited RAs, in seconds (RFC 4861 §6.2.1).
const DEFAULT_ADVERTISE_MAX: u32 = 600;
/// Least MinRtrAdvInterval and MaxRtrAdvInterval, in seconds (RFC 4861 §6.2.1).
const LEAST_ADVERTISE_MIN: u32 = 3;
pub(super) const LEAST_ADVERTISE_MAX: u32 = 4;
/// Octets of Ethernet header and VLAN tag in a frame.
const LINK_HEADER: usize = 18;

/// The namespace of all derived identifiers: the version 5 UUID of `frontdesk` in the DNS namespace (RFC 9562 §5.5,
/// §6.6). Anybody can derive the same: `uuid5(uuid5(NAMESPACE_DNS, "frontdesk"), name)`.
fn namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"frontdesk")
}

/// The DUID-UUID of a cloud: the version 5 UUID of its name, the same on every hypervisor and for ever.
pub(super) fn server_duid(cloud: &str) -> Duid {
    Duid::from_uuid(*Uuid::new_v5(&namespace(), cloud.as_bytes()).as_bytes())
}

/// The MAC of answers on a network whose router is somebody else: 02 and the first five octets of the version 5 UUID of
/// `network:` and its name; locally administered, so that it is no vendor's.
fn derived_mac(network: &str) -> MacAddr {
    local_mac(&format!("network:{network}"))
}

/// The MAC of answers to relays in a table where nobody chose one: as that of a network, of the name `relay`. It stands
/// for the one of the host that answers, see [`host_relay_mac`].
pub(super) fn relay_mac() -> MacAddr {
    local_mac("relay")
}

/// The MAC of a host's answers to relays: as that of a network, of the name `relay:` and the host's identity.
pub(super) fn host_relay_mac(host: &str) -> MacAddr {
    local_mac(&format!("relay:{host}"))
}

fn local_mac(name: &str) -> MacAddr {
    let uuid = Uuid::new_v5(&namespace(), name.as_bytes());
    let [a, b, c, d, e, ..] = *uuid.as_bytes();
    MacAddr([0x02, a, b, c, d, e])
}

/// The range that a prefix must not overlap if hosts shall use its addresses (RFC 4291 §2.4).
pub(super) fn special_range(net: Ipv6Net) -> Option<&'static str> {
    let special = [
        ("unspecified address", Ipv6Addr::UNSPECIFIED, 128),
        ("loopback address", Ipv6Addr::LOCALHOST, 128),
        ("IPv4-mapped addresses", Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        ("link-local addresses", Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        ("multicast addresses", Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
    ];
    let overlaps = |prefix, length: u8| ip6::in_prefix(net.addr(), prefix, length.min(net.prefix_len()));
    special.into_iter().find(|(_, prefix, length)| overlaps(*prefix, *length)).map(|(name, ..)| name)
}

impl Source {
    /// True when relays may mean a network by a link-address.
    pub(super) fn is_relayed(&self, network: &Network) -> bool {
        network.relayed.unwrap_or(self.relay.is_some())
    }

    /// Addresses of a network that no guest may have: ours, those that relays send to, and the gateways of others.
    pub(super) fn taken_addresses(&self, network: &Network) -> Vec<Ipv6Addr> {
        let gateways = network.subnets.iter().filter_map(|subnet| subnet.gateway);
        let of_relays = self.relay.iter().flat_map(|relay| relay.server_addresses.iter().copied());
        network.own_addresses().into_iter().chain(gateways).chain(of_relays).collect()
    }
}

impl Relay {
    /// How clients are identified: as written, or by what only the relay can have written. The peer-address is the
    /// client's own source address, so it comes last.
    pub(super) fn ways(&self) -> &[u8] {
        if self.identify.is_empty() {
            return &[IDENTIFY_CLIENT_LINK_LAYER, IDENTIFY_PEER_ADDRESS];
        }
        &self.identify
    }
}

impl Network {
    /// The MAC that every answer comes from.
    pub(super) fn answer_mac(&self) -> MacAddr {
        let router = self.router.as_ref().and_then(|router| router.mac);
        router.unwrap_or_else(|| derived_mac(&self.name))
    }

    /// The link-local address that every answer comes from.
    pub(super) fn answer_address(&self) -> Ipv6Addr {
        let given = self.router.as_ref().and_then(|router| router.link_local);
        given.unwrap_or_else(|| ip6::link_local(self.answer_mac()))
    }

    /// Addresses that are answered for: the answers' own first, then gateways, then service addresses. The gateways of
    /// somebody else's router are his.
    pub(super) fn own_addresses(&self) -> Vec<Ipv6Addr> {
        let gateways = self.subnets.iter().filter_map(|s| s.gateway).filter(|_| self.router.is_some());
        let all = [self.answer_address()]
            .into_iter()
            .chain(gateways)
            .chain(self.metadata.services.iter().map(|s| s.address));
        let mut own = Vec::new();
        for address in all {
            if !own.contains(&address) {
                own.push(address);
            }
        }
        own
    }

    /// Octets of the largest IPv6 packet on the link.
    pub(super) fn link_mtu(&self) -> u32 {
        self.mtu.unwrap_or(DEFAULT_MTU)
    }

    /// Octets of the largest IPv6 packet that is answered with: the link's, and what a frame can hold.
    pub(super) fn largest_answer(&self) -> usize {
        usize::try_from(self.link_mtu()).unwrap_or(usize::MAX).min(MAX_FRAME - LINK_HEADER)
    }

    /// Seconds that the router is a default router.
    pub(super) fn router_lifetime(&self) -> u16 {
        self.router.as_ref().and_then(|router| router.lifetime).unwrap_or(DEFAULT_ROUTER_LIFETIME)
    }

    /// Hop limit for the hosts' packets.
    pub(super) fn hop_limit(&self) -> u8 {
        self.router.as_ref().and_then(|router| router.hop_limit).unwrap_or(DEFAULT_HOP_LIMIT)
    }

    /// Longest pause between unsolicited RAs as the source has it, in seconds.
    pub(super) fn configured_max(&self) -> u32 {
        self.interval.and_then(|interval| interval.max).unwrap_or(DEFAULT_ADVERTISE_MAX)
    }

    /// Effective pauses between unsolicited RAs, shortest and longest, in seconds. A router that is a default router for
    /// less than the longest pause would come and go, so the pause is then a third of its lifetime; the floors and the
    /// three quarters are those of RFC 4861 §6.2.1.
    pub(super) fn advertise_interval(&self) -> (u32, u32) {
        let configured = self.configured_max();
        let lifetime = u32::from(self.router_lifetime());
        let max = if lifetime > 0 && lifetime < configured { lifetime / 3 } else { configured };
        let max = max.max(LEAST_ADVERTISE_MAX);
        let given = self.interval.and_then(|interval| interval.min);
        let min = given.filter(|min| u64::from(*min) * 4 <= u64::from(max) * 3).unwrap_or(max / 3);
        (min.max(LEAST_ADVERTISE_MIN), max)
    }

    /// Lifetime of what the RA says about DNS and NAT64: long enough to outlive two lost RAs (RFC 8106 §5.1).
    pub(super) fn advertised_lifetime(&self) -> Lifetime {
        let (_, max) = self.advertise_interval();
        Lifetime(u32::from(self.router_lifetime()).max(max.saturating_mul(3)))
    }

    /// Valid lifetime of addresses and prefixes.
    pub(super) fn valid_lifetime(&self) -> Lifetime {
        self.valid.unwrap_or_else(|| DEFAULT_VALID.max(self.preferred.unwrap_or_default()))
    }

    /// Preferred lifetime of addresses and prefixes.
    pub(super) fn preferred_lifetime(&self) -> Lifetime {
        self.preferred.unwrap_or_else(|| DEFAULT_PREFERRED.min(self.valid_lifetime()))
    }

    /// T1 and T2: half and four fifths of the preferred lifetime unless given; infinity stays infinity (RFC 9915 §21.4).
    pub(super) fn timers(&self) -> (Lifetime, Lifetime) {
        let preferred = self.preferred_lifetime();
        let part = |numerator: u64, denominator: u64| {
            let seconds = u64::from(preferred.0) * numerator / denominator;
            if preferred.is_infinite() {
                preferred
            } else {
                Lifetime(u32::try_from(seconds).unwrap_or(u32::MAX))
            }
        };
        match (self.renew, self.rebind) {
            (Some(renew), Some(rebind)) => (renew, rebind),
            (Some(renew), None) => (renew, part(4, 5).max(renew)),
            (None, Some(rebind)) if rebind == Lifetime::ZERO => (part(1, 2), rebind),
            (None, Some(rebind)) => (part(1, 2).min(rebind), rebind),
            (None, None) => (part(1, 2), part(4, 5)),
        }
    }

    /// True when it sends RAs.
    pub(super) fn advertises(&self) -> bool {
        self.subnets.iter().any(|subnet| subnet.ra_mode.is_some()) || !self.retiring.is_empty()
    }

    /// The M flag: an advertised subnet gets its addresses from DHCPv6.
    pub(super) fn managed(&self) -> bool {
        self.advertised(Mode::Stateful)
    }

    /// The O flag: DHCPv6 has more to tell. Redundant beside M (RFC 4861 §4.2), and left out there as Neutron does.
    pub(super) fn other(&self) -> bool {
        self.advertised(Mode::Stateless) && !self.managed()
    }

    fn advertised(&self, mode: Mode) -> bool {
        self.subnets.iter().any(|subnet| subnet.ra_mode == Some(mode))
    }

    /// True when an address of a subnet is given to nobody: RFC 5453 names interface identifiers of 64 bits; the
    /// subnet-router anycast address exists in every subnet but the two-address ones of RFC 6164.
    pub(super) fn is_reserved(address: Ipv6Addr, subnet: &Subnet) -> bool {
        let length = subnet.cidr.prefix_len();
        let anycast = length < 127 && address == subnet.cidr.addr();
        anycast || length <= 64 && ip6::is_reserved_iid(address)
    }

    /// The subnet that an address lies in.
    pub(super) fn subnet_of(&self, address: Ipv6Addr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.cidr.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Interval, Router};
    use super::*;

    /// Expected from Python: `uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_DNS, "frontdesk"), "example")`.
    #[test]
    fn dhcp_030_the_duid_of_a_cloud_is_a_version_5_uuid() {
        assert_eq!(
            server_duid("example").to_string(),
            "00:04:86:40:d0:b2:33:9c:5d:e8:88:b2:9c:a5:70:46:ac:97"
        );
    }

    #[test]
    fn a_derived_mac_is_unicast_and_locally_administered() {
        // Expected from Python: uuid5(namespace, "network:blue").
        assert_eq!(derived_mac("blue").to_string(), "02:44:f5:8a:76:3d");
    }

    #[test]
    fn special_ranges_are_recognised_from_inside_and_from_around() {
        for text in
            ["::/0", "::/128", "::1/128", "::ffff:0:0/112", "fe80::/64", "fe00::/8", "ff02::/16", "::/64"]
        {
            assert!(special_range(text.parse().expect("a prefix")).is_some(), "{text}");
        }
        for text in ["2001:db8::/32", "fd00::/8", "fec0::/10", "64:ff9b::/96"] {
            assert_eq!(special_range(text.parse().expect("a prefix")), None, "{text}");
        }
    }

    fn interval(lifetime: u16, min: Option<u32>, max: Option<u32>) -> (u32, u32) {
        let router = Some(Router { lifetime: Some(lifetime), ..Router::default() });
        Network { router, interval: Some(Interval { min, max }), ..Network::default() }.advertise_interval()
    }

    #[test]
    fn ra_020_the_interval_keeps_its_floors_and_stays_below_the_lifetime() {
        assert_eq!(interval(1800, None, None), (200, 600));
        assert_eq!(interval(1800, Some(10), Some(100)), (10, 100));
        assert_eq!(interval(30, Some(200), Some(600)), (3, 10));
        assert_eq!(interval(9000, Some(200), Some(1800)), (200, 1800));
        assert_eq!(interval(1, None, None), (3, 4));
        assert_eq!(interval(0, Some(200), Some(600)), (200, 600));
        assert_eq!(interval(300, None, Some(300)), (100, 300));
    }

    #[test]
    fn dhcp_126_t1_and_t2_are_half_and_four_fifths_of_the_preferred_lifetime() {
        let timers = |preferred, renew: Option<u32>, rebind: Option<u32>| {
            let network = Network {
                preferred: Some(Lifetime(preferred)),
                renew: renew.map(Lifetime),
                rebind: rebind.map(Lifetime),
                ..Network::default()
            };
            let (t1, t2) = network.timers();
            (t1.0, t2.0)
        };
        assert_eq!(timers(3600, None, None), (1800, 2880));
        assert_eq!(timers(u32::MAX, None, None), (u32::MAX, u32::MAX));
        assert_eq!(timers(0, None, None), (0, 0));
        assert_eq!(timers(3600, Some(3000), None), (3000, 3000));
        assert_eq!(timers(3600, None, Some(600)), (600, 600));
        assert_eq!(timers(u32::MAX - 1, None, None), (u32::MAX / 2, 3_435_973_835));
    }

    #[test]
    fn a_default_lifetime_never_contradicts_the_given_one() {
        let short = Network { valid: Some(Lifetime(600)), ..Network::default() };
        assert_eq!(short.preferred_lifetime(), Lifetime(600));
        let long = Network { preferred: Some(Lifetime::INFINITE), ..Network::default() };
        assert_eq!(long.valid_lifetime(), Lifetime::INFINITE);
    }
}
