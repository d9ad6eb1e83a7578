//! The packet thread: waits for frames, hands them to a [`Responder`], sends what it answers.
//!
//! It never waits for anything but frames, timers and the control thread's bell; opens and reads no file; and gives
//! every device its turn.

mod turns;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};

use super::epoll::Bell;
use super::packet::Port;
use super::responder::{Listener, Responder};
use crate::engine::{Move, Share};
use crate::lease::LeaseTable;
use crate::types::MacAddr;
use turns::Turns;

/// What the worker has done so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The responder's own counts.
    pub counts: Vec<(&'static str, u64)>,
    /// Frames taken from the rings.
    pub received: u64,
    /// Frames sent, answers and others.
    pub sent: u64,
    /// Frames that could not be sent: a full queue, a device that is down or gone.
    pub unsent: u64,
    /// Frames whose outer tag is no customer VLAN tag.
    pub foreign_tag: u64,
    /// Devices that were handed over and could not be waited for: nobody is answered there.
    pub refused: u64,
    /// What guests told and the control thread had no room for, and where they were heard and another packet thread had none.
    pub unheard: u64,
    /// Segments that the metadata service had no room for; guests send them again.
    pub refused_segments: u64,
    /// Panics of the responder that were caught.
    pub panics: u64,
    /// Processor time of the packet thread.
    pub processor: Duration,
}

/// The packet thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet thread has ended")]
pub struct Ended;

/// The control thread's end of a running worker.
#[derive(Debug)]
pub struct Worker {
    control: Sender<Control>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<io::Result<Report>>>,
}

impl std::ops::AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        for (name, count) in other.counts {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, total)) => *total += count,
                None => self.counts.push((name, count)),
            }
        }
        self.received += other.received;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.foreign_tag += other.foreign_tag;
        self.refused += other.refused;
        self.unheard += other.unheard;
        self.refused_segments += other.refused_segments;
        self.panics += other.panics;
        self.processor += other.processor;
    }
}

/// The way to tell a worker something from another one.
#[derive(Clone, Debug)]
pub(super) struct Line {
    control: Sender<Control>,
    bell: Arc<Bell>,
}

impl Line {
    /// Tells of a guest that was heard; false when there is no room for it. Waits for nobody. Whoever tells rings too.
    fn tell(&self, heard: Move) -> bool {
        self.control.try_send(Control::Moved(heard)).is_ok()
    }

    fn ring(&self) {
        self.bell.ring();
    }
}

enum Control {
    Attach { port: Port, name: String, mac: MacAddr, share: Share },
    Replace(Port),
    Rename { device: u32, name: String, mac: MacAddr, share: Share },
    Meet(Vec<Line>),
    Moved(Move),
    Detach(u32),
    Publish(Arc<LeaseTable>),
    Report(Sender<Report>),
    Stop,
}

/// Requests that may wait; the control thread waits when there are more.
const MAX_REQUESTS: usize = 1024;

impl Worker {
    /// Starts the packet thread, which calls `ended` when it ends, however it ends.
    ///
    /// # Errors
    /// No descriptors or no memory left.
    pub fn start<R: Responder>(responder: R, ended: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Self::start_with(responder, (), Duration::ZERO, ended)
    }

    /// [`start`](Self::start), and hands on what is not answered here to `listener`. After every frame, its device is
    /// looked at without sleeping for `busy_poll`; zero for doing so only where frames come in numbers.
    ///
    /// # Errors
    /// No descriptors or no memory left.
    pub fn start_with<R: Responder>(
        responder: R,
        listener: impl Listener,
        busy_poll: Duration,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (control, requests) = bounded(MAX_REQUESTS);
        let bell = Arc::new(Bell::new()?);
        let turns = Turns::new(responder, Box::new(listener), requests, Arc::clone(&bell), busy_poll)?;
        let body = move || {
            let _ended = OnDrop(Some(ended));
            turns.run()
        };
        let thread = std::thread::Builder::new().name("packets".into()).spawn(body)?;
        Ok(Self { control, bell, thread: Some(thread) })
    }

    /// Adds an open port, which is shown the frames of a share of the device's guests.
    ///
    /// # Errors
    /// [`Ended`], as for all requests.
    pub fn attach(&self, port: Port, name: &str, mac: MacAddr, share: Share) -> Result<(), Ended> {
        self.request(Control::Attach { port, name: name.to_owned(), mac, share })
    }

    /// How others tell this one something.
    pub(super) fn line(&self) -> Line {
        Line { control: self.control.clone(), bell: Arc::clone(&self.bell) }
    }

    /// Has it tell the others whom it hears.
    pub(super) fn meet(&self, others: Vec<Line>) -> Result<(), Ended> {
        self.request(Control::Meet(others))
    }

    /// Exchanges the port of a device for another one, after what waits in the old one is answered.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn replace(&self, port: Port) -> Result<(), Ended> {
        self.request(Control::Replace(port))
    }

    /// Tells of a device's new name or MAC, or that its cable was plugged in: its ports get their first RAs anew.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn rename(&self, device: u32, name: &str, mac: MacAddr, share: Share) -> Result<(), Ended> {
        self.request(Control::Rename { device, name: name.to_owned(), mac, share })
    }

    /// Closes the port of a device.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn detach(&self, device: u32) -> Result<(), Ended> {
        self.request(Control::Detach(device))
    }

    /// Hands over a new lease table.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn publish(&self, table: Arc<LeaseTable>) -> Result<(), Ended> {
        self.request(Control::Publish(table))
    }

    /// What it has done so far; every request made before is done by then.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn report(&self) -> Result<Report, Ended> {
        let (answer, report) = bounded(1);
        self.request(Control::Report(answer))?;
        report.recv().map_err(|_| Ended)
    }

    /// Answers what waits in the rings, ends the thread and says what it has done.
    ///
    /// # Errors
    /// Why the thread had ended before.
    pub fn stop(&mut self) -> io::Result<Report> {
        // A thread that has ended says why when it is joined.
        let _ = self.request(Control::Stop);
        let thread = self.thread.take().ok_or_else(|| io::Error::other(Ended))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the packet thread panicked")))
    }

    fn request(&self, request: Control) -> Result<(), Ended> {
        self.control.send(request).map_err(|_| Ended)?;
        self.bell.ring();
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Calls something when a thread ends, however it ends.
pub(super) struct OnDrop<F: FnOnce()>(pub(super) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}
