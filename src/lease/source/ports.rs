//! The ports of a source, packed: a million of them cost a few large pieces of memory, not millions of small ones.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::options::Options;
use crate::types::MacAddr;

/// Stands in [`Port::fixed_ips`] for an entry that could not be read; no address of the source is it.
pub(crate) const UNREAD_ADDRESS: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

/// One delegated prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delegated {
    /// `::/0` stands for an entry that could not be read; no prefix of the source is it.
    pub(crate) prefix: Ipv6Net,
    /// Part of it that is not delegated (RFC 6603).
    pub(crate) exclude: Option<Ipv6Net>,
}

/// Prefixes that are to come out of the network's pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delegate {
    /// That of the network's first pool when it is not given.
    pub(crate) length: Option<u8>,
    pub(crate) count: u8,
}

/// One port.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Port<'p> {
    pub(crate) mac: Option<MacAddr>,
    /// Number of its network among the source's; `None` when it has none that is known.
    pub(crate) network: Option<u32>,
    pub(crate) device: Option<&'p str>,
    /// [`UNREAD_ADDRESS`] stands for an entry that could not be read.
    pub(crate) fixed_ips: &'p [Ipv6Addr],
    pub(crate) delegated_prefixes: &'p [Delegated],
    pub(crate) delegate: Option<Delegate>,
    /// Addresses come out of the pools of the network's subnets; left out: if it has none of its own.
    pub(crate) allocate: Option<bool>,
    /// In wire form, empty when it has none.
    pub(crate) hostname: &'p [u8],
    /// Only when it has options of its own.
    pub(crate) options: Option<&'p Options>,
    /// Its id, instance id, project id, host name and metadata as one JSON object; empty when it has none.
    pub(crate) metadata: &'p str,
}

impl Port<'_> {
    /// True when a prefix is delegated to it, one of its own or one out of a pool.
    pub(crate) fn is_delegated(&self) -> bool {
        !self.delegated_prefixes.is_empty() || self.delegate.is_some_and(|delegate| delegate.count > 0)
    }
}

/// All ports, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    shards: Vec<Shard>,
}

/// Ports that were read one after the other by one thread.
#[derive(Debug, Default)]
pub(super) struct Shard {
    records: Vec<Record>,
    names: Vec<u8>,
    metadata: String,
    addresses: Vec<Ipv6Addr>,
    prefixes: Vec<Delegated>,
}

/// Where the parts of a port end in its shard; they start where those of the port before end.
#[derive(Debug, Default)]
struct Record {
    mac: Option<MacAddr>,
    network: Option<u32>,
    device: usize,
    hostname: usize,
    metadata: usize,
    addresses: usize,
    prefixes: usize,
    delegate: Option<Delegate>,
    allocate: Option<bool>,
    options: Option<Box<Options>>,
}

impl Shard {
    /// A shard with room for so many ports.
    pub(super) fn with_capacity(ports: usize) -> Self {
        Self { records: Vec::with_capacity(ports), ..Self::default() }
    }

    /// Makes room for so many ports more that are like those that are there: growing copies, and takes memory twice.
    /// Nothing comes of it where that is more than there is.
    pub(super) fn reserve(&mut self, more: usize) {
        let ports = self.records.len().max(1);
        // An eighth more, for numbers that grow longer.
        let room = |length: usize| length.saturating_mul(more) / ports / 8 * 9;
        let _ = self.names.try_reserve(room(self.names.len()));
        let _ = self.metadata.try_reserve(room(self.metadata.len()));
        let _ = self.addresses.try_reserve(room(self.addresses.len()));
        let _ = self.prefixes.try_reserve(room(self.prefixes.len()));
    }

    /// Appends a port whose metadata were written to [`metadata`](Self::metadata) before.
    pub(super) fn push(&mut self, port: &Port<'_>, options: Option<Box<Options>>) {
        self.names.extend_from_slice(port.device.unwrap_or("").as_bytes());
        let device = self.names.len();
        self.names.extend_from_slice(port.hostname);
        self.addresses.extend_from_slice(port.fixed_ips);
        self.prefixes.extend_from_slice(port.delegated_prefixes);
        self.records.push(Record {
            mac: port.mac,
            network: port.network,
            device,
            hostname: self.names.len(),
            metadata: self.metadata.len(),
            addresses: self.addresses.len(),
            prefixes: self.prefixes.len(),
            delegate: port.delegate,
            allocate: port.allocate,
            options,
        });
    }

    /// Where the metadata of the next port are appended.
    pub(super) fn metadata(&mut self) -> &mut String {
        &mut self.metadata
    }

    fn iter(&self) -> impl Iterator<Item = Port<'_>> {
        let first = Record::default();
        self.records.iter().scan(first, |before, record| {
            let device = self.names.get(before.hostname..record.device).unwrap_or(&[]);
            let port = Port {
                mac: record.mac,
                network: record.network,
                device: std::str::from_utf8(device).ok().filter(|device| !device.is_empty()),
                fixed_ips: self.addresses.get(before.addresses..record.addresses).unwrap_or(&[]),
                delegated_prefixes: self.prefixes.get(before.prefixes..record.prefixes).unwrap_or(&[]),
                delegate: record.delegate,
                allocate: record.allocate,
                hostname: self.names.get(record.device..record.hostname).unwrap_or(&[]),
                options: record.options.as_deref(),
                metadata: self.metadata.get(before.metadata..record.metadata).unwrap_or(""),
            };
            *before = Record { options: None, ..*record };
            Some(port)
        })
    }
}

impl Ports {
    /// Ports in the order of the shards.
    pub(super) fn of(shards: Vec<Shard>) -> Self {
        Self { shards }
    }

    /// Number of ports.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.records.len()).sum()
    }

    /// Number of addresses of all ports.
    pub(crate) fn address_count(&self) -> usize {
        self.shards.iter().map(|shard| shard.addresses.len()).sum()
    }

    /// Number of delegated prefixes of all ports.
    pub(crate) fn prefix_count(&self) -> usize {
        self.shards.iter().map(|shard| shard.prefixes.len()).sum()
    }

    /// All ports, numbered from 0.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Port<'_>)> {
        self.shards.iter().flat_map(Shard::iter).enumerate()
    }

    /// Network and device of one port.
    pub(crate) fn place(&self, index: usize) -> Option<(Option<u32>, Option<&str>)> {
        let mut index = index;
        for shard in &self.shards {
            if let Some(record) = shard.records.get(index) {
                let before =
                    index.checked_sub(1).and_then(|i| shard.records.get(i)).map_or(0, |r| r.hostname);
                let device = shard.names.get(before..record.device).and_then(|d| std::str::from_utf8(d).ok());
                return Some((record.network, device.filter(|device| !device.is_empty())));
            }
            index -= shard.records.len();
        }
        None
    }
}
