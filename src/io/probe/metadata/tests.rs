//! Neighbor Advertisements and TCP segments from the test captures of PcapPlusPlus (`IcmpV6_NeighAdvSoli.pcap`) and
//! Zeek (`icmp6-neighbor-advert.pcap`, `ip6-tcp-good-chksum.pcap`, `ip6-tcp-bad-chksum.pcap`); what is expected of them
//! is what tcpdump 4.99 prints.

use std::net::Ipv6Addr;

use super::{Document, Faults, fill, next_hop};
use crate::io::netns::Preference;
use crate::io::probe::advert;
use crate::io::probe::envelope::{self, Speaker, Upper};
use crate::io::probe::neighbor::{self, Advert};
use crate::io::probe::report::{PrefixInfo, RouterAdvert};
use crate::types::{Lifetime, MacAddr, ip6};

const ADVERT: &str = "333300000001c20054f5000086dd6e00000000203afffe80000000000000c00054fffef50000ff02000000000000000000000000000188\
    009abba0000000fe80000000000000c00054fffef500000201c20054f50000";
const WITHOUT_OPTION: &str = "ffffffffffff00000000000086dd6000000000183afffe80000000000000000000000000deadfe80000000000000000000000000beef88\
    0083cda0000000fe80000000000000000000000000babe";
const SYN: &str = "ffffffffffff00000000000086dd6000000000140640200104f80004000702e081fffe52ffff200104f80004000702e081fffe529a6b75\
    3000500000000000000000500220002f8a0000";
const SYN_BAD: &str = "ffffffffffff00000000000086dd6000000000140640200104f80004000702e081fffe52ffff200104f80004000702e081fffe529a6b75\
    30005000000000000000005002200000010000";

fn octets(hex: &str) -> Vec<u8> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    let text = pairs.iter().map(|pair| std::str::from_utf8(pair).expect("hex"));
    text.map(|pair| u8::from_str_radix(pair, 16).expect("hex")).collect()
}

