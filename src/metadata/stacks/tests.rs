//! A guest's TCP by smoltcp's own client, and hand-written segments, against the stacks.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::SocketBuffer;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::link::Device;
use super::*;
use crate::lease;
use crate::types::MacAddr;
use crate::wire::frame::Frame;

const LEASES: &str = include_str!("../../../tests/support/leases.toml");
const SERVICE: &str = "fe80::a9fe:a9fe";

fn table() -> Arc<LeaseTable> {
    Arc::new(lease::load("leases.toml", LEASES.into()).expect("valid leases").table)
}

/// A guest that writes its own segments by the definition of the header.
struct Guest {
    mac: MacAddr,
    device: u32,
    address: Ipv6Addr,
    window: u16,
}

impl Guest {
    fn new(last: u8) -> Self {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 0, last]);
        Self { mac, device: 1, address: crate::types::ip6::link_local(mac), window: 4096 }
    }

    fn segment(
        &self,
        table: &Arc<LeaseTable>,
        from: u16,
        flags: u8,
        numbers: [u32; 2],
        data: &[u8],
    ) -> Segment {
        let to: Ipv6Addr = SERVICE.parse().expect("an address");
        let mut frame = Vec::new();
        let builder = etherparse::PacketBuilder::ethernet2(self.mac.0, [0; 6]).ipv6(
            self.address.octets(),
            to.octets(),
            64,
        );
        let mut header = etherparse::TcpHeader::new(from, 80, numbers[0], self.window);
        header.acknowledgment_number = numbers[1];
        (header.syn, header.ack) = (flags & 2 != 0, flags & 16 != 0);
        (header.rst, header.fin) = (flags & 4 != 0, flags & 1 != 0);
        builder.tcp_header(header).write(&mut frame, data).expect("room");
        let parsed = Frame::parse(&frame, 0, frame.len()).expect("a frame");
        let Lookup::Found(port) = table.find(0, self.mac, None) else { panic!("a known guest") };
        Segment::new(self.device, &parsed, table, port)
    }
}

fn at(milliseconds: u64) -> Instant {
    Instant::default().plus(Duration::from_millis(milliseconds))
}

/// Everything that is sent now, as TCP headers and data by etherparse.
fn sent(stacks: &mut Stacks, now: Instant) -> Vec<(etherparse::TcpHeader, Vec<u8>)> {
    let mut all = Vec::new();
    while stacks.transmit(now) {
        for (_, frame) in stacks.frames().iter() {
            let packet = etherparse::PacketHeaders::from_ethernet_slice(frame).expect("etherparse reads it");
            let Some(etherparse::TransportHeader::Tcp(header)) = packet.transport else { panic!("no TCP") };
            let Some(etherparse::NetHeaders::Ipv6(ip, _)) = packet.net else { panic!("no IPv6") };
            let data = packet.payload.slice();
            assert_eq!(header.calc_checksum_ipv6(&ip, data), Ok(header.checksum));
            all.push((header, data.to_vec()));
        }
        stacks.frames().clear();
    }
    all
}

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

#[test]
fn tcp_001_tcp_003_the_mss_is_what_the_networks_mtu_leaves() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    stacks.segment(&Guest::new(1).segment(&table, 1000, SYN, [7, 0], b""), at(0));
    let answers = sent(&mut stacks, at(0));
    let [(header, _)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(header.syn && header.ack);
    assert_eq!(header.acknowledgment_number, 8);
    let options: Vec<_> = header.options_iterator().flatten().collect();
    assert!(options.contains(&etherparse::TcpOptionElement::MaximumSegmentSize(1450 - 60)), "{options:?}");
}

#[test]
fn tcp_006_numbers_begin_anywhere() {
    let table = table();
    let mut numbers = BTreeSet::new();
    for seed in 0..4 {
        let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), seed);
        for port in 0..16 {
            stacks.segment(&Guest::new(1).segment(&table, 1000 + port, SYN, [7, 0], b""), at(0));
        }
        numbers.extend(sent(&mut stacks, at(0)).iter().map(|(header, _)| header.sequence_number));
    }
    assert_eq!(numbers.len(), 64);
    let steps: BTreeSet<u32> =
        numbers.iter().zip(numbers.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a)).collect();
    assert!(steps.len() > 60, "no step tells the next number");
}

