//! The loop of the packet thread: every device has its turn, then the timers, then what guests told.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::Receiver;

use super::{Control, Line, Report};
use crate::io::clock::{Clock, thread_time};
use crate::io::epoll::{Bell, Epoll, Ready};
use crate::io::packet::{BATCH, Front, Outbox, Port, Sent};
use crate::io::quarantine::Guarded;
use crate::io::responder::{Listener, Responder};
use crate::types::Instant;

/// Frames of one device before the next has its turn, and timers between two turns of all devices.
const TURN: usize = BATCH;

/// Frames of one turn from which on a device is hot: it is looked at in every turn, and not waited for. The kernel then
/// has nobody to wake at each frame that comes and at each answer that has gone, a sixth of the whole cost of an answer.
const HOT_FRAMES: usize = 16;

/// How long a hot device stays so without a frame, unless the operator says: long enough for a client that answers at
/// once, too short to be seen in the processor's load.
const HOT_FOR: Duration = Duration::from_micros(20);

/// The bell's token; devices have theirs below 2³².
const BELL: u64 = u64::MAX;

/// A device that is looked at without being waited for, and when its last frame was taken.
#[derive(Clone, Copy, Debug)]
struct Hot {
    device: u32,
    last: Instant,
}

/// The packet thread's state.
pub(super) struct Turns<R> {
    desk: Guarded<R>,
    ports: HashMap<u32, Port>,
    /// The devices that are not in the set of `epoll`.
    hot: Vec<Hot>,
    /// Frames of one turn that make a device hot, and for how long.
    heat: (usize, Duration),
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
    /// The other packet threads.
    others: Vec<Line>,
    sent: Sent,
}

impl<R: Responder> Turns<R> {
    pub(super) fn new(
        responder: R,
        listener: Box<dyn Listener>,
        requests: Receiver<Control>,
        bell: Arc<Bell>,
        busy_poll: Duration,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(bell.as_fd(), BELL)?;
        Ok(Self {
            desk: Guarded::new(responder),
            ports: HashMap::new(),
            hot: Vec::new(),
            heat: if busy_poll.is_zero() { (HOT_FRAMES, HOT_FOR) } else { (1, busy_poll) },
            epoll,
            outbox: Outbox::default(),
            clock: Clock::start(),
            requests,
            bell,
            received: 0,
            foreign_tag: 0,
            refused: 0,
            unheard: 0,
            refused_segments: 0,
            listener,
            others: Vec::new(),
            sent: Sent::default(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<Report> {
        let mut ready = Vec::new();
        loop {
            let now = self.clock.now();
            let sleep = match self.hot.is_empty() {
                true => self.desk.next_timeout().map(|at| at.since(now)),
                false => Some(Duration::ZERO),
            };
            ready.clear();
            ready.extend(self.epoll.wait(sleep)?);
            let now = self.clock.now();
            self.serve_hot(now);
            for Ready { token, error } in ready.iter().copied() {
                match u32::try_from(token) {
                    Ok(device) => {
                        if self.serve(device, error, TURN, now) >= self.heat.0 {
                            self.heat(device, now);
                        }
                    }
                    Err(_) if self.obey(now) => return Ok(self.report()),
                    Err(_) => {}
                }
            }
            self.advertise(now);
            self.tell();
        }
    }

    /// Hands on what guests told and where they were heard; nobody is waited for.
    fn tell(&mut self) {
        while let Some((device, event)) = self.desk.responder.event() {
            if !self.listener.event(device, event) {
                self.unheard += 1;
            }
        }
        // Rung for at the first, so that they make room, and after the last: each ring is a system call, and a wake-up there.
        let mut told = 0_usize;
        while let Some(heard) = self.desk.responder.moved() {
            self.unheard += self.others.iter().map(|other| u64::from(!other.tell(heard))).sum::<u64>();
            if told == 0 {
                self.others.iter().for_each(Line::ring);
            }
            told += 1;
        }
        if told > 1 {
            self.others.iter().for_each(Line::ring);
        }
    }

    /// Looks at a device in every turn from now on.
    fn heat(&mut self, device: u32, now: Instant) {
        if let Some(port) = self.ports.get(&device)
            && self.epoll.remove(port.socket().as_fd()).is_ok()
        {
            self.hot.push(Hot { device, last: now });
        }
    }

    /// Gives each hot device its turn, and waits again for those that were silent for long enough.
    fn serve_hot(&mut self, now: Instant) {
        let mut hot = std::mem::take(&mut self.hot);
        hot.retain_mut(|hot| {
            if self.serve(hot.device, false, TURN, now) > 0 {
                hot.last = now;
            }
            now.since(hot.last) < self.heat.1 || !self.cool(hot.device)
        });
        self.hot = hot;
    }

    /// Waits for a device again; false when that cannot be, and it is to be looked at as before.
    fn cool(&self, device: u32) -> bool {
        let Some(port) = self.ports.get(&device) else { return true };
        self.epoll.add(port.socket().as_fd(), u64::from(device)).is_ok()
    }

    /// Answers what waits on one device, at most `turn` frames: how many there were.
    fn serve(&mut self, device: u32, error: bool, turn: usize, now: Instant) -> usize {
        let Some(port) = self.ports.get_mut(&device) else { return 0 };
        if error {
            // ENETDOWN: the kernel takes the socket off a device that goes down and puts it back when it comes up.
            port.socket().take_error();
        }
        let mut count = 0;
        while count < turn {
            let answer = match port.front() {
                None => break,
                Some(Front::Frame(frame)) => self.desk.frame(now, frame, self.outbox.room()),
                Some(Front::ForeignTag) => {
                    self.foreign_tag += 1;
                    None
                }
            };
            count += 1;
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
        self.received += count as u64;
        count
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
                Control::Attach { port, name, mac, share } => {
                    let device = port.device();
                    if self.open(port, now) {
                        self.desk.responder.attach(device, &name, mac, share, now);
                    }
                }
                Control::Meet(others) => self.others = others,
                Control::Moved(heard) => self.desk.responder.moved_elsewhere(heard),
                Control::Replace(port) => {
                    self.open(port, now);
                }
                Control::Rename { device, name, mac, share } => {
                    self.desk.responder.attach(device, &name, mac, share, now);
                }
                Control::Detach(device) => {
                    let was_here = self.close(device);
                    self.desk.responder.detach(device);
                    if was_here {
                        self.listener.detached(device);
                    }
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

    /// Closes a port; false when there was none.
    fn close(&mut self, device: u32) -> bool {
        let Some(port) = self.ports.remove(&device) else { return false };
        if let Some(at) = self.hot.iter().position(|hot| hot.device == device) {
            self.hot.swap_remove(at);
        } else {
            // The control thread may hold the socket a little longer, and an open one would stay in the set.
            if let Err(error) = self.epoll.remove(port.socket().as_fd()) {
                tracing::warn!(device, %error, "a socket could not be taken out of the set");
            }
        }
        true
    }

    /// One ring's worth of frames from every device: what came before the stop.
    fn drain(&mut self, now: Instant) {
        let waiting: Vec<(u32, usize)> = self.ports.iter().map(|(d, p)| (*d, p.slots())).collect();
        for (device, slots) in waiting {
            self.serve(device, false, slots, now);
        }
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
