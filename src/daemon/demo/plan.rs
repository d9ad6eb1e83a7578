//! What the demo's lease source promises each guest: read on its own, so that the demo does not ask the dataplane what
//! the dataplane should have done.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::Deserialize;

use crate::io::probe::report::Instance;
use crate::types::{MacAddr, ip6};

/// One guest to be: a port of the lease source.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of its network.
    pub network: String,
    /// The bridge's port that it is plugged into.
    pub device: String,
    /// Its MAC.
    pub mac: MacAddr,
    /// `slaac`, `dhcpv6-stateless` or `dhcpv6-stateful`.
    pub mode: String,
    /// The addresses that it must end with, SLAAC ones included.
    pub addresses: Vec<Ipv6Addr>,
    /// The prefixes that it must be delegated.
    pub prefixes: Vec<Ipv6Net>,
    /// The DNS servers that it must know.
    pub dns: Vec<Ipv6Addr>,
    /// The domains that it must search.
    pub domains: Vec<String>,
    /// The MTU that its kernel must use on the link, octets.
    pub mtu: u32,
    /// What it must be told of itself; none where its network has no metadata service.
    pub metadata: Option<Promised>,
}

/// What the metadata service must say of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promised {
    /// What meta_data.json must say.
    pub instance: Instance,
    /// The user data, none when there must be none.
    pub user_data: Option<String>,
}

#[derive(Deserialize)]
struct Source {
    networks: BTreeMap<String, Network>,
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Network {
    mtu: u32,
    #[serde(default)]
    metadata: bool,
    #[serde(default)]
    dns_nameservers: Vec<Ipv6Addr>,
    #[serde(default)]
    dns_domains: Vec<String>,
    subnets: Vec<Subnet>,
}

#[derive(Deserialize)]
struct Subnet {
    cidr: Ipv6Net,
    ipv6_address_mode: String,
}

#[derive(Deserialize)]
struct Port {
    mac_address: String,
    network: String,
    device: String,
    #[serde(default)]
    fixed_ips: Vec<Ipv6Addr>,
    #[serde(default)]
    delegated_prefixes: Vec<Ipv6Net>,
    #[serde(default)]
    device_id: String,
    hostname: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    public_keys: BTreeMap<String, String>,
    user_data: Option<String>,
}

/// One plan for each port, in the order of the source.
pub(super) fn read(leases: &str) -> Result<Vec<Plan>, String> {
    let source: Source = toml::from_str(leases).map_err(|error| error.to_string())?;
    source.ports.into_iter().map(|port| plan(port, &source.networks)).collect()
}

fn plan(port: Port, networks: &BTreeMap<String, Network>) -> Result<Plan, String> {
    let network =
        networks.get(&port.network).ok_or_else(|| format!("there is no network {}", port.network))?;
    let mac: MacAddr = port.mac_address.parse().map_err(|error| format!("{}: {error}", port.mac_address))?;
    let slaac = network.subnets.iter().filter(|subnet| subnet.ipv6_address_mode != "dhcpv6-stateful");
    let computed = slaac.map(|subnet| ip6::slaac(subnet.cidr.network(), mac));
    Ok(Plan {
        mode: network.subnets.first().map(|subnet| subnet.ipv6_address_mode.clone()).unwrap_or_default(),
        addresses: computed.chain(port.fixed_ips).collect(),
        prefixes: port.delegated_prefixes,
        dns: network.dns_nameservers.clone(),
        domains: network.dns_domains.clone(),
        mtu: network.mtu,
        metadata: network.metadata.then_some(Promised {
            instance: Instance {
                uuid: port.device_id,
                hostname: port.hostname,
                public_keys: port.metadata.public_keys,
            },
            user_data: port.metadata.user_data,
        }),
        network: port.network,
        device: port.device,
        mac,
    })
}
