//! Who asks: the port of a frame, and whether its IPv6 source is one that this guest may use.

use std::net::Ipv6Addr;

use super::{Reason, Trace};
use crate::lease::{DeviceId, LeaseTable, Lookup, Network, Port};
use crate::types::{MacAddr, ip6};
use crate::wire::Full;
use crate::wire::envelope::{Envelope, Layer, Open};
use crate::wire::frame::Frame;
use crate::wire::ndp::SourceLinkLayer;

/// A known guest and its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'t, 'f> {
    pub(super) table: &'t LeaseTable,
    pub(super) port: Port<'t>,
    pub(super) network: Network<'t>,
    pub(super) frame: Frame<'f>,
}

impl<'t, 'f> Asker<'t, 'f> {
    /// Finds the port by source MAC and VLAN, and checks the device that it is pinned to.
    pub(super) fn find<T: Trace>(
        table: &'t LeaseTable,
        frame: Frame<'f>,
        device: Option<DeviceId>,
        trace: &mut T,
    ) -> Result<Self, Reason> {
        let id = match table.find(frame.vlan, frame.source_mac, device) {
            Lookup::Found(id) => id,
            Lookup::WrongDevice => return Err(Reason::WrongDevice),
            Lookup::Unknown => return Err(Reason::UnknownMac),
        };
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
        Ok(Self { table, port, network, frame })
    }

    /// True for an address that answers for us on this network: the router's, a gateway's, the service's.
    pub(super) fn is_ours(&self, address: Ipv6Addr) -> bool {
        self.network.own_addresses().contains(&address.octets())
    }

    /// True for a link-local address that is not ours (SEC-009).
    pub(super) fn is_its_link_local(&self) -> bool {
        ip6::is_link_local(self.frame.source) && !self.is_ours(self.frame.source)
    }

    /// True for a source that this guest may use: a link-local, an address of the network's subnets (SLAAC makes any),
    /// an assigned one, one of a delegated prefix; never one of ours (SEC-009).
    pub(super) fn is_its_address(&self) -> bool {
        let source = self.frame.source;
        let delegated = || {
            let holds = |p: &crate::lease::record::PrefixRecord| {
                ip6::in_prefix(source, Ipv6Addr::from_octets(p.prefix), p.length)
            };
            self.port.prefixes().iter().any(holds)
        };
        !self.is_ours(source)
            && (ip6::is_link_local(source) || self.network.is_on_link(source) || delegated())
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

    /// Refuses what Neighbor Discovery must not be: forwarded (RFC 4861 §6.1.1, §7.1.1) or fragmented (RFC 6980 §5).
    pub(super) fn check_on_link(&self) -> Result<(), Reason> {
        if self.frame.hop_limit != 255 {
            return Err(Reason::BadHopLimit);
        }
        if self.frame.atomic_fragment { Err(Reason::Fragment) } else { Ok(()) }
    }

    /// Opens an answer to the frame's sender. It goes to the MAC that asked whatever the IPv6 destination is: there is
    /// no neighbour cache, and a group packet in a unicast frame is legal when it has one receiver (RFC 6085).
    pub(super) fn open<'b>(
        &self,
        out: &'b mut [u8],
        source: Ipv6Addr,
        destination: Ipv6Addr,
        layer: Layer,
    ) -> Result<Open<'b>, Full> {
        envelope(&self.network, self.frame.source_mac, source, destination).open(out, layer)
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
