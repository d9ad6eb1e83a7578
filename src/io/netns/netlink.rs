//! Requests to the kernel about devices, addresses and routes of one namespace.
//!
//! Blocking: each request runs to its end on a small runtime of its own. Not for the packet path.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::AsRawFd;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo,
};
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RoutePreference, RouteProtocol,
};
use rtnetlink::{LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::runtime::Runtime;

use super::{Address, Link, Netns, NetnsError, Preference, Route};
use crate::types::{Lifetime, MacAddr};

/// A connection to the routing tables of the namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    runtime: Runtime,
    handle: rtnetlink::Handle,
}

/// Ticks per second of the times in a route's cache information: USER_HZ, 100 on every Linux architecture that this
/// program is built for.
const USER_HZ: u32 = 100;

impl Netlink {
    /// A connection to the namespace of the calling thread; it stays there whoever uses it.
    ///
    /// # Errors
    /// When the kernel gives no netlink socket.
    pub fn open() -> Result<Self, NetnsError> {
        let open = || -> std::io::Result<Self> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            let handle = {
                let _inside = runtime.enter();
                let (connection, handle, _) = rtnetlink::new_connection()?;
                runtime.spawn(connection);
                handle
            };
            Ok(Self { runtime, handle })
        };
        open().map_err(|source| NetnsError::os("cannot open a netlink socket", source))
    }

    /// The device of that name.
    ///
    /// # Errors
    /// [`NetnsError::NoDevice`] when there is none.
    pub fn link(&self, name: &str) -> Result<Link, NetnsError> {
        let found = self.handle.link().get().match_name(name).execute();
        match self.runtime.block_on(async { std::pin::pin!(found).try_next().await }) {
            Ok(Some(message)) => Ok(link(&message)),
            Ok(None) => Err(NetnsError::NoDevice(name.into())),
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENODEV => {
                Err(NetnsError::NoDevice(name.into()))
            }
            Err(source) => Err(NetnsError::Netlink { what: format!("cannot look up device {name}"), source }),
        }
    }

    /// Makes a bridge that is up and forwards at once (no spanning tree), and says its index.
    ///
    /// # Errors
    /// When the kernel refuses: the name is taken, or it has no bridges.
    pub fn add_bridge(&self, name: &str, multicast_snooping: bool) -> Result<u32, NetnsError> {
        let message = LinkBridge::new(name).mcast_snooping(multicast_snooping).build();
        self.finish(format!("cannot make bridge {name}"), self.handle.link().add(message).execute())?;
        Ok(self.link(name)?.index)
    }

    /// Makes a pair of devices: `name` here, `peer` with the address `peer_mac` in `namespace`; both are down. Says
    /// the index of `name`.
    ///
    /// # Errors
    /// When the kernel refuses: a name is taken, or it has no veth devices.
    pub fn add_veth(
        &self,
        name: &str,
        peer: &str,
        peer_mac: MacAddr,
        namespace: &Netns,
    ) -> Result<u32, NetnsError> {
        let far = LinkUnspec::new_with_name(peer)
            .address(peer_mac.0.to_vec())
            .setns_by_fd(namespace.as_raw_fd())
            .build();
        let message = LinkVeth::new(name, peer).set_info_data(InfoData::Veth(InfoVeth::Peer(far))).build();
        self.finish(format!("cannot make {name} and {peer}"), self.handle.link().add(message).execute())?;
        Ok(self.link(name)?.index)
    }

    /// Sets a device up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_up(&self, index: u32) -> Result<(), NetnsError> {
        self.change(format!("cannot set device {index} up"), LinkUnspec::new_with_index(index).up().build())
    }

    /// Sets a device down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_down(&self, index: u32) -> Result<(), NetnsError> {
        self.change(
            format!("cannot set device {index} down"),
            LinkUnspec::new_with_index(index).down().build(),
        )
    }

    /// Gives a device another hardware address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_mac(&self, index: u32, mac: MacAddr) -> Result<(), NetnsError> {
        let message = LinkUnspec::new_with_index(index).address(mac.0.to_vec()).build();
        self.change(format!("cannot give device {index} the address {mac}"), message)
    }

    /// Sets the largest packet of a device, in octets.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), NetnsError> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
        self.change(format!("cannot set the MTU of device {index} to {mtu}"), message)
    }

    /// Makes a device a port of a bridge.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_bridge(&self, index: u32, bridge: u32) -> Result<(), NetnsError> {
        let message = LinkUnspec::new_with_index(index).controller(bridge).build();
        self.change(format!("cannot make device {index} a port of bridge {bridge}"), message)
    }

    /// Moves a device into another namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn move_to(&self, index: u32, namespace: &Netns) -> Result<(), NetnsError> {
        let message = LinkUnspec::new_with_index(index).setns_by_fd(namespace.as_raw_fd()).build();
        self.change(format!("cannot move device {index}"), message)
    }

    /// Removes a device; the other end of a veth pair goes with it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn delete(&self, index: u32) -> Result<(), NetnsError> {
        self.finish(format!("cannot remove device {index}"), self.handle.link().del(index).execute())
    }

    /// Gives a device an address with its lifetimes, or renews those of an address that it has. The kernel runs
    /// duplicate address detection on a new one.
    ///
    /// # Errors
    /// When the kernel refuses: IPv6 is disabled on the device.
    pub fn set_address(&self, index: u32, address: &Address) -> Result<(), NetnsError> {
        let ip = IpAddr::V6(address.address);
        let mut request = self.handle.address().add(index, ip, address.prefix_length).replace();
        let mut lifetimes = CacheInfo::default();
        lifetimes.ifa_preferred = address.preferred.0;
        lifetimes.ifa_valid = address.valid.0;
        request.message_mut().attributes.push(AddressAttribute::CacheInfo(lifetimes));
        self.finish(format!("cannot add {ip}/{} to device {index}", address.prefix_length), request.execute())
    }

    /// The IPv6 addresses of a device.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn addresses(&self, index: u32) -> Result<Vec<Address>, NetnsError> {
        let all = self.handle.address().get().set_link_index_filter(index).execute();
        let messages: Vec<AddressMessage> =
            self.finish(format!("cannot list the addresses of device {index}"), all.try_collect())?;
        Ok(messages.iter().filter_map(address).collect())
    }

    /// The IPv6 routes of the main table, multicast and link-local ones left out.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routes(&self) -> Result<Vec<Route>, NetnsError> {
        let all = self.handle.route().get(RouteMessageBuilder::<Ipv6Addr>::new().build()).execute();
        let messages: Vec<RouteMessage> = self.finish("cannot list the routes", all.try_collect())?;
        let wanted = |route: &Route| {
            route.is_default()
                || !(crate::types::ip6::is_link_local(route.destination) || route.destination.is_multicast())
        };
        Ok(messages.iter().filter_map(route).filter(wanted).collect())
    }

    fn change(&self, what: String, message: LinkMessage) -> Result<(), NetnsError> {
        self.finish(what, self.handle.link().change(message).execute())
    }

    fn finish<T>(
        &self,
        what: impl Into<String>,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> Result<T, NetnsError> {
        self.runtime.block_on(request).map_err(|source| NetnsError::Netlink { what: what.into(), source })
    }
}

