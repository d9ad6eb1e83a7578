//! The TCP stack of one guest: one small smoltcp interface, its sockets and what is known of each connection.

use std::net::Ipv6Addr;
use std::task::{Context, Poll};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use super::link::{Device, Frames, Link};
use super::{Gone, HALF_OPEN, LINGER, MOVES, RECEIVE_BUFFER, SEND_BUFFER};
use crate::lease::PortId;
use crate::metadata::{Limits, Segment};
use crate::types::{Instant, MacAddr};

/// Whose frames: what identifies a guest on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sender {
    /// Number of the device that its frames come in on.
    pub device: u32,
    /// Their VLAN id, 0 for untagged.
    pub vlan: u16,
    /// Their source MAC.
    pub mac: MacAddr,
}

/// Rounds of one transmission: a full send buffer in the smallest segments that a guest may ask for, and some to spare.
const ROUNDS: usize = SEND_BUFFER / 48 + 8;

/// Both ends of a connection: the guest's, ours.
pub(super) type Ends = [(Ipv6Addr, u16); 2];

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) serial: u64,
    pub(super) handle: SocketHandle,
    pub(super) ends: Ends,
    /// When it was opened; once nobody serves it any more, since when.
    since: Instant,
    /// Somebody reads and writes it.
    served: bool,
    /// Nobody will any more.
    released: bool,
    /// Octets moved both ways, and how many at the last look and when that was.
    moved: u64,
    looked: (Instant, u64),
}

pub(super) struct Stack {
    pub(super) sender: Sender,
    pub(super) port: PortId,
    pub(super) link: Link,
    interface: Interface,
    sockets: SocketSet<'static>,
    pub(super) connections: Vec<Connection>,
    pub(super) dirty: bool,
    /// Rounds of transmission since there was nothing to send.
    rounds: usize,
    pub(super) due: Option<Instant>,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Stack")
            .field("sender", &self.sender)
            .field("connections", &self.connections)
            .finish()
    }
}

impl Stack {
    /// A stack without connections that has these addresses. `seed` must not be known to anybody: initial sequence
    /// numbers come from it (TCP-006).
    pub(super) fn new(
        sender: Sender,
        port: PortId,
        link: Link,
        addresses: impl Iterator<Item = Ipv6Addr>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut frames = Frames::default();
        let mut device = Device { link, packet: None, frames: &mut frames };
        let mut interface = Interface::new(config, &mut device, time(now));
        interface.update_ip_addrs(|list| {
            for address in addresses {
                let cidr = IpCidr::new(IpAddress::Ipv6(address), 128);
                if !list.contains(&cidr) && list.push(cidr).is_err() {
                    break;
                }
            }
        });
        let (sockets, connections) = (SocketSet::new(Vec::new()), Vec::new());
        Self { sender, port, link, interface, sockets, connections, dirty: false, rounds: 0, due: None }
    }

    /// True when there is a connection between these ends.
    pub(super) fn has(&self, ends: Ends) -> bool {
        self.connections.iter().any(|connection| connection.ends == ends)
    }

    /// Waits for the segment that opens a connection between these ends.
    pub(super) fn listen(&mut self, ends: Ends, serial: u64, spare: Option<Socket<'static>>, now: Instant) {
        let mut socket = spare.unwrap_or_else(new_socket);
        socket.set_nagle_enabled(false);
        // Its own timeout would end a connection that waits for an upstream; `sweep` ends those that are stuck.
        socket.set_timeout(None);
        let [_, (address, port)] = ends;
        // Refused only for port 0 and for a socket in use.
        if socket.listen((address, port)).is_ok() {
            let handle = self.sockets.add(socket);
            self.connections.push(Connection {
                serial,
                handle,
                ends,
                since: now,
                served: false,
                released: false,
                moved: 0,
                looked: (now, 0),
            });
        }
    }

