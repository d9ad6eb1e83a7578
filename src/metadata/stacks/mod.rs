//! The guests' TCP: a small stack for each guest that has a connection, made by its first SYN and dropped with its last.
//!
//! The contract: hand over every segment with [`Stacks::segment`] and call [`Stacks::timeout`] when
//! [`Stacks::next_timeout`] has come; then, until it returns false, call [`Stacks::transmit`] and send [`Stacks::frames`].
//! Whoever serves HTTP takes new connections from [`Stacks::opened`] and moves their octets with
//! [`Stacks::poll_read`] and [`Stacks::poll_write`]; a full send buffer is the guest's closed window, so nothing is kept
//! for a guest that does not read.

mod counts;
mod link;
mod stack;

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smoltcp::socket::tcp::Socket;

pub use counts::Counts;
pub use link::Frames;
use link::Link;
pub use stack::Sender;
use stack::{Ends, Stack, mix};

use super::meter::Meters;
use super::{Guest, Limits, Segment};
use crate::lease::{LeaseTable, Lookup, PortId};
use crate::types::Instant;
use crate::wire::envelope::{Envelope, Layer};
use crate::wire::tcp::Tcp;

/// Octets that a guest may send before they are read. Less than one full segment, so that no guest has reason to hand
/// its device several segments as one frame that is longer than a slot of the receive ring: it would never arrive.
const RECEIVE_BUFFER: usize = 1280;

/// Octets on the way to a guest: what keeps a path of a tenth of a millisecond busy at 100 MB/s, and no more, since every
/// open connection has as many.
const SEND_BUFFER: usize = 12 * 1024;

/// How long a connection may take to open: two SYN-ACKs are sent again in that time.
const HALF_OPEN: Duration = Duration::from_secs(5);

/// How long the guest may take to close its end after we have closed ours.
const LINGER: Duration = Duration::from_secs(5);

/// Octets that must move in [`Limits::stall_timeout`].
const MOVES: u64 = 1024;

/// How often connections are looked at for what does not move.
const SWEEP: Duration = Duration::from_secs(1);

/// Sockets kept for the next connections, so that a guest with a connection for each request costs no memory anew.
const SPARE: usize = 64;

/// The connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the guest's connection is over")]
pub struct Gone;

/// One connection of one guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    stack: usize,
    /// Never given twice, so that an end that is kept too long reaches nobody else's connection.
    serial: u64,
}

/// The stacks of all guests.
#[derive(Debug)]
pub struct Stacks {
    limits: Limits,
    table: Arc<LeaseTable>,
    seed: u64,
    serial: u64,
    by_sender: HashMap<Sender, usize>,
    stacks: Vec<Option<Box<Stack>>>,
    free: Vec<usize>,
    /// Stacks that may have something to send.
    dirty: Vec<usize>,
    timers: BTreeSet<(Instant, usize)>,
    opened: Vec<ConnectionId>,
    connections: usize,
    swept: Instant,
    spare: Vec<Socket<'static>>,
    meters: Meters<Sender>,
    frames: Frames,
    waker: Option<Waker>,
    /// The stack that is at work, in case it panics.
    at_work: Option<usize>,
    counts: Counts,
}

impl Stacks {
    /// No stacks yet. `seed` must be known to nobody.
    #[must_use]
    pub fn new(limits: Limits, table: Arc<LeaseTable>, seed: u64) -> Self {
        Self {
            meters: Meters::new(limits.requests_per_second, limits.request_burst),
            limits,
            table,
            seed,
            serial: 0,
            by_sender: HashMap::new(),
            stacks: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            timers: BTreeSet::new(),
            opened: Vec::new(),
            connections: 0,
            swept: Instant::default(),
            spare: Vec::with_capacity(SPARE),
            frames: Frames::default(),
            waker: None,
            at_work: None,
            counts: Counts::default(),
        }
    }