#[test]
fn tcp_004_tcp_009_a_segment_of_no_connection_is_reset_and_a_reset_is_not() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let guest = Guest::new(1);
    stacks.segment(&guest.segment(&table, 1000, ACK, [500, 900], b"late"), at(0));
    let answers = sent(&mut stacks, at(0));
    let [(header, _)] = answers.as_slice() else { panic!("{answers:?}") };
    assert!(header.rst && !header.ack);
    assert_eq!((header.sequence_number, header.source_port, header.destination_port), (900, 80, 1000));
    stacks.segment(&guest.segment(&table, 1000, RST, [500, 0], b""), at(0));
    assert_eq!(sent(&mut stacks, at(0)).len(), 0);
}

#[test]
fn tcp_005_a_reset_beside_the_window_ends_nothing() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let (guest, port) = (Guest::new(1), 1000);
    let number = connect(&mut stacks, &table, &guest, port, at(0));
    stacks.segment(&guest.segment(&table, port, RST, [0x4000_0000, 0], b""), at(1));
    sent(&mut stacks, at(1));
    assert_eq!(stacks.open_now(), (1, 1), "still open");
    stacks.segment(&guest.segment(&table, port, RST | ACK, [8, number], b""), at(2));
    sent(&mut stacks, at(2));
    let id = stacks.opened().expect("it was opened");
    stacks.release(id, at(2));
    sent(&mut stacks, at(2));
    assert_eq!(stacks.open_now(), (0, 0), "a right one does");
}

/// Opens a connection by hand; the number of the stack's next octet.
fn connect(stacks: &mut Stacks, table: &Arc<LeaseTable>, guest: &Guest, port: u16, now: Instant) -> u32 {
    stacks.segment(&guest.segment(table, port, SYN, [7, 0], b""), now);
    let answers = sent(stacks, now);
    let [(header, _)] = answers.as_slice() else { panic!("{answers:?}") };
    let number = header.sequence_number.wrapping_add(1);
    stacks.segment(&guest.segment(table, port, ACK, [8, number], b""), now);
    sent(stacks, now);
    number
}

#[test]
fn tcp_007_a_guest_at_its_limit_is_not_answered_and_others_are() {
    let table = table();
    let limits = Limits { connections_per_guest: 3, ..Limits::default() };
    let mut stacks = Stacks::new(limits, Arc::clone(&table), 1);
    let (greedy, other) = (Guest::new(1), Guest::new(3));
    for port in 1000..1010 {
        stacks.segment(&greedy.segment(&table, port, SYN, [7, 0], b""), at(0));
    }
    assert_eq!(sent(&mut stacks, at(0)).len(), 3, "the others are dropped, not reset: the guest tries again");
    assert_eq!((stacks.counts().guest_full, stacks.open_now()), (7, (3, 1)));
    stacks.segment(&other.segment(&table, 1000, SYN, [7, 0], b""), at(0));
    assert_eq!(sent(&mut stacks, at(0)).len(), 1);
    // Half-open ones make room after a while.
    stacks.timeout(at(10_000));
    sent(&mut stacks, at(10_000));
    assert_eq!(stacks.open_now(), (0, 0));
}

#[test]
fn tcp_007_the_last_connections_of_all_are_not_for_one_guest() {
    let table = table();
    let limits = Limits { connections_per_guest: 100, connections: 100, ..Limits::default() };
    let mut stacks = Stacks::new(limits, Arc::clone(&table), 1);
    let (greedy, other) = (Guest::new(1), Guest::new(3));
    for port in 1000..1200 {
        stacks.segment(&greedy.segment(&table, port, SYN, [7, 0], b""), at(0));
    }
    assert_eq!(stacks.open_now(), (75, 1));
    stacks.segment(&other.segment(&table, 1000, SYN, [7, 0], b""), at(0));
    assert_eq!(stacks.open_now(), (76, 2));
}

