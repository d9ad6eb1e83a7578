//! Several packet threads: who serves which guest, over real cables.

mod namespace;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, unbounded};
use frontdesk::engine::{RxFrame, Share};
use frontdesk::io::packet::{Filter, Port, Socket, Spare};
use frontdesk::io::responder::Responder;
use frontdesk::io::workers::Workers;
use frontdesk::lease::LeaseTable;
use frontdesk::types::{Instant, MacAddr};
use namespace::daemon::{Daemon, argument, file, leases};
use namespace::{cable, index, injector, ip, quiet, sh, wait};

const WORKERS: usize = 3;
const GUESTS: u8 = 24;

fn mac(guest: u8) -> [u8; 6] {
    [0xfa, 0x16, 0x3e, 0, guest, guest.wrapping_mul(7)]
}

/// A Router Solicitation of a guest whose data is `mark`.
fn solicitation(mac: [u8; 6], mark: u32) -> Vec<u8> {
    let mut from = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0, 0, 0xff, 0xfe, 0, 0, 0];
    from[9..11].copy_from_slice(&mac[1..3]);
    from[13..].copy_from_slice(&mac[3..]);
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2(mac, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(from, [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], 255)
        .icmpv6_raw(133, 0, mark.to_be_bytes())
        .write(&mut frame, &[])
        .expect("room");
    frame
}

/// A Relay-forward of a relay that had it from `peer`.
fn relayed(peer: u8, mark: u8) -> Vec<u8> {
    let mut payload = vec![12, 0];
    payload.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    payload.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, peer]);
    payload.push(mark);
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], [0x33, 0x33, 0, 1, 0, 3])
        .ipv6([0xfd; 16], [0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3], 8)
        .udp(547, 547)
        .write(&mut frame, &payload)
        .expect("room");
    frame
}

/// Which responder saw a frame, and the frame.
type Seen = (usize, Vec<u8>);

struct Recorder(usize, Sender<Seen>);

impl Responder for Recorder {
    fn attach(&mut self, _: u32, _: &str, _: MacAddr, share: Share, _: Instant) {
        // Its share has the number that the recorder has, as they are made and attached in the same order.
        assert_eq!(Share::new(self.0 as u32, WORKERS as u32), Some(share));
    }
    fn detach(&mut self, _: u32) {}
    fn publish(&mut self, _: Arc<LeaseTable>, _: Instant) {}
    fn frame(&mut self, _: Instant, frame: RxFrame<'_>, _: &mut [u8]) -> Option<usize> {
        self.1.send((self.0, frame.octets.to_vec())).ok()?;
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
        vec![("seen", 1)]
    }
}

fn recorders() -> (Workers, Receiver<Seen>) {
    let (tell, told) = unbounded();
    let next = AtomicUsize::new(0);
    let responder = || Recorder(next.fetch_add(1, Ordering::Relaxed), tell.clone());
    let workers = Workers::start(WORKERS, responder, &(), Duration::ZERO, &|| {}).expect("workers");
    (workers, told)
}

fn ports(device: u32) -> Vec<Port> {
    let spares = Spare::several(WORKERS, 1024).expect("rings");
    Spare::open_together(spares, device, true, &Filter::for_any_address()).expect("ports")
}

/// Ten frames of each guest in turn, and who saw them: each exactly once, by the one that has the guest, in order.
fn each_guest_has_one(guest: u32, told: &Receiver<Seen>) {
    let send = injector(guest);
    for mark in 0..10 {
        for guest in 0..GUESTS {
            assert_eq!(send.send(&[&solicitation(mac(guest), mark)]).sent, 1);
        }
    }
    let mut next: HashMap<[u8; 6], u32> = HashMap::new();
    let mut used = [false; WORKERS];
    for _ in 0..10 * usize::from(GUESTS) {
        let (worker, frame) = told.recv_timeout(namespace::PATIENCE).expect("a frame");
        let source: [u8; 6] = frame[6..12].try_into().expect("six octets");
        let share = Share::new(worker as u32, WORKERS as u32).expect("a share");
        assert!(share.has(MacAddr(source)), "{worker} saw {source:02x?}");
        let mark = next.entry(source).or_default();
        assert_eq!(frame[58..62], mark.to_be_bytes(), "of {source:02x?}");
        *mark += 1;
        used[worker] = true;
    }
    assert_eq!((used, told.try_recv().is_err()), ([true; WORKERS], true));
}

