//! The compiled lease table: immutable, checked, read by the dataplane without parsing.
//!
//! A table is built by `lease::compile` or read from a file by `lease::file`; both leave the same typed sections.
//! Every reference inside has been checked by then, so no look-up here can fail: what does not exist is empty.

use std::net::Ipv6Addr;
use std::sync::OnceLock;

use super::derive;
use super::instances::Instances;
use super::record::{
    BlobRef, IndexSlot, InterfaceRecord, LinkRecord, NO_DEVICE, NetworkRecord, PortRecord, PrefixRecord,
    RelayRecord, SUBNET_DEPRECATED, ServerRecord, ServiceRecord, Span, SubnetRecord,
};
use super::relay::Relay;
use crate::types::{MacAddr, ip6};

/// The sections of a table, in the order of the file.
#[derive(Debug, Default, PartialEq)]
pub struct Sections {
    /// What the whole table shares.
    pub server: ServerRecord,
    /// Networks in the order of their names.
    pub networks: Vec<NetworkRecord>,
    /// Subnets, grouped by network.
    pub subnets: Vec<SubnetRecord>,
    /// Ports in the order of the source.
    pub ports: Vec<PortRecord>,
    /// Addresses that the records refer to.
    pub addresses: Vec<[u8; 16]>,
    /// Delegated prefixes that the ports refer to.
    pub prefixes: Vec<PrefixRecord>,
    /// Names of devices, sorted by their octets.
    pub devices: Vec<BlobRef>,
    /// The index by (VLAN, MAC); a power of two, at least twice the number of ports, never empty.
    pub index: Vec<IndexSlot>,
    /// Which network a relay's link-address means, sorted and disjoint.
    pub links: Vec<LinkRecord>,
    /// Which relays are trusted: one record or none.
    pub relays: Vec<RelayRecord>,
    /// Ports by the Interface-Id that their relay gives them, sorted by it.
    pub interfaces: Vec<InterfaceRecord>,
    /// Where metadata services are reached, grouped by network.
    pub services: Vec<ServiceRecord>,
    /// Octets that the records refer to, equal ones stored once.
    pub blobs: Vec<u8>,
}

/// A compiled lease table whose every reference has been checked.
#[derive(Debug)]
pub struct LeaseTable {
    sections: Sections,
    instances: OnceLock<Instances>,
}

/// Number of a port in its table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortId(pub u32);

/// Number of a network in its table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NetworkId(pub u32);

/// Number of a device name in its table. Devices that neither a port nor a relay is bound to have none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceId(pub u32);

/// Outcome of a look-up by (VLAN, MAC) and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The port of this guest.
    Found(PortId),
    /// The MAC is known on this VLAN, but pinned to another device.
    WrongDevice,
    /// No port has this MAC on this VLAN.
    Unknown,
}

/// One port and the table that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Port<'t> {
    table: &'t LeaseTable,
    record: &'t PortRecord,
    id: PortId,
}

/// One network and the table that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Network<'t> {
    table: &'t LeaseTable,
    record: &'t NetworkRecord,
    id: NetworkId,
}

/// The key's hash: a folded 128-bit multiplication. Part of the file format, so it never changes within a version.
/// The keys stored are the operator's, and a chain is bounded by the table's half-empty index, so no secret is needed.
#[must_use]
pub fn hash_key(vlan: u16, mac: MacAddr) -> u64 {
    let key = (mac.to_u64() | u64::from(vlan) << 48) ^ 0x9e37_79b9_7f4a_7c15;
    let wide = u128::from(key) * 0xd6e8_feb8_6659_fd93_u128;
    let folded = (wide >> 64) as u64 ^ wide as u64;
    folded ^ folded >> 32
}

impl LeaseTable {
    /// A table of sections whose references have been checked (`lease::file::verify`).
    pub(super) fn from_checked(sections: Sections) -> Self {
        Self { sections, instances: OnceLock::new() }
    }

    /// The table as this host answers with it: `host` is what no other host has and what stays over restarts.
    ///
    /// A guest's network is the same on every host, and so are its router's addresses. A segment with relays has every
    /// host on it at the same time, and two with one MAC and one link-local address make its switches move the address
    /// to and fro. So where nobody chose `server_mac`, each host has its own.
    #[must_use]
    pub fn on_host(mut self, host: &str) -> Self {
        for relay in &mut self.sections.relays {
            if relay.server_mac == derive::relay_mac().0 {
                let mac = derive::host_relay_mac(host);
                (relay.server_mac, relay.server_link_local) = (mac.0, ip6::link_local(mac).octets());
            }
        }
        self
    }

