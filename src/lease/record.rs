//! The records of the compiled table, exactly as they stand in the file.
//!
//! Every number is little-endian whatever machine reads it, every record is free of padding and of alignment, so a
//! section of the file is a slice of records without parsing. What a reference points at is checked once, when a
//! table is opened (`lease::file`); afterwards every look-up is total.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Octets `offset .. offset + length` of the blob section; two zeros are "nothing".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct BlobRef {
    /// First octet.
    pub offset: U32,
    /// Number of octets.
    pub length: U32,
}

/// Records `first .. first + count` of another section.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Span {
    /// First record.
    pub first: U32,
    /// Number of records.
    pub count: U16,
}

/// What the whole table shares.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ServerRecord {
    /// The server's DUID, 3 to 130 octets (RFC 9915 §11.1).
    pub duid: BlobRef,
}

/// One network: an L2 segment, or one VLAN of one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct NetworkRecord {
    /// Name in the lease source, UTF-8.
    pub name: BlobRef,
    /// The Router Advertisement: ICMPv6 from its type octet to its last option, checksum field zero. Empty when the
    /// network is advertised by somebody else.
    pub ra: BlobRef,
    /// The DHCPv6 options of a message without a port of its own (see `lease::options`).
    pub options: BlobRef,
    /// Addresses that are answered for (NS, echo): router, gateways, service addresses. Into the address section.
    pub own_addresses: Span,
    /// Into the subnet section.
    pub subnets: Span,
    /// `NETWORK_*` bits.
    pub flags: U16,
    /// VLAN id of its frames, 1 to 4094; 0 for untagged.
    pub vlan: U16,
    /// Largest IPv6 packet on the link, in octets, 1280 or more.
    pub mtu: U32,
    /// MAC of every answer: the router's, or the derived one where the router is somebody else's.
    pub router_mac: [u8; 6],
    /// DHCPv6 Preference (RFC 9915 §21.8).
    pub preference: u8,
    /// Zero.
    pub reserved: u8,
    /// IPv6 source of every answer: link-local.
    pub router_link_local: [u8; 16],
    /// Seconds, `0xffffffff` for infinity: of addresses and prefixes that DHCPv6 assigns.
    pub valid_lifetime: U32,
    /// Seconds, not above `valid_lifetime`.
    pub preferred_lifetime: U32,
    /// T1 in seconds.
    pub renew_time: U32,
    /// T2 in seconds, not below T1 unless 0.
    pub rebind_time: U32,
    /// Shortest pause between unsolicited RAs, in seconds (RFC 4861 §6.2.1).
    pub advertise_min: U32,
    /// Longest pause between unsolicited RAs, in seconds.
    pub advertise_max: U32,
    /// The RAs behind `ra` where one would pass the MTU (RFC 4861 §6.2.3): each a length of 16 bits in network order
    /// and as many octets, in the form of `ra`. Empty when one is enough.
    pub ra_more: BlobRef,
    /// Where the metadata service is reached. Into the service section.
    pub services: Span,
    /// Name of the upstream that answers for it, UTF-8; empty for the default of the hypervisor's configuration.
    pub metadata_upstream: BlobRef,
    /// The network's id in the lease source, UTF-8; empty when it has none.
    pub id: BlobRef,
}

/// `NetworkRecord::flags`: RS are answered and RAs sent.
pub const NETWORK_ADVERTISES: u16 = 1;
/// `NetworkRecord::flags`: DHCPv6 is answered.
pub const NETWORK_DHCP: u16 = 2;
/// `NetworkRecord::flags`: a Solicit with Rapid Commit is answered by a Reply.
pub const NETWORK_RAPID_COMMIT: u16 = 4;
/// `NetworkRecord::flags`: neighbour advertisements carry the R flag.
pub const NETWORK_IS_ROUTER: u16 = 8;
/// `NetworkRecord::flags`: hosts may register the addresses that they make (RFC 9686): option 148 is offered to who
/// asks for it, ADDR-REG-INFORM is answered.
pub const NETWORK_REGISTRATION: u16 = 16;
/// `NetworkRecord::flags`: documents are given only to requests with a session token (IMDSv2).
pub const NETWORK_TOKEN_REQUIRED: u16 = 32;

/// One address and TCP port at which the metadata service of a network is reached.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ServiceRecord {
    /// One of the network's own addresses.
    pub address: [u8; 16],
    /// Not 0.
    pub port: U16,
}

/// One subnet of a network.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct SubnetRecord {
    /// First address; bits after `length` are zero.
    pub prefix: [u8; 16],
    /// 0 to 128.
    pub length: u8,
    /// `SUBNET_*` bits.
    pub flags: u8,
}

