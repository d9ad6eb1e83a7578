//! The packet threads together: each device belongs to one of them, or its guests are shared out among all.
//!
//! A guest's frames always go to the same thread, so they are answered in order. A tap leads to one guest and belongs to
//! one thread, the one that has fewest; a bridge or a NIC leads to many, and each thread has its
//! [`Share`] of them. What one thread must know of another's guests, they tell each other.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::packet::Port;
use super::responder::{Listener, Responder};
use super::worker::{Ended, Report, Worker};
use crate::engine::Share;
use crate::lease::LeaseTable;
use crate::types::MacAddr;

/// The control thread's end of all packet threads.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    homes: HashMap<u32, Home>,
}

/// Who serves a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    One(usize),
    All,
}

impl Workers {
    /// Starts `count` packet threads, 1 at least, each with a responder of its own; `ended` is called by each that ends.
    /// See [`Worker::start_with`] for `busy_poll`.
    ///
    /// # Errors
    /// No descriptors or no memory left.
    pub fn start<R: Responder, L: Listener + Clone, E: FnOnce() + Clone + Send + 'static>(
        count: usize,
        responder: impl Fn() -> R,
        listener: &L,
        busy_poll: Duration,
        ended: &E,
    ) -> io::Result<Self> {
        let start = |_| Worker::start_with(responder(), listener.clone(), busy_poll, ended.clone());
        let workers: Vec<Worker> = (0..count.max(1)).map(start).collect::<io::Result<_>>()?;
        for (number, worker) in workers.iter().enumerate() {
            let others = workers.iter().enumerate().filter(|(other, _)| *other != number);
            worker.meet(others.map(|(_, other)| other.line()).collect()).map_err(io::Error::other)?;
        }
        Ok(Self { workers, homes: HashMap::new() })
    }

    /// How many threads there are: as many ports as [`attach`](Self::attach) wants for a device that leads to many
    /// guests.
    #[must_use]
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Adds a device: one open port, or for each thread one, in the order in which they share the device.
    ///
    /// # Errors
    /// [`Ended`], as for all requests.
    pub fn attach(&mut self, ports: Vec<Port>, name: &str, mac: MacAddr) -> Result<(), Ended> {
        let Some(device) = ports.first().map(Port::device) else { return Ok(()) };
        let home = if ports.len() == 1 { Home::One(self.idlest()) } else { Home::All };
        self.homes.insert(device, home);
        self.each(home, ports, |worker, port, share| worker.attach(port, name, mac, share))
    }

    /// Exchanges the ports of a device for others, as many as there were, after what waits in the old ones is answered.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn replace(&self, ports: Vec<Port>) -> Result<(), Ended> {
        let home = ports.first().and_then(|port| self.homes.get(&port.device()));
        let Some(home) = home.copied() else { return Ok(()) };
        self.each(home, ports, |worker, port, _| worker.replace(port))
    }

    /// Tells of a device's new name or MAC, or that its cable was plugged in: its ports get their first RAs anew.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn rename(&self, device: u32, name: &str, mac: MacAddr) -> Result<(), Ended> {
        match self.homes.get(&device) {
            None => Ok(()),
            Some(Home::One(number)) => {
                self.workers.get(*number).map_or(Ok(()), |w| w.rename(device, name, mac, Share::WHOLE))
            }
            Some(Home::All) => {
                let mut shared = self.workers.iter().zip(self.shares());
                shared.try_for_each(|(worker, share)| worker.rename(device, name, mac, share))
            }
        }
    }

    /// Closes the ports of a device; the other threads learn that the guests there are gone.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn detach(&mut self, device: u32) -> Result<(), Ended> {
        self.homes.remove(&device);
        self.workers.iter().try_for_each(|worker| worker.detach(device))
    }

    /// Hands over a new lease table.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn publish(&self, table: &Arc<LeaseTable>) -> Result<(), Ended> {
        self.workers.iter().try_for_each(|worker| worker.publish(Arc::clone(table)))
    }

    /// What they have done so far, in all; every request made before is done by then.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn report(&self) -> Result<Report, Ended> {
        let reports: Vec<Report> = self.workers.iter().map(Worker::report).collect::<Result<_, _>>()?;
        Ok(sum(reports))
    }

    /// Answers what waits in the rings, ends the threads and says what they have done.
    ///
    /// # Errors
    /// Why a thread had ended before.
    pub fn stop(&mut self) -> io::Result<Report> {
        let reports: Vec<io::Result<Report>> = self.workers.iter_mut().map(Worker::stop).collect();
        Ok(sum(reports.into_iter().collect::<io::Result<Vec<_>>>()?))
    }

    /// Does something to each port of a device where it lives.
    fn each(
        &self,
        home: Home,
        ports: Vec<Port>,
        request: impl Fn(&Worker, Port, Share) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        match home {
            Home::One(number) => {
                let worker = self.workers.get(number).zip(ports.into_iter().next());
                worker.map_or(Ok(()), |(worker, port)| request(worker, port, Share::WHOLE))
            }
            Home::All => {
                let mut shared = self.workers.iter().zip(ports).zip(self.shares());
                shared.try_for_each(|((worker, port), share)| request(worker, port, share))
            }
        }
    }

    fn shares(&self) -> impl Iterator<Item = Share> + use<> {
        let of = u32::try_from(self.workers.len()).unwrap_or(u32::MAX);
        (0..of).filter_map(move |index| Share::new(index, of))
    }

    /// The thread with the fewest devices of its own.
    fn idlest(&self) -> usize {
        let devices = |number: usize| self.homes.values().filter(|home| **home == Home::One(number)).count();
        (0..self.workers.len()).min_by_key(|number| devices(*number)).unwrap_or(0)
    }
}

fn sum(reports: Vec<Report>) -> Report {
    let mut total = Report::default();
    for report in reports {
        total += report;
    }
    total
}
