//! Which devices are attached: those whose name matches a pattern, for as long as they exist.
//!
//! Opening a ring waits for every processor, as closing one does. So rings are made and sockets closed aside, at most one
//! device is attached by each call, and the caller sees to signals in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use globset::GlobSet;

use super::Settings;
use super::closer::Closer;
use super::stock::Stock;
use crate::io::links::{Kind, Link, LinkEvent};
use crate::io::packet::{self, Filter, MAX_SLOTS, MIN_SLOTS, Port, SLOT, Socket, Spare};
use crate::io::worker::Ended;
use crate::io::workers::Workers;

/// Octets of all rings together, unless the operator says how long each is: mapped kernel memory counts as resident,
/// and `run` is to stay below 32 MiB with 100 devices.
const RING_BUDGET: usize = 16 << 20;

/// Octets of rings that are made ahead, for devices that are plugged in while it runs, and their number.
const AHEAD: usize = 512 << 10;
const MAX_AHEAD: usize = 8;

struct Attached {
    link: Link,
    /// One, or one for each packet thread.
    sockets: Vec<Arc<Socket>>,
    slots: u32,
}

impl Attached {
    /// The kernel takes a socket off a device that goes for good.
    fn is_bound(&self) -> bool {
        self.sockets.iter().all(|socket| socket.device() == Some(self.link.index))
    }
}

/// The attached devices.
pub(super) struct Devices {
    globs: GlobSet,
    /// Devices that lead to many guests, beside bridges and NICs.
    share: GlobSet,
    slots: Option<u32>,
    filter: Filter,
    attached: BTreeMap<u32, Attached>,
    /// Devices of a list that are still to be looked at, in order.
    listed: VecDeque<Link>,
    /// Devices that the ring budget is to be shared by, once all listed ones are attached.
    expected: usize,
    /// Devices whose ring is to be exchanged for a shorter one.
    long: Vec<u32>,
    closer: Closer,
    stock: Stock,
    /// Devices that match and cannot be attached, told once.
    unfit: BTreeSet<u32>,
    /// Ports whose bridge is attached too, told once.
    doubled: BTreeSet<(u32, u32)>,
    drops: u64,
}

/// Slots of each ring when so many devices share the budget.
fn share(devices: usize) -> u32 {
    let each = RING_BUDGET / SLOT / devices.max(1);
    let floor = each.checked_ilog2().map_or(0, |log| 1_u32 << log.min(31));
    floor.clamp(MIN_SLOTS, MAX_SLOTS)
}

/// Rings of so many slots that are made for devices to come.
fn ahead(slots: u32) -> usize {
    MAX_AHEAD.min(AHEAD / (slots as usize * SLOT))
}

impl Devices {
    /// No devices yet; the first ring is being made.
    pub(super) fn new(settings: &Settings) -> Self {
        let stock = Stock::default();
        stock.order(settings.ring_frames.unwrap_or(share(1)), 1);
        Self {
            globs: settings.attach.clone(),
            share: settings.share.clone(),
            slots: settings.ring_frames,
            filter: Filter::nothing(),
            attached: BTreeMap::new(),
            listed: VecDeque::new(),
            expected: 0,
            long: Vec::new(),
            closer: Closer::default(),
            stock,
            unfit: BTreeSet::new(),
            doubled: BTreeSet::new(),
            drops: 0,
        }
    }

    /// The number of attached devices.
    pub(super) fn count(&self) -> usize {
        self.attached.len()
    }

    /// Frames lost for want of a ring slot since the start.
    pub(super) fn drops(&mut self) -> u64 {
        self.drops +=
            self.attached.values().flat_map(|a| &a.sockets).map(|s| s.take_statistics().1).sum::<u64>();
        self.drops + self.closer.drops()
    }

    /// True while [`proceed`](Self::proceed) has something to do. The next event is to wait until then.
    pub(super) fn is_busy(&self) -> bool {
        !self.listed.is_empty() || !self.long.is_empty()
    }

    /// Does the next part of what the last event demands.
    pub(super) fn proceed(&mut self, workers: &mut Workers) -> Result<(), Ended> {
        if let Some(link) = self.listed.pop_front() {
            let room = self.expected.max(self.count() + 1);
            self.follow_one(link, room, workers)?;
            self.settle();
        } else if let Some(index) = self.long.pop() {
            self.shorten(index, workers)?;
        }
        Ok(())
    }