    /// Takes a segment in.
    pub fn segment(&mut self, segment: &Segment, now: Instant) {
        let Ok(tcp) = Tcp::parse(segment.message()) else {
            self.counts.refused += 1;
            return;
        };
        let Some(port) = self.locate(segment) else {
            self.counts.refused += 1;
            return;
        };
        let ends = [(segment.source(), tcp.source_port), (segment.destination(), tcp.destination_port)];
        let sender = Sender { device: segment.device, vlan: segment.vlan, mac: segment.mac };
        let known = self.by_sender.get(&sender).copied();
        let has = known.and_then(|at| self.stacks.get(at)?.as_ref()).is_some_and(|stack| stack.has(ends));
        let at = match (has, tcp.opens()) {
            (true, _) => known,
            (false, true) => self.open(sender, port, ends, now),
            (false, false) => {
                self.reset(&sender, port, ends, &tcp);
                None
            }
        };
        let Some((at, stack)) = at.and_then(|at| Some((at, self.stacks.get_mut(at)?.as_mut()?))) else {
            return;
        };
        self.at_work = Some(at);
        stack.receive(segment, &mut self.frames, now);
        // A socket that the segment was for and that still listens would take another one's SYN.
        self.connections -= stack.drop_listening(&mut self.spare);
        self.at_work = None;
        self.touch(at);
    }

    /// The guest's port in the table that holds now.
    fn locate(&self, segment: &Segment) -> Option<PortId> {
        if Arc::ptr_eq(&self.table, &segment.table) {
            return Some(segment.port);
        }
        relocate(&self.table, &segment.table, segment.port)
    }

    /// Makes room for a connection; the stack that will hold it, or `None` when there is no room.
    fn open(&mut self, sender: Sender, port: PortId, ends: Ends, now: Instant) -> Option<usize> {
        let known = self.by_sender.get(&sender).copied();
        let own =
            known.and_then(|at| self.stacks.get(at)?.as_ref()).map_or(0, |stack| stack.connections.len());
        // Where most are taken, a guest that has many gets no more of them before one that has few.
        let scarce = self.connections >= self.limits.connections - self.limits.connections / 4;
        if self.connections >= self.limits.connections
            || scarce && own > self.limits.connections_per_guest / 8
        {
            self.counts.full += 1;
            return None;
        }
        if own >= self.limits.connections_per_guest {
            self.counts.guest_full += 1;
            return None;
        }
        let at = match known {
            Some(at) => at,
            None => self.make(sender, port, now)?,
        };
        self.serial += 1;
        let (serial, spare) = (self.serial, self.spare.pop());
        let stack = self.stacks.get_mut(at)?.as_mut()?;
        stack.port = port;
        stack.listen(ends, serial, spare, now);
        self.connections += 1;
        Some(at)
    }

