//! Frames of guests and relays: whatever they hold, the answer hurts nobody.

use std::cell::RefCell;
use std::sync::Arc;

use dhcproto::v6::Message;
use dhcproto::{Decodable, Decoder};
use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease::{LeaseTable, Lock, load_with_lock};
use frontdesk::types::limits::MAX_FRAME;
use frontdesk::types::{Instant, MacAddr};

use super::frames::{Guest, LEASES, ip};
use super::reading::Answer;

const FULL: &str = include_str!("../../../fixtures/leases.full.toml");
const FULL_LOCK: &str = include_str!("../../../fixtures/leases.full.lock");

/// The device of the relay of `leases.full.toml`.
const UPLINK: u32 = 4;
const RELAY: &str = "2001:db8:ffff::1";
const RELAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// A hypervisor with one of two tables, and who lives there.
pub struct House {
    engine: Engine,
    guests: Vec<Guest>,
    /// MACs that are ours.
    ours: Vec<[u8; 6]>,
    /// Octets of the longest frame that may be sent.
    longest: usize,
}

pub fn full_table() -> LeaseTable {
    let lock = Lock { octets: Some(FULL_LOCK.into()), prune: false };
    load_with_lock("leases.full.toml", FULL.into(), lock).expect("the example compiles").table
}

pub fn small_table() -> LeaseTable {
    frontdesk::lease::load("leases.toml", LEASES.into()).expect("the tests' leases compile").table
}

impl House {
    fn new(table: LeaseTable, longest: usize) -> Self {
        let table = Arc::new(table);
        let mut engine = Engine::new(Arc::clone(&table), 1);
        let devices = [(1, "tap1"), (2, "tap2f0a7d3e-0a"), (3, "tap-pinned"), (UPLINK, "uplink0")];
        for (number, name) in devices {
            engine.attach(number, name, MacAddr([0xfe, 0, 0, 0, 0, 1]), Instant(0));
        }
        let device = |name| devices.iter().find(|device| device.1 == name).expect("attached").0;
        let guests = table.ports().map(|port| Guest {
            device: port.device().map_or(1, |id| device(table.device_name(id))),
            vlan: port.vlan(),
            ..Guest::with_mac(port.mac().0)
        });
        let guests = guests.collect();
        let relay = table.relay().map(|relay| relay.server_mac().0);
        let ours = table.networks().map(|network| network.router_mac().0).chain(relay).collect();
        Self { engine, guests, ours, longest }
    }
}

thread_local! {
    static HOUSES: RefCell<[House; 2]> =
        RefCell::new([House::new(small_table(), 1500), House::new(full_table(), 1450)]);
}

/// Gives the body the house and the guest that the first two octets choose, and what stands behind them.
fn at_a_house(octets: &[u8], body: impl FnOnce(&mut House, Guest, u8, &[u8]) -> bool) -> bool {
    let [control, who, rest @ ..] = octets else { return false };
    HOUSES.with_borrow_mut(|houses| {
        let house = &mut houses[usize::from(control & 1)];
        let guest = house.guests[usize::from(*who) % house.guests.len()];
        body(house, guest, control >> 1, rest)
    })
}

/// A frame as it stands, or from a guest's MAC and link when the control octet says so.
pub fn frame(octets: &[u8]) -> bool {
    at_a_house(octets, |house, guest, control, rest| {
        let mut frame = rest.to_vec();
        frame.truncate(MAX_FRAME);
        if let (true, Some(source)) = (control & 1 != 0, frame.get_mut(6..12)) {
            source.copy_from_slice(&guest.mac);
        }
        let (device, vlan) = if control & 2 != 0 { (guest.device, guest.vlan) } else { (1, 0) };
        let checksum = match control >> 2 & 3 {
            0 => Checksum::Unknown,
            1 => Checksum::Partial,
            _ => Checksum::Verified,
        };
        let length = frame.len() + if control & 32 != 0 { 100 } else { 0 };
        check(house, RxFrame { device, vlan, checksum, length, octets: &frame })
    })
}

/// An ICMPv6 message with a right checksum: type, code, and what stands behind the checksum.
pub fn ndp(octets: &[u8]) -> bool {
    at_a_house(octets, |house, guest, control, rest| {
        let [kind, code, body @ ..] = rest else { return false };
        if body.len() < 4 || body.len() > 1400 {
            return false;
        }
        let guest = match control & 3 {
            0 => guest.at("::"),
            1 => guest.at("2001:db8:1::4"),
            _ => guest,
        };
        let destination = match control >> 2 & 7 {
            0 => "ff02::1",
            1 => "ff02::2",
            2 => "ff02::1:ff77:e5a0",
            3 => "fe80::f816:3eff:fe77:e5a0",
            4 => "fe80::a9fe:a9fe",
            5 => "ff02::1:fffe:a9fe",
            6 => "fe80::1",
            _ => "ff02::1:ff00:1",
        };
        let kind =
            if control & 32 != 0 { [128, 133, 134, 135, 136, 137][usize::from(kind % 6)] } else { *kind };
        sent(house, guest, &guest.icmp(destination, 255, kind, *code, body))
    })
}

/// A DHCPv6 message of a guest.
pub fn dhcp6(octets: &[u8]) -> bool {
    at_a_house(octets, |house, guest, control, payload| {
        if payload.len() > 1400 {
            return false;
        }
        let guest = if control & 7 == 7 { guest.at("2001:db8:3::77") } else { guest };
        sent(house, guest, &guest.udp("ff02::1:2", 546, 547, payload))
    })
}