    /// Closes all sockets, after the packet thread has ended.
    pub(super) fn finish(&mut self) {
        while let Some((_, attached)) = self.attached.pop_first() {
            self.close(attached.sockets);
        }
        self.closer.finish();
    }

    /// Attaches and detaches as the event demands; [`proceed`](Self::proceed) does the rest of it.
    pub(super) fn follow(&mut self, event: LinkEvent, workers: &mut Workers) -> Result<(), Ended> {
        match event {
            LinkEvent::All(links) => self.follow_all(links, workers)?,
            LinkEvent::Changed(link) => {
                let room = self.count() + 1;
                self.follow_one(link, room, workers)?;
            }
            LinkEvent::Gone(index) => {
                self.unfit.remove(&index);
                // The kernel took the socket off the device before it told. One that is bound is bound to another
                // device, which has been given the number since.
                let anew = self.attached.get(&index).is_some_and(Attached::is_bound);
                if !anew {
                    self.detach(index, "gone", workers)?;
                }
            }
        }
        self.settle();
        Ok(())
    }

    /// When all that is listed is attached: warns of doubled ports, and finds the rings that are longer than their
    /// share, now that there are more devices. A share is a power of two, so each ring is exchanged a few times at most.
    fn settle(&mut self) {
        if self.listed.is_empty() {
            self.warn_of_bridges();
            let share = self.share();
            self.long = self.attached.iter().filter(|(_, a)| a.slots > share).map(|(i, _)| *i).collect();
            let of_stock = |a: &&Attached| a.slots > share && a.sockets.len() == 1;
            let anew = self.attached.values().filter(of_stock).count();
            self.stock.order(share, anew + ahead(share));
        }
    }

    fn share(&self) -> u32 {
        self.slots.unwrap_or_else(|| share(self.count()))
    }