    fn make(&mut self, sender: Sender, port: PortId, now: Instant) -> Option<usize> {
        let network = self.table.port(port)?.network();
        let link = Link::new(sender.device, sender.mac, &network);
        let addresses = network.services().iter().map(|service| Ipv6Addr::from_octets(service.address));
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let stack = Some(Box::new(Stack::new(sender, port, link, addresses, mix(self.seed), now)));
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                self.stacks.push(None);
                self.stacks.len() - 1
            }
        };
        *self.stacks.get_mut(at)? = stack;
        self.by_sender.insert(sender, at);
        Some(at)
    }

    /// Answers a segment of no connection: after a restart, or of one that we have forgotten (RFC 9293 §3.10.7.1).
    fn reset(&mut self, sender: &Sender, port: PortId, ends: Ends, tcp: &Tcp<'_>) {
        /// Octets of a reset behind the Ethernet header.
        const PACKET: usize = 60;
        let Some(network) = self.table.port(port).map(|port| port.network()) else { return };
        let link = Link::new(sender.device, sender.mac, &network);
        let [(guest, _), (own, _)] = ends;
        let envelope = Envelope {
            source_mac: link.router,
            destination_mac: link.guest,
            vlan: link.vlan,
            source: own,
            destination: guest,
            mtu: link.mtu,
        };
        let mut frame = [0; 18 + PACKET];
        let length = envelope.open(&mut frame, Layer::Tcp).ok().and_then(|mut open| {
            tcp.reset(&mut open).ok()??;
            open.seal().ok()
        });
        if let Some(frame) = length.and_then(|length| frame.get(..length)) {
            self.frames.add(link.device, frame.len()).copy_from_slice(frame);
            self.counts.reset += 1;
        }
    }

    /// Has a stack looked at by the next [`transmit`](Self::transmit).
    fn touch(&mut self, at: usize) {
        if let Some(stack) = self.stacks.get_mut(at).and_then(Option::as_mut)
            && !std::mem::replace(&mut stack.dirty, true)
        {
            self.dirty.push(at);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }

    /// Completes when there is something for [`transmit`](Self::transmit) to do.
    pub fn poll_dirty(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.dirty.is_empty() && self.frames.is_empty() {
            self.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Lets the stacks write their frames, until there are enough to be sent or there is no more; false for no more.
    pub fn transmit(&mut self, now: Instant) -> bool {
        while !self.frames.is_full() {
            let Some(at) = self.dirty.pop() else { break };
            self.attend(at, now);
        }
        !self.frames.is_empty() || !self.dirty.is_empty()
    }

    /// Sends what one stack has to say, and sees to its connections and its timer.
    fn attend(&mut self, at: usize, now: Instant) {
        let Some(stack) = self.stacks.get_mut(at).and_then(Option::as_mut) else { return };
        stack.dirty = false;
        if let Some(due) = stack.due.take() {
            self.timers.remove(&(due, at));
        }
        self.at_work = Some(at);
        let (gone, full) = stack.transmit(&mut self.frames, now);
        self.connections -= gone;
        stack.dirty = full;
        if full {
            self.dirty.push(at);
        }
        self.at_work = None;
        let (opened, counts) = (&mut self.opened, &mut self.counts);
        self.connections -= stack.settle(&mut self.spare, |serial| {
            counts.opened += 1;
            opened.push(ConnectionId { stack: at, serial });
        });
        if let Some(due) = stack.due {
            self.timers.insert((due, at));
        }
        if stack.connections.is_empty() {
            self.drop_stack(at);
        }
    }

    /// Forgets the connections that came over a device: its number may be another one's from now on.
    pub fn detached(&mut self, device: u32) {
        let on = |at: &usize| {
            self.stacks.get(*at).and_then(Option::as_ref).is_some_and(|s| s.sender.device == device)
        };
        let gone: Vec<usize> = (0..self.stacks.len()).filter(on).collect();
        gone.into_iter().for_each(|at| self.drop_stack(at));
    }

    fn drop_stack(&mut self, at: usize) {
        let Some(stack) = self.stacks.get_mut(at).and_then(Option::take) else { return };
        if let Some(due) = stack.due {
            self.timers.remove(&(due, at));
        }
        self.connections -= stack.connections.len();
        self.by_sender.remove(&stack.sender);
        self.free.push(at);
    }

    /// After [`segment`](Self::segment) or [`transmit`](Self::transmit) panicked: forgets the connections of the guest
    /// whose stack did, without a word.
    pub fn give_up(&mut self) {
        if let Some(at) = self.at_work.take() {
            self.drop_stack(at);
        }
    }

    /// Frames to be sent, and what is done with them: send, then clear.
    pub fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The next connection that was opened and is not served yet.
    pub fn opened(&mut self) -> Option<ConnectionId> {
        self.opened.pop()
    }

    /// Does what time demands.
    pub fn timeout(&mut self, now: Instant) {
        while let Some((due, at)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.remove(&(due, at));
            self.touch(at);
        }
        if !self.by_sender.is_empty() && now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.meters.forget_full(now);
            for at in 0..self.stacks.len() {
                if let Some(stack) = self.stacks.get_mut(at).and_then(Option::as_mut) {
                    self.counts.stalled += stack.sweep(&self.limits, now);
                    self.touch(at);
                }
            }
        }
    }

    /// When [`timeout`](Self::timeout) has something to do; `None` while there are no connections.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let sweep = (!self.by_sender.is_empty()).then(|| self.swept.plus(SWEEP));
        let timer = self.timers.first().map(|(due, _)| *due);
        timer.into_iter().chain(sweep).min()
    }

    /// Replaces the table. Guests keep their connections, unless the service or the router are elsewhere now; what they
    /// are told comes from the new table from now on.
    pub fn publish(&mut self, table: Arc<LeaseTable>) {
        let gone: Vec<usize> = (0..self.stacks.len())
            .filter(|at| {
                let Some(stack) = self.stacks.get_mut(*at).and_then(Option::as_mut) else { return false };
                let services =
                    |table: &LeaseTable, port| table.port(port).map(|p| p.network().services().to_vec());
                let was = services(&self.table, stack.port);
                let Some(port) = relocate(&table, &self.table, stack.port) else { return true };
                stack.port = port;
                // What its frames look like and where it is reached is made once.
                let link =
                    table.port(port).map(|p| Link::new(stack.sender.device, stack.sender.mac, &p.network()));
                link != Some(stack.link) || services(&table, port) != was
            })
            .collect();
        gone.into_iter().for_each(|at| self.drop_stack(at));
        self.table = table;
    }

    /// Who is at the other end of a connection.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn guest(&self, id: ConnectionId) -> Result<Guest, Gone> {
        let stack = self.stacks.get(id.stack).and_then(Option::as_ref).ok_or(Gone)?;
        let connection = stack.connections.iter().find(|c| c.serial == id.serial).ok_or(Gone)?;
        let [(source, _), _] = connection.ends;
        Ok(Guest::new(Arc::clone(&self.table), stack.port, source))
    }

    /// Takes one request of the guest into account.
    ///
    /// # Errors
    /// How long it has to wait before the next one, when it has sent too many ([`Limits::requests_per_second`]).
    pub fn admit(&mut self, id: ConnectionId, now: Instant) -> Result<(), Duration> {
        let Some(sender) = self.sender(id) else { return Ok(()) };
        self.meters.take(sender, now)
    }

    /// Where the guest of a connection is: device, VLAN and MAC of its frames.
    #[must_use]
    pub fn sender(&self, id: ConnectionId) -> Option<Sender> {
        let stack = self.stacks.get(id.stack).and_then(Option::as_ref)?;
        stack.connections.iter().any(|connection| connection.serial == id.serial).then_some(stack.sender)
    }

    fn stack(&mut self, id: ConnectionId) -> Result<&mut Stack, Gone> {
        self.stacks.get_mut(id.stack).and_then(Option::as_deref_mut).ok_or(Gone)
    }

    /// Reads what has come; 0 octets when the guest will send no more.
    ///
    /// # Errors
    /// [`Gone`] when the connection was cut off.
    pub fn poll_read(
        &mut self,
        id: ConnectionId,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Gone>> {
        let read = self.stack(id)?.poll_read(id.serial, context, buffer);
        if read.is_ready() {
            // The window may have opened.
            self.touch(id.stack);
        }
        read
    }

    /// Completes when the guest can be sent nothing more: it has reset the connection, or was cut off.
    pub fn poll_gone(&mut self, id: ConnectionId, context: &mut Context<'_>) -> Poll<()> {
        self.stack(id).map_or(Poll::Ready(()), |stack| stack.poll_gone(id.serial, context))
    }

    /// Takes octets for the guest, as many as there is room for; waits for room while there is none.
    ///
    /// # Errors
    /// [`Gone`] when the connection was cut off.
    pub fn poll_write(
        &mut self,
        id: ConnectionId,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<Result<usize, Gone>> {
        let written = self.stack(id)?.poll_write(id.serial, context, octets);
        if written.is_ready() {
            self.touch(id.stack);
        }
        written
    }

    /// Tells the guest that no more will come, behind all that was written.
    pub fn finish(&mut self, id: ConnectionId) {
        if let Ok(stack) = self.stack(id) {
            stack.finish(id.serial);
            self.touch(id.stack);
        }
    }

    /// Nobody reads or writes the connection any more; what was written is still sent.
    pub fn release(&mut self, id: ConnectionId, now: Instant) {
        if let Ok(stack) = self.stack(id) {
            stack.release(id.serial, now);
            self.touch(id.stack);
        }
    }

    /// Lets go of buffers that were kept for the next connections.
    pub fn let_go(&mut self) {
        self.spare.clear();
    }

    /// What became of segments and connections so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Connections that are open, and guests that have one.
    #[must_use]
    pub fn open_now(&self) -> (usize, usize) {
        (self.connections, self.by_sender.len())
    }
}

/// The port in another table that has the same MAC and VLAN and, if it is pinned, the same device.
fn relocate(new: &LeaseTable, old: &LeaseTable, port: PortId) -> Option<PortId> {
    let port = old.port(port)?;
    let device = port.device().and_then(|device| new.device(old.device_name(device)));
    match new.find(port.vlan(), port.mac(), device) {
        Lookup::Found(id) => Some(id),
        Lookup::WrongDevice | Lookup::Unknown => None,
    }
}

#[cfg(test)]
mod tests;