/// A DHCPv6 message of a relay.
pub fn relay(octets: &[u8]) -> bool {
    let [control, payload @ ..] = octets else { return false };
    if payload.len() > 1400 {
        return false;
    }
    let relay = Guest { mac: RELAY_MAC, address: ip(RELAY), device: UPLINK, vlan: 0 };
    let destination = if control & 1 == 0 { "ff05::1:3" } else { "2001:db8:ffff::547" };
    let port = if control & 2 == 0 { 547 } else { 5470 };
    HOUSES.with_borrow_mut(|houses| sent(&mut houses[1], relay, &relay.udp(destination, port, 547, payload)))
}

fn sent(house: &mut House, from: Guest, frame: &[u8]) -> bool {
    let Guest { device, vlan, .. } = from;
    check(house, RxFrame { device, vlan, checksum: Checksum::Unknown, length: frame.len(), octets: frame })
}

/// Shows a frame twice and asserts what must hold of an answer; true if there was one.
fn check(house: &mut House, rx: RxFrame<'_>) -> bool {
    // Poisoned in two ways, so that a field that nobody writes shows.
    let (mut out, mut again) = (vec![0xa5; MAX_FRAME], vec![0x5a; MAX_FRAME]);
    let verdict = house.engine.frame(Instant(0), rx, &mut out);
    assert_eq!(verdict, house.engine.frame(Instant(0), rx, &mut again), "same input, same verdict");
    while house.engine.timeout(Instant(0), &mut again).is_some() {}
    let Verdict::Answer { length, .. } = verdict else { return false };
    out.truncate(length);
    let mut second = vec![0x5a; MAX_FRAME];
    let _ = house.engine.frame(Instant(0), rx, &mut second);
    assert_eq!(out, second[..length], "same input, same octets");
    let answer = Answer::parse(&out);
    let tag = if answer.vlan.is_some() { 4 } else { 0 };
    assert!(out.len() <= 14 + tag + house.longest, "never longer than the MTU");
    assert_eq!(answer.destination_mac, rx.octets[6..12], "to the MAC that asked");
    assert_eq!(answer.destination_mac[0] & 1, 0, "never to a group");
    assert!(!house.ours.contains(&answer.destination_mac), "never to ourselves");
    assert!(house.ours.contains(&answer.source_mac), "from a MAC of ours");
    assert_eq!(answer.hop_limit, 255);
    assert!(!answer.source.is_multicast() && !answer.source.is_unspecified());
    assert!(!answer.destination.is_unspecified());
    let known = house.guests.iter().any(|guest| guest.mac == answer.destination_mac);
    assert!(known || rx.device == UPLINK, "an unknown MAC is never answered");
    match answer.ports {
        Some((547, 546)) => client_message(&answer.message),
        Some((547, _)) => {
            assert!(14 + tag + 1280 >= out.len(), "the path to a relay is not known");
            relay_message(&answer.message, 0);
        }
        None => assert!(matches!(answer.message[0], 129 | 134 | 136), "an RA, an NA or an echo reply"),
        Some(ports) => panic!("from and to {ports:?}"),
    }
    true
}

/// The top level of options, which fill their container exactly.
fn options(mut octets: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((head, tail)) = octets.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (value, rest) = tail.split_at_checked(length).expect("an option within its container");
        found.push((u16::from_be_bytes([head[0], head[1]]), value));
        octets = rest;
    }
    assert!(octets.is_empty(), "nothing behind the last option");
    found
}

fn relay_message(octets: &[u8], level: usize) {
    assert!(level < 9, "nine levels");
    assert_eq!(octets[0], 13, "Relay-reply");
    let options = options(&octets[34..]);
    let inner: Vec<_> = options.iter().filter(|(code, _)| *code == 9).collect();
    let [(_, inner)] = inner.as_slice() else { panic!("not one Relay Message") };
    if inner[0] == 13 { relay_message(inner, level + 1) } else { client_message(inner) }
}

fn client_message(octets: &[u8]) {
    let options = options(&octets[4..]);
    let has = |code: u16| options.iter().any(|option| option.0 == code);
    assert!(has(2), "a Server Identifier (RFC 9915 §18.3)");
    if octets[0] == 37 {
        assert!(has(5), "the address that is registered (RFC 9686 §4.3)");
        return;
    }
    assert!(matches!(octets[0], 2 | 7), "Advertise or Reply");
    let never = [4, 5, 6, 8, 9, 11, 12, 18, 19, 20, 26];
    assert!(!never.into_iter().any(has), "options that no server sends at the top level");
    for (code, value) in &options {
        if *code == 3 || *code == 25 {
            association(*code, value);
        }
    }
    Message::decode(&mut Decoder::new(octets)).expect("dhcproto reads it");
}

fn association(code: u16, value: &[u8]) {
    let number = |at: usize| u32::from_be_bytes(*value[at..].first_chunk().expect("four octets"));
    assert!(number(4) <= number(8), "T1 not above T2 (RFC 9915 §21.4)");
    for (inner, value) in options(&value[12..]) {
        let lifetimes = match inner {
            5 => &value[16..24],
            26 => &value[..8],
            13 => continue,
            other => panic!("option {other} in an IA"),
        };
        assert_eq!(inner == 5, code == 3, "addresses in IA_NA, prefixes in IA_PD");
        let (preferred, valid) = lifetimes.split_at(4);
        assert!(preferred <= valid, "preferred not above valid (RFC 9915 §21.6)");
    }
}
