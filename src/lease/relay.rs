//! The relays that a table trusts, and how they tell who the client is. What a relay says is read elsewhere.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::record::{
    IDENTIFY_CLIENT_LINK_LAYER, IDENTIFY_DUID_LL, IDENTIFY_INTERFACE_ID, IDENTIFY_PEER_ADDRESS,
    IDENTIFY_REMOTE_ID, RelayRecord,
};
use super::table::{DeviceId, LeaseTable, span};
use crate::types::MacAddr;

/// The trusted relays of a table.
#[derive(Clone, Copy, Debug)]
pub struct Relay<'t> {
    table: &'t LeaseTable,
    record: &'t RelayRecord,
}

/// One way to learn the client's MAC from a relayed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identify {
    /// Client Link-Layer Address (RFC 6939) of the relay closest to the client.
    ClientLinkLayer,
    /// Remote-ID (RFC 4649) that holds the MAC.
    RemoteId {
        /// Enterprise number that the option must have.
        enterprise: u32,
        /// Octets before the MAC, counted behind the enterprise number.
        offset: usize,
        /// The MAC is text (`aa:bb:cc:dd:ee:ff`, `aa-bb-…`, `aabb.ccdd.eeff`, `aabbccddeeff`), not six octets.
        text: bool,
    },
    /// Interface-Id (RFC 9915 §21.18), looked up by [`Relay::interface`].
    InterfaceId,
    /// The modified EUI-64 identifier of the innermost peer-address.
    PeerAddress,
    /// The client's DUID-LL; only one that holds the MAC of a port of the network.
    DuidLl,
}

impl<'t> Relay<'t> {
    pub(super) fn new(table: &'t LeaseTable, record: &'t RelayRecord) -> Self {
        Self { table, record }
    }

    /// True when a relayed message is believed that came in on this device from this source. A device without a number
    /// in the table is nobody's.
    #[must_use]
    pub fn accepts(&self, device: Option<DeviceId>, source: Ipv6Addr) -> bool {
        let sources = self.addresses();
        device.is_some_and(|device| self.trusts(device))
            && (sources.is_empty() || sources.binary_search(&source.octets()).is_ok())
    }

    /// True when relays are trusted on this device, so that our [`server_addresses`](Self::server_addresses) are
    /// answered for there.
    #[must_use]
    pub fn trusts(&self, device: DeviceId) -> bool {
        let devices = <[U32]>::ref_from_bytes(self.table.blob(self.record.devices)).unwrap_or(&[]);
        devices.binary_search_by_key(&device.0, |d| d.get()).is_ok()
    }

    /// How the client is identified, in the order in which it is tried; the first that gives a MAC counts.
    pub fn identify(&self) -> impl Iterator<Item = Identify> + use<'t> {
        let record = self.record;
        self.table.blob(record.identify).iter().filter_map(move |code| match *code {
            IDENTIFY_CLIENT_LINK_LAYER => Some(Identify::ClientLinkLayer),
            IDENTIFY_REMOTE_ID => Some(Identify::RemoteId {
                enterprise: record.remote_enterprise.get(),
                offset: usize::from(record.remote_offset.get()),
                text: record.remote_text != 0,
            }),
            IDENTIFY_INTERFACE_ID => Some(Identify::InterfaceId),
            IDENTIFY_PEER_ADDRESS => Some(Identify::PeerAddress),
            IDENTIFY_DUID_LL => Some(Identify::DuidLl),
            _ => None,
        })
    }

    /// The MAC of the port behind an Interface-Id, compared octet by octet (RFC 9915 §21.18).
    #[must_use]
    pub fn interface(&self, id: &[u8]) -> Option<MacAddr> {
        let interfaces = &self.table.sections().interfaces;
        let at = interfaces.binary_search_by(|i| self.table.blob(i.id).cmp(id)).ok()?;
        interfaces.get(at).map(|i| MacAddr(i.mac))
    }

    /// Sources that are accepted, sorted; empty for any.
    #[must_use]
    pub fn addresses(&self) -> &'t [[u8; 16]] {
        span(&self.table.sections().addresses, self.record.addresses)
    }

    /// Our unicast addresses that relays send to.
    #[must_use]
    pub fn server_addresses(&self) -> &'t [[u8; 16]] {
        span(&self.table.sections().addresses, self.record.server_addresses)
    }

    /// MAC of every answer to a relay.
    #[must_use]
    pub fn server_mac(&self) -> MacAddr {
        MacAddr(self.record.server_mac)
    }

    /// IPv6 source of answers to a relay that sent to a group or to this address: link-local.
    #[must_use]
    pub fn server_link_local(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.record.server_link_local)
    }
}
