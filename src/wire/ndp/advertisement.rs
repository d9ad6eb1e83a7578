//! The Router Advertisement and its options, written part by part (RFC 4861 §4.2).
//!
//! It refuses to order or to choose: the caller says which options stand where, and gives lifetimes in seconds. The
//! checksum field is left zero, for it depends on the destination.

use std::net::Ipv6Addr;

use crate::types::{DomainName, Lifetime, MacAddr};
use crate::wire::{Full, Writer};

/// ICMPv6 type of a Router Advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;

/// Octets before the first option, from the ICMPv6 type on.
pub const HEADER_LENGTH: usize = 16;

const SOURCE_LINK_LAYER: u8 = 1;
const PREFIX_INFORMATION: u8 = 3;
const MTU: u8 = 5;
const ROUTE_INFORMATION: u8 = 24;
const DNS_SERVERS: u8 = 25;
const DNS_SEARCH_LIST: u8 = 31;
const CAPTIVE_PORTAL: u8 = 37;
const PREF64: u8 = 38;
const ENCRYPTED_DNS: u8 = 144;

/// How a router or a route compares with others (RFC 4191 §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Before all others.
    High,
    /// As every router without preference.
    #[default]
    Medium,
    /// Only when there is nothing else.
    Low,
}

impl Preference {
    /// The two bits in their place, 0x18 of the flags octet; the reserved value 10 is never written.
    const fn bits(self) -> u8 {
        match self {
            Self::High => 0b01 << 3,
            Self::Medium => 0b00 << 3,
            Self::Low => 0b11 << 3,
        }
    }
}

/// The fixed part of a Router Advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Hop limit that hosts put into their packets; 0 for unspecified.
    pub hop_limit: u8,
    /// M: addresses are assigned by DHCPv6.
    pub managed: bool,
    /// O: other configuration is given by DHCPv6; redundant when M is set.
    pub other: bool,
    /// Compared with other default routers.
    pub preference: Preference,
    /// Seconds that this router is a default router; 0 when it is none.
    pub router_lifetime: u16,
    /// Milliseconds that a neighbour counts as reachable; 0 for unspecified.
    pub reachable_time: u32,
    /// Milliseconds between retransmitted Neighbor Solicitations; 0 for unspecified.
    pub retrans_timer: u32,
}

/// Starts the message: type, code, checksum zero and the fixed fields.
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn header(out: &mut Writer<'_>, header: &Header) -> Result<(), Full> {
    // RFC 4191 §2.2: with a Router Lifetime of zero the preference must be 00.
    let preference = if header.router_lifetime == 0 { Preference::Medium } else { header.preference };
    let flags = u8::from(header.managed) << 7 | u8::from(header.other) << 6 | preference.bits();
    out.put(&[ROUTER_ADVERTISEMENT, 0, 0, 0, header.hop_limit, flags])?;
    out.u16(header.router_lifetime)?;
    out.u32(header.reachable_time)?;
    out.u32(header.retrans_timer)
}

/// Source Link-Layer Address (RFC 4861 §4.6.1).
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn source_link_layer(out: &mut Writer<'_>, mac: MacAddr) -> Result<(), Full> {
    out.nd_option(SOURCE_LINK_LAYER, |out| out.put(&mac.0))
}

/// MTU in octets (RFC 4861 §4.6.4).
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn mtu(out: &mut Writer<'_>, mtu: u32) -> Result<(), Full> {
    out.nd_option(MTU, |out| {
        out.u16(0)?;
        out.u32(mtu)
    })
}

/// What a Prefix Information option says (RFC 4861 §4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// First address; bits after `length` are zero unless `router_address` is set.
    pub prefix: Ipv6Addr,
    /// 0 to 128.
    pub length: u8,
    /// L: addresses of it are on the link.
    pub on_link: bool,
    /// A: hosts make addresses of it.
    pub autonomous: bool,
    /// R: `prefix` is a whole address of the router (RFC 6275 §7.2).
    pub router_address: bool,
    /// P: hosts shall ask DHCPv6 for a prefix of their own instead (RFC 9762 §5).
    pub pd_preferred: bool,
    /// Valid lifetime.
    pub valid: Lifetime,
    /// Preferred lifetime, not above `valid`.
    pub preferred: Lifetime,
}

