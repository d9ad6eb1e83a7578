//! Every bound of the program, each with its unit and its reason.

/// Octets of the longest frame that is read or written: the largest payload of standard Ethernet with its header,
/// one VLAN tag and room to spare. Longer guest frames are of no protocol that is answered here.
pub const MAX_FRAME: usize = 2048;

/// Octets of the smallest MTU that IPv6 allows (RFC 8200 §5).
pub const MIN_MTU: u32 = 1280;

/// Extension headers looked through before the upper layer: one of each kind that RFC 8200 §4.1 lists.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// Neighbor Discovery options read in one message: no host sends more than a handful.
pub const MAX_ND_OPTIONS: usize = 64;

/// DHCPv6 options read at the top level of one message; the largest client seen sends about 20.
pub const MAX_DHCP_OPTIONS: usize = 128;

/// Identity associations (IA_NA and IA_PD together) answered in one message: a router with many downstream links
/// asks for one prefix per link; beyond this the message is dropped, not half answered.
pub const MAX_IAS: usize = 32;

/// Addresses or prefixes listed by the client in one identity association that are looked at.
pub const MAX_IA_HINTS: usize = 64;

/// Addresses of one port that DHCPv6 assigns: 1280 octets hold 40 of them beside the options of a usual network.
pub const MAX_PORT_ADDRESSES: usize = 32;

/// Prefixes delegated to one port.
pub const MAX_PORT_PREFIXES: usize = 32;

/// Subnets of one network: 1280 octets hold 38 Prefix Information options, and no network advertises all of its subnets.
pub const MAX_SUBNETS: usize = 64;

/// Service addresses of one network: the stack that ends the guests' TCP holds so many, and they are looked through for
/// every Neighbor Solicitation.
pub const MAX_SERVICE_ADDRESSES: usize = 8;

/// Octets of the name of an upstream: the longest label that a host name has (RFC 1035 §2.3.4) is long enough for one.
pub const MAX_UPSTREAM_NAME: usize = 63;

/// Relay agents that one message may have passed: hop counts 0 to 8 (RFC 9915 §7.6, §19.1.2).
pub const MAX_RELAY_LEVELS: usize = 9;

/// Octets of a DUID option: type and 1 to 128 octets (RFC 9915 §11.1).
pub const DUID_LENGTH: std::ops::RangeInclusive<usize> = 3..=130;

/// Echo data that is answered, in octets: what fits the smallest MTU, so that a reply is never larger than the
/// request's own path and a guest cannot use us to amplify.
pub const MAX_ECHO_DATA: usize = 1232;
