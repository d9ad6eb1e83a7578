//! Joins the pure function with what changes: attached devices, timers of unsolicited RAs, counters, the table.
//!
//! The run-loop contract, the same for the live worker, `replay`, tests and benches: hand over every received frame
//! with [`Engine::frame`] and send what it answers on the same device; then call [`Engine::timeout`] until it returns
//! `None`, sending each frame it makes; then sleep no longer than until [`Engine::next_timeout`]. No system call, clock
//! or randomness is in here: `now` and a seed are arguments.

mod counters;
mod schedule;
mod share;

use std::collections::VecDeque;
use std::sync::Arc;

pub use crate::wire::checksum::Checksum;
use counters::Counters;
pub use share::Share;

use crate::answer::{self, AnswerKind, Event, Ingress, Reason, Silent, Trace, Verdict};
use crate::lease::{DeviceId, LeaseTable, PortId};
use crate::metadata::Segment;
use crate::types::{Instant, MacAddr};
use crate::wire::frame::Frame;
use schedule::Schedule;

/// One received frame and what the port said about it.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame<'a> {
    /// Number of the attached device (the kernel's ifindex) that it came in on.
    pub device: u32,
    /// VLAN id of a tag that the kernel has taken out of the octets; 0 when there was none.
    pub vlan: u16,
    /// What is known of its checksum.
    pub checksum: Checksum,
    /// Octets of the frame before the capture cut it off; equal to `octets.len()` when it was not cut.
    pub length: usize,
    /// The octets, from the destination MAC on; a VLAN tag may still be inside.
    pub octets: &'a [u8],
}

/// An attached device.
#[derive(Debug)]
struct Device {
    number: u32,
    name: String,
    mac: MacAddr,
    /// The guests of it that are this engine's.
    share: Share,
    /// Its number in the table, if ports are pinned to it or relays are trusted on it.
    pinned: Option<DeviceId>,
}

/// A guest that may be on any device was heard, and is known to be on one now. Other engines of the same table are to be
/// told, so that they do not look for it on theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its VLAN; 0 for none.
    pub vlan: u16,
    /// Its MAC.
    pub mac: MacAddr,
    /// Number of the device that it was heard on.
    pub device: u32,
}

/// The state of one worker.
#[derive(Debug)]
pub struct Engine {
    table: Arc<LeaseTable>,
    devices: Vec<Device>,
    /// Where in `devices` the last frame's device was: frames come in batches of one device.
    last: usize,
    pins: Pins,
    schedule: Schedule,
    /// Further RAs of an answer or a period that is more than one: port, device, part.
    parts: VecDeque<(PortId, u32, usize)>,
    counters: Counters,
    /// What guests told and nobody has taken yet, with the device that it came in on.
    events: VecDeque<(u32, Event)>,
    /// The segment of the last frame, if that was one for the metadata service.
    segment: Option<Segment>,
    /// Guests heard elsewhere than before and told to nobody yet; `None` when there is nobody to tell.
    moves: Option<VecDeque<Move>>,
}

/// Events of guests that wait to be taken; more are counted and lost. A guest that says ever the same must not take
/// memory.
const MAX_EVENTS: usize = 256;

/// Moves that wait to be told, or the others keep looking for those guests until they move again.
const MAX_MOVES: usize = 4096;

/// Unsolicited RAs per period for ports that may be anywhere: ports pinned to nothing and not heard, times devices. Beyond
/// this they get none until they are heard.
const MAX_ROAMING: usize = 4096;

/// Further RAs that wait to be sent; more are dropped, as on a full queue, and come again with the next period.
const MAX_PARTS: usize = 4096;

impl Engine {
    /// An engine without devices. `seed` feeds the jitter of unsolicited RAs.
    #[must_use]
    pub fn new(table: Arc<LeaseTable>, seed: u64) -> Self {
        let (pins, schedule) = (Pins::new(&table), Schedule::new(&table, seed));
        let (devices, parts, counters) = (Vec::new(), VecDeque::new(), Counters::default());
        let events = VecDeque::with_capacity(MAX_EVENTS);
        let (segment, moves) = (None, None);
        Self { table, devices, last: 0, pins, schedule, parts, counters, events, segment, moves }
    }