/// Prefix Information (RFC 4861 §4.6.2).
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn prefix(out: &mut Writer<'_>, prefix: &Prefix) -> Result<(), Full> {
    out.nd_option(PREFIX_INFORMATION, |out| {
        let flags = u8::from(prefix.on_link) << 7
            | u8::from(prefix.autonomous) << 6
            | u8::from(prefix.router_address) << 5
            | u8::from(prefix.pd_preferred) << 4;
        out.put(&[prefix.length, flags])?;
        out.u32(prefix.valid.0)?;
        out.u32(prefix.preferred.0)?;
        out.u32(0)?;
        out.put(&prefix.prefix.octets())
    })
}

/// Route Information (RFC 4191 §2.3): as many octets of the prefix as its length needs, in steps of eight.
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn route(
    out: &mut Writer<'_>,
    prefix: Ipv6Addr,
    length: u8,
    preference: Preference,
    lifetime: Lifetime,
) -> Result<(), Full> {
    out.nd_option(ROUTE_INFORMATION, |out| {
        out.put(&[length, preference.bits()])?;
        out.u32(lifetime.0)?;
        let octets = prefix.octets();
        let kept = match length {
            0 => 0,
            1..=64 => 8,
            _ => 16,
        };
        out.put(octets.get(..kept).unwrap_or(&[]))
    })
}

/// Recursive DNS Server (RFC 8106 §5.1); at most 127 addresses.
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn dns_servers(out: &mut Writer<'_>, lifetime: Lifetime, servers: &[Ipv6Addr]) -> Result<(), Full> {
    out.nd_option(DNS_SERVERS, |out| {
        out.u16(0)?;
        out.u32(lifetime.0)?;
        servers.iter().try_for_each(|server| out.put(&server.octets()))
    })
}

/// DNS Search List (RFC 8106 §5.2).
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn dns_search_list(out: &mut Writer<'_>, lifetime: Lifetime, domains: &[DomainName]) -> Result<(), Full> {
    out.nd_option(DNS_SEARCH_LIST, |out| {
        out.u16(0)?;
        out.u32(lifetime.0)?;
        domains.iter().try_for_each(|domain| out.put(domain.as_wire()))
    })
}

/// The prefix length code of a NAT64 prefix, if it is one of the six lengths (RFC 8781 §4).
#[must_use]
pub const fn prefix_length_code(length: u8) -> Option<u16> {
    match length {
        96 => Some(0),
        64 => Some(1),
        56 => Some(2),
        48 => Some(3),
        40 => Some(4),
        32 => Some(5),
        _ => None,
    }
}

/// PREF64 (RFC 8781 §4). The lifetime is rounded up to a multiple of eight seconds and capped at 65528 (§4.1).
///
/// # Errors
/// [`Full`] when it does not fit, or when `length` has no code.
pub fn nat64(out: &mut Writer<'_>, prefix: Ipv6Addr, length: u8, lifetime: Lifetime) -> Result<(), Full> {
    let code = prefix_length_code(length).ok_or(Full)?;
    let scaled = u16::try_from(lifetime.0.div_ceil(8)).unwrap_or(u16::MAX).min(0x1fff);
    out.nd_option(PREF64, |out| {
        out.u16(scaled << 3 | code)?;
        out.put(prefix.octets().get(..12).unwrap_or(&[]))
    })
}

/// Captive Portal (RFC 8910 §2.3): a URI, padded with zeros.
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn captive_portal(out: &mut Writer<'_>, uri: &str) -> Result<(), Full> {
    out.nd_option(CAPTIVE_PORTAL, |out| out.put(uri.as_bytes()))
}

/// An encrypted resolver (RFC 9463 §6.1).
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'r> {
    /// Compared with other resolvers, the lowest first; not 0.
    pub priority: u16,
    /// The name that its certificate must have.
    pub name: &'r DomainName,
    /// Its addresses; none when hosts shall look the name up.
    pub addresses: &'r [Ipv6Addr],
    /// Service parameters as they go on the wire (RFC 9460 §2.2); only with addresses.
    pub params: &'r [u8],
}