    /// Replaces the filter of every socket.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        for (index, attached) in &self.attached {
            let set = attached.sockets.iter().try_for_each(|socket| socket.set_filter(&self.filter));
            if let Err(error) = set {
                let name = &attached.link.name;
                tracing::error!(device = %name, index, %error, "the filter stays as it was: some new addresses are not answered for");
            }
        }
    }

    fn follow_all(&mut self, links: Vec<Link>, workers: &mut Workers) -> Result<(), Ended> {
        let there: BTreeSet<u32> = links.iter().map(|l| l.index).collect();
        let gone: Vec<u32> = self.attached.keys().filter(|i| !there.contains(i)).copied().collect();
        for index in gone {
            self.detach(index, "gone", workers)?;
        }
        self.unfit.retain(|i| there.contains(i));
        self.expected = links.iter().filter(|l| self.globs.is_match(&l.name)).count();
        let ours = |l: &Link| self.globs.is_match(&l.name) || self.attached.contains_key(&l.index);
        self.listed = links.into_iter().filter(ours).collect();
        // Shared devices have rings of another length, made for each together.
        let of_stock =
            |l: &&Link| !self.attached.contains_key(&l.index) && self.threads(l, workers.count()) == 1;
        let anew = self.listed.iter().filter(of_stock).count();
        let slots = self.slots.unwrap_or_else(|| share(self.expected));
        self.stock.order(slots, anew + ahead(slots));
        Ok(())
    }

    /// `room`: the devices that the ring budget is to be shared by.
    fn follow_one(&mut self, link: Link, room: usize, workers: &mut Workers) -> Result<(), Ended> {
        let wanted = self.globs.is_match(&link.name);
        let index = link.index;
        let threads = self.threads(&link, workers.count());
        if let Some(attached) = self.attached.get_mut(&index) {
            // The kernel takes a socket off a device that goes for good; one of the same number is another device.
            let same = attached.is_bound();
            let alike = attached.sockets.len() == threads;
            if same && wanted && alike {
                let renamed = attached.link.name != link.name || attached.link.mac != link.mac;
                let came_up = link.up && !attached.link.up;
                attached.link = link;
                let link = &attached.link;
                if renamed {
                    tracing::info!(device = %link.name, index, mac = %link.mac, "changed its name or MAC");
                }
                // The first RAs of a device that was down are lost; they are sent again once somebody can hear them.
                if renamed || came_up {
                    workers.rename(index, &link.name, link.mac)?;
                }
                return Ok(());
            }
            self.detach(index, if same { "renamed" } else { "gone" }, workers)?;
        }
        if wanted { self.attach(link, room, workers) } else { Ok(()) }
    }

    fn attach(&mut self, link: Link, room: usize, workers: &mut Workers) -> Result<(), Ended> {
        let (index, name) = (link.index, &link.name);
        if link.kind == Kind::Other {
            if self.unfit.insert(index) {
                tracing::warn!(device = %name, index, "not attached: it is no Ethernet device");
            }
            return Ok(());
        }
        let slots = self.slots.unwrap_or_else(|| share(room));
        let threads = self.threads(&link, workers.count());
        match self.open(&link, slots, threads) {
            Ok(ports) => {
                let sockets = ports.iter().map(|port| Arc::clone(port.socket())).collect();
                workers.attach(ports, name, link.mac)?;
                tracing::info!(device = %name, index, mac = %link.mac, slots, "attached");
                self.unfit.remove(&index);
                self.attached.insert(index, Attached { link, sockets, slots });
            }
            Err(error) if is_gone(&error) => {
                tracing::debug!(device = %name, index, "went before it was attached");
            }
            Err(error) if threads > 1 && !link.up && error.raw_os_error() == Some(libc::EINVAL) => {
                tracing::info!(device = %name, index, "attached once it is up: this kernel shares out no device before");
            }
            Err(error) => {
                // Told once; tried again at the device's next change.
                if self.unfit.insert(index) {
                    tracing::error!(device = %name, index, %error, "not attached");
                }
            }
        }
        Ok(())
    }

    /// The packet threads that serve a device: one for a tap, which leads to one guest; all for a bridge or a NIC.
    fn threads(&self, link: &Link, workers: usize) -> usize {
        let many = link.kind == Kind::Station || self.share.is_match(&link.name);
        if many { workers } else { 1 }
    }

    /// The ports of a device, one for each thread that serves it.
    fn open(&self, link: &Link, slots: u32, threads: usize) -> io::Result<Vec<Port>> {
        if !packet::exists(link.index) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let spares = match threads {
            2.. => {
                let each = slots / u32::try_from(threads.next_power_of_two()).unwrap_or(slots);
                let slots = self.slots.unwrap_or(each.max(MIN_SLOTS));
                Spare::several(threads, slots)?
            }
            _ => vec![self.stock.take(slots)?],
        };
        Spare::open_together(spares, link.index, link.kind == Kind::Station, &self.filter)
    }

    /// Closes sockets aside.
    pub(super) fn close(&self, sockets: Vec<Arc<Socket>>) {
        sockets.into_iter().for_each(|socket| self.closer.close(socket));
    }

    fn detach(&mut self, index: u32, why: &str, workers: &mut Workers) -> Result<(), Ended> {
        self.doubled.retain(|(port, bridge)| *port != index && *bridge != index);
        let Some(attached) = self.attached.remove(&index) else { return Ok(()) };
        tracing::info!(device = %attached.link.name, index, why, "detached");
        workers.detach(index)?;
        self.close(attached.sockets);
        Ok(())
    }

    /// Exchanges a ring that is longer than its share for a shorter one.
    fn shorten(&mut self, index: u32, workers: &mut Workers) -> Result<(), Ended> {
        let share = self.share();
        let Some(old) = self.attached.get(&index) else { return Ok(()) };
        let (link, threads) = (old.link.clone(), old.sockets.len());
        match self.open(&link, share, threads) {
            Ok(ports) => {
                let sockets = ports.iter().map(|port| Arc::clone(port.socket())).collect();
                workers.replace(ports)?;
                let attached = Attached { link, sockets, slots: share };
                if let Some(old) = self.attached.insert(index, attached) {
                    self.close(old.sockets);
                }
            }
            Err(error) => tracing::debug!(device = %link.name, index, %error, "keeps its long ring"),
        }
        Ok(())
    }

    fn warn_of_bridges(&mut self) {
        for (index, attached) in &self.attached {
            let Some(bridge) = attached.link.controller else { continue };
            let Some(controller) = self.attached.get(&bridge) else { continue };
            if self.doubled.insert((*index, bridge)) {
                tracing::warn!(
                    device = %attached.link.name, bridge = %controller.link.name,
                    "both a bridge and its port are attached: the port's frames are seen, and answered, twice; attach one of them"
                );
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_share_their_budget() {
        for (devices, slots) in
            [(0, 4096), (1, 4096), (2, 4096), (3, 2048), (100, 64), (129, 32), (100_000, 32)]
        {
            assert_eq!(share(devices), slots, "{devices} devices");
        }
        for devices in 1..=256 {
            assert!(devices * share(devices) as usize * SLOT <= RING_BUDGET, "{devices} devices");
        }
    }
}
