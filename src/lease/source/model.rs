//! A lease source after reading: typed, with defaults still open. What could not be read is left out here and is
//! among the findings, so a source with findings is checked further but never compiled.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::options::Options;
use super::ports::Ports;
use super::service::Metadata;
use crate::types::{Duid, Lifetime, MacAddr};
use crate::wire::ndp::advertisement::Preference;

/// The whole source.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The server's DUID, given or derived from the name of the cloud.
    pub(crate) duid: Option<Duid>,
    /// In the order of their names.
    pub(crate) networks: Vec<Network>,
    /// Which relays are trusted; none without.
    pub(crate) relay: Option<Relay>,
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
    /// Neutron's, for documents; empty when it is not given.
    pub(crate) id: String,
    /// 0 for untagged.
    pub(crate) vlan: u16,
    pub(crate) mtu: Option<u32>,
    pub(crate) router: Option<Router>,
    pub(crate) interval: Option<Interval>,
    pub(crate) valid: Option<Lifetime>,
    pub(crate) preferred: Option<Lifetime>,
    pub(crate) renew: Option<Lifetime>,
    pub(crate) rebind: Option<Lifetime>,
    pub(crate) subnets: Vec<Subnet>,
    /// A subnet could not be read: what lies outside the others may lie in that one.
    pub(crate) unread_subnets: bool,
    pub(crate) options: Options,
    pub(crate) information_refresh_time: Option<u32>,
    pub(crate) sol_max_rt: Option<u32>,
    pub(crate) inf_max_rt: Option<u32>,
    pub(crate) routes: Vec<Route>,
    pub(crate) nat64_prefix: Option<Ipv6Net>,
    pub(crate) metadata: Metadata,
    /// A route to the metadata address is advertised.
    pub(crate) metadata_route: bool,
    /// Prefixes that are gone and whose addresses hosts shall give up.
    pub(crate) retiring: Vec<Retiring>,
    /// Relays may mean it by a link-address; default: when relays are trusted.
    pub(crate) relayed: Option<bool>,
    pub(crate) link_addresses: Vec<Ipv6Addr>,
    pub(crate) address_registration: bool,
    pub(crate) prefix_pools: Vec<PrefixPool>,
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
#[derive(Clone, Debug)]
pub(crate) struct Subnet {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) cidr: Ipv6Net,
    pub(crate) ra_mode: Option<Mode>,
    pub(crate) address_mode: Option<Mode>,
    pub(crate) gateway: Option<Ipv6Addr>,
    /// Hosts start no new connections from it.
    pub(crate) deprecated: bool,
    /// P flag (RFC 9762).
    pub(crate) pd_preferred: bool,
    /// R flag (RFC 6275 §7.2): the gateway's whole address is told.
    pub(crate) router_address: bool,
    /// Ranges out of which ports get their addresses; empty when each has its own in the source.
    pub(crate) pools: Vec<AddressPool>,
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

/// First and last address of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressPool {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) start: Ipv6Addr,
    pub(crate) end: Ipv6Addr,
}

/// A prefix out of which ports get prefixes of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PrefixPool {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) pool: Ipv6Net,
    pub(crate) length: u8,
}

/// A prefix that is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retiring {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) prefix: Ipv6Net,
    /// As it was advertised.
    pub(crate) mode: Mode,
}

/// Which relays are trusted, and how they tell who the client is.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    pub(crate) devices: Vec<String>,
    /// Empty for any.
    pub(crate) addresses: Vec<Ipv6Addr>,
    pub(crate) server_addresses: Vec<Ipv6Addr>,
    pub(crate) server_mac: Option<MacAddr>,
    /// `IDENTIFY_*` codes; empty for the default.
    pub(crate) identify: Vec<u8>,
    pub(crate) remote_id: Option<RemoteId>,
    pub(crate) interface_ids: Vec<(Vec<u8>, MacAddr)>,
}

/// Where the MAC lies in a Remote-ID.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RemoteId {
    pub(crate) enterprise: u32,
    pub(crate) offset: u16,
    pub(crate) text: bool,
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