/// Encrypted DNS (RFC 9463 §6.1). With the name alone nothing stands behind it (§3.1.6, erratum 7804).
///
/// # Errors
/// [`Full`] when it does not fit.
pub fn encrypted_dns(out: &mut Writer<'_>, lifetime: Lifetime, resolver: &Resolver<'_>) -> Result<(), Full> {
    out.nd_option(ENCRYPTED_DNS, |out| {
        out.u16(resolver.priority)?;
        out.u32(lifetime.0)?;
        out.length16(|out| out.put(resolver.name.as_wire()))?;
        if resolver.addresses.is_empty() {
            return Ok(());
        }
        out.length16(|out| resolver.addresses.iter().try_for_each(|address| out.put(&address.octets())))?;
        out.length16(|out| out.put(resolver.params))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an IPv6 address")
    }

    fn written(body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
        let mut buffer = [0xa5; 512];
        let mut out = Writer::new(&mut buffer);
        body(&mut out).expect("fits");
        out.written().to_vec()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { panic!("half an octet") };
        let octet =
            |pair: &[u8; 2]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok());
        pairs.iter().map(|pair| octet(pair).expect("hex")).collect()
    }

    /// Frame 1 of tcpdump's `icmpv6_opt24.pcap`, an OpenWrt router of 2013, with its checksum 6882 zeroed: source
    /// link-layer address, MTU, prefix, route, DNS server, search list.
    #[test]
    fn ra_028_a_whole_advertisement_equals_a_captured_one() {
        let octets = written(|out| {
            header(out, &Header { managed: true, other: true, ..Header::default() })?;
            source_link_layer(out, MacAddr([0x14, 0xcf, 0x92, 0x87, 0x23, 0xd6]))?;
            mtu(out, 1500)?;
            let net = ip("fd8d:4fb3:5b2e::");
            let (valid, preferred) = (Lifetime(7200), Lifetime(1800));
            prefix(
                out,
                &Prefix {
                    prefix: net,
                    length: 64,
                    on_link: true,
                    autonomous: true,
                    router_address: false,
                    pd_preferred: false,
                    valid,
                    preferred,
                },
            )?;
            route(out, net, 48, Preference::Medium, Lifetime(7200))?;
            dns_servers(out, Lifetime(1800), &[ip("fd8d:4fb3:5b2e::1")])?;
            dns_search_list(out, Lifetime(1800), &["lan".parse().expect("a name")])
        });
        let captured = "8600 0000 00c0 0000 0000 0000 0000 0000 0101 14cf 9287 23d6 0501 0000 0000 05dc
            0304 40c0 0000 1c20 0000 0708 0000 0000 fd8d 4fb3 5b2e 0000 0000 0000 0000 0000
            1802 3000 0000 1c20 fd8d 4fb3 5b2e 0000 1903 0000 0000 0708 fd8d 4fb3 5b2e 0000 0000 0000 0000 0001
            1f02 0000 0000 0708 036c 616e 0000 0000";
        assert_eq!(octets, hex(captured));
    }

    /// Frame 1 of tcpdump's `icmpv6.pcap`: two servers, three names.
    #[test]
    fn ra_052_several_servers_and_names_equal_captured_ones() {
        let servers = written(|out| dns_servers(out, Lifetime(5), &[ip("abcd::efef"), ip("1234:5678::1")]));
        let captured = "1905 0000 0000 0005 abcd 0000 0000 0000 0000 0000 0000 efef 1234 5678 0000 0000 0000 0000 0000 0001";
        assert_eq!(servers, hex(captured));
        let names = ["example.com", "example.org", "dom1.dom2.tld"].map(|n| n.parse().expect("a name"));
        let list = written(|out| dns_search_list(out, Lifetime(5), &names));
        let captured = "1f07 0000 0000 0005 0765 7861 6d70 6c65 0363 6f6d 0007 6578 616d 706c 6503 6f72 6700
            0464 6f6d 3104 646f 6d32 0374 6c64 0000 0000 0000 0000";
        assert_eq!(list, hex(captured));
    }

    /// Frames of tcpdump's `icmpv6-ra-pref64.pcap` (lifetime 0, /96), and the six codes of RFC 8781 §4.
    #[test]
    fn ra_055_pref64_equals_a_captured_one_and_every_length_has_its_code() {
        let octets = written(|out| nat64(out, ip("2001:db8:1:64:ff9b::"), 96, Lifetime::ZERO));
        assert_eq!(octets, hex("2602 0000 2001 0db8 0001 0064 ff9b 0000"));
        for (code, length) in [(0, 96), (1, 64), (2, 56), (3, 48), (4, 40), (5, 32)] {
            let octets = written(|out| nat64(out, ip("2001:db8::"), length, Lifetime(1800)));
            assert_eq!(octets[2..4], (225_u16 << 3 | code).to_be_bytes(), "/{length}");
        }
        let mut buffer = [0xa5; 32];
        assert_eq!(nat64(&mut Writer::new(&mut buffer), ip("2001:db8::"), 60, Lifetime(8)), Err(Full));
    }

    #[test]
    fn ra_056_the_pref64_lifetime_is_rounded_up_and_capped() {
        let scaled = |seconds| {
            let octets = written(|out| nat64(out, ip("64:ff9b::"), 96, Lifetime(seconds)));
            u16::from_be_bytes([octets[2], octets[3]]) >> 3
        };
        assert_eq!([0, 1, 7, 8, 9, 65528, 65529, u32::MAX].map(scaled), [0, 1, 1, 1, 2, 8191, 8191, 8191]);
    }

    /// RFC 4191 §2.2: 01 high, 00 medium, 11 low, and 00 whenever the lifetime is zero.
    #[test]
    fn ra_033_the_preference_has_two_bits_and_needs_a_lifetime() {
        let flags = |preference, router_lifetime| {
            written(|out| header(out, &Header { preference, router_lifetime, ..Header::default() }))[5]
        };
        assert_eq!(flags(Preference::High, 1800), 0x08);
        assert_eq!(flags(Preference::Medium, 1800), 0x00);
        assert_eq!(flags(Preference::Low, 1800), 0x18);
        assert_eq!(flags(Preference::High, 0), 0x00);
    }

    /// RFC 4191 §2.3: 8, 16 or 24 octets by the length of the prefix.
    #[test]
    fn ra_047_a_route_is_as_long_as_its_prefix_needs() {
        let long = |length| written(|out| route(out, ip("2001:db8::"), length, Preference::Low, Lifetime(9)));
        assert_eq!(long(0), hex("1801 0018 0000 0009"));
        assert_eq!([1, 64, 65, 128].map(|l| long(l).len()), [16, 16, 24, 24]);
    }

    /// RFC 8910 §2.3, with the URI that says there is no portal.
    #[test]
    fn ra_057_the_portal_is_padded_with_zeros() {
        let octets = written(|out| captive_portal(out, "urn:ietf:params:capport:unrestricted"));
        assert_eq!(octets.len(), 40);
        assert_eq!((octets[0], octets[1]), (37, 5));
        assert_eq!(octets[2..], *b"urn:ietf:params:capport:unrestricted\0\0");
    }

    /// RFC 4861 §4.6.2, RFC 6275 §7.2 and RFC 9762 §5: L 0x80, A 0x40, R 0x20, P 0x10.
    #[test]
    fn pd_022_every_flag_of_a_prefix_has_its_bit() {
        let flags = |on_link, autonomous, router_address, pd_preferred| {
            let prefix_of = Prefix {
                prefix: ip("2001:db8::"),
                length: 64,
                on_link,
                autonomous,
                router_address,
                pd_preferred,
                valid: Lifetime(7),
                preferred: Lifetime(5),
            };
            let octets = written(|out| prefix(out, &prefix_of));
            assert_eq!(octets[4..12], hex("00000007 00000005"));
            octets[3]
        };
        assert_eq!(flags(true, false, false, false), 0x80);
        assert_eq!(flags(false, true, false, false), 0x40);
        assert_eq!(flags(false, false, true, false), 0x20);
        assert_eq!(flags(false, false, false, true), 0x10);
    }

    /// RFC 9463 §6.1, figure 6, written out by hand: two addresses and `alpn = dot` of RFC 9461 §4; and the name alone.
    #[test]
    fn ra_058_an_encrypted_resolver_is_laid_out_as_the_standard_draws_it() {
        let name = "dot.example".parse().expect("a name");
        let addresses = [ip("2001:db8::1"), ip("2001:db8::2")];
        let params = hex("0001 0004 03 646f74");
        let whole = Resolver { priority: 1, name: &name, addresses: &addresses, params: &params };
        let octets = written(|out| encrypted_dns(out, Lifetime(1800), &whole));
        let expected = "90 09 0001 00000708 000d 03 646f74 07 6578616d706c65 00
            0020 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000002
            0008 0001 0004 03646f74 0000000000";
        assert_eq!(octets, hex(expected));
        let alone = Resolver { addresses: &[], params: &[], ..whole };
        let octets = written(|out| encrypted_dns(out, Lifetime(1800), &alone));
        assert_eq!(octets, hex("90 03 0001 00000708 000d 03 646f74 07 6578616d706c65 00 00"));
    }
}
