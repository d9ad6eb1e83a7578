//! TCP of the probe: a smoltcp interface with one address and one connection at a time. Packets go in and come out;
//! the octets of the connection are read and written by hyper.
//!
//! The kernel's own TCP cannot be used: the probe speaks with any MAC and VLAN id, and configures nothing.

use std::cell::RefCell;
use std::io;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Write};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{RecvError, Socket, SocketBuffer, State};
use smoltcp::time::Instant as Moment;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::io::probe::converse::entropy;

/// Octets that a server may send before they are read. A server on this machine hands all of them over as one packet,
/// which must not be longer than 64 KiB.
const RECEIVE_BUFFER: usize = 60 * 1024;

/// Octets of requests on their way.
const SEND_BUFFER: usize = 16 * 1024;

/// First port for clients (RFC 6335 §6).
const DYNAMIC: u16 = 49152;

/// No connection could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

pub(super) struct Stack {
    epoch: Instant,
    source: Ipv6Addr,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: Option<SocketHandle>,
    link: Link,
}

impl Stack {
    /// A stack with the address `source`, whose packets have at most `mtu` octets.
    pub(super) fn new(source: Ipv6Addr, mtu: u32) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = entropy();
        let mtu = usize::try_from(mtu).unwrap_or(usize::MAX);
        let mut link = Link { mtu, heard: None, said: Vec::new() };
        let mut interface = Interface::new(config, &mut link, Moment::ZERO);
        interface.update_ip_addrs(|list| {
            // An empty list has room for one.
            let _ = list.push(IpCidr::new(IpAddress::Ipv6(source), 64));
        });
        let sockets = SocketSet::new(Vec::new());
        Self { epoch: Instant::now(), source, interface, sockets, socket: None, link }
    }

    /// Begins to open a connection; the one before is forgotten.
    pub(super) fn connect(&mut self, address: Ipv6Addr, port: u16) -> Result<(), Refused> {
        if let Some(old) = self.socket.take() {
            self.sockets.remove(old);
        }
        let buffer = |size| SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(RECEIVE_BUFFER), buffer(SEND_BUFFER));
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let own = DYNAMIC | entropy() as u16 & !DYNAMIC;
        let opened = socket.connect(self.interface.context(), (address, port), (self.source, own));
        self.socket = Some(self.sockets.add(socket));
        // Port 0 and :: have no services.
        opened.map_err(|_| Refused)
    }

    /// Takes a packet in, from its IPv6 header on; its checksum has been verified.
    pub(super) fn receive(&mut self, packet: &[u8]) {
        self.link.heard = Some(packet.to_vec());
        let now = self.now();
        self.interface.poll_ingress_single(now, &mut self.link, &mut self.sockets);
    }

    /// Makes the packets that are due, and says when the next ones will be.
    pub(super) fn transmit(&mut self) -> (Vec<Vec<u8>>, Option<Instant>) {
        let now = self.now();
        self.interface.poll(now, &mut self.link, &mut self.sockets);
        let due = self.interface.poll_at(now, &self.sockets);
        let due = due.map(|at| self.epoch + Duration::from_micros(at.total_micros().try_into().unwrap_or(0)));
        (std::mem::take(&mut self.link.said), due)
    }

    /// Ready when the connection is open or refused.
    pub(super) fn poll_open(&mut self, context: &Context<'_>) -> Poll<Result<(), Refused>> {
        let Some(socket) = self.socket() else { return Poll::Ready(Err(Refused)) };
        match socket.state() {
            State::Closed => Poll::Ready(Err(Refused)),
            State::SynSent | State::SynReceived => {
                socket.register_send_waker(context.waker());
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more comes from here; ready when the other end has said so too and knows it.
    pub(super) fn poll_close(&mut self, context: &Context<'_>) -> Poll<()> {
        let Some(socket) = self.socket() else { return Poll::Ready(()) };
        socket.close();
        if matches!(socket.state(), State::Closed | State::TimeWait) {
            return Poll::Ready(());
        }
        // What still comes is not read any more, but must not close the window either.
        let _ = socket.recv(|octets| (octets.len(), ()));
        socket.register_recv_waker(context.waker());
        socket.register_send_waker(context.waker());
        Poll::Pending
    }

    /// Resets the connection, if it is not over yet.
    pub(super) fn abort(&mut self) {
        if let Some(socket) = self.socket() {
            socket.abort();
        }
    }

    fn socket(&mut self) -> Option<&mut Socket<'static>> {
        self.socket.map(|handle| self.sockets.get_mut(handle))
    }

    fn now(&self) -> Moment {
        Moment::from_micros(i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

/// The stack's connection as hyper reads and writes it.
pub(super) struct Stream<'s>(pub(super) &'s RefCell<Stack>);

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl Read for Stream<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut stack = self.0.borrow_mut();
        let Some(socket) = stack.socket() else { return Poll::Ready(Err(reset())) };
        let room = buffer.remaining();
        let read = socket.recv(|octets| {
            let taken = octets.get(..room).unwrap_or(octets);
            buffer.put_slice(taken);
            (taken.len(), taken.len())
        });
        match read {
            Ok(0) => {
                socket.register_recv_waker(context.waker());
                Poll::Pending
            }
            Ok(_) | Err(RecvError::Finished) => Poll::Ready(Ok(())),
            Err(RecvError::InvalidState) => Poll::Ready(Err(reset())),
        }
    }
}

impl Write for Stream<'_> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let mut stack = self.0.borrow_mut();
        let Some(socket) = stack.socket() else { return Poll::Ready(Err(reset())) };
        match socket.send_slice(octets) {
            Ok(0) if !octets.is_empty() => {
                socket.register_send_waker(context.waker());
                Poll::Pending
            }
            Ok(count) => Poll::Ready(Ok(count)),
            Err(_) => Poll::Ready(Err(reset())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(socket) = self.0.borrow_mut().socket() {
            socket.close();
        }
        Poll::Ready(Ok(()))
    }
}

/// The device of the stack: one packet in, any number of packets out.
struct Link {
    mtu: usize,
    heard: Option<Vec<u8>>,
    said: Vec<Vec<u8>>,
}

impl phy::Device for Link {
    type RxToken<'a> = Received;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _: Moment) -> Option<(Received, Transmit<'_>)> {
        let packet = self.heard.take()?;
        Some((Received(packet), Transmit(&mut self.said)))
    }

    fn transmit(&mut self, _: Moment) -> Option<Transmit<'_>> {
        Some(Transmit(&mut self.said))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // Received ones have been verified, or are partial and cannot be.
        let mut checksum = ChecksumCapabilities::default();
        checksum.tcp = Checksum::Tx;
        capabilities.checksum = checksum;
        capabilities
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Transmit<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push(packet);
        result
    }
}
