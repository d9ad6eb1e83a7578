//! When each port gets its next unsolicited Router Advertisement (RFC 4861 §6.2.4), and on which device.
//!
//! A port is advertised to where it is known to be: on the device that it is pinned to, or where its last frame came
//! in. A port that is pinned to nothing and has not been heard may be anywhere: it is advertised to on every device, by
//! unicast, as long as that is a bounded number of frames; a table may hold a whole cloud, and a bridge must not be
//! flooded with frames for MACs that are not there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::lease::record::{NETWORK_ADVERTISES, NetworkRecord};
use crate::lease::{LeaseTable, PortId};
use crate::types::Instant;

/// RAs of the initial burst (RFC 4861 §10: MAX_INITIAL_RTR_ADVERTISEMENTS).
const INITIAL_ADVERTISEMENTS: u8 = 3;
/// Longest pause within the initial burst (RFC 4861 §10: MAX_INITIAL_RTR_ADVERT_INTERVAL).
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// First RAs of the ports of one device are spread over at least this (RFC 4861 §10: MAX_RA_DELAY_TIME).
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Unsolicited RAs per second that the first ones of one device may make: a twentieth of what one worker answers.
const FIRST_PER_SECOND: u64 = 10_000;

/// Old deadlines that are kept beside one for each port, so that a small table's are not looked through all the time.
const OLD_DEADLINES: usize = 1024;

/// No device: the kernel numbers from 1.
const NOWHERE: u32 = 0;
/// The device of a port that may be anywhere; the kernel's numbers are 31 bits long.
pub(super) const EVERYWHERE: u32 = u32::MAX;

/// No deadline.
const NEVER: Instant = Instant(u64::MAX);

/// Where a port is, how much of its initial burst is left, and when its next RA is due.
#[derive(Clone, Copy, Debug)]
struct Place {
    device: u32,
    burst: u8,
    /// An entry of the queue with another moment is an old one and counts for nothing.
    due: Instant,
}

impl Default for Place {
    /// Nowhere, and never due.
    fn default() -> Self {
        Self { device: NOWHERE, burst: 0, due: NEVER }
    }
}

impl Place {
    /// On a device, at the begin of the burst.
    fn begun(device: u32, first: Instant) -> Self {
        Self { device, burst: INITIAL_ADVERTISEMENTS, due: first }
    }
}

/// Deadlines of all ports that are known to be somewhere.
#[derive(Debug)]
pub(super) struct Schedule {
    places: Vec<Place>,
    due: BinaryHeap<Reverse<(Instant, PortId)>>,
    random: u64,
}