#[test]
fn a_table_without_the_port_ends_its_connections_and_no_other() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let (leaving, staying) = (Guest::new(1), Guest::new(3));
    for guest in [&leaving, &staying] {
        connect(&mut stacks, &table, guest, 1000, at(0));
    }
    let mac = "mac_address = \"fa:16:3e:00:00:01\"";
    assert!(LEASES.contains(mac));
    let source = LEASES.replacen(mac, "mac_address = \"fa:16:3e:00:00:f1\"", 1);
    let new = Arc::new(lease::load("leases.toml", source.into()).expect("valid leases").table);
    stacks.publish(new);
    assert_eq!(stacks.open_now(), (1, 1));
    stacks.segment(&leaving.segment(&table, 1000, ACK, [8, 1], b"x"), at(1));
    assert_eq!((sent(&mut stacks, at(1)).len(), stacks.counts().refused), (0, 1), "a stranger now");
}

/// What moves too slowly is cut off; what waits for nothing is not.
#[test]
fn http_044_a_guest_that_takes_nothing_is_cut_off() {
    let table = table();
    let limits = Limits { stall_timeout: Duration::from_secs(3600), ..Limits::default() };
    let stall = limits.stall_timeout;
    let mut stacks = Stacks::new(limits, Arc::clone(&table), 1);
    let guests = [Guest::new(1), Guest::new(3)];
    for guest in &guests {
        connect(&mut stacks, &table, guest, 1000, at(0));
    }
    let (first, second) = (stacks.opened().expect("one"), stacks.opened().expect("two"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(stacks.poll_write(first, &mut context, &[b'x'; 9000]), Poll::Ready(Ok(9000))));
    sent(&mut stacks, at(0));
    for second in 1..=stall.as_secs() + 2 {
        stacks.timeout(at(second * 1000));
        sent(&mut stacks, at(second * 1000));
    }
    assert_eq!(stacks.counts().stalled, 1);
    assert!(matches!(stacks.poll_write(first, &mut context, b"y"), Poll::Ready(Err(Gone))));
    assert!(matches!(stacks.poll_write(second, &mut context, b"y"), Poll::Ready(Ok(1))));
}

/// A guest with a closed window that acknowledges our end before it has it: smoltcp then acknowledges for ever.
#[test]
fn a_guest_that_acknowledges_ahead_with_a_closed_window_costs_a_bounded_number_of_frames() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let guest = Guest { window: 0, ..Guest::new(1) };
    let number = connect(&mut stacks, &table, &guest, 1000, at(0));
    let id = stacks.opened().expect("it was opened");
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(stacks.poll_write(id, &mut context, &[b'x'; 100]), Poll::Ready(Ok(100))));
    stacks.finish(id);
    stacks.release(id, at(1));
    sent(&mut stacks, at(1));
    stacks.segment(&guest.segment(&table, 1000, ACK, [8, number.wrapping_add(101)], b""), at(2));
    let mut frames = sent(&mut stacks, at(2)).len();
    for millisecond in (100..10_000).step_by(100) {
        stacks.timeout(at(millisecond));
        frames += sent(&mut stacks, at(millisecond)).len();
    }
    assert!(frames < 1000, "{frames}");
    assert_eq!(stacks.open_now(), (0, 0), "nothing is left of it");
}

/// What was a SYN for one connection is no listener for another's.
#[test]
fn a_reset_right_behind_its_syn_leaves_no_socket_that_listens() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let guest = Guest::new(1);
    stacks.segment(&guest.segment(&table, 1000, SYN, [7, 0], b""), at(0));
    stacks.segment(&guest.segment(&table, 1000, RST, [8, 0], b""), at(0));
    assert_eq!(stacks.open_now().0, 0);
    connect(&mut stacks, &table, &guest, 1001, at(0));
    let id = stacks.opened().expect("it was opened");
    assert_eq!(stacks.guest(id).map(|guest| guest.source()), Ok(guest.address));
    assert_eq!(stacks.open_now(), (1, 1));
    stacks.detached(guest.device);
    assert_eq!(
        (stacks.open_now(), stacks.guest(id).is_err()),
        ((0, 0), true),
        "a device that goes takes them along"
    );
}

