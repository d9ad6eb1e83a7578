//! The packet thread: waits for frames, hands them to a [`Responder`], sends what it answers.
//!
//! It never waits for anything but frames, timers and the control thread's bell; opens and reads no file; and gives
//! every device its turn.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};

use super::clock::{Clock, thread_time};
use super::epoll::{Bell, Epoll, Ready};
use super::packet::{BATCH, Front, Outbox, Port, Sent};
use super::quarantine::Guarded;
use super::responder::{Listener, Responder};
use crate::lease::LeaseTable;
use crate::types::{Instant, MacAddr};

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
    /// What guests told and the control thread had no room for.
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

enum Control {
    Attach { port: Port, name: String, mac: MacAddr },
    Replace(Port),
    Rename { device: u32, name: String, mac: MacAddr },
    Detach(u32),
    Publish(Arc<LeaseTable>),
    Report(Sender<Report>),
    Stop,
}

/// Requests that may wait; the control thread waits when there are more.
const MAX_REQUESTS: usize = 256;

/// Frames of one device before the next has its turn, and timers between two turns of all devices.
const TURN: usize = BATCH;

impl Worker {
    /// Starts the packet thread, which calls `ended` when it ends, however it ends.
    ///
    /// # Errors
    /// No descriptors or no memory left.
    pub fn start<R: Responder>(responder: R, ended: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        Self::start_heard(responder, (), ended)
    }

    /// [`start`](Self::start), and hands on what is not answered here to `listener`.
    ///
    /// # Errors
    /// No descriptors or no memory left.
    pub fn start_heard<R: Responder>(
        responder: R,
        listener: impl Listener,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (control, requests) = bounded(MAX_REQUESTS);
        let bell = Arc::new(Bell::new()?);
        let epoll = Epoll::new()?;
        epoll.add(bell.as_fd(), BELL)?;
        let state = Loop {
            desk: Guarded::new(responder),
            ports: HashMap::new(),
            epoll,
            outbox: Outbox::default(),
            clock: Clock::start(),
            requests,
            bell: Arc::clone(&bell),
            received: 0,
            foreign_tag: 0,
            refused: 0,
            unheard: 0,
            refused_segments: 0,
            listener: Box::new(listener),
            sent: Sent::default(),
        };
        let body = move || {
            let _ended = OnDrop(Some(ended));
            state.run()
        };
        let thread = std::thread::Builder::new().name("packets".into()).spawn(body)?;
        Ok(Self { control, bell, thread: Some(thread) })
    }