    /// One of several engines that serve different devices, or different guests, from the same table: it keeps what the
    /// others have to know for [`moved`](Self::moved).
    #[must_use]
    pub fn among_others(self) -> Self {
        Self { moves: Some(VecDeque::with_capacity(MAX_MOVES)), ..self }
    }

    /// The table that answers come from.
    #[must_use]
    pub fn table(&self) -> &Arc<LeaseTable> {
        &self.table
    }

    /// A device was attached: the ports pinned to it get their first unsolicited RAs. A known number is renamed.
    pub fn attach(&mut self, device: u32, name: &str, mac: MacAddr, now: Instant) {
        self.attach_share(device, name, mac, Share::WHOLE, now);
    }

    /// [`attach`](Self::attach) where only some of the device's guests are this engine's.
    pub fn attach_share(&mut self, device: u32, name: &str, mac: MacAddr, share: Share, now: Instant) {
        self.devices.retain(|known| known.number != device);
        let pinned = self.table.device(name);
        self.devices.push(Device { number: device, name: name.to_owned(), mac, share, pinned });
        if let Some(id) = pinned {
            self.schedule.attached(&self.pins.of(id, share, &self.table), device, now, &self.table);
        }
        self.roam(now);
    }

    /// Has ports that may be anywhere advertised to everywhere, if that is not too much.
    fn roam(&mut self, now: Instant) {
        if self.may_roam() {
            self.schedule.roam(&self.pins.roaming, now, &self.table);
        }
    }

    fn may_roam(&self) -> bool {
        self.pins.roaming.len().saturating_mul(self.of_guests().count()) <= MAX_ROAMING
    }

    /// The devices where a guest may be that is pinned to nothing: those of relays lead to others' guests.
    fn of_guests(&self) -> impl Iterator<Item = &Device> {
        let of_relays = |device: &Device| device.pinned.is_some_and(|id| self.table.is_of_relays(id));
        self.devices.iter().filter(move |device| !of_relays(device))
    }

    /// A device is gone.
    pub fn detach(&mut self, device: u32) {
        self.devices.retain(|known| known.number != device);
        self.schedule.detached(device);
        self.parts.retain(|(_, of, _)| *of != device);
    }

    /// Replaces the table; ports whose RA changed get an initial burst of the new one.
    pub fn publish(&mut self, table: Arc<LeaseTable>, now: Instant) {
        self.schedule.carry(&self.table, &table, now);
        self.parts.clear();
        self.pins = Pins::new(&table);
        for device in &mut self.devices {
            device.pinned = table.device(&device.name);
            if let Some(id) = device.pinned {
                let ports = self.pins.of(id, device.share, &table);
                self.schedule.appeared(&ports, device.number, now, &table);
            }
        }
        self.table = table;
        if self.may_roam() {
            self.schedule.roam_new(&self.pins.roaming, now, &self.table);
        }
    }

    /// Answers one frame into `out`, which must hold [`MAX_FRAME`](crate::types::limits::MAX_FRAME) octets.
    pub fn frame(&mut self, now: Instant, frame: RxFrame<'_>, out: &mut [u8]) -> Verdict {
        self.frame_traced(now, frame, out, &mut Silent)
    }

    /// [`frame`](Self::frame) with a reader for the reasons.
    pub fn frame_traced<T: Trace>(
        &mut self,
        now: Instant,
        frame: RxFrame<'_>,
        out: &mut [u8],
        trace: &mut T,
    ) -> Verdict {
        let (device, share) = self.device(frame.device);
        let RxFrame { vlan, checksum, length, octets, .. } = frame;
        let ingress = Ingress { device, vlan, checksum, length, octets };
        let (schedule, events, counters) = (&self.schedule, &mut self.events, &mut self.counters);
        let mut listening =
            Listening { trace, device: frame.device, schedule, is_new: false, events, counters };
        let answered = answer::answer(&self.table, &ingress, out, &mut listening);
        let is_new = listening.is_new;
        // A client behind a relay is not where the relay's frame came in.
        let relayed = device.is_some_and(|device| self.table.is_of_relays(device));
        if let Some(port) = answered.port.filter(|_| !relayed) {
            let asked =
                matches!(answered.verdict, Verdict::Answer { kind: AnswerKind::RouterAdvertisement, .. });
            if is_new
                && self.is_shared_here(port, share)
                && self.schedule.heard(port, frame.device, asked, now, &self.table)
            {
                self.tell_move(port, frame.device);
            }
            if asked {
                self.queue_part(port, frame.device, 1);
            }
        }
        self.counters.count(answered.verdict);
        if answered.verdict == Verdict::Metadata {
            self.segment = answered.port.and_then(|port| self.take_segment(&frame, port));
        } else if self.segment.is_some() {
            self.segment = None;
        }
        answered.verdict
    }

