//! A checked source → [`LeaseTable`]. It refuses to decide anything that the check did not see.
//!
//! The same source gives the same octets, whatever machine or number of threads: networks in the order of their
//! names, ports in the order of the file, blobs in the order of their first use.

mod advertisement;
mod blobs;
mod options;
mod relay;

pub(super) use advertisement::{TooLong, advertisements};
use blobs::Blobs;
pub(super) use options::block;
pub(super) use relay::links;

use super::allocate::Allocations;
use super::record::{
    BlobRef, IndexSlot, NETWORK_ADVERTISES, NETWORK_DHCP, NETWORK_IS_ROUTER, NETWORK_RAPID_COMMIT,
    NETWORK_REGISTRATION, NETWORK_TOKEN_REQUIRED, NO_DEVICE, NetworkRecord, PortRecord, PrefixRecord,
    SUBNET_DEPRECATED, SUBNET_SLAAC, SUBNET_STATEFUL, SUBNET_STATELESS, ServerRecord, ServiceRecord, Span,
    SubnetRecord,
};
use super::source::{Delegated, Mode, Network, Port, Service, Source, Subnet};
use super::table::{LeaseTable, Sections, hash_key};

/// Ports that are worth a second thread.
const PORTS_PER_THREAD: usize = 4096;

/// Something passes what the table's numbers can say: 4 GiB of blobs, 2³² records, 65535 octets of one option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease table would be larger than its 32-bit references can say; split the source by hypervisor")]
pub(super) struct TooLarge;

/// Compiles a source without errors; its ports have what was allocated behind what is their own. The blobs are written
/// over `room`, whose pages need not be asked for again.
///
/// # Errors
/// [`TooLarge`].
pub(super) fn compile(
    source: &Source,
    allocations: &Allocations,
    room: Vec<u8>,
) -> Result<LeaseTable, TooLarge> {
    if source.ports.len() < PORTS_PER_THREAD {
        let table = sections(source, allocations, room)?;
        return Ok(LeaseTable::from_checked(Sections { index: index(source)?, ..table }));
    }
    let (index, table) = std::thread::scope(|scope| {
        let index = scope.spawn(|| index(source));
        let table = sections(source, allocations, room);
        (index.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), table)
    });
    Ok(LeaseTable::from_checked(Sections { index: index?, ..table? }))
}

/// Every section but the index.
fn sections(source: &Source, allocations: &Allocations, room: Vec<u8>) -> Result<Sections, TooLarge> {
    let mut table = Builder { blobs: Blobs::over(room), ..Builder::default() };
    let duid = source.duid.as_ref().map_or(&[][..], |duid| duid.as_bytes());
    table.out.server = ServerRecord { duid: table.blobs.store(duid)? };
    let mut delegates = vec![false; source.networks.len()];
    for (_, port) in source.ports.iter().filter(|(_, port)| port.is_delegated()) {
        if let Some(slot) = port.network.and_then(|n| delegates.get_mut(n as usize)) {
            *slot = true;
        }
    }
    for (network, delegates) in source.networks.iter().zip(delegates) {
        table.network(network, delegates)?;
    }
    // Most ports have a name and metadata that no other has.
    table.blobs.reserve(source.ports.len().saturating_mul(2));
    let (devices, of_relay) = table.devices(source)?;
    table.links(source)?;
    if let Some(relay) = &source.relay {
        table.relay(relay, &of_relay)?;
    }
    table.out.ports.reserve_exact(source.ports.len());
    table.out.addresses.reserve_exact(source.ports.address_count());
    table.out.prefixes.reserve_exact(source.ports.prefix_count());
    for (number, port) in source.ports.iter() {
        let device = devices.get(number).copied().unwrap_or(NO_DEVICE);
        table.port(source, (number, &port), device, allocations)?;
    }
    table.out.blobs = table.blobs.into_octets();
    Ok(table.out)
}

#[derive(Default)]
struct Builder {
    out: Sections,
    blobs: Blobs,
}

