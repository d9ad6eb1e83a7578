//! IPv6 address arithmetic of RFC 4291 and RFC 2464: link-local, EUI-64, solicited-node, group MACs.
//!
//! Addresses are compared as 16 raw octets; text forms belong to configuration and logs.

use std::net::Ipv6Addr;

use super::MacAddr;

/// All nodes on the link, ff02::1.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link, ff02::2.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All DHCPv6 relay agents and servers on the link, ff02::1:2 (RFC 9915 §7.1).
pub const ALL_DHCP_AGENTS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All DHCPv6 servers of the site, ff05::1:3 (RFC 9915 §7.1): what relays send to.
pub const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
/// The metadata service of OpenStack, fe80::a9fe:a9fe.
pub const METADATA: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// The link-local address that a host makes from its MAC: fe80::/64 and the modified EUI-64 identifier.
#[must_use]
pub const fn link_local(mac: MacAddr) -> Ipv6Addr {
    from_prefix([0xfe, 0x80, 0, 0, 0, 0, 0, 0], mac)
}

/// The SLAAC address of `mac` in the /64 that starts with `prefix` (RFC 2464 §4).
#[must_use]
pub const fn slaac(prefix: Ipv6Addr, mac: MacAddr) -> Ipv6Addr {
    let p = prefix.octets();
    from_prefix([p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]], mac)
}

const fn from_prefix(p: [u8; 8], mac: MacAddr) -> Ipv6Addr {
    let i = mac.eui64();
    Ipv6Addr::from_octets([
        p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7],
    ])
}

/// The MAC that a modified EUI-64 interface identifier was made from, if it is one of a unicast MAC.
#[must_use]
pub const fn mac_of_eui64(address: Ipv6Addr) -> Option<MacAddr> {
    let o = address.octets();
    let mac = MacAddr([o[8] ^ 0x02, o[9], o[10], o[13], o[14], o[15]]);
    if o[11] == 0xff && o[12] == 0xfe && !mac.is_group() { Some(mac) } else { None }
}

/// True for fe80::/10.
#[must_use]
pub const fn is_link_local(address: Ipv6Addr) -> bool {
    let o = address.octets();
    o[0] == 0xfe && o[1] & 0xc0 == 0x80
}

/// The solicited-node group of an address: ff02::1:ff00:0/104 and its low 24 bits (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let o = address.octets();
    Ipv6Addr::from_octets([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, o[13], o[14], o[15]])
}

/// True for an address of ff02::1:ff00:0/104.
#[must_use]
pub fn is_solicited_node(address: Ipv6Addr) -> bool {
    address.octets().starts_with(&[0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff])
}

/// The Ethernet group address of an IPv6 group: 33:33 and its low 32 bits (RFC 2464 §7).
#[must_use]
pub const fn group_mac(group: Ipv6Addr) -> MacAddr {
    let o = group.octets();
    MacAddr([0x33, 0x33, o[12], o[13], o[14], o[15]])
}

/// The address with all but its first `length` bits cleared; lengths above 128 keep everything.
#[must_use]
pub const fn mask(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    let keep = match length {
        0 => 0,
        1..=127 => u128::MAX << (128 - length as u32),
        _ => u128::MAX,
    };
    Ipv6Addr::from_bits(address.to_bits() & keep)
}

/// True when the first `length` bits of both addresses agree.
#[must_use]
pub const fn in_prefix(address: Ipv6Addr, prefix: Ipv6Addr, length: u8) -> bool {
    let length = if length > 128 { 128 } else { length as u32 };
    (address.to_bits() ^ prefix.to_bits()).leading_zeros() >= length
}

/// An interface identifier that must not be assigned: the subnet-router anycast address, the reserved subnet
/// anycast range and the IANA Ethernet block (RFC 5453, RFC 2526, RFC 4291 §2.6.1).
#[must_use]
pub const fn is_reserved_iid(address: Ipv6Addr) -> bool {
    let iid = address.to_bits() as u64;
    iid == 0
        || (iid >= 0xfdff_ffff_ffff_ff80 && iid <= 0xfdff_ffff_ffff_ffff)
        || (iid >= 0x0200_5eff_fe00_0000 && iid <= 0x0200_5eff_fe00_5212)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an IPv6 address")
    }

    #[test]
    fn adr_002_the_identifier_of_a_slaac_address_is_64_bits() {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0x79, 0x5a, 0xcc]);
        // Both printed by tcpdump in the OpenStack capture of 2017 (RA 15:08:01).
        assert_eq!(link_local(mac), ip("fe80::f816:3eff:fe79:5acc"));
        assert_eq!(slaac(ip("2001:db8:cafe::"), mac), ip("2001:db8:cafe:0:f816:3eff:fe79:5acc"));
    }

    /// IP-015, IP-018.
    #[test]
    fn ip_018_groups_of_the_metadata_address() {
        assert_eq!(solicited_node(METADATA), ip("ff02::1:fffe:a9fe"));
        assert!(is_solicited_node(ip("ff02::1:fffe:a9fe")));
        assert!(!is_solicited_node(ALL_DHCP_AGENTS));
        assert_eq!(group_mac(solicited_node(METADATA)).to_string(), "33:33:ff:fe:a9:fe");
        assert_eq!(group_mac(ALL_DHCP_AGENTS).to_string(), "33:33:00:01:00:02");
        assert_eq!(group_mac(ALL_NODES).to_string(), "33:33:00:00:00:01");
    }

    #[test]
    fn prefixes_of_every_length_compare_their_bits_only() {
        assert!(in_prefix(ip("2001:db8::1"), ip("2001:db8::"), 64));
        assert!(!in_prefix(ip("2001:db8:0:1::1"), ip("2001:db8::"), 64));
        assert!(in_prefix(ip("::1"), ip("ffff::"), 0));
        assert!(!in_prefix(ip("::1"), ip("::2"), 128));
        let prefix = ip("2001:db8:5a5a::a5a5");
        for length in 0..=u8::MAX {
            assert!(in_prefix(prefix, prefix, length), "{length}");
            for bit in 0..128 {
                let other = Ipv6Addr::from_bits(prefix.to_bits() ^ 1 << (127 - bit));
                assert_eq!(in_prefix(other, prefix, length), bit >= length, "{length}, bit {bit}");
            }
        }
    }

    /// DHCP-135, ADR-010.
    #[test]
    fn adr_010_reserved_identifiers_are_known() {
        for reserved in [
            "2001:db8::",
            "2001:db8::fdff:ffff:ffff:ff80",
            "2001:db8::fdff:ffff:ffff:ffff",
            "2001:db8::200:5eff:fe00:5212",
        ] {
            assert!(is_reserved_iid(ip(reserved)), "{reserved}");
        }
        for free in [
            "2001:db8::1",
            "2001:db8::fdff:ffff:ffff:ff7f",
            "2001:db8::fe00:0:0:0",
            "2001:db8::200:5eff:fe00:5213",
        ] {
            assert!(!is_reserved_iid(ip(free)), "{free}");
        }
    }
}
