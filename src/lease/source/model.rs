//! A lease source after reading: typed, with defaults still open. What could not be read is left out here and is
//! among the findings, so a source with findings is checked further but never compiled.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::ports::Ports;
use crate::types::{DomainName, Duid, Lifetime, MacAddr};
use crate::wire::ndp::advertisement::Preference;

/// The whole source.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The server's DUID, given or derived from the name of the cloud.
    pub(crate) duid: Option<Duid>,
    /// In the order of their names.
    pub(crate) networks: Vec<Network>,
    /// In the order of the file, one for each entry, readable or not.
    pub(crate) ports: Ports,
}

/// A value of `ipv6_ra_mode` or `ipv6_address_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Hosts make their own address.
    Slaac,
    /// Hosts make their own address and ask DHCPv6 for the rest.
    Stateless,
    /// DHCPv6 assigns the address.
    Stateful,
}

impl Mode {
    /// The word in the source.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slaac => "slaac",
            Self::Stateless => "dhcpv6-stateless",
            Self::Stateful => "dhcpv6-stateful",
        }
    }

    /// True when hosts make their own address.
    pub(crate) fn is_autonomous(self) -> bool {
        self != Self::Stateful
    }
}

/// One network.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) name: String,
    /// 0 for untagged.
    pub(crate) vlan: u16,
    pub(crate) mtu: Option<u32>,
    pub(crate) router: Option<Router>,
    pub(crate) interval: Option<Interval>,
    pub(crate) valid: Option<Lifetime>,
    pub(crate) preferred: Option<Lifetime>,
    pub(crate) renew: Option<Lifetime>,
    pub(crate) rebind: Option<Lifetime>,
    pub(crate) service_addresses: Vec<Ipv6Addr>,
    pub(crate) subnets: Vec<Subnet>,
    /// A subnet could not be read: what lies outside the others may lie in that one.
    pub(crate) unread_subnets: bool,
    pub(crate) options: Options,
    pub(crate) sntp_servers: Vec<Ipv6Addr>,
    pub(crate) information_refresh_time: Option<u32>,
    pub(crate) sol_max_rt: Option<u32>,
    pub(crate) inf_max_rt: Option<u32>,
    pub(crate) routes: Vec<Route>,
    pub(crate) nat64_prefix: Option<Ipv6Net>,
    pub(crate) rapid_commit: Option<bool>,
    pub(crate) preference: Option<u8>,
}

/// The router of a network.
#[derive(Debug, Default)]
pub(crate) struct Router {
    /// `None` when it could not be read.
    pub(crate) mac: Option<MacAddr>,
    pub(crate) link_local: Option<Ipv6Addr>,
    pub(crate) lifetime: Option<u16>,
    pub(crate) hop_limit: Option<u8>,
    pub(crate) preference: Preference,
    pub(crate) reachable_time: u32,
    pub(crate) retrans_timer: u32,
}

/// Pauses between unsolicited RAs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// One subnet of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subnet {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) cidr: Ipv6Net,
    pub(crate) ra_mode: Option<Mode>,
    pub(crate) address_mode: Option<Mode>,
    pub(crate) gateway: Option<Ipv6Addr>,
}

impl Subnet {
    /// True when hosts make their own address in it, whoever advertises it.
    pub(crate) fn is_autonomous(&self) -> bool {
        self.ra_mode.or(self.address_mode).is_some_and(Mode::is_autonomous)
    }

    /// True when our DHCPv6 assigns its addresses.
    pub(crate) fn is_assigned(&self) -> bool {
        self.address_mode == Some(Mode::Stateful)
    }
}

/// One route for RFC 4191.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) destination: Ipv6Net,
    pub(crate) preference: Preference,
    pub(crate) lifetime: Option<Lifetime>,
}

/// What a network gives to all of its ports, and what a port may have in its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) dns_nameservers: Option<Vec<Ipv6Addr>>,
    pub(crate) dns_domains: Option<Vec<DomainName>>,
    pub(crate) ntp_servers: Option<Vec<Ipv6Addr>>,
    pub(crate) boot_file_url: Option<String>,
    pub(crate) captive_portal: Option<String>,
}
