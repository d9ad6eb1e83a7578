//! A guest's conversation, message by message.

use std::sync::Arc;

use super::super::answer::{Said, read};
use super::super::crowd::{Duids, LinkLocals};
use super::*;
use crate::engine::Checksum;
use crate::types::MacAddr;

const GUEST: u32 = 3;
const BASE: MacAddr = MacAddr([2, 0xfd, 0, 0, 0, 0]);
const SERVER: &[u8] = &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1];

fn crowd() -> Crowd {
    Crowd::new(BASE, 10, LinkLocals::Eui64, Duids::LinkLayer).expect("a range")
}

fn guests(workload: Workload) -> Guests {
    Guests::new(workload, crowd(), None, false)
}

fn option(code: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short").to_be_bytes();
    [&[0, code][..], &length, data].concat()
}

/// An answer to the guest's last message; the parts are what a test changes.
struct Answer {
    kind: u8,
    xid: [u8; 3],
    client: u32,
    server: &'static [u8],
    iaid: [u8; 4],
    inside: Vec<u8>,
    top: Vec<u8>,
}

fn answer(kind: u8, guests: &Guests) -> Answer {
    let number = guests.state(GUEST).expect("a guest").message;
    let address: Ipv6Addr = "2001:db8::3".parse().expect("an address");
    let lease = [&address.octets()[..], &[0, 0, 0, 60, 0, 0, 0, 120]].concat();
    Answer {
        kind,
        xid: transaction_id(GUEST, number),
        client: GUEST,
        server: SERVER,
        iaid: crowd().iaid(GUEST),
        inside: option(5, &lease),
        top: Vec::new(),
    }
}

/// What the guest makes of it, read from a frame.
fn tell(guests: &mut Guests, answer: &Answer) -> Outcome {
    let ia = [&answer.iaid[..], &[0; 8], &answer.inside].concat();
    let message = [
        &[answer.kind][..],
        &answer.xid,
        &option(1, crowd().duid(answer.client).as_slice()),
        &option(2, answer.server),
        &option(3, &ia),
        &answer.top,
    ]
    .concat();
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], crowd().mac(GUEST).0)
        .ipv6([0xfe; 16], crowd().link_local(GUEST).octets(), 64)
        .udp(547, 546)
        .write(&mut frame, &message)
        .expect("room");
    let heard = read(&frame, Checksum::Unknown).expect("one of ours");
    let Said::Dhcp(message) = heard.said else { panic!("DHCPv6, not {:?}", heard.said) };
    guests.dhcp(GUEST, &message)
}

fn say(guests: &mut Guests, step: Step) {
    guests.say(GUEST, step, false, 0).expect("a guest");
}

#[test]
fn four_messages_are_an_exchange() {
    let mut guests = guests(Workload::Exchange);
    guests.begin(GUEST, 5);
    say(&mut guests, Step::Solicit);
    let advertise = answer(ADVERTISE, &guests);
    assert_eq!(tell(&mut guests, &advertise), Outcome::Next(Step::Request));
    let state = *guests.state(GUEST).expect("a guest");
    assert_eq!(state.address, "2001:db8::3".parse::<Ipv6Addr>().expect("an address"));
    assert_eq!(guests.server(state.server), Some(SERVER));
    say(&mut guests, Step::Request);
    let reply = answer(REPLY, &guests);
    assert_eq!(tell(&mut guests, &reply), Outcome::Done);
    // The same once more, and the Advertise again: nobody waits for them.
    assert_eq!(tell(&mut guests, &reply), Outcome::Late);
    assert_eq!(tell(&mut guests, &advertise), Outcome::Late);
}

#[test]
fn an_answer_to_another_guest_is_wrong_and_ends_nothing() {
    let mut guests = guests(Workload::Solicit);
    say(&mut guests, Step::Solicit);
    let right = answer(ADVERTISE, &guests);
    let other = Answer { xid: transaction_id(4, 1), ..answer(ADVERTISE, &guests) };
    assert_eq!(tell(&mut guests, &other), Outcome::Stray(Wrong::TransactionId));
    assert_eq!(tell(&mut guests, &right), Outcome::Done);
}

#[test]
fn each_wrong_part_is_named() {
    let wrong = |change: fn(Answer) -> Answer| {
        let mut guests = guests(Workload::Solicit);
        say(&mut guests, Step::Solicit);
        let answer = change(answer(ADVERTISE, &guests));
        tell(&mut guests, &answer)
    };
    assert_eq!(wrong(|a| Answer { client: 4, ..a }), Outcome::Wrong(Wrong::ClientId));
    assert_eq!(wrong(|a| Answer { kind: REPLY, ..a }), Outcome::Wrong(Wrong::MessageType));
    assert_eq!(wrong(|a| Answer { server: &[], ..a }), Outcome::Wrong(Wrong::ServerId));
    assert_eq!(wrong(|a| Answer { iaid: [9; 4], ..a }), Outcome::Wrong(Wrong::Association));
    assert_eq!(wrong(|a| Answer { inside: Vec::new(), ..a }), Outcome::Refused("no-address"));
    let no = |a| Answer { inside: option(13, &[0, 2]), ..a };
    assert_eq!(wrong(no), Outcome::Refused("no-addrs-avail"));
    assert_eq!(wrong(|a| Answer { top: option(13, &[0, 1]), ..a }), Outcome::Refused("unspec-fail"));
    assert_eq!(wrong(|a| a), Outcome::Done);
}

