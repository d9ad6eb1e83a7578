//! Hundreds of guests that boot at once and crawl as cloud-init does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::Barrier;
use std::time::Instant;

use crate::house::{House, PATIENCE, connect, instance, port};
use crate::support::netns::{Guest, alone};

/// Guests of the test. A namespace and two threads each: what CI's machine makes in a few seconds.
const GUESTS: u16 = 200;

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
        let metadata = "[ports.metadata]\npublic_keys = { mine = \"ssh-ed25519 AAAA x\" }\nuser_data = \"#!/bin/sh\\n\"\n";
        let mut house = House::new();
        let ports: Vec<String> = (1..=GUESTS).map(|n| port(n, "blue", metadata)).collect();
        house.start(&ports, "");
        let guests: Vec<Guest> = (1..=GUESTS).map(|n| house.guest(n)).collect();
        let ready = Barrier::new(guests.len());
        let start = Instant::now();
        std::thread::scope(|scope| {
            for (number, guest) in (1..=GUESTS).zip(&guests) {
                let ready = &ready;
                scope.spawn(move || {
                    ready.wait();
                    crawl(guest, number);
                });
            }
        });
        println!("{GUESTS} guests, {} GETs each: {:?}", CRAWL.len(), start.elapsed());
        assert_eq!(house.count("metadata-requests"), u64::from(GUESTS) * 25);
        for name in
            ["metadata-full", "metadata-guest-full", "metadata-requests-limited", "metadata-answers-failed"]
        {
            assert_eq!(house.count(name), 0, "{name}");
        }
    });
}
