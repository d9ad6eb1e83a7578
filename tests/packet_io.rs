//! The AF_PACKET port and the packet thread over real cables between real sockets.

mod namespace;

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use etherparse::PacketBuilder;
use frontdesk::engine::{Checksum, RxFrame, Share};
use frontdesk::io::bare::Bare;
use frontdesk::io::packet::{Filter, Front, Port, PortOptions};
use frontdesk::io::responder::Responder;
use frontdesk::io::worker::Worker;
use frontdesk::lease::LeaseTable;
use frontdesk::types::{Instant, MacAddr};
use namespace::{cable, index, injector, ip, port, quiet, sh, wait};

const GUEST_MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 1, 2, 3];
const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const GUEST: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0x16, 0x3e, 0xff, 0xfe, 1, 2, 3];
const ROUTER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const NEIGHBOR: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34];
const ALL_ROUTERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// A Router Solicitation whose data ends in `mark`.
fn solicitation(mark: u32) -> Vec<u8> {
    icmp(ALL_ROUTERS, 133, &mark.to_be_bytes())
}

fn icmp(to: [u8; 16], kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(GUEST_MAC, [0x33, 0x33, 0, 0, 0, 2]).ipv6(GUEST, to, 255);
    builder.icmpv6_raw(kind, 0, [0; 4]).write(&mut frame, body).expect("room");
    frame
}

fn udp(port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(GUEST_MAC, [0x33, 0x33, 0, 1, 0, 2]).ipv6(GUEST, ALL_ROUTERS, 1);
    builder.udp(546, port).write(&mut frame, b"12345678").expect("room");
    frame
}

fn tagged(frame: &[u8], tpid: u16, tci: u16) -> Vec<u8> {
    [&frame[..12], &tpid.to_be_bytes(), &tci.to_be_bytes(), &frame[12..]].concat()
}

fn mark(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets[octets.len() - 4..].try_into().expect("four octets"))
}

/// What a port said of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    device: u32,
    vlan: u16,
    checksum: Checksum,
    length: usize,
    octets: Vec<u8>,
}

fn seen(frame: &RxFrame<'_>) -> Seen {
    let RxFrame { device, vlan, checksum, length, octets } = *frame;
    Seen { device, vlan, checksum, length, octets: octets.to_vec() }
}

/// The next frame of a port.
fn next(port: &mut Port) -> Option<Seen> {
    let frame = match port.front()? {
        Front::Frame(frame) => seen(&frame),
        Front::ForeignTag => panic!("a foreign tag"),
    };
    port.release();
    Some(frame)
}

/// Tells of every frame and answers none.
struct Recorder(Sender<Seen>);

impl Recorder {
    fn new() -> (Self, Receiver<Seen>) {
        let (tell, told) = unbounded();
        (Self(tell), told)
    }
}