#[test]
fn a_reply_of_another_server_than_the_one_asked_is_wrong() {
    let mut guests = guests(Workload::Exchange);
    say(&mut guests, Step::Solicit);
    let advertise = answer(ADVERTISE, &guests);
    tell(&mut guests, &advertise);
    say(&mut guests, Step::Request);
    let reply = Answer { server: &[0, 3, 0, 1, 9, 9, 9, 9, 9, 9], ..answer(REPLY, &guests) };
    assert_eq!(tell(&mut guests, &reply), Outcome::Wrong(Wrong::ServerId));
}

#[test]
fn rapid_commit_is_a_reply_or_a_refusal() {
    for (kind, outcome) in [(REPLY, Outcome::Done), (ADVERTISE, Outcome::Refused("no-rapid-commit"))] {
        let mut guests = guests(Workload::RapidCommit);
        say(&mut guests, Step::Solicit);
        let answer = answer(kind, &guests);
        assert_eq!(tell(&mut guests, &answer), outcome);
    }
}

#[test]
fn a_patient_guest_waits_on_after_a_refusal() {
    let mut guests = Guests::new(Workload::Solicit, crowd(), None, true);
    say(&mut guests, Step::Solicit);
    let refusal = Answer { inside: option(13, &[0, 2]), ..answer(ADVERTISE, &guests) };
    assert_eq!(tell(&mut guests, &refusal), Outcome::Refused("no-addrs-avail"));
    // Its next transmission has the same transaction id (RFC 9915 §15).
    guests.say(GUEST, Step::Solicit, true, 9).expect("a guest");
    let offer = answer(ADVERTISE, &guests);
    assert_eq!(tell(&mut guests, &offer), Outcome::Done);
}

#[test]
fn the_lease_table_is_the_measure() {
    let source = "version = 1\n[server]\ncloud = \"bench\"\n[networks.one]\n\
        router = { mac_address = \"02:fe:00:00:00:01\" }\n[[networks.one.subnets]]\ncidr = \"2001:db8::/64\"\n\
        ipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"\n";
    let port = |guest| {
        let (mac, last) = (crowd().mac(guest), if guest == GUEST { 3 } else { 100 + guest });
        format!("[[ports]]\nmac_address = \"{mac}\"\nnetwork = \"one\"\nfixed_ips = [\"2001:db8::{last}\"]\n")
    };
    let text = (0..10).fold(source.to_owned(), |text, guest| text + &port(guest));
    let table = Arc::new(crate::lease::load("test", text.into_bytes()).expect("valid leases").table);
    let leases = Leases::of(Arc::clone(&table), &crowd(), 0, None).expect("a port for each");
    let mut guests = Guests::new(Workload::Boot, crowd(), Some(leases), false);
    say(&mut guests, Step::RouterSolicitation);
    let other = "fe80::9".parse().expect("an address");
    assert_eq!(guests.router_advertisement(GUEST, other, Flags::Managed), Outcome::Wrong(Wrong::Router));
    say(&mut guests, Step::RouterSolicitation);
    let router = "fe80::fe:ff:fe00:1".parse().expect("an address");
    assert_eq!(guests.router_advertisement(GUEST, router, Flags::Managed), Outcome::Next(Step::Solicit));
    say(&mut guests, Step::Solicit);
    let right = answer(ADVERTISE, &guests);
    assert_eq!(tell(&mut guests, &right), Outcome::Next(Step::Request));
    say(&mut guests, Step::Request);
    let mut foreign = answer(REPLY, &guests);
    foreign.inside[4 + 15] = 104;
    assert_eq!(tell(&mut guests, &foreign), Outcome::Wrong(Wrong::Address));

    let more = Crowd::new(BASE, 11, LinkLocals::Eui64, Duids::LinkLayer).expect("a range");
    assert_eq!(Leases::of(table, &more, 0, None).err(), Some(more.mac(10)));
}

#[test]
fn neighbor_advertisements_are_for_the_router_asked() {
    let mut guests = guests(Workload::Ns);
    let router: Ipv6Addr = "fe80::1".parse().expect("an address");
    let other: Ipv6Addr = "fe80::2".parse().expect("an address");
    guests.router = Some(router);
    assert_eq!(guests.neighbor_advertisement(GUEST, router, true), Outcome::Late);
    for (target, solicited, outcome) in [
        (router, true, Outcome::Done),
        (other, true, Outcome::Wrong(Wrong::Target)),
        (router, false, Outcome::Wrong(Wrong::Target)),
        (crowd().link_local(GUEST), false, Outcome::Stray(Wrong::Duplicate)),
    ] {
        say(&mut guests, Step::NeighborSolicitation);
        assert_eq!(guests.neighbor_advertisement(GUEST, target, solicited), outcome);
    }
}

#[test]
fn only_the_last_message_can_be_given_up() {
    let mut guests = guests(Workload::Rs);
    say(&mut guests, Step::RouterSolicitation);
    assert_eq!(guests.give_up(GUEST, 0), None);
    assert_eq!(guests.waiting_for_router(), [GUEST]);
    assert_eq!(guests.give_up(GUEST, 1), Some(Step::RouterSolicitation));
    assert_eq!(guests.give_up(GUEST, 1), None);
    assert_eq!(guests.waiting(), []);
}
