//! Router Solicitation → Router Advertisement (RFC 4861 §6).

use frontdesk::answer::{AnswerKind, Reason, Verdict};
use frontdesk::engine::Checksum;

use crate::world::{Guest, LEASES, ROUTER, ROUTER_MAC, World, ip};

const STATEFUL: Guest =
    Guest { mac: [0xfa, 0x16, 0x3e, 0, 0, 1], address: std::net::Ipv6Addr::UNSPECIFIED, device: 1, vlan: 0 };

fn guest() -> Guest {
    Guest::new(1)
}

/// RA-010, DEV-004: at once. SEC-017, DEV-007: to the MAC that asked, which is looked up nowhere.
#[test]
fn ra_008_an_rs_is_answered_to_the_asker_alone() {
    let mut world = World::new();
    let answer = world.ask(&guest(), &guest().rs());
    assert_eq!(answer.source, ip(ROUTER));
    assert_eq!(answer.source_mac, ROUTER_MAC);
    assert_eq!(answer.destination, guest().address);
    assert_eq!(answer.destination_mac, guest().mac);
    assert_eq!(answer.message[..2], [134, 0], "RA-013: type 134, code 0");
}

#[test]
fn ra_008_an_rs_from_the_unspecified_address_is_answered_to_all_nodes_in_a_unicast_frame() {
    let mut world = World::new();
    let rs = STATEFUL.icmp("ff02::2", 255, 133, 0, &[0; 4]);
    let answer = world.ask(&STATEFUL, &rs);
    assert_eq!(answer.destination, ip("ff02::1"));
    assert_eq!(answer.destination_mac, STATEFUL.mac, "IP-017: RFC 6085, one receiver");
    let again = world.ask(&STATEFUL, &rs);
    assert_eq!(
        again.octets, answer.octets,
        "RA-007: nothing is kept; RA-011: one guest's answers are not counted"
    );
    let other = Guest::new(2);
    assert_eq!(world.ask(&other, &other.rs()).destination_mac, other.mac, "RA-007");
}

/// The whole RA of the stateful network, field by field from RFC 4861 §4.2, §4.6, RFC 4191, RFC 8106 and RFC 8910.
/// RA-015: an answer has all options.
/// RA-029, RA-030: M alone; RA-037, RA-038, RA-039: link-layer address, MTU, prefix; RA-051 to RA-053: DNS for 1800 s.
#[test]
fn ra_013_every_octet_of_a_stateful_ra() {
    let mut world = World::new();
    let answer = world.ask(&guest(), &guest().rs());
    let mut expected = vec![134, 0, answer.message[2], answer.message[3]];
    expected.extend([64, 0x80 | 0x08]); // hop limit; M, preference high (01)
    expected.extend(1800_u16.to_be_bytes());
    expected.extend([0; 8]); // reachable time, retrans timer
    expected.extend([1, 1, 0xfa, 0x16, 0x3e, 0x77, 0xe5, 0xa0]); // source link-layer address
    expected.extend([5, 1, 0, 0]);
    expected.extend(1450_u32.to_be_bytes());
    expected.extend([3, 4, 64, 0x80]); // prefix information: /64, L set, A clear (stateful)
    expected.extend(7200_u32.to_be_bytes());
    expected.extend(3600_u32.to_be_bytes());
    expected.extend([0; 4]);
    expected.extend(ip("2001:db8:1::").octets());
    expected.extend([25, 5, 0, 0]); // RDNSS: 1 + 2 × 2 units
    expected.extend(1800_u32.to_be_bytes());
    expected.extend(ip("2001:db8:cafe:a::e").octets());
    expected.extend(ip("2001:db8:cafe:a::f").octets());
    let names = b"\x0eopenstacklocal\x00\x07example\x03com\x00";
    expected.extend([31, 5, 0, 0]); // DNSSL: 8 + 29 octets, padded to 40
    expected.extend(1800_u32.to_be_bytes());
    expected.extend(names);
    expected.extend([0; 3]);
    let portal = b"https://portal.example.com/api";
    expected.extend([37, 4]); // 2 + 30 octets
    expected.extend(portal);
    assert_eq!(answer.message, expected);
}

