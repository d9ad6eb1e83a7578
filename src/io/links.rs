//! The network devices of this machine, as the kernel's netlink tells of them: those there are, and each that appears,
//! changes or goes.

use std::io;

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::{Handle, MulticastGroup, new_multicast_connection};
use tokio::task::JoinHandle;

use crate::types::MacAddr;

/// One network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it, never 0; used anew only after it wrapped or when somebody asks for it.
    pub index: u32,
    /// Its name at the moment.
    pub name: String,
    /// Its MAC address; zero when it has none.
    pub mac: MacAddr,
    /// What it is as far as it matters here.
    pub kind: Kind,
    /// The bridge (or bond, or VRF) that it is a port of.
    pub controller: Option<u32>,
    /// A cable is plugged in at both ends: somebody can hear what is sent.
    pub up: bool,
}

/// Kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The host's end of a guest's cable, a tap or a veth: hands up every frame, whatever its destination.
    Cable,
    /// A device that hands up only frames to addresses of its own unless asked: a bridge, a NIC.
    Station,
    /// No Ethernet: the loopback, a tunnel of packets.
    Other,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// These are all devices: at the start, and after notifications were lost.
    All(Vec<Link>),
    /// A device appeared or changed.
    Changed(Link),
    /// A device is gone, or has moved to another namespace.
    Gone(u32),
}

type Messages =
    Box<dyn futures_util::Stream<Item = NetlinkPayload<RouteNetlinkMessage>> + Unpin + Send + 'static>;

/// A subscription to the devices of the calling thread's network namespace.
pub struct Links {
    handle: Handle,
    messages: Messages,
    connection: JoinHandle<()>,
    stale: bool,
}

impl Links {
    /// Subscribes; the first event is [`LinkEvent::All`]. To be called within a tokio runtime.
    ///
    /// # Errors
    /// The netlink socket cannot be made.
    pub fn open() -> io::Result<Self> {
        let (connection, handle, messages) = new_multicast_connection(&[MulticastGroup::Link])?;
        let messages = Box::new(messages.map(|(message, _)| message.payload));
        Ok(Self { handle, messages, connection: tokio::spawn(connection), stale: true })
    }

    /// The next event. Dropping the future loses none.
    ///
    /// # Errors
    /// The socket has failed: open a new subscription.
    pub async fn next(&mut self) -> io::Result<LinkEvent> {
        loop {
            if self.stale {
                // Subscribed first, listed then: what happens in between is told twice rather than never.
                let all = self.list().await?;
                self.stale = false;
                return Ok(LinkEvent::All(all));
            }
            let payload = self.messages.next().await.ok_or_else(|| io::Error::other("netlink has ended"))?;
            match payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                    if let Some(link) = link(&message) {
                        return Ok(LinkEvent::Changed(link));
                    }
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message))
                    if is_device(&message) =>
                {
                    return Ok(LinkEvent::Gone(message.header.index));
                }
                // ENOBUFS: the kernel had more to tell than the socket could hold.
                NetlinkPayload::Overrun(_) => {
                    tracing::info!("netlink notifications were lost: all devices are listed again");
                    self.stale = true;
                }
                _ => {}
            }
        }
    }

    async fn list(&mut self) -> io::Result<Vec<Link>> {
        // One by one: the kernel tells some 10 KiB of each device, of which a few octets are kept.
        let mut messages = self.handle.link().get().execute();
        let mut all = Vec::new();
        while let Some(message) = messages.try_next().await.map_err(io::Error::other)? {
            all.extend(link(&message));
        }
        Ok(all)
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Bridges tell of their ports in messages of another family: a port that leaves its bridge is not gone.
fn is_device(message: &LinkMessage) -> bool {
    u8::from(message.header.interface_family) == 0
}

fn link(message: &LinkMessage) -> Option<Link> {
    if !is_device(message) {
        return None;
    }
    let mut name = None;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: MacAddr::default(),
        kind: if message.header.link_layer_type == LinkLayerType::Ether {
            Kind::Station
        } else {
            Kind::Other
        },
        controller: None,
        up: message.header.flags.contains(LinkFlags::Running),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Address(octets) => {
                link.mac = MacAddr(octets.as_slice().try_into().unwrap_or_default());
            }
            LinkAttribute::Controller(index) => link.controller = Some(*index).filter(|i| *i != 0),
            LinkAttribute::LinkInfo(parts) if link.kind == Kind::Station => {
                let cable = |p: &LinkInfo| matches!(p, LinkInfo::Kind(InfoKind::Tun | InfoKind::Veth));
                if parts.iter().any(cable) {
                    link.kind = Kind::Cable;
                }
            }
            _ => {}
        }
    }
    link.name = name?;
    Some(link)
}