/// `SubnetRecord::flags`: hosts make their own address (SLAAC).
pub const SUBNET_SLAAC: u8 = 1;
/// `SubnetRecord::flags`: DHCPv6 assigns the addresses.
pub const SUBNET_STATEFUL: u8 = 2;
/// `SubnetRecord::flags`: hosts make their own address and ask DHCPv6 for the rest; beside [`SUBNET_SLAAC`].
pub const SUBNET_STATELESS: u8 = 4;
/// `SubnetRecord::flags`: no new connections from it: its preferred lifetime is 0 in RAs and in DHCPv6.
pub const SUBNET_DEPRECATED: u8 = 8;

/// One port: what one NIC of one guest is entitled to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PortRecord {
    /// Source MAC of the guest's frames.
    pub mac: [u8; 6],
    /// The network's VLAN id, repeated for the look-up; 0 for untagged.
    pub vlan: U16,
    /// Into the network section.
    pub network: U32,
    /// Into the device section; [`NO_DEVICE`] when the port may be on any device.
    pub device: U32,
    /// Addresses that DHCPv6 assigns, in the order of the source. Into the address section.
    pub addresses: Span,
    /// Delegated prefixes, in the order of the source. Into the prefix section.
    pub prefixes: Span,
    /// The DHCPv6 options of this port: the network's, overlaid by its own (see `lease::options`).
    pub options: BlobRef,
    /// Host name in wire form (RFC 1035 §3.1), empty when there is none.
    pub hostname: BlobRef,
    /// Its id, instance id, project id, host name and metadata as JSON, empty when there is none.
    pub metadata: BlobRef,
    /// Zero. It makes the record as long as a line of the processor's cache, so that a guest is not fetched as two.
    pub reserved: [u8; 12],
}

/// `PortRecord::device` of a port that is pinned to none.
pub const NO_DEVICE: u32 = u32::MAX;

/// One delegated prefix.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct PrefixRecord {
    /// First address; bits after `length` are zero.
    pub prefix: [u8; 16],
    /// 1 to 128.
    pub length: u8,
    /// First address of the part that is not delegated (RFC 6603); inside the prefix, bits after `exclude_length` are
    /// zero.
    pub exclude: [u8; 16],
    /// Longer than `length`, at most 128; 0 when nothing is excluded.
    pub exclude_length: u8,
}

/// One link-address of a relay and the network that it means. Links are sorted by their first address and disjoint, so
/// that the last one that starts at or before an address is the only one that can hold it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct LinkRecord {
    /// First address; bits after `length` are zero.
    pub prefix: [u8; 16],
    /// 0 to 128.
    pub length: u8,
    /// Zero.
    pub reserved: u8,
    /// Into the network section.
    pub network: U32,
}

/// Which relays are trusted, and how they tell who the client is. The section holds one, or none when relayed messages
/// are refused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct RelayRecord {
    /// Numbers of devices on which relayed messages are accepted: 32 bits each, little-endian, ascending, at least one.
    pub devices: BlobRef,
    /// `IDENTIFY_*` codes in the order in which they are tried, one octet each, at least one, each once.
    pub identify: BlobRef,
    /// Sources that are accepted, sorted; empty for any. Into the address section.
    pub addresses: Span,
    /// Our unicast addresses that relays send to. Into the address section.
    pub server_addresses: Span,
    /// Enterprise number of the Remote-ID that holds the MAC (RFC 4649 §3).
    pub remote_enterprise: U32,
    /// Octets of the Remote-ID before the MAC, counted behind the enterprise number.
    pub remote_offset: U16,
    /// 0: the MAC is six octets; 1: it is text.
    pub remote_text: u8,
    /// Zero.
    pub reserved: u8,
    /// MAC of every answer to a relay.
    pub server_mac: [u8; 6],
    /// IPv6 source of every answer to a relay that sent to a group: link-local.
    pub server_link_local: [u8; 16],
}

/// `RelayRecord::identify`: Client Link-Layer Address (RFC 6939) of the relay closest to the client.
pub const IDENTIFY_CLIENT_LINK_LAYER: u8 = 1;
/// `RelayRecord::identify`: Remote-ID (RFC 4649) that holds the MAC.
pub const IDENTIFY_REMOTE_ID: u8 = 2;
/// `RelayRecord::identify`: Interface-Id (RFC 9915 §21.18) that the table knows.
pub const IDENTIFY_INTERFACE_ID: u8 = 3;
/// `RelayRecord::identify`: modified EUI-64 identifier of the innermost peer-address.
pub const IDENTIFY_PEER_ADDRESS: u8 = 4;
/// `RelayRecord::identify`: DUID-LL of the client, where it is that of a port's own MAC.
pub const IDENTIFY_DUID_LL: u8 = 5;

/// One Interface-Id and the port behind it; sorted by the octets of the id.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct InterfaceRecord {
    /// The Interface-Id's octets.
    pub id: BlobRef,
    /// MAC of the port behind it.
    pub mac: [u8; 6],
}

/// One slot of the open-addressed index: linear probing, at most half full, an empty slot ends the chain.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct IndexSlot {
    /// Upper 32 bits of the key's hash, to skip foreign keys without touching their port.
    pub tag: U32,
    /// Port number plus one; 0 for an empty slot.
    pub port: U32,
}