fn link(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: MacAddr::default(),
        mtu: 0,
        running: message.header.flags.contains(LinkFlags::Up | LinkFlags::Running),
        cable: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::LinkInfo(parts) => {
                let cable = |part: &LinkInfo| matches!(part, LinkInfo::Kind(InfoKind::Tun | InfoKind::Veth));
                link.cable = parts.iter().any(cable);
            }
            LinkAttribute::Address(octets) => {
                link.mac = MacAddr(octets.as_slice().try_into().unwrap_or_default());
            }
            _ => {}
        }
    }
    link
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut ip = None;
    let mut lifetimes = (Lifetime::INFINITE, Lifetime::INFINITE);
    let mut flags = AddressFlags::empty();
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(IpAddr::V6(address)) => ip = Some(*address),
            AddressAttribute::CacheInfo(info) => {
                lifetimes = (Lifetime(info.ifa_preferred), Lifetime(info.ifa_valid));
            }
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let header = message.header.flags;
    Some(Address {
        address: ip?,
        prefix_length: message.header.prefix_len,
        preferred: lifetimes.0,
        valid: lifetimes.1,
        tentative: flags.contains(AddressFlags::Tentative) || header.contains(AddressHeaderFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed) || header.contains(AddressHeaderFlags::Dadfailed),
        dynamic: !flags.contains(AddressFlags::Permanent),
    })
}

fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.address_family != AddressFamily::Inet6
        || message.header.table != RouteHeader::RT_TABLE_MAIN
    {
        return None;
    }
    let mut route = Route {
        destination: Ipv6Addr::UNSPECIFIED,
        prefix_length: message.header.destination_prefix_length,
        gateway: None,
        device: 0,
        preference: None,
        expires: None,
        mtu: None,
        from_advert: message.header.protocol == RouteProtocol::Ra,
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => route.destination = *address,
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => route.gateway = Some(*address),
            RouteAttribute::Oif(index) => route.device = *index,
            RouteAttribute::Preference(value) => route.preference = preference(*value),
            RouteAttribute::CacheInfo(info) if info.expires != 0 => {
                route.expires = Some(info.expires / USER_HZ);
            }
            RouteAttribute::Metrics(metrics) => {
                route.mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(route)
}

fn preference(value: RoutePreference) -> Option<Preference> {
    match value {
        RoutePreference::Low => Some(Preference::Low),
        RoutePreference::Medium => Some(Preference::Medium),
        RoutePreference::High => Some(Preference::High),
        _ => None,
    }
}