#[test]
fn guests_of_one_device_are_shared_out_in_order_and_seen_once() {
    namespace::run("guests_of_one_device_are_shared_out_in_order_and_seen_once", || {
        let (host, guest) = cable("tap0", "guest0");
        let (mut workers, told) = recorders();
        workers.attach(ports(host), "tap0", MacAddr([2, 0, 0, 0, 0, 1])).expect("running");
        workers.report().expect("running");
        each_guest_has_one(guest, &told);

        // Frames that leave through the device are not shown.
        injector(host).send(&[&solicitation(mac(0), 99)]);
        // The kernel takes the sockets out of their group and puts them back.
        ip("link set tap0 down");
        ip("link set tap0 up");
        wait("the cable", || index("tap0").eq(&host).then_some(()));
        each_guest_has_one(guest, &told);

        workers.replace(ports(host)).expect("running");
        workers.report().expect("running");
        each_guest_has_one(guest, &told);

        workers.detach(host).expect("running");
        let report = workers.stop().expect("stopped");
        assert_eq!((report.received, report.panics), (3 * 10 * u64::from(GUESTS), 0));
        assert_eq!(report.counts, [("seen", 3)]);
    });
}

#[test]
fn what_one_relay_forwards_is_shared_out_by_whom_it_is_from() {
    namespace::run("what_one_relay_forwards_is_shared_out_by_whom_it_is_from", || {
        let (host, guest) = cable("relay0", "far0");
        let (mut workers, told) = recorders();
        workers.attach(ports(host), "relay0", MacAddr([2, 0, 0, 0, 0, 1])).expect("running");
        workers.report().expect("running");
        let send = injector(guest);
        for mark in 0..5 {
            (0..30).for_each(|peer| assert_eq!(send.send(&[&relayed(peer, mark)]).sent, 1));
        }
        let mut next = [0; 30];
        for _ in 0..5 * 30 {
            let (worker, frame) = told.recv_timeout(namespace::PATIENCE).expect("a frame");
            let [.., peer, mark] = frame.as_slice() else { panic!("a short frame") };
            assert_eq!(worker, usize::from(*peer) % WORKERS);
            assert_eq!(*mark, next[usize::from(*peer)]);
            next[usize::from(*peer)] += 1;
        }
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn a_bridge_and_taps_are_answered_by_several_threads() {
    namespace::run("a_bridge_and_taps_are_answered_by_several_threads", || {
        let leases = file("leases.toml", &leases(24));
        ip("link add br0 address 02:00:00:00:00:01 type bridge");
        quiet("br0");
        ip("link set br0 up");
        let (_, guest) = cable("port0", "guest0");
        ip("link set port0 master br0");
        let taps: Vec<u32> = (1..=3).map(|n| cable(&format!("tap{n}"), &format!("guest{n}")).1).collect();
        let daemon =
            Daemon::start(&["--leases", argument(&leases), "--attach", "br0,tap*", "--workers", "2"]);
        daemon.wait_for_log("started");
        daemon.wait_for_counter("devices", 4);
        // Guests of the bridge, each answered once, and one on each tap.
        let of = |guest: u8| [0xfa, 0x16, 0x3e, 0, 0, guest];
        let mut ear = namespace::port(guest, 1024);
        wait("the bridge forwards", || {
            ear.socket().send(&[&solicitation(of(0), 0)]);
            let heard = ear.front().is_some();
            heard.then(|| ear.release())
        });
        while ear.front().is_some() {
            ear.release();
        }
        let before = daemon.counters()["frames-received"];
        let send = injector(guest);
        (1..21).for_each(|guest| assert_eq!(send.send(&[&solicitation(of(guest), 0)]).sent, 1));
        (21_u8..).zip(&taps).for_each(|(guest, tap)| {
            injector(*tap).send(&[&solicitation(of(guest), 0)]);
        });
        daemon.wait_for_counter("frames-received", before + 23);
        let counters = daemon.counters();
        assert_eq!(counters["router-advertisement"], counters["frames-received"], "{counters:?}");
        assert!(!counters.contains_key("engine-panics"), "{counters:?}");

        // A reload and a device that goes are seen by all of them.
        daemon.signal("HUP");
        daemon.wait_for_log("reloaded");
        ip("link del br0");
        daemon.wait_for_counter("devices", 3);
        injector(taps[1]).send(&[&solicitation(of(22), 0)]);
        daemon.wait_for_counter("frames-received", before + 24);
    });
}

/// Kernels before 6.2 show a group what leaves through its device.
#[test]
fn the_filter_refuses_what_leaves_through_the_device() {
    namespace::run("the_filter_refuses_what_leaves_through_the_device", || {
        let (host, guest) = cable("tap0", "guest0");
        let ear = Socket::new().expect("socket");
        ear.set_filter(&Filter::for_any_address()).expect("filter");
        ear.bind(host).expect("bind");
        injector(host).send(&[&solicitation(mac(0), 1)]);
        injector(guest).send(&[&solicitation(mac(0), 2)]);
        let mut frame = [0; 2048];
        wait("a frame", || ear.receive(&mut frame).expect("up"));
        assert_eq!(frame[58..62], 2_u32.to_be_bytes());
    });
}

/// Octets of each mapped ring of a process.
fn rings(pid: u32) -> Vec<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let number = |text: &str| u64::from_str_radix(text, 16).expect("a number");
    let rings = maps.lines().filter(|line| line.contains(" socket:"));
    let range = rings.filter_map(|line| line.split_once(' ')?.0.split_once('-'));
    range.map(|(first, end)| number(end) - number(first)).collect()
}

/// Sends a solicitation of each guest: all are answered, and once.
fn each_is_answered_once(daemon: &Daemon, guest: u32) {
    let before = daemon.counters();
    let send = injector(guest);
    for guest in 0..GUESTS {
        assert_eq!(send.send(&[&solicitation([0xfa, 0x16, 0x3e, 0, 0, guest], 0)]).sent, 1);
    }
    let count = |name: &str| before.get(name).unwrap_or(&0) + u64::from(GUESTS);
    daemon.wait_for_counter("frames-received", count("frames-received"));
    assert_eq!(daemon.counters()["router-advertisement"], count("router-advertisement"));
}

#[test]
fn a_device_that_all_threads_serve_has_a_ring_for_each_and_no_other() {
    namespace::run("a_device_that_all_threads_serve_has_a_ring_for_each_and_no_other", || {
        let leases = file("leases.toml", &leases(1));
        ip("link add br0 type bridge");
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "br0", "--workers", "2"]);
        daemon.wait_for_counter("devices", 1);
        wait("two rings", || (rings(daemon.pid()) == [4 << 20, 4 << 20]).then_some(()));
    });
}

