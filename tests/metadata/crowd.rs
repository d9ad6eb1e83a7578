//! Hundreds of guests that boot at once and crawl as cloud-init does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use frontdesk::io::packet::{Filter, Front, Port, PortOptions};

use crate::frames::{self, client_id};
use crate::house::{House, PATIENCE, connect, instance, port};
use crate::support::netns::{Guest, alone, wait_until};

/// Guests of the test, unless `FRONTDESK_CROWD` says how many (above some hundreds the machine needs room for their
/// neighbours: `sysctl net.ipv6.neigh.default.gc_thresh3=65536`). A namespace and a thread each: what CI's machine makes in a
/// few seconds.
const GUESTS: u16 = 200;

fn how_many() -> u16 {
    std::env::var("FRONTDESK_CROWD").map_or(GUESTS, |text| text.parse().expect("a number of guests"))
}

/// What a crawl of cloud-init asks for, some of it more than once.
const CRAWL: [&str; 25] = [
    "/openstack",
    "/openstack",
    "/openstack/latest/meta_data.json",
    "/openstack/2018-08-27/meta_data.json",
    "/openstack/2018-08-27/user_data",
    "/openstack/2018-08-27/vendor_data.json",
    "/openstack/2018-08-27/vendor_data2.json",
    "/openstack/2018-08-27/network_data.json",
    "/latest/meta-data/",
    "/latest/meta-data/ami-launch-index",
    "/latest/meta-data/hostname",
    "/latest/meta-data/instance-action",
    "/latest/meta-data/instance-id",
    "/latest/meta-data/ipv6",
    "/latest/meta-data/local-hostname",
    "/latest/meta-data/mac",
    "/latest/meta-data/public-keys/",
    "/latest/meta-data/public-keys/0/openssh-key",
    "/latest/user-data",
    "/latest/meta-data/instance-id",
    "/openstack/latest/meta_data.json",
    "/openstack/latest/network_data.json",
    "/openstack/latest/user_data",
    "/openstack/latest/vendor_data.json",
    "/latest/meta-data/instance-id",
];

/// Asks for all of it, over one connection and a new one after every fifth; true when each answer is 200 or a lawful 404
/// and the instance is its own.
fn crawl(guest: &Guest, number: u16) {
    let mut connection = None;
    for (at, path) in CRAWL.iter().enumerate() {
        if at % 5 == 0 {
            let stream = connect(guest);
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            connection = Some(BufReader::new(stream));
        }
        let stream = connection.as_mut().expect("a connection");
        write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: [fe80::a9fe:a9fe%25eth0]\r\n\r\n")
            .expect("sent");
        let (mut code, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).expect("a line");
            if code.is_empty() {
                code = line.clone();
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body");
        assert!(code.starts_with("HTTP/1.1 200"), "{path}: {code}");
        if path.ends_with("instance-id") {
            assert_eq!(String::from_utf8_lossy(&body), instance(number));
        }
    }
}

#[test]
fn hundreds_of_guests_crawl_at_once_and_none_is_refused() {
    alone("crowd::hundreds_of_guests_crawl_at_once_and_none_is_refused", || {
        let guests_wanted = how_many();
        let metadata = "[ports.metadata]\npublic_keys = { mine = \"ssh-ed25519 AAAA x\" }\nuser_data = \"#!/bin/sh\\n\"\n";
        let mut house = House::new();
        let ports: Vec<String> = (1..=guests_wanted).map(|n| port(n, "blue", metadata)).collect();
        house.start(&ports, "");
        let guests: Vec<Guest> = (1..=guests_wanted).map(|n| house.isolated_guest(n)).collect();
        let attached = || house.count("devices") == u64::from(guests_wanted);
        wait_until("all taps attached", PATIENCE * 10, attached);
        let before = resident(&house);
        let ready = Barrier::new(guests.len());
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (number, guest) in (1..=guests_wanted).zip(&guests) {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    crawl(guest, number);
                });
            }
        });
        let took = start.elapsed();
        let after = resident(&house);
        println!(
            "{guests_wanted} guests, {} GETs each: {took:?}; {before} KiB before, {after} KiB after",
            CRAWL.len()
        );
        assert_eq!(house.count("metadata-requests"), u64::from(guests_wanted) * 25);
        for name in
            ["metadata-full", "metadata-guest-full", "metadata-requests-limited", "metadata-answers-failed"]
        {
            assert_eq!(house.count(name), 0, "{name}");
        }
    });
}