    /// Takes a segment in; what it provokes at once is in `frames`.
    pub(super) fn receive(&mut self, segment: &Segment, frames: &mut Frames, now: Instant) {
        let mut device = Device { link: self.link, packet: Some(segment.packet()), frames };
        self.interface.poll_ingress_single(time(now), &mut device, &mut self.sockets);
    }

    /// Sends what is to be sent, until `frames` is full: how many connections were given up, and whether there is more.
    pub(super) fn transmit(&mut self, frames: &mut Frames, now: Instant) -> (usize, bool) {
        let mut gone = 0;
        loop {
            if frames.is_full() {
                return (gone, true);
            }
            let mut device = Device { link: self.link, packet: None, frames };
            let outcome = self.interface.poll_egress(time(now), &mut device, &mut self.sockets);
            if outcome != smoltcp::iface::PollResult::SocketStateChanged {
                self.rounds = 0;
                break;
            }
            self.rounds += 1;
            if self.rounds > ROUNDS {
                self.rounds = 0;
                gone += self.give_up_closed();
            }
        }
        self.due = self.interface.poll_at(time(now), &self.sockets).map(moment);
        (gone, false)
    }

    /// Forgets connections that we have closed and that never stop talking: a socket in FIN-WAIT-2 whose guest announced a
    /// closed window sends the same acknowledgment again and again, as fast as it is asked.
    fn give_up_closed(&mut self) -> usize {
        let (before, sockets) = (self.connections.len(), &mut self.sockets);
        self.connections.retain(|connection| {
            let state = sockets.get::<Socket<'_>>(connection.handle).state();
            let closed = matches!(state, State::FinWait2 | State::TimeWait | State::Closing);
            if closed {
                sockets.remove(connection.handle);
            }
            !closed
        });
        before.saturating_sub(self.connections.len())
    }

    /// Forgets sockets that no connection came to; how many.
    pub(super) fn drop_listening(&mut self, spare: &mut Vec<Socket<'static>>) -> usize {
        let (before, sockets) = (self.connections.len(), &mut self.sockets);
        self.connections.retain(|connection| {
            let listening = sockets.get::<Socket<'_>>(connection.handle).state() == State::Listen;
            if listening {
                keep(sockets.remove(connection.handle), spare);
            }
            !listening
        });
        before.saturating_sub(self.connections.len())
    }

    /// Hands connections that are open now to `open`, and takes out those that are over; how many these were.
    pub(super) fn settle(&mut self, spare: &mut Vec<Socket<'static>>, mut open: impl FnMut(u64)) -> usize {
        let before = self.connections.len();
        let sockets = &mut self.sockets;
        self.connections.retain_mut(|connection| {
            let socket = sockets.get_mut::<Socket<'_>>(connection.handle);
            let state = socket.state();
            if !connection.served && !connection.released {
                match state {
                    State::Listen | State::Closed => connection.released = true,
                    State::SynReceived => {}
                    _ => {
                        connection.served = true;
                        open(connection.serial);
                    }
                }
            }
            if connection.released && socket.can_recv() {
                // Nobody reads it any more; the window stays open, so that the guest can read the last answer before it
                // learns of the end (RFC 9112 §9.6).
                let _ = socket.recv(|octets| (octets.len(), ()));
            }
            // A guest that has acknowledged our end has everything. Nothing strays on its own link for the minutes that
            // TIME-WAIT is made for, and a late segment is answered by a reset.
            let over = matches!(state, State::Listen | State::Closed | State::TimeWait);
            let gone = connection.released && over;
            if gone {
                keep(sockets.remove(connection.handle), spare);
            }
            !gone
        });
        before.saturating_sub(self.connections.len())
    }