/// A whole exchange with smoltcp's client: a body larger than every buffer arrives as it was sent, both ways.
#[test]
fn a_large_body_arrives_through_a_small_window() {
    let table = table();
    let mut stacks = Stacks::new(Limits::default(), Arc::clone(&table), 1);
    let mut client = Client::new(&Guest::new(1));
    let body: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let (mut to_write, mut read, mut up) = (body.as_slice(), Vec::new(), Vec::new());
    let (mut id, mut context) = (None, Context::from_waker(Waker::noop()));
    for step in 0..20_000 {
        let now = at(step);
        client.exchange(&mut stacks, &table, now);
        id = id.or_else(|| stacks.opened());
        let Some(id) = id else { continue };
        while let Poll::Ready(Ok(count @ 1..)) = stacks.poll_write(id, &mut context, to_write) {
            to_write = &to_write[count..];
        }
        let mut piece = [0; 400];
        while let Poll::Ready(Ok(count @ 1..)) = stacks.poll_read(id, &mut context, &mut piece) {
            up.extend_from_slice(&piece[..count]);
        }
        client.turn(&mut read, &body);
        if read.len() == body.len() && up.len() == body.len() {
            assert!(read == body && up == body);
            stacks.finish(id);
            stacks.release(id, now);
            client.close();
            for more in 0..200 {
                client.exchange(&mut stacks, &table, at(step + more));
            }
            assert_eq!(stacks.open_now(), (0, 0), "nothing is left of it");
            return;
        }
    }
    panic!("{} of {} octets down, {} up", read.len(), body.len(), up.len());
}

struct Client {
    guest: Guest,
    link: Link,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    sent: usize,
}

impl Client {
    fn new(guest: &Guest) -> Self {
        let link = Link { device: 1, guest: MacAddr([2; 6]), vlan: 0, router: guest.mac, mtu: 1450 };
        let mut device = Device { link, packet: None, frames: &mut Frames::default() };
        let mut interface =
            Interface::new(Config::new(HardwareAddress::Ip), &mut device, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(guest.address.into(), 64)).expect("room"));
        let buffer = || SocketBuffer::new(vec![0; 3000]);
        let mut socket = Socket::new(buffer(), buffer());
        let to: Ipv6Addr = SERVICE.parse().expect("an address");
        socket.connect(interface.context(), (to, 80), 5000).expect("connects");
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let guest = Guest { mac: guest.mac, device: guest.device, address: guest.address, window: 4096 };
        Self { guest, link, interface, sockets, handle, sent: 0 }
    }

    /// Carries frames both ways.
    fn exchange(&mut self, stacks: &mut Stacks, table: &Arc<LeaseTable>, now: Instant) {
        let time = smoltcp::time::Instant::from_micros(i64::try_from(now.0).expect("soon"));
        let mut frames = Frames::default();
        let mut device = Device { link: self.link, packet: None, frames: &mut frames };
        self.interface.poll(time, &mut device, &mut self.sockets);
        for (_, frame) in frames.iter() {
            let parsed = Frame::parse(frame, 0, frame.len()).expect("a frame");
            assert!(parsed.is_checksum_right(crate::wire::checksum::Checksum::Unknown));
            let Lookup::Found(port) = table.find(0, self.guest.mac, None) else { panic!("a known guest") };
            stacks.segment(&Segment::new(1, &parsed, table, port), now);
        }
        stacks.timeout(now);
        let mut replies = Frames::default();
        while stacks.transmit(now) {
            for (_, frame) in stacks.frames().iter() {
                let mut device = Device { link: self.link, packet: frame.get(14..), frames: &mut replies };
                self.interface.poll_ingress_single(time, &mut device, &mut self.sockets);
            }
            stacks.frames().clear();
        }
        for (_, frame) in replies.iter() {
            let parsed = Frame::parse(frame, 0, frame.len()).expect("a frame");
            let Lookup::Found(port) = table.find(0, self.guest.mac, None) else { panic!("a known guest") };
            stacks.segment(&Segment::new(1, &parsed, table, port), now);
        }
    }

    /// Reads what has come, and writes what there is room for.
    fn turn(&mut self, read: &mut Vec<u8>, body: &[u8]) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        while socket.can_recv() {
            read.extend(socket.recv(|octets| (octets.len(), octets.to_vec())).expect("octets"));
        }
        if socket.can_send() {
            self.sent += socket.send_slice(&body[self.sent..]).expect("room");
        }
    }

    fn close(&mut self) {
        self.sockets.get_mut::<Socket<'_>>(self.handle).close();
    }
}
