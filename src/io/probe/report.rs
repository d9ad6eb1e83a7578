//! What the probe got, in a form that prints, serialises and compares.
//!
//! Lifetimes and times are in seconds as they stood on the wire: 4294967295 is infinity.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Serialize, Serializer};

pub use super::metadata::report::{Document, Instance, Metadata};
use crate::io::netns::Preference;
use crate::types::{Lifetime, MacAddr};

/// Everything that one run of the probe saw.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The device that it spoke on.
    pub device: String,
    /// The MAC that it spoke with.
    #[serde(serialize_with = "text")]
    pub mac: MacAddr,
    /// VLAN id of its frames; 0 for untagged.
    pub vlan: u16,
    /// Its link-local address.
    pub link_local: Ipv6Addr,
    /// Its DUID in hexadecimal.
    pub client_duid: String,
    /// What was asked, in order, and how long each answer took.
    pub exchanges: Vec<Exchange>,
    /// Routers heard, the first one first.
    pub routers: Vec<RouterAdvert>,
    /// What Solicit and Request brought.
    pub lease: Option<Lease>,
    /// What Information-request brought.
    pub information: Option<Settings>,
    /// What the metadata service brought; none when it was not asked.
    pub metadata: Option<Metadata>,
    /// What Release brought.
    pub released: Option<Status>,
    /// What answers had wrong.
    pub faults: Vec<Fault>,
    /// What was asked for and not got; empty when all went well.
    pub missing: Vec<String>,
}

impl Report {
    /// True when everything asked for was got.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// One message of the probe and the time to its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// Name of the message sent.
    pub sent: &'static str,
    /// How many times it was sent.
    pub transmissions: u32,
    /// Name of the answer; none when there was none in time.
    pub answer: Option<&'static str>,
    /// Microseconds from the last transmission to the answer that was taken.
    pub round_trip_us: Option<u64>,
    /// Microseconds from the first transmission to the end, the wait for other servers included.
    pub took_us: u64,
}

/// Something in an answer that a standard forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Name of the message that it was in.
    pub message: &'static str,
    /// What is wrong with it.
    pub what: String,
    /// The standard and section that forbid it.
    pub rule: &'static str,
    /// How many times it was seen.
    pub times: u32,
}

/// A Router Advertisement (RFC 4861 §4.2) with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouterAdvert {
    /// The router's link-local address.
    pub router: Ipv6Addr,
    /// Source MAC of the frame.
    #[serde(serialize_with = "text")]
    pub mac: MacAddr,
    /// True when it came to this host alone, not to all nodes.
    pub unicast: bool,
    /// Hop limit for hosts to use; 0 for no opinion.
    pub hop_limit: u8,
    /// M: addresses by DHCPv6.
    pub managed: bool,
    /// O: other configuration by DHCPv6.
    pub other: bool,
    /// Preference as default router (RFC 4191 §2.2).
    pub preference: Preference,
    /// Seconds as default router; 0 for not a default router.
    pub lifetime: u16,
    /// Milliseconds; 0 for unspecified.
    pub reachable_time: u32,
    /// Milliseconds; 0 for unspecified.
    pub retransmit_timer: u32,
    /// Source link-layer address option.
    #[serde(serialize_with = "maybe_text")]
    pub link_layer: Option<MacAddr>,
    /// MTU option, octets.
    pub mtu: Option<u32>,
    /// Prefix Information options.
    pub prefixes: Vec<PrefixInfo>,
    /// Route Information options (RFC 4191 §2.3).
    pub routes: Vec<RouteInfo>,
    /// Recursive DNS Server options (RFC 8106 §5.1).
    pub dns: Vec<DnsServers>,
    /// DNS Search List options (RFC 8106 §5.2).
    pub search: Vec<SearchList>,
    /// PREF64 options (RFC 8781 §4).
    pub nat64: Vec<Nat64>,
    /// Captive-Portal option (RFC 8910 §2.3).
    pub captive_portal: Option<String>,
    /// Options that the probe does not know.
    pub unknown: Vec<RawOption>,
}

/// Prefix Information (RFC 4861 §4.6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixInfo {
    /// First address.
    pub prefix: Ipv6Addr,
    /// Bits, 0 to 128.
    pub length: u8,
    /// L: on this link.
    pub on_link: bool,
    /// A: for SLAAC.
    pub autonomous: bool,
    /// Valid lifetime.
    #[serde(serialize_with = "seconds")]
    pub valid: Lifetime,
    /// Preferred lifetime.
    #[serde(serialize_with = "seconds")]
    pub preferred: Lifetime,
}

/// Route Information (RFC 4191 §2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteInfo {
    /// First address of the destination.
    pub prefix: Ipv6Addr,
    /// Bits, 0 to 128.
    pub length: u8,
    /// Preference.
    pub preference: Preference,
    /// Lifetime.
    #[serde(serialize_with = "seconds")]
    pub lifetime: Lifetime,
}