    /// Cuts off what has not moved for too long; how many connections that were.
    pub(super) fn sweep(&mut self, limits: &Limits, now: Instant) -> u64 {
        let mut stalled = 0;
        for connection in &mut self.connections {
            let socket = self.sockets.get_mut::<Socket<'_>>(connection.handle);
            if !socket.is_open() {
                continue;
            }
            let waiting = u64::try_from(socket.send_queue()).unwrap_or(u64::MAX);
            let moved = connection.moved.saturating_sub(waiting);
            let (looked, before) = connection.looked;
            let age = now.since(connection.since);
            let half_open = !connection.served && age >= HALF_OPEN;
            let lingering = connection.released && waiting == 0 && age >= LINGER;
            if waiting == 0 || moved.saturating_sub(before) >= MOVES {
                connection.looked = (now, moved);
            }
            let stuck =
                waiting > 0 && now.since(looked) >= limits.stall_timeout && connection.looked.0 != now;
            if half_open || lingering || stuck {
                socket.abort();
                stalled += u64::from(stuck);
            }
        }
        stalled
    }

    fn find(&mut self, serial: u64) -> Result<(&mut Connection, &mut Socket<'static>), Gone> {
        let connection =
            self.connections.iter_mut().find(|c| c.serial == serial && !c.released).ok_or(Gone)?;
        let socket = self.sockets.get_mut::<Socket<'static>>(connection.handle);
        Ok((connection, socket))
    }

    /// Reads what has come; 0 octets when the guest will send no more.
    pub(super) fn poll_read(
        &mut self,
        serial: u64,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, Gone>> {
        let (connection, socket) = self.find(serial)?;
        if socket.can_recv() {
            let count = socket.recv_slice(buffer).map_err(|_| Gone)?;
            connection.moved = connection.moved.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            return Poll::Ready(Ok(count));
        }
        if socket.may_recv() {
            socket.register_recv_waker(context.waker());
            return Poll::Pending;
        }
        Poll::Ready(if socket.is_active() { Ok(0) } else { Err(Gone) })
    }

    /// Completes when nothing can be sent any more.
    pub(super) fn poll_gone(&mut self, serial: u64, context: &mut Context<'_>) -> Poll<()> {
        match self.find(serial) {
            Ok((_, socket)) if socket.may_send() => {
                socket.register_send_waker(context.waker());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Takes octets for the guest, as many as there is room for.
    pub(super) fn poll_write(
        &mut self,
        serial: u64,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<Result<usize, Gone>> {
        let (connection, socket) = self.find(serial)?;
        if !socket.may_send() {
            return Poll::Ready(Err(Gone));
        }
        if !socket.can_send() {
            socket.register_send_waker(context.waker());
            return Poll::Pending;
        }
        let count = socket.send_slice(octets).map_err(|_| Gone)?;
        connection.moved = connection.moved.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Poll::Ready(Ok(count))
    }

    /// Tells the guest that no more will come, behind all that was written.
    pub(super) fn finish(&mut self, serial: u64) {
        if let Ok((_, socket)) = self.find(serial) {
            socket.close();
        }
    }

    /// Nobody reads or writes the connection any more: what was written is still sent.
    pub(super) fn release(&mut self, serial: u64, now: Instant) {
        if let Ok((connection, socket)) = self.find(serial) {
            socket.close();
            connection.released = true;
            connection.since = now;
        }
    }
}

/// Keeps a socket's buffers for the next connection, if few are kept already.
fn keep(socket: smoltcp::socket::Socket<'static>, spare: &mut Vec<Socket<'static>>) {
    if let (true, smoltcp::socket::Socket::Tcp(mut socket)) = (spare.len() < spare.capacity(), socket) {
        socket.abort();
        spare.push(socket);
    }
}

fn new_socket() -> Socket<'static> {
    Socket::new(SocketBuffer::new(vec![0; RECEIVE_BUFFER]), SocketBuffer::new(vec![0; SEND_BUFFER]))
}

fn time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.0).unwrap_or(i64::MAX))
}

fn moment(at: smoltcp::time::Instant) -> Instant {
    Instant(u64::try_from(at.total_micros()).unwrap_or(0))
}

/// Spreads a seed over all bits (SplitMix64).
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