#[test]
fn ra_034_the_modes_of_neutron_as_a_m_o() {
    let mut world = World::new();
    for (last, vlan, flags, prefix_flags) in
        [(0x01, 0, 0x80 | 0x08, 0x80), (0x11, 101, 0, 0xc0), (0x12, 102, 0x40, 0xc0), (0x14, 104, 0, 0xc0)]
    {
        let guest = Guest { vlan, ..Guest::new(last) };
        let answer = world.ask(&guest, &guest.rs());
        assert_eq!(answer.message[5], flags, "M, O and preference of VLAN {vlan}");
        let pio = answer.message[16..].chunks(8).find(|unit| unit[0] == 3).expect("a prefix");
        assert_eq!(pio[3], prefix_flags, "RA-035: L always, A but for stateful");
    }
}

#[test]
fn ra_017_a_network_advertised_elsewhere_gets_no_ra() {
    let guest = Guest { vlan: 103, ..Guest::new(0x13) };
    assert_eq!(World::new().refuse(&guest, &guest.rs()), Reason::NotAdvertising);
}

/// SEC-018.
#[test]
fn ra_001_what_rfc_4861_discards_is_not_answered() {
    let mut world = World::new();
    let g = guest();
    let sllao = [&[1, 1], g.mac.as_slice()].concat();
    let rs = |hops, code, options: &[u8]| g.icmp("ff02::2", hops, 133, code, &[&[0; 4], options].concat());
    assert_eq!(world.refuse(&g, &rs(254, 0, &sllao)), Reason::BadHopLimit);
    assert_eq!(world.refuse(&g, &rs(255, 1, &sllao)), Reason::BadNd);
    assert_eq!(world.refuse(&g, &rs(255, 0, &[1, 0, 0, 0, 0, 0, 0, 0])), Reason::BadNd, "a zero length");
    assert_eq!(
        world.refuse(&g, &rs(255, 0, &[1, 2, 0, 0, 0, 0, 0, 0])),
        Reason::BadNd,
        "RA-003: past the end"
    );
    assert_eq!(world.refuse(&g, &rs(255, 0, &[1])), Reason::BadNd, "RA-003: one trailing octet");
    let unspecified = STATEFUL.icmp("ff02::2", 255, 133, 0, &[&[0; 4], sllao.as_slice()].concat());
    assert_eq!(world.refuse(&STATEFUL, &unspecified), Reason::BadNd, "a link-layer address without a source");
    let mut wrong = g.rs();
    wrong[56] ^= 0xff;
    assert_eq!(world.refuse(&g, &wrong), Reason::BadChecksum);
    assert_eq!(world.refuse(&g, &wrong), Reason::BadChecksum);
    let mut short = g.rs();
    short.truncate(54 + 7);
    short[18..20].copy_from_slice(&7_u16.to_be_bytes());
    assert!(matches!(world.show_with(&g, &short, Checksum::Verified).0, Verdict::Drop(Reason::BadNd)));
}

/// BUG-007: without a source link-layer address as well.
#[test]
fn ra_002_reserved_bits_and_unknown_options_are_ignored() {
    let mut world = World::new();
    let g = guest();
    let body = [&[0xff; 4], [1, 1].as_slice(), &g.mac, &[14, 1, 9, 9, 9, 9, 9, 9], &[3, 1, 0, 0, 0, 0, 0, 0]]
        .concat();
    world.ask(&g, &g.icmp("ff02::2", 255, 133, 0, &body));
    let foreign_sllao = [&[0; 4], [250, 1, 0, 0, 0, 0, 0, 0].as_slice()].concat();
    world.ask(&g, &g.icmp("ff02::2", 255, 133, 0, &foreign_sllao));
    world.ask(&g, &g.icmp("ff02::2", 255, 133, 0, &[0; 4]));
}

#[test]
fn ra_004_and_sec_008_a_foreign_source_is_not_answered() {
    let mut world = World::new();
    for source in ["2001:db8:99::1", ROUTER, "fe80::a9fe:a9fe", "2001:db8:1::1", "::1"] {
        let g = guest().at(source);
        assert_eq!(world.refuse(&g, &g.rs()), Reason::BadSource, "{source}");
    }
    let g = guest().at("fe80::cd79:aa:4e1d:5dfc");
    assert_eq!(world.ask(&g, &g.rs()).destination, g.address, "a Windows link-local is random");
    let g = guest().at("2001:db8:1::4");
    world.ask(&g, &g.rs());
}