    /// The sections, for writing them to a file.
    #[must_use]
    pub fn sections(&self) -> &Sections {
        &self.sections
    }

    /// The DUID of this server, the same on every hypervisor that has this table.
    #[must_use]
    pub fn server_duid(&self) -> &[u8] {
        self.blob(self.sections.server.duid)
    }

    /// True for the DUID of this server.
    #[must_use]
    #[inline]
    pub fn is_server_duid(&self, duid: &[u8]) -> bool {
        let own = self.server_duid();
        // Most are of one length and differ at their end.
        duid.last_chunk::<4>() == own.last_chunk() && duid == own
    }

    /// Finds the port of a guest's frame. `device` is the table's number of the device that the frame came in on. Nobody
    /// is a guest on a device of relays: whoever is behind an uplink can write any MAC.
    #[must_use]
    pub fn find(&self, vlan: u16, mac: MacAddr, device: Option<DeviceId>) -> Lookup {
        let mut outcome = Lookup::Unknown;
        for id in self.candidates(vlan, mac) {
            let Some(port) = self.sections.ports.get(id.0 as usize) else { continue };
            let pin = port.device.get();
            if device.map_or(pin == NO_DEVICE, |d| d.0 == pin || pin == NO_DEVICE && !self.is_of_relays(d)) {
                return Lookup::Found(id);
            }
            outcome = Lookup::WrongDevice;
        }
        outcome
    }

    /// Every port with this MAC on this VLAN; more than one only when each is pinned to a device of its own.
    pub fn candidates(&self, vlan: u16, mac: MacAddr) -> impl Iterator<Item = PortId> {
        let index = &self.sections.index;
        let mask = index.len().wrapping_sub(1);
        let hash = hash_key(vlan, mac);
        let start = hash as usize & mask;
        let tag = (hash >> 32) as u32;
        (0..index.len())
            .map_while(move |step| {
                index.get(start.wrapping_add(step) & mask).filter(|slot| slot.port.get() != 0)
            })
            .filter(move |slot| slot.tag.get() == tag)
            .map(|slot| PortId(slot.port.get().wrapping_sub(1)))
            .filter(move |id| {
                self.sections.ports.get(id.0 as usize).is_some_and(|p| p.mac == mac.0 && p.vlan.get() == vlan)
            })
    }

    /// Finds the port with this MAC on a network, whatever device it is pinned to: relayed messages come in elsewhere.
    #[must_use]
    pub fn find_on(&self, network: NetworkId, mac: MacAddr) -> Option<PortId> {
        let vlan = self.sections.networks.get(network.0 as usize)?.vlan.get();
        let on = |id: &PortId| {
            self.sections.ports.get(id.0 as usize).is_some_and(|port| port.network.get() == network.0)
        };
        self.candidates(vlan, mac).find(on)
    }

    /// The network that a relay's link-address means (RFC 9915 §13.1). Takes logarithmic time.
    #[must_use]
    pub fn network_of_link(&self, address: Ipv6Addr) -> Option<NetworkId> {
        let links = &self.sections.links;
        let octets = address.octets();
        let last = links.partition_point(|link| link.prefix <= octets).checked_sub(1)?;
        let link = links.get(last)?;
        let inside = ip6::in_prefix(address, Ipv6Addr::from_octets(link.prefix), link.length);
        inside.then(|| NetworkId(link.network.get()))
    }