    // Once for each guest and place.
    #[cold]
    fn tell_move(&mut self, port: PortId, device: u32) {
        let roams = self.table.port(port).filter(|port| port.device().is_none());
        if let (Some(port), Some(moves)) = (roams, &mut self.moves)
            && moves.len() < MAX_MOVES
        {
            moves.push_back(Move { vlan: port.vlan(), mac: port.mac(), device });
        }
    }

    /// The oldest move that the other engines are to be told of by [`moved_elsewhere`](Self::moved_elsewhere).
    pub fn moved(&mut self) -> Option<Move> {
        self.moves.as_mut()?.pop_front()
    }

    /// Another engine has heard a guest on a device of its own: it gets no unsolicited RAs from here until it is heard
    /// here, or that device goes.
    pub fn moved_elsewhere(&mut self, Move { vlan, mac, device }: Move) {
        let roams = |port: &PortId| self.table.port(*port).is_some_and(|port| port.device().is_none());
        for port in self.table.candidates(vlan, mac).filter(roams) {
            self.schedule.left(port, device);
        }
    }

    fn take_segment(&self, frame: &RxFrame<'_>, port: PortId) -> Option<Segment> {
        let parsed = Frame::parse(frame.octets, frame.vlan, frame.length).ok()?;
        Some(Segment::new(frame.device, &parsed, &self.table, port))
    }

    /// The TCP segment of the last frame, where its verdict was [`Verdict::Metadata`]: for the guest's stack.
    pub fn segment(&mut self) -> Option<Segment> {
        self.segment.take()
    }

    /// The oldest of what guests told, with the number of the device that it came in on (REG-010, DHCP-115).
    pub fn event(&mut self) -> Option<(u32, Event)> {
        self.events.pop_front()
    }

    /// Counts a frame that was not shown to the engine: its sender is quarantined.
    pub fn quarantined(&mut self) -> Verdict {
        let verdict = Verdict::Drop(Reason::Quarantined);
        self.counters.count(verdict);
        verdict
    }

    /// Writes the next unsolicited RA that is due into `out`: the device to send it on and its octets' length.
    pub fn timeout(&mut self, now: Instant, out: &mut [u8]) -> Option<(u32, usize)> {
        let next = |engine: &mut Self| {
            let part = engine.parts.pop_front();
            part.or_else(|| engine.schedule.pop(now, &engine.table).map(|(port, device)| (port, device, 0)))
        };
        while let Some((port, device, part)) = next(self) {
            if device == schedule::EVERYWHERE {
                self.queue_everywhere(port);
                continue;
            }
            let length = self.table.port(port).and_then(|port| answer::unsolicited(&port, part, out));
            if let Some(length) = length {
                self.counters.count_unsolicited();
                self.queue_part(port, device, part.saturating_add(1));
                return Some((device, length));
            }
        }
        None
    }

    /// Has a port's RA sent on every device where it may be.
    fn queue_everywhere(&mut self, port: PortId) {
        if self.may_roam() {
            let mut parts = std::mem::take(&mut self.parts);
            let room = MAX_PARTS.saturating_sub(parts.len());
            let mac = self.table.port(port).map(|port| port.mac()).unwrap_or_default();
            let of_guests = self.of_guests().filter(|device| device.share.has(mac));
            parts.extend(of_guests.take(room).map(|device| (port, device.number, 0)));
            self.parts = parts;
        }
    }