#[test]
fn a_device_that_is_renamed_is_served_by_as_many_threads_as_its_new_name_says() {
    namespace::run("a_device_that_is_renamed_is_served_by_as_many_threads_as_its_new_name_says", || {
        let leases = file("leases.toml", &leases(u32::from(GUESTS)));
        let (_, guest) = cable("tap0", "guest0");
        let daemon = Daemon::start(&[
            "--leases",
            argument(&leases),
            "--attach",
            "tap*,many*",
            "--share",
            "many*",
            "--workers",
            "3",
        ]);
        daemon.wait_for_counter("devices", 1);
        each_is_answered_once(&daemon, guest);
        for (number, (from, to)) in [("tap0", "many0"), ("many0", "tap0")].into_iter().enumerate() {
            for step in [format!("{from} down"), format!("{from} name {to}"), format!("{to} up")] {
                ip(&format!("link set {step}"));
            }
            wait("the cable", || sh("ip link show dev guest0").contains("LOWER_UP").then_some(()));
            // More devices have shorter rings: those of this one are exchanged.
            let devices = [4, 16][number];
            for n in 0..devices {
                cable(&format!("tap{number}-{n}"), &format!("far{number}-{n}"));
            }
            daemon.wait_for_counter("devices", [5, 21][number]);
            let longest = [2 << 20, 512 << 10][number];
            wait("shorter rings", || rings(daemon.pid()).iter().all(|ring| *ring <= longest).then_some(()));
            each_is_answered_once(&daemon, guest);
        }
    });
}