impl Schedule {
    pub(super) fn new(table: &LeaseTable, seed: u64) -> Self {
        Self { places: vec![Place::default(); table.port_count()], due: BinaryHeap::new(), random: seed }
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// True when a frame of this port that comes in on a device is no news.
    #[inline]
    pub(super) fn is_known(&self, port: PortId, device: u32) -> bool {
        self.places.get(port.0 as usize).is_none_or(|place| place.device == device)
    }

    /// A frame of this port came in on a device: true when it was not known to be there. If it has `asked` for a router by
    /// it, it has just got an RA and needs no burst of them: a boot storm would be answered four times otherwise.
    pub(super) fn heard(
        &mut self,
        port: PortId,
        device: u32,
        asked: bool,
        now: Instant,
        table: &LeaseTable,
    ) -> bool {
        let moved = !self.is_known(port, device);
        if moved {
            let interval = table.port(port).filter(|_| asked).map(|p| self.interval(p.network().record()));
            let burst = if interval.is_some() { 0 } else { INITIAL_ADVERTISEMENTS };
            let pause = interval.unwrap_or_else(|| self.uniform(Duration::ZERO, FIRST_DELAY));
            self.place(port, Place { device, burst, due: now.plus(pause) }, table);
        }
        moved
    }

    /// A port was heard on a device that is another's: it gets no RAs from here.
    pub(super) fn left(&mut self, port: PortId, device: u32) {
        if let Some(place) = self.places.get_mut(port.0 as usize) {
            *place = Place { device, ..Place::default() };
        }
    }

    /// The ports pinned to a device that was attached.
    pub(super) fn attached(&mut self, ports: &[PortId], device: u32, now: Instant, table: &LeaseTable) {
        let count = u64::try_from(ports.len()).unwrap_or(u64::MAX);
        let spread = FIRST_DELAY.max(Duration::from_secs(count / FIRST_PER_SECOND));
        for port in ports {
            let at = now.plus(self.uniform(Duration::ZERO, spread));
            self.place(*port, Place::begun(device, at), table);
        }
    }

    /// The ports pinned to a device in a new table; those that are known to be there already keep their deadlines.
    pub(super) fn appeared(&mut self, ports: &[PortId], device: u32, now: Instant, table: &LeaseTable) {
        for port in ports {
            self.heard(*port, device, false, now, table);
        }
    }

    /// Ports that are pinned to nothing in a new table; those that are known already keep their deadlines.
    pub(super) fn roam_new(&mut self, ports: &[PortId], now: Instant, table: &LeaseTable) {
        for port in ports {
            if self.places.get(port.0 as usize).is_some_and(|place| place.device == NOWHERE) {
                self.heard(*port, EVERYWHERE, false, now, table);
            }
        }
    }

    /// Ports that are pinned to nothing, now that a device was attached or went: those that were not heard may be
    /// anywhere.
    pub(super) fn roam(&mut self, ports: &[PortId], now: Instant, table: &LeaseTable) {
        for port in ports {
            let unheard = |place: &Place| matches!(place.device, NOWHERE | EVERYWHERE);
            if self.places.get(port.0 as usize).is_some_and(unheard) {
                let first = now.plus(self.uniform(Duration::ZERO, FIRST_DELAY));
                self.place(*port, Place::begun(EVERYWHERE, first), table);
            }
        }
    }

    /// A device is gone; ports that were on it are nowhere.
    pub(super) fn detached(&mut self, device: u32) {
        for place in self.places.iter_mut().filter(|place| place.device == device) {
            *place = Place::default();
        }
    }

    /// Puts a port somewhere; it is due there if its network advertises.
    fn place(&mut self, port: PortId, at: Place, table: &LeaseTable) {
        let advertises = table.port(port).is_some_and(|p| p.network().has(NETWORK_ADVERTISES));
        let due = if advertises { at.due } else { NEVER };
        let Some(place) = self.places.get_mut(port.0 as usize) else { return };
        *place = Place { due, ..at };
        if advertises {
            self.push(due, port);
        }
    }

    /// Queues a deadline. Old ones are thrown out before they are more than those that count: a guest that is heard here
    /// and there in turn leaves one behind each time, which would wait for a whole interval.
    fn push(&mut self, at: Instant, port: PortId) {
        if self.due.len() > 2 * self.places.len() + OLD_DEADLINES {
            let places = &self.places;
            self.due.retain(|Reverse((at, port))| {
                places.get(port.0 as usize).is_some_and(|place| place.due == *at)
            });
        }
        self.due.push(Reverse((at, port)));
    }

    /// Takes the next port that is due and sets its next deadline: the port and its device.
    pub(super) fn pop(&mut self, now: Instant, table: &LeaseTable) -> Option<(PortId, u32)> {
        while self.next().is_some_and(|at| at <= now) {
            let Reverse((at, port)) = self.due.pop()?;
            let interval = table.port(port).map(|p| self.interval(p.network().record()));
            let place = self.places.get_mut(port.0 as usize).filter(|place| place.due == at);
            let (Some(place), Some(interval)) = (place, interval) else { continue };
            place.burst = place.burst.saturating_sub(1);
            // RFC 4861 §6.2.4: the first ones at most 16 s apart.
            let pause = if place.burst > 0 { interval.min(INITIAL_INTERVAL) } else { interval };
            let (device, next) = (place.device, now.plus(pause));
            place.due = next;
            self.push(next, port);
            return Some((port, device));
        }
        None
    }

    /// The deadlines of the same guests in another table. A port whose RA changed gets a new burst (RFC 4861 §6.2.4).
    pub(super) fn carry(&mut self, old: &LeaseTable, new: &LeaseTable, now: Instant) {
        let random = self.uniform(Duration::ZERO, FIRST_DELAY).as_micros();
        let mut next = Self::new(new, self.random ^ u64::try_from(random).unwrap_or(0));
        let same = |port: &crate::lease::Port<'_>| {
            let is =
                |candidate: &PortId| new.port(*candidate).is_some_and(|c| name(&c, new) == name(port, old));
            new.candidates(port.vlan(), port.mac()).find(is)
        };
        // Those that have no deadline: on a device of another engine, or of a network that advertises nothing.
        for (port, place) in old.ports().zip(&self.places).filter(|(_, place)| place.due == NEVER) {
            if place.device != NOWHERE
                && let Some(id) = same(&port)
                && new.port(id).is_some_and(|c| c.network().has(NETWORK_ADVERTISES))
                && port.network().has(NETWORK_ADVERTISES)
            {
                next.left(id, place.device);
            }
        }
        for Reverse((at, id)) in self.due.drain() {
            let place = self.places.get(id.0 as usize).filter(|place| place.due == at);
            let (Some(port), Some(place)) = (old.port(id), place) else { continue };
            let Some(id) = same(&port) else { continue };
            let changed = new.port(id).is_some_and(|c| {
                !c.network().router_advertisements().eq(port.network().router_advertisements())
            });
            if changed {
                let first = now.plus(next.uniform(Duration::ZERO, FIRST_DELAY));
                next.place(id, Place::begun(place.device, first), new);
            } else if let Some(moved) = next.places.get_mut(id.0 as usize) {
                *moved = *place;
                next.due.push(Reverse((at, id)));
            }
        }
        *self = next;
    }

    fn interval(&mut self, network: &NetworkRecord) -> Duration {
        let min = Duration::from_secs(u64::from(network.advertise_min.get()));
        let max = Duration::from_secs(u64::from(network.advertise_max.get()));
        self.uniform(min, max.max(min))
    }

    /// A moment between both, all equally likely (RFC 4861 §6.2.4).
    fn uniform(&mut self, from: Duration, to: Duration) -> Duration {
        // SplitMix64: jitter needs no secret, and the seed is the caller's.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let span = to.saturating_sub(from).as_micros();
        let part = (span.saturating_mul(u128::from(z))) >> 64;
        from + Duration::from_micros(u64::try_from(part).unwrap_or(0))
    }
}

fn name<'t>(port: &crate::lease::Port<'t>, table: &'t LeaseTable) -> Option<&'t str> {
    port.device().map(|device| table.device_name(device))
}
