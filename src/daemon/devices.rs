//! Which devices are attached: those whose name matches a pattern, for as long as they exist.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use globset::GlobSet;

use super::Settings;
use crate::io::links::{Kind, Link, LinkEvent};
use crate::io::packet::{Filter, MAX_SLOTS, MIN_SLOTS, Port, PortOptions, SLOT, Socket};
use crate::io::worker::{Ended, Worker};

/// Octets of all rings together, unless the operator says how long each is: mapped kernel memory counts as resident,
/// and `run` is to stay below 32 MiB with 100 devices.
const RING_BUDGET: usize = 16 << 20;

struct Attached {
    link: Link,
    socket: Arc<Socket>,
    slots: u32,
}

/// The attached devices.
pub(super) struct Devices {
    globs: GlobSet,
    slots: Option<u32>,
    filter: Filter,
    attached: BTreeMap<u32, Attached>,
    /// Sockets that the packet thread may still hold; closed here, because closing one waits for every processor.
    retired: Vec<Arc<Socket>>,
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

impl Devices {
    pub(super) fn new(settings: &Settings, filter: Filter) -> Self {
        Self {
            globs: settings.attach.clone(),
            slots: settings.ring_frames,
            filter,
            attached: BTreeMap::new(),
            retired: Vec::new(),
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
        self.drops += self.attached.values().map(|a| a.socket.take_statistics().1).sum::<u64>();
        self.drops
    }

    /// Attaches and detaches as the event demands.
    pub(super) fn follow(&mut self, event: LinkEvent, worker: &Worker) -> Result<(), Ended> {
        match event {
            LinkEvent::All(links) => self.follow_all(links, worker)?,
            LinkEvent::Changed(link) => {
                let room = self.count() + 1;
                self.follow_one(link, room, worker)?;
            }
            LinkEvent::Gone(index) => {
                self.unfit.remove(&index);
                self.detach(index, "gone", worker)?;
            }
        }
        self.warn_of_bridges();
        self.make_room(worker)?;
        self.bury(worker)
    }

    /// Replaces the filter of every socket.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        for (index, attached) in &self.attached {
            if let Err(error) = attached.socket.set_filter(&self.filter) {
                let name = &attached.link.name;
                tracing::error!(device = %name, index, %error, "the filter stays as it was: some new addresses are not answered for");
            }
        }
    }

    fn follow_all(&mut self, links: Vec<Link>, worker: &Worker) -> Result<(), Ended> {
        let there: BTreeSet<u32> = links.iter().map(|l| l.index).collect();
        let gone: Vec<u32> = self.attached.keys().filter(|i| !there.contains(i)).copied().collect();
        for index in gone {
            self.detach(index, "gone", worker)?;
        }
        self.unfit.retain(|i| there.contains(i));
        let room = links.iter().filter(|l| self.globs.is_match(&l.name)).count();
        links.into_iter().try_for_each(|link| self.follow_one(link, room, worker))
    }

    /// `room`: the devices that the ring budget is to be shared by.
    fn follow_one(&mut self, link: Link, room: usize, worker: &Worker) -> Result<(), Ended> {
        let wanted = self.globs.is_match(&link.name);
        let index = link.index;
        if let Some(attached) = self.attached.get_mut(&index) {
            // The kernel takes a socket off a device that goes for good; one of the same number is another device.
            let same = attached.socket.device() == Some(index);
            if same && wanted {
                let renamed = attached.link.name != link.name || attached.link.mac != link.mac;
                let came_up = link.up && !attached.link.up;
                attached.link = link;
                let link = &attached.link;
                if renamed {
                    tracing::info!(device = %link.name, index, mac = %link.mac, "changed its name or MAC");
                }
                // The first RAs of a device that was down are lost; they are sent again once somebody can hear them.
                if renamed || came_up {
                    worker.rename(index, &link.name, link.mac)?;
                }
                return Ok(());
            }
            self.detach(index, if same { "renamed" } else { "gone" }, worker)?;
        }
        if wanted { self.attach(link, room, worker) } else { Ok(()) }
    }

    fn attach(&mut self, link: Link, room: usize, worker: &Worker) -> Result<(), Ended> {
        let (index, name) = (link.index, &link.name);
        if link.kind == Kind::Other {
            if self.unfit.insert(index) {
                tracing::warn!(device = %name, index, "not attached: it is no Ethernet device");
            }
            return Ok(());
        }
        let slots = self.slots.unwrap_or_else(|| share(room));
        match self.open(&link, slots) {
            Ok(port) => {
                let socket = Arc::clone(port.socket());
                worker.attach(port, name, link.mac)?;
                tracing::info!(device = %name, index, mac = %link.mac, slots, "attached");
                self.unfit.remove(&index);
                self.attached.insert(index, Attached { link, socket, slots });
            }
            Err(error) if is_gone(&error) => {
                tracing::debug!(device = %name, index, "went before it was attached");
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

    fn open(&self, link: &Link, slots: u32) -> io::Result<Port> {
        let options = PortOptions { slots, promiscuous: link.kind == Kind::Station };
        Port::open(link.index, options, &self.filter)
    }

    fn detach(&mut self, index: u32, why: &str, worker: &Worker) -> Result<(), Ended> {
        self.doubled.retain(|(port, bridge)| *port != index && *bridge != index);
        let Some(attached) = self.attached.remove(&index) else { return Ok(()) };
        tracing::info!(device = %attached.link.name, index, why, "detached");
        self.retired.push(attached.socket);
        worker.detach(index)
    }

    /// Exchanges rings that are longer than their share, now that there are more devices, for shorter ones. A share is
    /// a power of two, so each ring is exchanged a few times at most.
    fn make_room(&mut self, worker: &Worker) -> Result<(), Ended> {
        let share = self.slots.unwrap_or_else(|| share(self.count()));
        let long: Vec<u32> = self.attached.iter().filter(|(_, a)| a.slots > share).map(|(i, _)| *i).collect();
        for index in long {
            let Some(link) = self.attached.get(&index).map(|a| a.link.clone()) else { continue };
            match self.open(&link, share) {
                Ok(port) => {
                    let socket = Arc::clone(port.socket());
                    worker.replace(port)?;
                    let attached = Attached { link, socket, slots: share };
                    self.retired.extend(self.attached.insert(index, attached).map(|old| old.socket));
                }
                Err(error) => {
                    tracing::debug!(device = %link.name, index, %error, "keeps its long ring");
                }
            }
        }
        Ok(())
    }

    /// Closes retired sockets once the packet thread has let go of them.
    fn bury(&mut self, worker: &Worker) -> Result<(), Ended> {
        if self.retired.is_empty() {
            return Ok(());
        }
        worker.report()?;
        self.drops += self.retired.drain(..).map(|socket| socket.take_statistics().1).sum::<u64>();
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