    /// Which relays are trusted; `None` when relayed messages are refused.
    #[must_use]
    pub fn relay(&self) -> Option<Relay<'_>> {
        self.sections.relays.first().map(|record| Relay::new(self, record))
    }

    /// True when relays are trusted on this device, and guests are not.
    #[must_use]
    pub fn is_of_relays(&self, device: DeviceId) -> bool {
        self.relay().is_some_and(|relay| relay.trusts(device))
    }

    /// The number of ports.
    #[must_use]
    pub fn port_count(&self) -> usize {
        self.sections.ports.len()
    }

    /// The number of networks.
    #[must_use]
    pub fn network_count(&self) -> usize {
        self.sections.networks.len()
    }

    /// One port, if the table has so many.
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<Port<'_>> {
        self.sections.ports.get(id.0 as usize).map(|record| Port { table: self, record, id })
    }

    /// One network, if the table has so many.
    #[must_use]
    pub fn network(&self, id: NetworkId) -> Option<Network<'_>> {
        self.sections.networks.get(id.0 as usize).map(|record| Network { table: self, record, id })
    }

    /// All ports in the order of the source.
    pub fn ports(&self) -> impl Iterator<Item = Port<'_>> {
        (0..).zip(&self.sections.ports).map(|(i, record)| Port { table: self, record, id: PortId(i) })
    }

    /// All networks in the order of their names.
    pub fn networks(&self) -> impl Iterator<Item = Network<'_>> {
        (0..).zip(&self.sections.networks).map(|(i, record)| Network {
            table: self,
            record,
            id: NetworkId(i),
        })
    }

    /// The table's number of a device name, if a port is pinned to that device or relays are trusted on it.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<DeviceId> {
        let devices = &self.sections.devices;
        let at = devices.binary_search_by(|d| self.blob(*d).cmp(name.as_bytes())).ok()?;
        u32::try_from(at).ok().map(DeviceId)
    }

    /// The name of a device that ports are pinned to or relays are trusted on.
    #[must_use]
    pub fn device_name(&self, id: DeviceId) -> &str {
        self.sections.devices.get(id.0 as usize).map_or("", |d| self.text(*d))
    }

    /// Every port that names the same instance as this one, in the order of the source; itself alone when it names none.
    /// The first call takes time for each port of the table, later ones for those that are found.
    #[must_use]
    pub fn ports_of_instance(&self, of: PortId) -> Vec<Port<'_>> {
        let Some(port) = self.port(of) else { return Vec::new() };
        self.instances.get_or_init(|| Instances::of(self)).ports(self, port)
    }

    pub(super) fn blob(&self, at: BlobRef) -> &[u8] {
        let first = at.offset.get() as usize;
        self.sections.blobs.get(first..first.saturating_add(at.length.get() as usize)).unwrap_or(&[])
    }

    fn text(&self, at: BlobRef) -> &str {
        std::str::from_utf8(self.blob(at)).unwrap_or("")
    }
}

pub(super) fn span<T>(section: &[T], at: Span) -> &[T] {
    let first = at.first.get() as usize;
    section.get(first..first.saturating_add(usize::from(at.count.get()))).unwrap_or(&[])
}

impl<'t> Port<'t> {
    /// Its number in the table.
    #[must_use]
    pub fn id(&self) -> PortId {
        self.id
    }

    /// The source MAC of the guest's frames.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        MacAddr(self.record.mac)
    }

    /// The network's VLAN id; 0 for untagged.
    #[must_use]
    pub fn vlan(&self) -> u16 {
        self.record.vlan.get()
    }

    /// The network that it is on.
    #[must_use]
    pub fn network(&self) -> Network<'t> {
        let id = NetworkId(self.record.network.get());
        // Checked at opening: every port has a network.
        self.table.network(id).unwrap_or(Network { table: self.table, record: &EMPTY_NETWORK, id })
    }

    /// The device that it must arrive on, if it is pinned.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        Some(self.record.device.get()).filter(|d| *d != NO_DEVICE).map(DeviceId)
    }

    /// Addresses that DHCPv6 assigns to it, at most [`MAX_PORT_ADDRESSES`](crate::types::limits::MAX_PORT_ADDRESSES).
    #[must_use]
    pub fn addresses(&self) -> &'t [[u8; 16]] {
        span(&self.table.sections.addresses, self.record.addresses)
    }

    /// Prefixes delegated to it, at most [`MAX_PORT_PREFIXES`](crate::types::limits::MAX_PORT_PREFIXES).
    #[must_use]
    pub fn prefixes(&self) -> &'t [PrefixRecord] {
        span(&self.table.sections.prefixes, self.record.prefixes)
    }

    /// Its DHCPv6 options, encoded (see `lease::options`).
    #[must_use]
    pub fn options(&self) -> &'t [u8] {
        self.table.blob(self.record.options)
    }

    /// Its fully qualified name in wire form, empty when there is none.
    #[must_use]
    pub fn hostname(&self) -> &'t [u8] {
        self.table.blob(self.record.hostname)
    }

    /// Its id, instance id, project id, host name and metadata as JSON, empty when there is none.
    #[must_use]
    pub fn metadata(&self) -> &'t [u8] {
        self.table.blob(self.record.metadata)
    }

    /// The SLAAC addresses that a host with this MAC makes in the network's subnets.
    pub fn slaac_addresses(&self) -> impl Iterator<Item = Ipv6Addr> + 't {
        let mac = self.mac();
        let subnets = self.network().subnets();
        subnets
            .iter()
            .filter(|s| s.flags & super::record::SUBNET_SLAAC != 0)
            .map(move |s| ip6::slaac(Ipv6Addr::from_octets(s.prefix), mac))
    }
}