/// Recursive DNS servers with their lifetime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DnsServers {
    /// Lifetime.
    #[serde(serialize_with = "seconds")]
    pub lifetime: Lifetime,
    /// Addresses, in order.
    pub servers: Vec<Ipv6Addr>,
}

/// DNS search domains with their lifetime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchList {
    /// Lifetime.
    #[serde(serialize_with = "seconds")]
    pub lifetime: Lifetime,
    /// Names, in order, without a dot at the end.
    pub domains: Vec<String>,
}

/// A NAT64 prefix with its lifetime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nat64 {
    /// First address.
    pub prefix: Ipv6Addr,
    /// Bits: 96, 64, 56, 48, 40 or 32.
    pub length: u8,
    /// Seconds.
    pub lifetime: u16,
}

/// An option as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RawOption {
    /// Its type or code.
    pub code: u16,
    /// Its data in hexadecimal.
    pub data: String,
}

/// What a DHCPv6 server leased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// The server's address.
    pub server: Ipv6Addr,
    /// The server's DUID in hexadecimal.
    pub server_duid: String,
    /// Preference option of its Advertise.
    pub preference: Option<u8>,
    /// True when it came by Rapid Commit (RFC 9915 §18.2.1), without Advertise and Request.
    pub rapid_commit: bool,
    /// Identity associations, IA_NA and IA_PD.
    pub associations: Vec<Association>,
    /// The other options of the Reply.
    pub settings: Settings,
}

impl Lease {
    /// All leased addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &LeasedPrefix> {
        self.of(Kind::Address)
    }

    /// All delegated prefixes.
    pub fn prefixes(&self) -> impl Iterator<Item = &LeasedPrefix> {
        self.of(Kind::Prefix)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &LeasedPrefix> {
        self.associations.iter().filter(move |ia| ia.kind == kind).flat_map(|ia| &ia.leases)
    }
}

/// What an identity association is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// IA_NA.
    Address,
    /// IA_PD.
    Prefix,
}

/// One IA_NA or IA_PD (RFC 9915 §21.4, §21.21).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Association {
    /// IA_NA or IA_PD.
    pub kind: Kind,
    /// Its number.
    pub iaid: u32,
    /// When to renew.
    #[serde(serialize_with = "seconds")]
    pub t1: Lifetime,
    /// When to rebind.
    #[serde(serialize_with = "seconds")]
    pub t2: Lifetime,
    /// What is in it.
    pub leases: Vec<LeasedPrefix>,
    /// Its Status Code.
    pub status: Option<Status>,
}

/// One leased address (128 bits) or delegated prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeasedPrefix {
    /// The address, or the first one of the prefix.
    pub address: Ipv6Addr,
    /// Bits; 128 for an address.
    pub length: u8,
    /// Preferred lifetime.
    #[serde(serialize_with = "seconds")]
    pub preferred: Lifetime,
    /// Valid lifetime.
    #[serde(serialize_with = "seconds")]
    pub valid: Lifetime,
}

/// A Status Code option (RFC 9915 §21.13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The code; 0 is success.
    pub code: u16,
    /// Its name, as the standard writes it.
    pub name: String,
    /// The server's words.
    pub message: String,
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.name)?;
        if self.message.is_empty() { Ok(()) } else { write!(out, " ({})", self.message) }
    }
}

/// The options of a Reply that are not leases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Settings {
    /// DNS servers (RFC 3646 §3).
    pub dns: Vec<Ipv6Addr>,
    /// DNS search domains (RFC 3646 §4), without a dot at the end.
    pub domains: Vec<String>,
    /// NTP servers, groups and names (RFC 5908), and the addresses of the older SNTP option (RFC 4075).
    pub ntp: Vec<String>,
    /// Boot file URL (RFC 5970 §3.1).
    pub boot_file_url: Option<String>,
    /// Boot file parameters (RFC 5970 §3.2).
    pub boot_file_parameters: Vec<String>,
    /// Captive portal (RFC 8910 §2.2).
    pub captive_portal: Option<String>,
    /// Information Refresh Time (RFC 9915 §21.23), seconds.
    pub information_refresh_time: Option<u32>,
    /// SOL_MAX_RT (RFC 9915 §21.24), seconds.
    pub solicit_max_rt: Option<u32>,
    /// INF_MAX_RT (RFC 9915 §21.25), seconds.
    pub information_max_rt: Option<u32>,
    /// Status of the whole message.
    pub status: Option<Status>,
    /// Options that the probe does not know.
    pub unknown: Vec<RawOption>,
}

/// Octets in hexadecimal without separators.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn text<S: Serializer>(value: &impl fmt::Display, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

pub(super) fn maybe_text<S: Serializer>(value: &Option<MacAddr>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(mac) => out.collect_str(mac),
        None => out.serialize_none(),
    }
}

fn seconds<S: Serializer>(value: &Lifetime, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_u32(value.0)
}