fn me() -> Speaker {
    let mac = MacAddr([0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b]);
    Speaker { mac, address: ip6::link_local(mac), vlan: 0 }
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// Who answers for `target` by this frame, and what is wrong with the answer.
fn resolved(frame: &[u8], target: &str) -> (Option<Advert>, Vec<String>) {
    let mut faults = Faults::default();
    let heard = envelope::read(frame, &me(), false).expect("a frame for this host");
    let Upper::NeighborAdvertisement(icmp) = heard.upper else { panic!("a Neighbor Advertisement") };
    let advert = neighbor::read(icmp, &heard, ip(target), &mut faults);
    (advert, faults.0.into_iter().map(|fault| fault.what).collect())
}

const TARGET: &str = "fe80::c000:54ff:fef5:0";

#[test]
fn a_captured_neighbor_advertisement_reads_as_tcpdump_prints_it() {
    let mac = MacAddr([0xc2, 0, 0x54, 0xf5, 0, 0]);
    assert_eq!(resolved(&octets(ADVERT), TARGET), (Some(Advert { mac, overrides: true }), vec![]));
    assert_eq!(resolved(&octets(ADVERT), "fe80::a9fe:a9fe"), (None, vec![]), "about somebody else");
    let silent = "it does not say the MAC of the address".to_owned();
    assert_eq!(resolved(&octets(WITHOUT_OPTION), "fe80::babe"), (None, vec![silent]));
}

/// RFC 4861 §7.1.2.
#[test]
fn neighbor_advertisements_that_a_host_must_discard_are_reported() {
    let changed = |at: usize, value: u8, expected: &str| {
        let mut frame = octets(ADVERT);
        frame[at] = value;
        assert_eq!(resolved(&frame, TARGET), (None, vec![expected.to_owned()]), "octet {at}");
    };
    changed(21, 64, "its hop limit is 64, not 255");
    changed(56, 0, "its checksum is wrong");
    // Behind the checksum, so that the octet alone is in question.
    let unfinished = |at: usize, value: u8| {
        let mut frame = octets(ADVERT);
        frame[at] = value;
        let heard = envelope::read(&frame, &me(), true).expect("a frame for this host");
        let Upper::NeighborAdvertisement(icmp) = heard.upper else { panic!("a Neighbor Advertisement") };
        let mut faults = Faults::default();
        assert_eq!(neighbor::read(icmp, &heard, ip(TARGET), &mut faults), None);
        faults.0.into_iter().map(|fault| fault.what).collect::<Vec<_>>()
    };
    assert_eq!(unfinished(55, 1), ["its code is 1, not 0"]);
    assert_eq!(unfinished(58, 0xe0), ["it is solicited and goes to a group"]);
    assert_eq!(unfinished(79, 0), ["option 2 has a wrong length"]);
    assert_eq!(unfinished(79, 2), ["option 2 has a wrong length"]);
}

#[test]
fn checksums_of_segments_are_those_that_tcpdump_finds() {
    for (frame, partial, holds) in [(SYN, false, true), (SYN_BAD, false, false), (SYN_BAD, true, true)] {
        let frame = octets(frame);
        let heard = envelope::read(&frame, &me(), partial).expect("a frame for this host");
        let Upper::Tcp(packet) = heard.upper else { panic!("a TCP segment") };
        assert_eq!((packet, heard.checksum_holds), (&frame[14..], holds));
    }
}

/// RFC 4861 §5.2.
#[test]
fn what_is_not_on_the_link_is_reached_through_a_router() {
    let mut faults = Faults::default();
    let ra = [[134, 0, 0, 0, 64, 0, 7, 8].as_slice(), &[0; 8]].concat();
    let mut router: RouterAdvert =
        advert::read(&ra, ip("fe80::1"), me().mac, &mut faults).expect("an advertisement");
    assert_eq!(router.preference, Preference::Medium);
    let hop = |address: &str, routers: &[RouterAdvert]| next_hop(ip(address), routers).to_string();
    assert_eq!(hop("fe80::a9fe:a9fe", std::slice::from_ref(&router)), "fe80::a9fe:a9fe");
    assert_eq!(hop("fd00:ec2::254", std::slice::from_ref(&router)), "fe80::1");
    assert_eq!(hop("fd00:ec2::254", &[]), "fd00:ec2::254", "without a router everything is on the link");
    let (valid, preferred) = (Lifetime(60), Lifetime(60));
    let prefix = PrefixInfo {
        prefix: ip("fd00:ec2::"),
        length: 64,
        on_link: true,
        autonomous: false,
        valid,
        preferred,
    };
    router.prefixes.push(prefix);
    assert_eq!(hop("fd00:ec2::254", std::slice::from_ref(&router)), "fd00:ec2::254");
    router.prefixes.clear();
    router.lifetime = 0;
    assert_eq!(hop("fd00:ec2::254", &[router]), "fd00:ec2::254", "not a default router");
}

#[test]
fn bodies_are_text_where_they_are_and_meta_data_are_read() {
    let filled = |path: &str, body: &[u8]| {
        let mut faults = Faults::default();
        let mut document = Document {
            path: path.into(),
            status: Some(200),
            octets: body.len() as u64,
            ..Document::default()
        };
        fill(&mut document, body.to_vec(), &mut faults);
        (document, faults.0.len())
    };
    let (document, faults) = filled("/openstack/latest/meta_data.json", br#"{"uuid": "u", "x": [1]}"#);
    let instance = document.instance.expect("an instance");
    assert_eq!((instance.uuid.as_str(), instance.hostname, instance.public_keys.len()), ("u", None, 0));
    assert_eq!(faults, 0);
    for wrong in [&b"{}"[..], b"<html>", br#"{"uuid": "u", "public_keys": ["k"]}"#] {
        let (document, faults) = filled("/openstack/latest/meta_data.json", wrong);
        assert_eq!((document.instance, faults), (None, 1));
    }
    let (document, _) = filled("/user_data", "#!é".as_bytes());
    assert_eq!((document.text.as_deref(), document.data), (Some("#!é"), None));
    let (document, _) = filled("/user_data", &"#!é".as_bytes()[..3]);
    assert_eq!((document.text.as_deref(), document.data), (Some("#!"), None), "cut inside a character");
    let (document, _) = filled("/user_data", &[0x1f, 0x8b, 8]);
    assert_eq!((document.text, document.data.as_deref()), (None, Some("1f8b08")));
}