static EMPTY_NETWORK: NetworkRecord = zerocopy::transmute!([0_u8; size_of::<NetworkRecord>()]);

impl<'t> Network<'t> {
    /// Its number in the table.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        self.id
    }

    /// Its record: fixed fields, read in place.
    #[must_use]
    pub fn record(&self) -> &'t NetworkRecord {
        self.record
    }

    /// Its name in the lease source.
    #[must_use]
    pub fn name(&self) -> &'t str {
        self.table.text(self.record.name)
    }

    /// True when `flag` (a `NETWORK_*` bit) is set.
    #[must_use]
    pub fn has(&self, flag: u16) -> bool {
        self.record.flags.get() & flag != 0
    }

    /// MAC of every answer.
    #[must_use]
    pub fn router_mac(&self) -> MacAddr {
        MacAddr(self.record.router_mac)
    }

    /// IPv6 source of every answer, link-local.
    #[must_use]
    pub fn router_link_local(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.record.router_link_local)
    }

    /// The first Router Advertisement without its checksum, empty when somebody else advertises.
    #[must_use]
    pub fn router_advertisement(&self) -> &'t [u8] {
        self.table.blob(self.record.ra)
    }

    /// All Router Advertisements that one answer or one period needs, without their checksums: usually one, more where
    /// one would pass the MTU (RFC 4861 §6.2.3), none when somebody else advertises. Each has the same header and
    /// source link-layer address.
    pub fn router_advertisements(&self) -> impl Iterator<Item = &'t [u8]> + use<'t> {
        let mut rest = self.table.blob(self.record.ra_more);
        let more = std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<2>()?;
            let (message, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = tail;
            Some(message)
        });
        Some(self.router_advertisement()).filter(|ra| !ra.is_empty()).into_iter().chain(more)
    }

    /// DHCPv6 options of the network itself, encoded (see `lease::options`).
    #[must_use]
    pub fn options(&self) -> &'t [u8] {
        self.table.blob(self.record.options)
    }

    /// Addresses that are answered for, the router's link-local first.
    #[must_use]
    pub fn own_addresses(&self) -> &'t [[u8; 16]] {
        span(&self.table.sections.addresses, self.record.own_addresses)
    }

    /// Where its metadata service is reached, at most
    /// [`MAX_SERVICE_ADDRESSES`](crate::types::limits::MAX_SERVICE_ADDRESSES); empty when it has none.
    #[must_use]
    pub fn services(&self) -> &'t [ServiceRecord] {
        span(&self.table.sections.services, self.record.services)
    }

    /// Name of the upstream that answers for its metadata service; empty for the default of the hypervisor's
    /// configuration.
    #[must_use]
    pub fn metadata_upstream(&self) -> &'t str {
        self.table.text(self.record.metadata_upstream)
    }

    /// Its id in the lease source, Neutron's where that is where it comes from; empty when it has none.
    #[must_use]
    pub fn uuid(&self) -> &'t str {
        self.table.text(self.record.id)
    }

    /// Its subnets.
    #[must_use]
    pub fn subnets(&self) -> &'t [SubnetRecord] {
        span(&self.table.sections.subnets, self.record.subnets)
    }

    /// True when the address lies in one of its subnets.
    #[must_use]
    pub fn is_on_link(&self, address: Ipv6Addr) -> bool {
        let inside = |s: &SubnetRecord| ip6::in_prefix(address, Ipv6Addr::from_octets(s.prefix), s.length);
        self.subnets().iter().any(inside)
    }

    /// True when the address lies in a subnet that is being given up: it is still valid and no longer preferred.
    #[must_use]
    pub fn is_deprecated(&self, address: Ipv6Addr) -> bool {
        let holds = |s: &SubnetRecord| ip6::in_prefix(address, Ipv6Addr::from_octets(s.prefix), s.length);
        self.subnets().iter().any(|subnet| subnet.flags & SUBNET_DEPRECATED != 0 && holds(subnet))
    }
}
