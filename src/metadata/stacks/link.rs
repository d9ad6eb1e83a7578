//! The link of one guest: frames to it, and the device that its stack sees.

use std::ops::Range;

use smoltcp::phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::lease::Network;
use crate::types::MacAddr;
use crate::wire::frame::{ETHERTYPE_IPV6, ETHERTYPE_VLAN};

/// Octets of the largest packet that is exchanged with a guest, whatever its network's MTU: the receive ring's slots
/// hold no more.
const MAX_MTU: u32 = 1500;

/// Frames that go out before the others have their turn: what the kernel takes with one call.
const FULL: usize = 64;

/// Frames to guests, one behind the other, until they are sent.
#[derive(Debug, Default)]
pub struct Frames {
    octets: Vec<u8>,
    frames: Vec<(u32, Range<usize>)>,
}

impl Frames {
    /// The frames in order: number of the device, octets.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.frames
            .iter()
            .map(|(device, range)| (*device, self.octets.get(range.clone()).unwrap_or_default()))
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// True when they should be sent before more are made.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.len() >= FULL
    }

    /// Forgets the frames; the memory is kept for the next.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.frames.clear();
    }

    /// A new frame of `length` octets, to be written.
    pub(super) fn add(&mut self, device: u32, length: usize) -> &mut [u8] {
        let start = self.octets.len();
        let end = start.saturating_add(length);
        self.octets.resize(end, 0);
        self.frames.push((device, start..end));
        self.octets.get_mut(start..).unwrap_or_default()
    }
}

/// Where a guest is: what its frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) device: u32,
    pub(super) guest: MacAddr,
    pub(super) vlan: u16,
    pub(super) router: MacAddr,
    /// Octets of the largest packet.
    pub(super) mtu: u32,
}

impl Link {
    pub(super) fn new(device: u32, guest: MacAddr, network: &Network<'_>) -> Self {
        let record = network.record();
        let mtu = record.mtu.get().min(MAX_MTU);
        Self { device, guest, vlan: record.vlan.get(), router: network.router_mac(), mtu }
    }

    /// Octets before the packet.
    pub(super) fn header(&self) -> usize {
        if self.vlan == 0 { 14 } else { 18 }
    }

    /// Writes what comes before the packet into a buffer, and returns the rest of it.
    fn open<'b>(&self, buffer: &'b mut [u8]) -> &'b mut [u8] {
        let [d0, d1, d2, d3, d4, d5] = self.guest.0;
        let [s0, s1, s2, s3, s4, s5] = self.router.0;
        let ([t0, t1], [v0, v1], [e0, e1]) =
            (ETHERTYPE_VLAN.to_be_bytes(), self.vlan.to_be_bytes(), ETHERTYPE_IPV6.to_be_bytes());
        let header = if self.vlan == 0 {
            [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, e0, e1, 0, 0, 0, 0]
        } else {
            [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1, v0, v1, e0, e1]
        };
        let Some((head, rest)) = buffer.split_at_mut_checked(self.header()) else { return &mut [] };
        head.copy_from_slice(header.get(..head.len()).unwrap_or_default());
        rest
    }
}

/// The device of a guest's stack: one packet in, any number of frames out.
#[derive(Debug)]
pub(super) struct Device<'d> {
    pub(super) link: Link,
    pub(super) packet: Option<&'d [u8]>,
    pub(super) frames: &'d mut Frames,
}

impl phy::Device for Device<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        let packet = self.packet.take()?;
        Some((Received(packet), Transmit { link: self.link, frames: self.frames }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Transmit<'_>> {
        Some(Transmit { link: self.link, frames: self.frames })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.link.mtu)
    }
}

fn capabilities(mtu: u32) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = usize::try_from(mtu).unwrap_or(usize::MAX);
    // Received ones have been verified, or are partial and cannot be.
    let mut checksum = ChecksumCapabilities::default();
    checksum.tcp = Checksum::Tx;
    capabilities.checksum = checksum;
    capabilities
}

#[derive(Debug)]
pub(super) struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

#[derive(Debug)]
pub(super) struct Transmit<'a> {
    link: Link,
    frames: &'a mut Frames,
}

impl phy::TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let whole = self.link.header().saturating_add(length);
        write(self.link.open(self.frames.add(self.link.device, whole)))
    }
}