    /// Has the next part of a port's RA sent, if it has that many.
    fn queue_part(&mut self, port: PortId, device: u32, part: usize) {
        let more = |p: crate::lease::Port<'_>| p.network().router_advertisements().nth(part).is_some();
        if self.table.port(port).is_some_and(more) && self.parts.len() < MAX_PARTS {
            self.parts.push_back((port, device, part));
        }
    }

    /// When [`timeout`](Self::timeout) will have something to send; `None` for never.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.parts.is_empty() { self.schedule.next() } else { Some(Instant::default()) }
    }

    /// What became of all frames so far: name and count of every answer kind and drop reason.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counters.all()
    }

    /// The attached devices: number, name and MAC.
    pub fn devices(&self) -> impl Iterator<Item = (u32, &str, MacAddr)> {
        self.devices.iter().map(|device| (device.number, device.name.as_str(), device.mac))
    }

    /// True unless another engine serves this guest on the frame's device: one frame of it may come here all the same, while
    /// the device comes up or when the guest says that it was relayed, and its timers run there.
    fn is_shared_here(&self, port: PortId, share: Share) -> bool {
        share == Share::WHOLE || self.table.port(port).is_none_or(|port| share.has(port.mac()))
    }

    /// The table's number of a frame's device, and whose frames of it are this engine's.
    fn device(&mut self, number: u32) -> (Option<DeviceId>, Share) {
        let of = |device: &Device| (device.pinned, device.share);
        match self.devices.get(self.last) {
            Some(device) if device.number == number => of(device),
            _ => match self.devices.iter().position(|device| device.number == number) {
                Some(at) => {
                    self.last = at;
                    self.devices.get(at).map_or((None, Share::WHOLE), of)
                }
                None => (None, Share::WHOLE),
            },
        }
    }
}

/// Hands notes on, and keeps what guests tell.
struct Listening<'e, T> {
    trace: &'e mut T,
    device: u32,
    schedule: &'e Schedule,
    /// The guest was not known to be on this device. Looked up as soon as the guest is known: the memory of a large table
    /// is far away, and what the answer is made of is fetched at the same time.
    is_new: bool,
    events: &'e mut VecDeque<(u32, Event)>,
    counters: &'e mut Counters,
}

impl<T: Trace> Trace for Listening<'_, T> {
    const READS: bool = T::READS;

    #[inline(always)]
    fn note(&mut self, note: impl FnOnce() -> String) {
        self.trace.note(note);
    }

    #[inline(always)]
    fn found(&mut self, port: PortId) {
        self.is_new = !self.schedule.is_known(port, self.device);
    }

    // Rare and large: kept out of the way of other answers.
    #[cold]
    #[inline(never)]
    fn event(&mut self, event: impl FnOnce() -> Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back((self.device, event()));
        } else {
            self.counters.count_lost_event();
        }
    }
}

/// The ports of a table by the device that they are pinned to.
#[derive(Debug)]
struct Pins {
    devices: Vec<u32>,
    ports: Vec<PortId>,
    /// Ports pinned to nothing, one more than may roam at most.
    roaming: Vec<PortId>,
}

impl Pins {
    fn new(table: &LeaseTable) -> Self {
        let mut pinned: Vec<(u32, PortId)> =
            table.ports().filter_map(|port| port.device().map(|device| (device.0, port.id()))).collect();
        pinned.sort_unstable();
        let (devices, ports) = pinned.into_iter().unzip();
        let roaming = table.ports().filter(|port| port.device().is_none()).map(|port| port.id());
        Self { devices, ports, roaming: roaming.take(MAX_ROAMING + 1).collect() }
    }

    /// The ports of a device that are in a share of it.
    fn of(&self, device: DeviceId, share: Share, table: &LeaseTable) -> Vec<PortId> {
        let first = self.devices.partition_point(|d| *d < device.0);
        let end = self.devices.partition_point(|d| *d <= device.0);
        let all = self.ports.get(first..end).unwrap_or(&[]).iter().copied();
        all.filter(|port| table.port(*port).is_some_and(|port| share.has(port.mac()))).collect()
    }
}