impl Responder for Recorder {
    fn attach(&mut self, _: u32, _: &str, _: MacAddr, _: Share, _: Instant) {}
    fn detach(&mut self, _: u32) {}
    fn publish(&mut self, _: Arc<LeaseTable>, _: Instant) {}
    fn frame(&mut self, _: Instant, frame: RxFrame<'_>, _: &mut [u8]) -> Option<usize> {
        self.0.send(seen(&frame)).ok()?;
        None
    }
    fn quarantined(&mut self) {}
    fn timeout(&mut self, _: Instant, _: &mut [u8]) -> Option<(u32, usize)> {
        None
    }
    fn next_timeout(&self) -> Option<Instant> {
        None
    }
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

fn bare_worker() -> Worker {
    Worker::start(Bare::new(HOST_MAC), || {}).expect("worker")
}

#[test]
fn the_filter_passes_ours_and_only_ours() {
    namespace::run("the_filter_passes_ours_and_only_ours", || {
        let (host, guest) = cable("tap0", "guest0");
        let options = PortOptions { slots: 32, promiscuous: false };
        let mut port = Port::open(host, options, &Filter::for_addresses([ROUTER])).expect("port");
        let send = injector(guest);
        let mut arp = [0xff; 60];
        arp[12..14].copy_from_slice(&[8, 6]);
        let foreign = [
            arp.to_vec(),
            udp(53),
            icmp(NEIGHBOR, 128, b"ping"),
            icmp(NEIGHBOR, 136, &ROUTER),
            icmp(ALL_ROUTERS, 135, &NEIGHBOR),
            tagged(&udp(53), 0x8100, 7),
        ];
        let ours = [
            solicitation(1),
            udp(547),
            icmp(ROUTER, 128, b"ping"),
            icmp(ALL_ROUTERS, 135, &ROUTER),
            tagged(&udp(547), 0x8100, 0),
        ];
        let both: Vec<&[u8]> = foreign.iter().chain(&ours).chain(&foreign).map(Vec::as_slice).collect();
        assert_eq!(send.send(&both).sent, 17);
        let got: Vec<Vec<u8>> = ours.iter().map(|_| wait("a frame", || next(&mut port)).octets).collect();
        assert_eq!(got[..4], ours[..4]);
        assert_eq!(got[4], udp(547));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(next(&mut port), None);
        // What the filter refuses has not even been counted, let alone woken anybody.
        assert_eq!(port.socket().take_statistics(), (5, 0));

        port.socket().set_filter(&Filter::for_addresses([NEIGHBOR])).expect("a new filter");
        send.send(&[&icmp(ROUTER, 128, b"ping"), &icmp(NEIGHBOR, 128, b"pong")]);
        assert_eq!(wait("the new address's echo", || next(&mut port)).octets, icmp(NEIGHBOR, 128, b"pong"));
    });
}

#[test]
fn a_bridge_port_sees_frames_and_their_tags() {
    namespace::run("a_bridge_port_sees_frames_and_their_tags", || {
        let (host, guest) = cable("tap0", "guest0");
        // IP-019, RA-018: it snoops, nobody queries, and no membership was ever reported for ff02::2.
        ip("link add br0 type bridge mcast_snooping 1 mcast_querier 0");
        quiet("br0");
        ip("link set br0 up");
        ip("link set tap0 master br0");
        let mut port = port(host, 32);
        let send = injector(guest);
        let plain = solicitation(1);
        assert_eq!(plain[..6], [0x33, 0x33, 0, 0, 0, 2]);
        let frames = [
            plain.clone(),
            tagged(&plain, 0x8100, 0x123),
            tagged(&plain, 0x8100, 0xe123),
            tagged(&plain, 0x8100, 0xe000),
            tagged(&tagged(&plain, 0x8100, 7), 0x8100, 8),
        ];
        send.send(&frames.each_ref().map(Vec::as_slice));
        for (vlan, octets) in [(0, &plain), (0x123, &plain), (0x123, &plain), (0, &plain), (8, &frames[1])] {
            let got = wait("a frame", || next(&mut port));
            assert_eq!((got.device, got.vlan, got.length), (host, vlan, octets.len()));
            // The inner of two tags stays inside; its id is 7 there.
            let inner = tagged(&plain, 0x8100, 7);
            assert_eq!(got.octets, if octets.len() == plain.len() { plain.clone() } else { inner });
        }
        send.send(&[&tagged(&plain, 0x88a8, 9)]);
        wait("a service tag", || port.front().filter(|f| matches!(f, Front::ForeignTag)).map(drop));
    });
}

#[test]
fn a_frame_longer_than_a_slot_is_cut_and_says_so() {
    namespace::run("a_frame_longer_than_a_slot_is_cut_and_says_so", || {
        let (host, guest) = cable("tap0", "guest0");
        ip("link set tap0 mtu 9000");
        ip("link set guest0 mtu 9000");
        let mut port = port(host, 32);
        let long = icmp(ROUTER, 128, &[7; 8000]);
        let whole = icmp(ROUTER, 128, &[8; 1452]);
        injector(guest).send(&[&long, &whole]);
        let got = wait("the long frame", || next(&mut port));
        assert_eq!(got.length, long.len());
        assert!(got.octets.len() < got.length && long.starts_with(&got.octets));
        let got = wait("the whole frame", || next(&mut port));
        assert_eq!((got.length, got.octets), (whole.len(), whole));
    });
}

#[test]
fn checksums_of_local_kernels_are_partial_unless_offloading_is_off() {
    namespace::run("checksums_of_local_kernels_are_partial_unless_offloading_is_off", || {
        let (host, guest) = cable("tap0", "guest0");
        for (name, value) in [("accept_dad", "0"), ("disable_ipv6", "0")] {
            std::fs::write(format!("/proc/sys/net/ipv6/conf/guest0/{name}"), value).expect("sysctl");
        }
        ip("link set guest0 down");
        ip("link set guest0 up");
        let mut port = port(host, 32);
        let socket = UdpSocket::bind("[::]:546").expect("udp socket");
        let servers: Ipv6Addr = "ff02::1:2".parse().expect("valid");
        let mut ask = || {
            let to = SocketAddrV6::new(servers, 547, 0, guest);
            wait("a link-local address", || socket.send_to(b"question", to).ok());
            // The kernel's own solicitations come in between.
            wait("the datagram", || next(&mut port).filter(|f| f.octets[20] == 17))
        };
        let computed = |frame: &Seen| {
            let packet = etherparse::SlicedPacket::from_ethernet(&frame.octets).expect("parses");
            let (Some(etherparse::NetSlice::Ipv6(ip)), Some(etherparse::TransportSlice::Udp(udp))) =
                (packet.net, packet.transport)
            else {
                panic!("no UDP over IPv6");
            };
            let sum = udp.to_header().calc_checksum_ipv6(&ip.header().to_header(), udp.payload());
            (udp.checksum(), sum.expect("short"))
        };
        let partial = ask();
        assert_eq!(partial.checksum, Checksum::Partial);
        let (found, right) = computed(&partial);
        assert_ne!(found, right);

        sh("ethtool -K guest0 tx off");
        let full = ask();
        assert_ne!(full.checksum, Checksum::Partial);
        let (found, right) = computed(&full);
        assert_eq!(found, right);
    });
}

#[test]
fn own_frames_do_not_come_back() {
    namespace::run("own_frames_do_not_come_back", || {
        let (host, guest) = cable("tap0", "guest0");
        let (mut near, mut far) = (port(host, 32), port(guest, 32));
        near.socket().send(&[&solicitation(1)]);
        injector(host).send(&[&solicitation(2)]);
        assert_eq!(mark(&wait("ours", || next(&mut far)).octets), 1);
        assert_eq!(mark(&wait("the other socket's", || next(&mut far)).octets), 2);
        assert_eq!(next(&mut near), None);
        assert_eq!(near.socket().take_statistics(), (0, 0));
    });
}

#[test]
fn a_bridge_hands_up_frames_to_any_address_when_asked() {
    namespace::run("a_bridge_hands_up_frames_to_any_address_when_asked", || {
        let (_, guest) = cable("tap0", "guest0");
        ip("link add br0 type bridge");
        quiet("br0");
        ip("link set br0 up");
        ip("link set tap0 master br0");
        let open = |promiscuous| {
            let options = PortOptions { slots: 32, promiscuous };
            Port::open(index("br0"), options, &Filter::for_any_address()).expect("port")
        };
        let mut to_router = icmp(ROUTER, 128, b"ping");
        to_router[..6].copy_from_slice(&[0xfa, 0x16, 0x3e, 0xff, 0xff, 0xff]);
        let send = injector(guest);
        wait("the bridge forwards", || {
            let mut port = open(false);
            send.send(&[&solicitation(1)]);
            std::thread::sleep(Duration::from_millis(20));
            next(&mut port)
        });
        let mut plain = open(false);
        send.send(&[&to_router, &solicitation(2)]);
        assert_eq!(mark(&wait("the multicast frame", || next(&mut plain)).octets), 2);
        drop(plain);
        let mut promiscuous = open(true);
        send.send(&[&to_router]);
        assert_eq!(wait("the unicast frame", || next(&mut promiscuous)).octets, to_router);
    });
}

#[test]
fn answers_go_back_where_the_frame_came_from() {
    namespace::run("answers_go_back_where_the_frame_came_from", || {
        let ((a, guest_a), (b, guest_b)) = (cable("tap0", "guest0"), cable("tap1", "guest1"));
        let worker = bare_worker();
        worker.attach(port(a, 32), "tap0", HOST_MAC, Share::WHOLE).expect("running");
        worker.attach(port(b, 32), "tap1", HOST_MAC, Share::WHOLE).expect("running");
        for (guest, number) in [(guest_a, 5), (guest_b, 6)] {
            let mut ear = port(guest, 32);
            ear.socket().send(&[&solicitation(number)]);
            let answer = wait("the answer", || next(&mut ear));
            assert_eq!(
                (mark(&answer.octets), &answer.octets[..6], &answer.octets[6..12]),
                (number, &GUEST_MAC[..], &HOST_MAC.0[..])
            );
        }
        let report = worker.report().expect("running");
        assert_eq!((report.received, report.sent, report.unsent), (2, 2, 0));
    });
}

#[test]
fn a_device_that_goes_down_and_up_is_served_on() {
    namespace::run("a_device_that_goes_down_and_up_is_served_on", || {
        let (host, guest) = cable("tap0", "guest0");
        let worker = bare_worker();
        worker.attach(port(host, 32), "tap0", HOST_MAC, Share::WHOLE).expect("running");
        let mut ear = port(guest, 32);
        ip("link set tap0 down");
        let before = worker.report().expect("running").processor;
        std::thread::sleep(Duration::from_millis(500));
        let spent = worker.report().expect("running").processor - before;
        assert!(
            spent < Duration::from_millis(100),
            "the packet thread spins on a device that is down: {spent:?}"
        );
        ip("link set tap0 up");
        wait("an answer", || {
            ear.socket().send(&[&solicitation(1)]);
            std::thread::sleep(Duration::from_millis(10));
            next(&mut ear)
        });
    });
}

#[test]
fn the_first_answer_after_a_device_was_down_is_not_lost() {
    namespace::run("the_first_answer_after_a_device_was_down_is_not_lost", || {
        let (host, _) = cable("tap0", "guest0");
        let send = injector(host);
        ip("link set tap0 down");
        ip("link set tap0 up");
        assert_eq!(send.send(&[&solicitation(1), &solicitation(2)]).sent, 2);
        ip("link set tap0 down");
        assert_eq!(send.send(&[&solicitation(1), &solicitation(2)]).lost, 2);
    });
}

#[test]
fn a_device_that_is_deleted_costs_its_answers_only() {
    namespace::run("a_device_that_is_deleted_costs_its_answers_only", || {
        let ((a, _), (b, guest_b)) = (cable("tap0", "guest0"), cable("tap1", "guest1"));
        let worker = bare_worker();
        let gone = port(a, 32);
        let socket = Arc::clone(gone.socket());
        worker.attach(gone, "tap0", HOST_MAC, Share::WHOLE).expect("running");
        worker.attach(port(b, 32), "tap1", HOST_MAC, Share::WHOLE).expect("running");
        assert_eq!(socket.device(), Some(a));
        ip("link del tap0");
        wait("the socket is off its device", || socket.device().is_none().then_some(()));
        let mut ear = port(guest_b, 32);
        ear.socket().send(&[&solicitation(3)]);
        assert_eq!(mark(&wait("the answer", || next(&mut ear)).octets), 3);
        assert_eq!(socket.send(&[&solicitation(4), &solicitation(5)]).lost, 2);
        worker.detach(a).expect("running");
        worker.report().expect("running");
        assert_eq!(Arc::strong_count(&socket), 1);
    });
}

#[test]
fn a_replaced_ring_loses_nothing_that_had_arrived() {
    namespace::run("a_replaced_ring_loses_nothing_that_had_arrived", || {
        let (host, guest) = cable("tap0", "guest0");
        let (recorder, told) = Recorder::new();
        let worker = Worker::start(recorder, || {}).expect("worker");
        let old = port(host, 1024);
        let send = injector(guest);
        (0..500).for_each(|n| assert_eq!(send.send(&[&solicitation(n)]).sent, 1));
        worker.attach(old, "tap0", HOST_MAC, Share::WHOLE).expect("running");
        worker.replace(port(host, 32)).expect("running");
        worker.report().expect("running");
        send.send(&[&solicitation(500)]);
        for expected in 0..=500 {
            let got = told.recv_timeout(namespace::PATIENCE).expect("a frame");
            assert_eq!(mark(&got.octets), expected);
        }
    });
}

#[test]
fn a_flooded_device_leaves_the_others_their_turn() {
    namespace::run("a_flooded_device_leaves_the_others_their_turn", || {
        let ((flooded, loud), (calm, quiet)) = (cable("tap0", "guest0"), cable("tap1", "guest1"));
        let (full, one) = (port(flooded, 4096), port(calm, 32));
        let send = injector(loud);
        (0..3000).for_each(|n| assert_eq!(send.send(&[&solicitation(n)]).sent, 1));
        injector(quiet).send(&[&solicitation(9)]);
        let (recorder, told) = Recorder::new();
        let worker = Worker::start(recorder, || {}).expect("worker");
        worker.attach(full, "tap0", HOST_MAC, Share::WHOLE).expect("running");
        worker.attach(one, "tap1", HOST_MAC, Share::WHOLE).expect("running");
        let all: Vec<Seen> =
            (0..=3000).map(|_| told.recv_timeout(namespace::PATIENCE).expect("a frame")).collect();
        let turn = all.iter().position(|f| f.device == calm).expect("the calm device's frame");
        assert!(turn < 1000, "the calm device waited for {turn} frames of the other");
    });
}

/// A device that had frames in numbers is looked at without being waited for; afterwards it is waited for again.
#[test]
fn a_device_is_answered_while_it_is_hot_and_after_it_has_cooled() {
    namespace::run("a_device_is_answered_while_it_is_hot_and_after_it_has_cooled", || {
        let (host, guest) = cable("tap0", "guest0");
        let worker = bare_worker();
        worker.attach(port(host, 4096), "tap0", HOST_MAC, Share::WHOLE).expect("running");
        let mut ear = port(guest, 4096);
        let frames: Vec<Vec<u8>> = (0..64).map(solicitation).collect();
        let batch: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        for round in 0..20 {
            assert_eq!(ear.socket().send(&batch).sent, 64);
            for expected in 0..64 {
                assert_eq!(mark(&wait("an answer", || next(&mut ear)).octets), expected, "round {round}");
            }
            // Some rounds follow at once, others when the device is waited for again.
            if round % 4 == 3 {
                let before = worker.report().expect("running").processor;
                std::thread::sleep(Duration::from_millis(50));
                let spent = worker.report().expect("running").processor - before;
                assert!(spent < Duration::from_millis(25), "{spent:?} of 50 ms spent on a silent device");
                assert_eq!(ear.socket().send(&[&solicitation(99)]).sent, 1);
                assert_eq!(mark(&wait("an answer", || next(&mut ear)).octets), 99);
            }
        }
        // A device may go, and be exchanged, while it is hot.
        assert_eq!(ear.socket().send(&batch).sent, 64);
        worker.replace(port(host, 64)).expect("running");
        assert_eq!(ear.socket().send(&batch).sent, 64);
        worker.detach(host).expect("running");
        assert_eq!(worker.report().expect("running").refused, 0);
    });
}

#[test]
fn a_hundred_devices_are_answered() {
    namespace::run("a_hundred_devices_are_answered", || {
        let worker = bare_worker();
        let cables: Vec<(u32, u32)> =
            (0..100).map(|n| cable(&format!("tap{n}"), &format!("guest{n}"))).collect();
        for (number, (host, _)) in cables.iter().enumerate() {
            worker.attach(port(*host, 32), &format!("tap{number}"), HOST_MAC, Share::WHOLE).expect("running");
        }
        let mut ears: Vec<Port> = cables.iter().map(|(_, guest)| port(*guest, 32)).collect();
        for (number, ear) in (0..).zip(&ears) {
            assert_eq!(ear.socket().send(&[&solicitation(number)]).sent, 1);
        }
        for (number, ear) in (0..).zip(&mut ears) {
            assert_eq!(mark(&wait("the answer", || next(ear)).octets), number);
        }
    });
}

#[test]
fn a_burst_is_answered_but_for_what_the_ring_could_not_hold() {
    const BURST: u32 = 10_000;
    namespace::run("a_burst_is_answered_but_for_what_the_ring_could_not_hold", || {
        let (host, guest) = cable("tap0", "guest0");
        let mut worker = bare_worker();
        let near = port(host, 4096);
        let socket = Arc::clone(near.socket());
        worker.attach(near, "tap0", HOST_MAC, Share::WHOLE).expect("running");
        let ear = port(guest, 32);
        let frames: Vec<Vec<u8>> = (0..BURST).map(solicitation).collect();
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let put = ear.socket().send(&frames).sent;
        assert!(put > u64::from(BURST) / 2, "only {put} frames were put on the cable");
        let (mut arrived, mut dropped) = (0, 0);
        wait("every frame", || {
            let (more, lost) = socket.take_statistics();
            (arrived, dropped) = (arrived + more, dropped + lost);
            (arrived == put).then_some(())
        });
        let report = wait("every answer", || {
            let report = worker.report().expect("running");
            (report.received == put - dropped).then_some(report)
        });
        assert_eq!(report.sent + report.unsent, report.received);
        assert_eq!(report.unsent, 0, "the cable takes every answer");
        let (answers, _) = ear.socket().take_statistics();
        assert_eq!(answers, report.sent);
        worker.stop().expect("it ran until now");
    });
}