impl Builder {
    fn network(&mut self, network: &Network, delegates: bool) -> Result<(), TooLarge> {
        // The check has made the same messages and found that they fit.
        let messages = advertisements(network).map_err(|_| TooLarge)?;
        let (ra, more) = messages.split_first().map_or((&[][..], &[][..]), |(ra, more)| (&**ra, more));
        let mut further = Vec::new();
        for message in more {
            further.extend_from_slice(&u16::try_from(message.len()).map_err(|_| TooLarge)?.to_be_bytes());
            further.extend_from_slice(message);
        }
        let (renew, rebind) = network.timers();
        let (advertise_min, advertise_max) = network.advertise_interval();
        let own: Vec<[u8; 16]> = network.own_addresses().iter().map(std::net::Ipv6Addr::octets).collect();
        let dhcp = delegates || network.subnets.iter().any(|s| s.address_mode.is_some());
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = bit(network.advertises(), NETWORK_ADVERTISES)
            | bit(dhcp, NETWORK_DHCP)
            | bit(network.rapid_commit.unwrap_or(true), NETWORK_RAPID_COMMIT)
            | bit(network.router.is_some(), NETWORK_IS_ROUTER)
            | bit(network.address_registration, NETWORK_REGISTRATION)
            | bit(network.metadata.token_required.unwrap_or(false), NETWORK_TOKEN_REQUIRED);
        let upstream = network.metadata.upstream.as_deref().unwrap_or_default();
        let record = NetworkRecord {
            name: self.blobs.store(network.name.as_bytes())?,
            ra: self.blobs.store(ra)?,
            options: self.blobs.store(&block(network, None)?)?,
            own_addresses: append(&mut self.out.addresses, own)?,
            subnets: append(&mut self.out.subnets, network.subnets.iter().map(subnet))?,
            flags: flags.into(),
            vlan: network.vlan.into(),
            mtu: network.link_mtu().into(),
            router_mac: network.answer_mac().0,
            preference: network.preference.unwrap_or(u8::MAX),
            reserved: 0,
            router_link_local: network.answer_address().octets(),
            valid_lifetime: network.valid_lifetime().0.into(),
            preferred_lifetime: network.preferred_lifetime().0.into(),
            renew_time: renew.0.into(),
            rebind_time: rebind.0.into(),
            advertise_min: advertise_min.into(),
            advertise_max: advertise_max.into(),
            ra_more: self.blobs.store(&further)?,
            services: append(&mut self.out.services, network.metadata.services.iter().map(service))?,
            metadata_upstream: self.blobs.store(upstream.as_bytes())?,
            id: self.blobs.store(network.id.as_bytes())?,
        };
        self.out.networks.push(record);
        Ok(())
    }

    /// Makes the device section and gives the number of each port's device, and those of the relays' devices.
    fn devices(&mut self, source: &Source) -> Result<(Vec<u32>, Vec<u32>), TooLarge> {
        let pinned = source.ports.iter().filter_map(|(number, port)| Some((port.device?, Some(number))));
        let of_relay = source.relay.iter().flat_map(|relay| &relay.devices);
        let mut names: Vec<(&str, Option<usize>)> = Vec::with_capacity(source.ports.len());
        names.extend(pinned.chain(of_relay.map(|name| (name.as_str(), None))));
        names.sort_unstable();
        let (mut devices, mut of_relay) = (vec![NO_DEVICE; source.ports.len()], Vec::new());
        for (device, same) in names.chunk_by(|a, b| a.0 == b.0).enumerate() {
            let device = u32::try_from(device).map_err(|_| TooLarge)?;
            let Some((name, first)) = same.first() else { continue };
            self.out.devices.push(self.blobs.store_new(name.as_bytes())?);
            // None stands before every number.
            if first.is_none() {
                of_relay.push(device);
            }
            for number in same.iter().filter_map(|(_, number)| *number) {
                if let Some(slot) = devices.get_mut(number) {
                    *slot = device;
                }
            }
        }
        Ok((devices, of_relay))
    }

