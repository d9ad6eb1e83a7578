//! Who asks: the port of a frame, and whether its IPv6 source is one that this guest may use.

use std::net::Ipv6Addr;

use super::{Reason, Trace};
use crate::lease::{DeviceId, LeaseTable, Lookup, Network, Port};
use crate::types::limits::MIN_MTU;
use crate::types::{MacAddr, ip6};
use crate::wire::Full;
use crate::wire::dhcp6::RelayChain;
use crate::wire::envelope::{Envelope, Layer, Open};
use crate::wire::frame::Frame;
use crate::wire::ndp::SourceLinkLayer;

/// A known guest and its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'t, 'f> {
    pub(super) table: &'t LeaseTable,
    pub(super) port: Port<'t>,
    pub(super) network: Network<'t>,
    pub(super) frame: &'f Frame<'f>,
    /// The relays that a DHCPv6 message came through; `None` for a guest on this link.
    pub(super) chain: Option<&'f RelayChain<'f>>,
}

impl<'t, 'f> Asker<'t, 'f> {
    /// Finds the port by source MAC and VLAN, and checks the device that it is pinned to.
    pub(super) fn find<T: Trace>(
        table: &'t LeaseTable,
        frame: &'f Frame<'f>,
        device: Option<DeviceId>,
        trace: &mut T,
    ) -> Result<Self, Reason> {
        let id = match table.find(frame.vlan, frame.source_mac, device) {
            Lookup::Found(id) => id,
            Lookup::WrongDevice => return Err(Reason::WrongDevice),
            Lookup::Unknown => return Err(Reason::UnknownMac),
        };
        trace.found(id);
        let port = table.port(id).ok_or(Reason::UnknownMac)?;
        let network = port.network();
        trace.note(|| {
            let pin = port.device().map_or("any device", |d| table.device_name(d));
            format!(
                "lease: ports[{}], MAC {}, VLAN {}, on {pin}, network {:?}",
                id.0,
                frame.source_mac,
                frame.vlan,
                network.name()
            )
        });
        Ok(Self { table, port, network, frame, chain: None })
    }

    /// The client's own address: the IPv6 source, or whom the relay next to it heard (RFC 9915 §13.1).
    pub(super) fn source(&self) -> Ipv6Addr {
        self.chain.map_or(self.frame.source, |chain| chain.innermost().peer)
    }

    /// True for an address that answers for us on this network: the router's, a gateway's, the service's.
    pub(super) fn is_ours(&self, address: Ipv6Addr) -> bool {
        self.network.own_addresses().contains(&address.octets())
    }

    /// True for an address of the network's subnets or of a prefix delegated to the port that is not ours.
    pub(super) fn may_register(&self, address: Ipv6Addr) -> bool {
        !self.is_ours(address) && (self.network.is_on_link(address) || self.is_delegated(address))
    }

    fn is_delegated(&self, address: Ipv6Addr) -> bool {
        let holds = |p: &crate::lease::record::PrefixRecord| {
            ip6::in_prefix(address, Ipv6Addr::from_octets(p.prefix), p.length)
        };
        self.port.prefixes().iter().any(holds)
    }

    /// True for a link-local address that is not ours (SEC-009).
    pub(super) fn is_its_link_local(&self) -> bool {
        ip6::is_link_local(self.frame.source) && !self.is_ours(self.frame.source)
    }

    /// True for a source that this guest may use: a link-local, an address of the network's subnets (SLAAC makes any),
    /// an assigned one, one of a delegated prefix; never one of ours (SEC-009).
    pub(super) fn is_its_address(&self) -> bool {
        let source = self.frame.source;
        !self.is_ours(source) && (ip6::is_link_local(source) || self.may_register(source))
    }

    /// Refuses a solicitation whose source link-layer address is not the frame's (RA-006, ND-014), and one that has
    /// the option without an IPv6 source (RFC 4861 §6.1.1, §7.1.1).
    pub(super) fn check_link_layer(&self, option: SourceLinkLayer) -> Result<(), Reason> {
        match option {
            SourceLinkLayer::Absent => Ok(()),
            _ if self.frame.source.is_unspecified() => Err(Reason::BadNd),
            SourceLinkLayer::Mac(mac) if mac == self.frame.source_mac => Ok(()),
            SourceLinkLayer::Mac(_) | SourceLinkLayer::Foreign => Err(Reason::SpoofedLinkLayer),
        }
    }

    /// Opens an answer to the frame's sender. It goes to the MAC that asked whatever the IPv6 destination is: there is
    /// no neighbour cache, and a group packet in a unicast frame is legal when it has one receiver (RFC 6085).
    #[inline]
    pub(super) fn open<'b>(
        &self,
        out: &'b mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
        layer: Layer,
    ) -> Result<Open<'b>, Full> {
        envelope(&self.network, self.frame.source_mac, source, destination).open(out, layer)
    }

    /// Octets that an answer to this asker may have, Ethernet header included, in a buffer of `buffer` octets.
    pub(super) fn room(&self, buffer: usize) -> usize {
        let ethernet = if self.frame.vlan == 0 { 14_usize } else { 18 };
        let mtu = if self.chain.is_some() { MIN_MTU } else { self.network.record().mtu.get() };
        buffer.min(ethernet.saturating_add(usize::try_from(mtu).unwrap_or(usize::MAX)))
    }

    /// Opens an answer to the relay that sent the frame: from the address that it sent to, or else our link-local one to
    /// a relay on the link, or else our first server address (RLY-016).
    pub(super) fn open_to_relay<'b>(&self, out: &'b mut [u8], layer: Layer) -> Result<Open<'b>, Full> {
        let relay = self.table.relay().ok_or(Full)?;
        let ours = relay.server_addresses();
        let first = ours.first().map(|address| Ipv6Addr::from_octets(*address));
        let source = match first {
            _ if ours.contains(&self.frame.destination.octets()) => self.frame.destination,
            Some(first) if !ip6::is_link_local(self.frame.source) => first,
            _ => relay.server_link_local(),
        };
        let envelope = Envelope {
            source_mac: relay.server_mac(),
            destination_mac: self.frame.source_mac,
            vlan: self.frame.vlan,
            source,
            destination: self.frame.source,
            // The smallest MTU that IPv6 allows: the path to a relay is not known.
            mtu: MIN_MTU,
        };
        envelope.open(out, layer)
    }
}

/// The envelope of whatever goes to one guest of a network.
pub(super) fn envelope(
    network: &Network<'_>,
    to: MacAddr,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Envelope {
    let record = network.record();
    Envelope {
        source_mac: network.router_mac(),
        destination_mac: to,
        vlan: record.vlan.get(),
        source,
        destination,
        mtu: record.mtu.get(),
    }
}

/// Refuses what Neighbor Discovery must not be: forwarded (RFC 4861 §6.1.1, §7.1.1) or fragmented (RFC 6980 §5).
pub(super) fn check_on_link(frame: &Frame<'_>) -> Result<(), Reason> {
    if frame.hop_limit != 255 {
        return Err(Reason::BadHopLimit);
    }
    if frame.atomic_fragment { Err(Reason::Fragment) } else { Ok(()) }
}
