//! The guest: smoltcp's own TCP client behind an Ethernet header.

use std::collections::VecDeque;
use std::net::Ipv6Addr;

use frontdesk::types::{MacAddr, ip6};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::server::Server;

pub(super) const GUEST: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
pub(super) const ROUTER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);
const SERVICE: &str = "fe80::a9fe:a9fe";
const REQUEST: &[u8] = b"GET /openstack/latest/user_data HTTP/1.1\r\nhost: [fe80::a9fe:a9fe]\r\n\r\n";
const HEADER: usize = 14;

/// The guest's end.
pub(super) struct Client {
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    now: Instant,
    /// Frames that are on their way.
    taken: Vec<Vec<u8>>,
    answer: Vec<u8>,
    /// Octets of a whole answer, once one has come.
    whole: Option<usize>,
}

impl Client {
    pub(super) fn new() -> Self {
        let mut wire = Wire::default();
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut wire, Instant::ZERO);
        let own = ip6::link_local(GUEST);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(own.into(), 64)).expect("room"));
        let buffer = || SocketBuffer::new(vec![0; 16 * 1024]);
        let mut socket = Socket::new(buffer(), buffer());
        let to: Ipv6Addr = SERVICE.parse().expect("an address");
        socket.connect(interface.context(), (to, 80), 5000).expect("connects");
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let (now, answer, taken) = (Instant::ZERO, Vec::with_capacity(16 * 1024), Vec::new());
        Self { wire, interface, sockets, handle, now, taken, answer, whole: None }
    }

    /// Opens the connection and reads the document for the first time.
    pub(super) fn open(&mut self, server: &mut Server) -> Vec<u8> {
        let mut asked = false;
        for _ in 0..super::MAX_TURNS {
            server.turn(self.frames());
            server.hand_over(|frame| self.receive(frame));
            let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
            if !asked && socket.can_send() {
                asked = true;
                self.ask();
            }
            self.now = Instant::from_micros(i64::try_from(server.now().0).expect("soon"));
            self.read();
            let head = self.answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(head) = head
                && self.answer.len() == head + super::DOCUMENT
            {
                self.whole = Some(self.answer.len());
                return self.answer.split_off(head);
            }
        }
        panic!("no document: {}", String::from_utf8_lossy(&self.answer));
    }

    /// Asks for the document.
    pub(super) fn ask(&mut self) {
        self.answer.clear();
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        assert_eq!(socket.send_slice(REQUEST), Ok(REQUEST.len()));
    }

    /// What it sends now.
    pub(super) fn frames(&mut self) -> &[Vec<u8>] {
        self.now += smoltcp::time::Duration::from_micros(20);
        self.interface.poll(self.now, &mut self.wire, &mut self.sockets);
        self.taken.clear();
        std::mem::swap(&mut self.taken, &mut self.wire.sent);
        &self.taken
    }

    /// Takes a frame in.
    pub(super) fn receive(&mut self, frame: &[u8]) {
        self.wire.received.push_back(frame[HEADER..].to_vec());
    }

    /// True when the whole answer has come.
    pub(super) fn answered(&mut self) -> bool {
        self.now += smoltcp::time::Duration::from_micros(20);
        while self.interface.poll_ingress_single(self.now, &mut self.wire, &mut self.sockets)
            != smoltcp::iface::PollIngressSingleResult::None
        {}
        self.read();
        Some(self.answer.len()) == self.whole
    }

    fn read(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        while socket.can_recv() {
            let answer = &mut self.answer;
            socket
                .recv(|octets| {
                    answer.extend_from_slice(octets);
                    (octets.len(), ())
                })
                .expect("octets");
        }
    }
}

/// A cable without checksums, as a virtual one has none.
#[derive(Default)]
struct Wire {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities.checksum = phy::ChecksumCapabilities::ignored();
        capabilities
    }

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), Sending(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.sent))
    }
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sending<'w>(&'w mut Vec<Vec<u8>>);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; HEADER + length];
        frame[..6].copy_from_slice(&ROUTER.0);
        frame[6..12].copy_from_slice(&GUEST.0);
        frame[12..HEADER].copy_from_slice(&[0x86, 0xdd]);
        let result = f(&mut frame[HEADER..]);
        self.0.push(frame);
        result
    }
}