#[test]
fn ra_005_destinations_other_than_routers_and_us_are_dropped() {
    let mut world = World::new();
    let g = guest();
    for destination in ["ff02::2", "ff02::1", ROUTER] {
        world.ask(&g, &g.icmp(destination, 255, 133, 0, &[0; 4]));
    }
    for destination in ["ff02::1:2", "fe80::1", "2001:db8:1::9"] {
        assert_eq!(world.refuse(&g, &g.icmp(destination, 255, 133, 0, &[0; 4])), Reason::BadDestination);
    }
}

#[test]
fn ra_006_another_link_layer_address_is_spoofed() {
    let mut world = World::new();
    let g = guest();
    let other = [0, 0, 0, 0, 1, 1, 0xfa, 0x16, 0x3e, 0, 0, 2];
    assert_eq!(world.refuse(&g, &g.icmp("ff02::2", 255, 133, 0, &other)), Reason::SpoofedLinkLayer);
    let long = [&[0; 4], [1, 2].as_slice(), &[0; 14]].concat();
    assert_eq!(world.refuse(&g, &g.icmp("ff02::2", 255, 133, 0, &long)), Reason::SpoofedLinkLayer);
}

#[test]
fn ra_019_and_sec_001_an_ra_or_redirect_from_a_guest_is_counted_as_rogue() {
    let mut world = World::new();
    let g = guest();
    assert_eq!(world.refuse(&g, &g.icmp("ff02::1", 255, 134, 0, &[0; 12])), Reason::RogueRouter);
    assert_eq!(world.refuse(&g, &g.icmp("ff02::1", 255, 137, 0, &[0; 36])), Reason::RogueRouter);
}

#[test]
fn ra_041_there_is_no_prefix_for_link_local_addresses() {
    let source = LEASES.replace("2001:db8:2::/64", "fe80::/64");
    assert!(frontdesk::lease::load("l.toml", source.into_bytes()).is_err());
}

#[test]
fn an_answer_on_a_vlan_carries_its_tag() {
    let mut world = World::new();
    let guest = Guest { vlan: 101, ..Guest::new(0x11) };
    let answer = world.ask(&guest, &guest.rs());
    assert_eq!(answer.vlan, Some(101));
    let (verdict, _) = world.show(&guest, &guest.rs());
    assert!(matches!(verdict, Verdict::Answer { kind: AnswerKind::RouterAdvertisement, .. }));
}

/// A router that is nobody's default (lifetime 0) still has routes: RFC 4191 withdraws one of lifetime 0.
#[test]
fn ra_047_a_route_outlives_a_router_lifetime_of_zero() {
    let routes = "lifetime = 0 }\nroutes = [{ destination = \"2001:db8:f00::/48\" }]";
    let mut world = World::with(&LEASES.replace("lifetime = 1800, preference = \"high\" }", routes));
    let ra = world.ask(&guest(), &guest().rs()).message;
    assert_eq!(ra[6..8], [0, 0], "RA-033: no default route");
    let route = ra[16..].chunks(8).position(|unit| unit[0] == 24).expect("a route") * 8 + 16;
    assert_eq!(ra[route + 1..route + 4], [2, 48, 0]);
    assert_eq!(ra[route + 4..route + 8], 1800_u32.to_be_bytes(), "three times the longest pause");
}

/// RA-012: an answer leaves the timers of unsolicited RAs alone. SEC-016: a guest that asks a thousand times is
/// answered a thousand times, to itself, with the same octets.
/// RA-046: lifetimes do not count down.
#[test]
fn sec_016_a_thousand_solicitations_are_a_thousand_answers_and_change_nothing() {
    let mut world = World::new();
    let first = world.ask(&guest(), &guest().rs());
    let next = world.engine.next_timeout();
    for _ in 0..1000 {
        assert_eq!(world.ask(&guest(), &guest().rs()).octets, first.octets);
    }
    assert_eq!(world.engine.next_timeout(), next, "RA-012");
}

#[test]
fn ra_032_reachable_time_and_retrans_timer_are_milliseconds() {
    let timers = "lifetime = 1800, preference = \"high\", reachable_time = 30000, retrans_timer = 1000 }";
    let mut world = World::with(&LEASES.replace("lifetime = 1800, preference = \"high\" }", timers));
    let ra = world.ask(&guest(), &guest().rs()).message;
    assert_eq!(ra[8..16], [30000_u32.to_be_bytes(), 1000_u32.to_be_bytes()].concat());
}