    fn port(
        &mut self,
        source: &Source,
        (index, port): (usize, &Port<'_>),
        device: u32,
        allocations: &Allocations,
    ) -> Result<(), TooLarge> {
        // The check leaves no port without a network or a MAC.
        let number = port.network.unwrap_or_default();
        let Some(network) = source.networks.get(number as usize) else { return Ok(()) };
        let mac = port.mac.unwrap_or_default();
        let options = match port.options {
            Some(own) => self.blobs.store(&block(network, Some(own))?)?,
            None => self.out.networks.get(number as usize).map_or_else(BlobRef::default, |n| n.options),
        };
        let assigned =
            port.fixed_ips.iter().filter(|a| network.subnet_of(**a).is_some_and(Subnet::is_assigned));
        let assigned = assigned.copied().chain(allocations.addresses(index));
        let allocated = allocations.prefixes(index).map(|prefix| Delegated { prefix, exclude: None });
        let prefixes = port.delegated_prefixes.iter().copied().chain(allocated);
        let record = PortRecord {
            mac: mac.0,
            vlan: network.vlan.into(),
            network: number.into(),
            device: device.into(),
            addresses: append(&mut self.out.addresses, assigned.map(|a| a.octets()))?,
            prefixes: append(&mut self.out.prefixes, prefixes.map(prefix))?,
            options,
            hostname: self.blobs.store(port.hostname)?,
            metadata: self.blobs.store(port.metadata.as_bytes())?,
            reserved: [0; 12],
        };
        self.out.ports.push(record);
        Ok(())
    }
}

fn prefix(delegated: Delegated) -> PrefixRecord {
    PrefixRecord {
        prefix: delegated.prefix.addr().octets(),
        length: delegated.prefix.prefix_len(),
        exclude: delegated.exclude.map_or([0; 16], |part| part.addr().octets()),
        exclude_length: delegated.exclude.map_or(0, |part| part.prefix_len()),
    }
}

fn service(service: &Service) -> ServiceRecord {
    ServiceRecord { address: service.address.octets(), port: service.port.into() }
}

fn subnet(subnet: &Subnet) -> SubnetRecord {
    let autonomous = if subnet.is_autonomous() { SUBNET_SLAAC } else { 0 };
    let stateless = subnet.ra_mode.or(subnet.address_mode) == Some(Mode::Stateless);
    let stateless = if stateless { SUBNET_STATELESS } else { 0 };
    let assigned = if subnet.is_assigned() { SUBNET_STATEFUL } else { 0 };
    SubnetRecord {
        prefix: subnet.cidr.addr().octets(),
        length: subnet.cidr.prefix_len(),
        flags: autonomous | stateless | assigned | if subnet.deprecated { SUBNET_DEPRECATED } else { 0 },
    }
}

/// Appends records; none is a span of two zeros.
fn append<T>(section: &mut Vec<T>, records: impl IntoIterator<Item = T>) -> Result<Span, TooLarge> {
    let first = section.len();
    section.extend(records);
    let count = u16::try_from(section.len() - first).map_err(|_| TooLarge)?;
    if count == 0 {
        return Ok(Span::default());
    }
    Ok(Span { first: u32::try_from(first).map_err(|_| TooLarge)?.into(), count: count.into() })
}

/// The open-addressed index: a power of two of slots, at most half of them used.
fn index(source: &Source) -> Result<Vec<IndexSlot>, TooLarge> {
    let count = u32::try_from(source.ports.len()).map_err(|_| TooLarge)?;
    let slots = source.ports.len().saturating_mul(2).max(1).next_power_of_two();
    let mask = slots - 1;
    let mut index = vec![IndexSlot::default(); slots];
    for (number, (_, port)) in (1..=count).zip(source.ports.iter()) {
        let network = port.network.and_then(|n| source.networks.get(n as usize));
        let hash = hash_key(network.map_or(0, |network| network.vlan), port.mac.unwrap_or_default());
        let mut at = hash as usize & mask;
        while index.get(at).is_some_and(|slot| slot.port.get() != 0) {
            at = (at + 1) & mask;
        }
        let slot = index.get_mut(at).ok_or(TooLarge)?;
        *slot = IndexSlot { tag: ((hash >> 32) as u32).into(), port: number.into() };
    }
    Ok(index)
}
