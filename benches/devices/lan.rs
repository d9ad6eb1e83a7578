//! Many devices, each a cable to a guest's end in another namespace.

use std::collections::HashMap;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};

use etherparse::PacketBuilder;
use frontdesk::io::netns::{Netlink, Netns};
use frontdesk::io::packet::{BATCH, Filter, Socket};
use frontdesk::types::{MacAddr, ip6};
use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, sendmmsg};

use crate::support::{self, mac};

/// Guests that take turns, whatever the number of devices: the same table, the same frames.
pub(crate) const GUESTS: u32 = 1000;

/// The devices and the namespace of their other ends.
pub(crate) struct Lan {
    host: Netlink,
    pub(crate) guests: Netns,
    far: Netlink,
    /// Numbers of the hypervisor's ends.
    pub(crate) ports: Vec<u32>,
}

/// Name of a device at the hypervisor's end.
pub(crate) fn tap(number: usize) -> String {
    format!("tap{number}")
}

/// Name of one that is plugged in while Frontdesk runs.
pub(crate) fn late_tap(number: usize) -> String {
    format!("tap-late{number}")
}

/// The guests' end of a device.
pub(crate) fn end_of(tap: &str) -> String {
    format!("end-{}", tap.strip_prefix("tap").unwrap_or(tap))
}

impl Lan {
    pub(crate) fn new() -> Self {
        let guests = support::guests();
        let (host, far) = (Netlink::open().expect("netlink"), guests.netlink().expect("netlink"));
        Self { host, guests, far, ports: Vec::new() }
    }

    /// Adds devices until there are so many.
    pub(crate) fn grow(&mut self, devices: usize) {
        for number in self.ports.len()..devices {
            let port = self.plug(&tap(number));
            self.ports.push(port);
        }
    }

    /// Makes a device with its other end; both are up.
    pub(crate) fn plug(&self, name: &str) -> u32 {
        let (end, own) = (end_of(name), MacAddr([2, 0, 0, 0, 0, 1]));
        let port = self.host.add_veth(name, &end, own, &self.guests).expect("a cable");
        self.far.set_up(self.far.link(&end).expect("the other end").index).expect("up");
        self.host.set_up(port).expect("up");
        port
    }

    pub(crate) fn unplug(&self, port: u32) {
        self.host.delete(port).expect("the device");
    }

    /// Runs on a thread of its own among the guests.
    pub(crate) fn inside<T: Send>(&self, job: impl FnOnce() -> T + Send) -> T {
        self.guests.run(job).expect("a thread among the guests")
    }
}

/// A solicitation with the guest's link-layer address.
pub(crate) fn solicitation(guest: u32) -> Vec<u8> {
    let mac = mac(guest);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac.0, ip6::group_mac(ip6::ALL_ROUTERS).0)
        .ipv6(ip6::link_local(mac).octets(), ip6::ALL_ROUTERS.octets(), 255)
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut frame, &[&[1, 1][..], &mac.0].concat())
        .expect("room");
    frame
}

/// True for a Router Advertisement.
pub(crate) fn is_advertisement(frame: &[u8]) -> bool {
    frame.get(54) == Some(&134)
}

/// Solicitations of guests, each on the way to its own device; to be made and used among the guests.
pub(crate) struct Mouth {
    socket: Socket,
    frames: Vec<(Vec<u8>, LinkAddr)>,
    next: usize,
    headers: MultiHeaders<LinkAddr>,
}

impl Mouth {
    /// Guests and the devices that they sit on.
    pub(crate) fn new(guests: impl Iterator<Item = (u32, String)>) -> Self {
        let ends: HashMap<String, LinkAddr> = nix::ifaddrs::getifaddrs()
            .expect("devices")
            .filter_map(|entry| Some((entry.interface_name, *entry.address?.as_link_addr()?)))
            .collect();
        let frames = guests.map(|(guest, tap)| (solicitation(guest), ends[&end_of(&tap)])).collect();
        // Without a protocol it hears nothing.
        let socket = Socket::new().expect("a socket");
        Self { socket, frames, next: 0, headers: MultiHeaders::preallocate(BATCH, None) }
    }

    /// Sends the next `count` solicitations, at most a batch; how many were sent.
    pub(crate) fn send(&mut self, count: usize) -> usize {
        let count = count.min(BATCH);
        let all = self.frames.iter().cycle().skip(self.next).take(count);
        let (slices, to): (Vec<_>, Vec<_>) =
            all.map(|(frame, to)| ([IoSlice::new(frame)], Some(*to))).unzip();
        self.next = (self.next + count) % self.frames.len();
        let fd = self.socket.as_fd().as_raw_fd();
        let sent = sendmmsg(fd, &mut self.headers, &slices, &to, [], MsgFlags::MSG_DONTWAIT);
        sent.map_or(0, Iterator::count)
    }
}

/// Hears the answers on all devices; to be made and used among the guests.
pub(crate) struct Ear {
    socket: Socket,
    buffer: [u8; 2048],
}

impl Ear {
    /// On one device, or on all for 0.
    pub(crate) fn new(device: u32) -> Self {
        let socket = Socket::new().expect("a socket");
        socket.set_filter(&Filter::for_addresses([])).expect("a filter");
        socket.ignore_outgoing().expect("Linux 4.20");
        socket.bind(device).expect("bound");
        Self { socket, buffer: [0; 2048] }
    }

    /// The next advertisement that waits: the guest that it is for.
    pub(crate) fn next(&mut self) -> Option<u32> {
        while let Ok(Some(length)) = self.socket.receive(&mut self.buffer) {
            let frame = &self.buffer[..length];
            if is_advertisement(frame) {
                return support::guest_of(frame);
            }
        }
        None
    }

    /// Forgets what waits.
    pub(crate) fn empty(&mut self) -> usize {
        std::iter::from_fn(|| self.next()).count()
    }
}