/// KiB of the dataplane's own memory.
fn resident(house: &House) -> u64 {
    let mounted = std::process::Command::new("mount").args(["-t", "proc", "proc", "/proc"]).status();
    assert!(mounted.expect("mount runs").success());
    let status = std::fs::read_to_string(format!("/proc/{}/status", house.daemon().pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a size").to_owned();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("KiB")
}

/// An open connection costs at most 25 KiB, and what two crowds of different guests needed goes back, all but 2 % of what
/// one had: what is made once, and pages that are not wholly free.
#[test]
fn memory_is_for_connections_that_are_open() {
    alone("crowd::memory_is_for_connections_that_are_open", || {
        const GUESTS: u16 = 100;
        const EACH: u16 = 28;
        const CONNECTIONS: u64 = GUESTS as u64 * EACH as u64;
        let mut house = House::new();
        let numbers = 1..=2 * GUESTS;
        let ports: Vec<String> = numbers.clone().map(|n| port(n, "blue", "")).collect();
        house.start(&ports, "[metadata]\nhead_timeout = 600\n");
        let guests: Vec<Guest> = numbers.map(|n| house.guest(n)).collect();
        let now = || house.count("metadata-connections-now");
        let start = resident(&house);
        for crowd in guests.chunks(GUESTS.into()) {
            let before = resident(&house);
            let open = keep_open(crowd, EACH.into());
            assert_eq!(now(), CONNECTIONS);
            let during = resident(&house);
            drop(open);
            wait_until("all of them gone", PATIENCE, || now() == 0);
            let left = || resident(&house).saturating_sub(start);
            wait_until("their memory given back", PATIENCE, || left() <= (during - before) / 50);
            let each = (during - before) * 1024 / CONNECTIONS;
            println!("{each} octets for an open connection; {} KiB left of {}", left(), during - before);
            assert!(each <= 25 * 1024, "{each} octets for an open connection");
        }
    });
}

/// As many connections of each guest, each with one answer had over it.
fn keep_open(guests: &[Guest], each: usize) -> Vec<BufReader<std::net::TcpStream>> {
    let connections = guests.iter().flat_map(|guest| std::iter::repeat_n(guest, each));
    let answered = connections.map(|guest| {
        let mut stream = BufReader::new(connect(guest));
        let ask = b"GET /latest/meta-data/ HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.get_mut().write_all(ask).expect("sent");
        let mut line = String::new();
        stream.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        stream
    });
    answered.collect()
}

/// Nobody waits for a Router Advertisement or DHCPv6 because others crawl: the 99th percentile of both, quiet and with
/// all that the metadata service can do beside it, is printed; that all are answered is judged.
#[test]
fn answers_come_while_the_metadata_service_is_busy() {
    alone("crowd::answers_come_while_the_metadata_service_is_busy", || {
        const ROUNDS: usize = 300;
        let mut house = House::new();
        house.start(&[1, 2, 3].map(|n| port(n, "blue", "")), "[metadata]\nrequests_per_second = 0\n");
        let [asker, busy, other] = [1, 2, 3].map(|n| house.guest(n));
        let mut wire = Wire::on(&asker);
        let quiet = [Ask::Router, Ask::Information].map(|what| wire.percentiles(ROUNDS, what));
        let stop = AtomicBool::new(false);
        let requests = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for guest in [&busy, &other] {
                scope.spawn(|| {
                    let mut stream = BufReader::new(connect(guest));
                    while !stop.load(Ordering::Relaxed) {
                        let ask = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8);
                        stream.get_mut().write_all(&ask).expect("sent");
                        for _ in 0..8 {
                            let mut line = String::new();
                            while !line.ends_with("document\n") {
                                stream.read_line(&mut line).expect("an answer");
                            }
                        }
                        requests.fetch_add(8, Ordering::Relaxed);
                    }
                });
            }
            let loaded = [Ask::Router, Ask::Information].map(|what| wire.percentiles(ROUNDS, what));
            stop.store(true, Ordering::Relaxed);
            let requests = requests.load(Ordering::Relaxed);
            println!(
                "RS: quiet {}, busy {}; Information-request: quiet {}, busy {}; beside {requests} requests",
                quiet[0], loaded[0], quiet[1], loaded[1]
            );
        });
    });
}

/// A guest's own frames, beside its kernel.
struct Wire {
    port: Port,
    rs: Vec<u8>,
    inform: Vec<u8>,
}

impl Wire {
    fn on(guest: &Guest) -> Self {
        let index = guest.nic.index;
        let options = PortOptions { slots: 64, promiscuous: false };
        let everything = Filter::everything();
        let port = guest.netns.run(move || Port::open(index, options, &everything));
        let sender = frames::Guest::with_mac(guest.nic.mac.0);
        let inform = sender.dhcp(11, &client_id(&sender));
        Self { port: port.expect("the namespace").expect("a port"), rs: sender.rs(), inform }
    }

    /// Median and 99th percentile of the time to an answer, asked again and again.
    fn percentiles(&mut self, rounds: usize, what: Ask) -> String {
        let (question, at, kind) = match what {
            Ask::Router => (&self.rs, 54, 134),
            Ask::Information => (&self.inform, 62, 7),
        };
        let mut times = Vec::new();
        for _ in 0..rounds {
            while self.port.front().is_some() {
                self.port.release();
            }
            let start = Instant::now();
            self.port.socket().send(&[question]);
            loop {
                assert!(start.elapsed() < PATIENCE, "no answer");
                let is_it = match self.port.front() {
                    Some(Front::Frame(frame)) => {
                        frame.octets.get(at) == Some(&kind) && frame.octets.get(..6) == question.get(6..12)
                    }
                    Some(Front::ForeignTag) => false,
                    None => {
                        std::thread::yield_now();
                        continue;
                    }
                };
                self.port.release();
                if is_it {
                    break;
                }
            }
            times.push(start.elapsed());
            std::thread::sleep(Duration::from_millis(2));
        }
        times.sort_unstable();
        format!("p50 {:?} p99 {:?}", times[rounds / 2], times[rounds * 99 / 100])
    }
}

/// What is asked for on the wire.
#[derive(Clone, Copy)]
enum Ask {
    Router,
    Information,
}