    /// Adds an open port.
    ///
    /// # Errors
    /// [`Ended`], as for all requests.
    pub fn attach(&self, port: Port, name: &str, mac: MacAddr) -> Result<(), Ended> {
        self.request(Control::Attach { port, name: name.to_owned(), mac })
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
    pub fn rename(&self, device: u32, name: &str, mac: MacAddr) -> Result<(), Ended> {
        self.request(Control::Rename { device, name: name.to_owned(), mac })
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

/// The bell's token; devices have theirs below 2³².
const BELL: u64 = u64::MAX;

struct Loop<R> {
    desk: Guarded<R>,
    ports: HashMap<u32, Port>,
    epoll: Epoll,
    outbox: Outbox,
    clock: Clock,
    requests: Receiver<Control>,
    bell: Arc<Bell>,
    received: u64,
    foreign_tag: u64,
    refused: u64,
    unheard: u64,
    refused_segments: u64,
    listener: Box<dyn Listener>,
    sent: Sent,
}

impl<R: Responder> Loop<R> {
    fn run(mut self) -> io::Result<Report> {
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            let sleep = self.desk.next_timeout().map(|at| at.since(now));
            ready.clear();
            ready.extend(self.epoll.wait(sleep)?);
            let now = self.clock.now();
            for Ready { token, error } in ready.iter().copied() {
                match u32::try_from(token) {
                    Ok(device) => self.serve(device, error, TURN, now),
                    Err(_) if self.obey(now) => return Ok(self.report()),
                    Err(_) => {}
                }
            }
            self.advertise(now);
            self.tell();
        }
    }

    /// Hands on what guests told; nobody is waited for.
    fn tell(&mut self) {
        while let Some((device, event)) = self.desk.responder.event() {
            if !self.listener.event(device, event) {
                self.unheard += 1;
            }
        }
    }

    /// Answers what waits on one device, at most `turn` frames.
    fn serve(&mut self, device: u32, error: bool, turn: usize, now: Instant) {
        let Some(port) = self.ports.get_mut(&device) else { return };
        if error {
            // ENETDOWN: the kernel takes the socket off a device that goes down and puts it back when it comes up.
            port.socket().take_error();
        }
        for _ in 0..turn {
            let answer = match port.front() {
                None => break,
                Some(Front::Frame(frame)) => self.desk.frame(now, frame, self.outbox.room()),
                Some(Front::ForeignTag) => {
                    self.foreign_tag += 1;
                    None
                }
            };
            self.received += 1;
            port.release();
            let Some(length) = answer else {
                if let Some(segment) = self.desk.responder.segment()
                    && !self.listener.segment(segment, port.socket())
                {
                    self.refused_segments += 1;
                }
                continue;
            };
            self.outbox.commit(device, length);
            if self.outbox.is_full() {
                self.sent += self.outbox.flush(|_| Some(port.socket()));
            }
        }
        self.sent += self.outbox.flush(|_| Some(port.socket()));
    }

    /// Sends what is due by itself, at most a turn of it.
    fn advertise(&mut self, now: Instant) {
        for _ in 0..TURN {
            let Some((device, length)) = self.desk.timeout(now, self.outbox.room()) else { break };
            self.outbox.commit(device, length);
        }
        self.sent += self.outbox.flush(|device| self.ports.get(&device).map(|port| &**port.socket()));
    }

    /// Does what the control thread asks; true for stop.
    fn obey(&mut self, now: Instant) -> bool {
        self.bell.hush();
        while let Ok(request) = self.requests.try_recv() {
            match request {
                Control::Attach { port, name, mac } => {
                    let device = port.device();
                    if self.open(port, now) {
                        self.desk.responder.attach(device, &name, mac, now);
                    }
                }
                Control::Replace(port) => {
                    self.open(port, now);
                }
                Control::Rename { device, name, mac } => self.desk.responder.attach(device, &name, mac, now),
                Control::Detach(device) => {
                    self.close(device);
                    self.desk.responder.detach(device);
                    self.listener.detached(device);
                }
                Control::Publish(table) => self.desk.responder.publish(table, now),
                Control::Report(to) => {
                    // Whoever asked may have given up.
                    let _ = to.send(self.report());
                }
                Control::Stop => {
                    self.drain(now);
                    return true;
                }
            }
        }
        false
    }

    /// Serves a port from now on, in the place of one that the device had; false when it cannot be waited for, which
    /// costs this device its answers and no other.
    fn open(&mut self, port: Port, now: Instant) -> bool {
        let device = port.device();
        if let Err(error) = self.epoll.add(port.socket().as_fd(), u64::from(device)) {
            tracing::error!(device, %error, "not answered on: its socket cannot be waited for");
            self.refused += 1;
            self.close(device);
            self.desk.responder.detach(device);
            return false;
        }
        if let Some(old) = self.ports.get(&device) {
            let waiting = old.slots();
            self.serve(device, false, waiting, now);
            self.close(device);
        }
        self.ports.insert(device, port);
        true
    }

    fn close(&mut self, device: u32) {
        if let Some(port) = self.ports.remove(&device) {
            // The control thread may hold the socket a little longer, and an open one would stay in the set.
            if let Err(error) = self.epoll.remove(port.socket().as_fd()) {
                tracing::warn!(device, %error, "a socket could not be taken out of the set");
            }
        }
    }

    /// One ring's worth of frames from every device: what came before the stop.
    fn drain(&mut self, now: Instant) {
        let waiting: Vec<(u32, usize)> = self.ports.iter().map(|(d, p)| (*d, p.slots())).collect();
        waiting.into_iter().for_each(|(device, slots)| self.serve(device, false, slots, now));
    }

    fn report(&self) -> Report {
        Report {
            counts: self.desk.responder.counts(),
            received: self.received,
            sent: self.sent.sent,
            unsent: self.sent.lost,
            foreign_tag: self.foreign_tag,
            refused: self.refused,
            unheard: self.unheard,
            refused_segments: self.refused_segments,
            panics: self.desk.panics,
            processor: thread_time(),
        }
    }
}
