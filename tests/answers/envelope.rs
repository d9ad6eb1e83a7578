//! The envelope of frames: Ethernet, VLAN, IPv6, extension headers, UDP (RFC 8200, RFC 6980).

use frontdesk::answer::{Reason, Verdict};
use frontdesk::engine::{Checksum, RxFrame};

use crate::world::{Guest, ROUTER, World, client_id, ia_na};

fn guest() -> Guest {
    Guest::new(1)
}

/// Puts extension headers between IPv6 header and upper layer; the first octet of each names the next.
fn with_headers(frame: &[u8], first: u8, headers: &[u8]) -> Vec<u8> {
    let (before, after) = frame.split_at(54);
    let mut out = [before, headers, after].concat();
    out[20] = first;
    let length = u16::try_from(out.len() - 54).unwrap();
    out[18..20].copy_from_slice(&length.to_be_bytes());
    out
}

fn solicit() -> Vec<u8> {
    guest().dhcp(1, &[client_id(&guest()), ia_na(1, &[])].concat())
}

#[test]
fn ip_014_options_headers_before_nd_and_dhcpv6_are_legal() {
    let mut world = World::new();
    let padn = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    world.ask(&guest(), &with_headers(&guest().rs(), 0, &padn(58)));
    world.ask(&guest(), &with_headers(&guest().rs(), 60, &padn(58)));
    world.ask(&guest(), &with_headers(&solicit(), 0, &padn(17)));
    world.ask(&guest(), &with_headers(&solicit(), 0, &[padn(60), padn(17)].concat()));
}

/// SEC-013.
#[test]
fn ip_009_nd_behind_a_fragment_header_is_ignored_even_when_atomic() {
    let mut world = World::new();
    let atomic = [58, 0, 0, 0, 0, 0, 0, 9];
    assert_eq!(world.refuse(&guest(), &with_headers(&guest().rs(), 44, &atomic)), Reason::Fragment);
    assert_eq!(world.refuse(&guest(), &with_headers(&guest().ns(ROUTER), 44, &atomic)), Reason::Fragment);
}

#[test]
fn ip_011_an_atomic_fragment_with_dhcpv6_is_a_whole_packet() {
    World::new().ask(&guest(), &with_headers(&solicit(), 44, &[17, 0, 0, 0, 0, 0, 0, 9]));
}

/// DEV-005.
#[test]
fn ip_012_a_real_fragment_is_dropped_and_counted() {
    let mut world = World::new();
    for offset_and_more in [[0, 1], [0, 8], [0xff, 0xf8]] {
        let header = [17, 0, offset_and_more[0], offset_and_more[1], 0, 0, 0, 9];
        assert_eq!(world.refuse(&guest(), &with_headers(&solicit(), 44, &header)), Reason::Fragment);
    }
}

/// SEC-002.
#[test]
fn ip_013_broken_long_and_misordered_chains_are_dropped() {
    let mut world = World::new();
    let rs = guest().rs();
    let padn = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(
        world.refuse(&guest(), &with_headers(&rs, 0, &[58, 200, 1, 4, 0, 0, 0, 0])),
        Reason::BadExtensionHeader
    );
    let late_hop_by_hop = [padn(0), padn(58)].concat();
    assert_eq!(world.refuse(&guest(), &with_headers(&rs, 60, &late_hop_by_hop)), Reason::BadExtensionHeader);
    let mut many: Vec<u8> = (0..8).flat_map(|_| padn(60)).collect();
    many.extend(padn(58));
    assert_eq!(world.refuse(&guest(), &with_headers(&rs, 60, &many)), Reason::BadExtensionHeader);
    let routing = [58, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(
        world.refuse(&guest(), &with_headers(&rs, 43, &routing)),
        Reason::BadExtensionHeader,
        "SEC-014"
    );
    let mut chain_ends = with_headers(&rs, 60, &padn(58));
    chain_ends.truncate(54 + 8);
    chain_ends[18..20].copy_from_slice(&8_u16.to_be_bytes());
    assert!(matches!(world.show(&guest(), &chain_ends).0, Verdict::Pass | Verdict::Drop(_)));
}

/// IP-004: octets behind the payload are no options of the solicitation: ee would be one of length 0xee.
#[test]
fn ip_003_padding_is_ignored_and_a_payload_longer_than_the_frame_is_dropped() {
    let mut world = World::new();
    let mut padded = guest().rs();
    padded.extend([0xee; 40]);
    world.ask(&guest(), &padded);
    let mut short = guest().rs();
    short.truncate(short.len() - 1);
    assert_eq!(world.refuse(&guest(), &short), Reason::Truncated);
    let mut version = guest().rs();
    version[14] = 0x45;
    assert_eq!(world.refuse(&guest(), &version), Reason::BadIpv6);
    let mut jumbo = guest().rs();
    jumbo[18..20].copy_from_slice(&[0, 0]);
    assert_eq!(world.refuse(&guest(), &jumbo), Reason::BadIpv6, "IP-008");
}

#[test]
fn ip_002_group_and_zero_sources_are_dropped() {
    let mut world = World::new();
    for mac in [[0x33, 0x33, 0, 0, 0, 1], [0xff; 6], [0; 6]] {
        let g = Guest { mac, ..guest() };
        assert_eq!(world.refuse(&g, &g.rs()), Reason::BadSourceMac, "{mac:x?}");
    }
    let g = guest().at("ff02::1");
    assert_eq!(world.refuse(&g, &g.rs()), Reason::BadIpv6);
}

#[test]
fn ip_006_udp_without_a_checksum_is_dropped() {
    let mut frame = solicit();
    frame[60..62].copy_from_slice(&[0, 0]);
    let mut world = World::new();
    assert_eq!(world.refuse(&guest(), &frame), Reason::BadChecksum);
    let (verdict, _) = world.show_with(&guest(), &frame, Checksum::Partial);
    assert_eq!(verdict, Verdict::Drop(Reason::BadChecksum));
}

#[test]
fn ip_007_a_udp_length_that_is_not_the_packets_is_dropped() {
    let mut world = World::new();
    for length in [0_u16, 7, 8, 0xffff] {
        let mut frame = solicit();
        frame[58..60].copy_from_slice(&length.to_be_bytes());
        assert_eq!(world.refuse(&guest(), &frame), Reason::BadUdp, "{length}");
    }
}

/// A checksum that only sums the pseudo-header is right for a frame from a local kernel and wrong from a wire.
#[test]
fn a_partial_checksum_is_accepted_only_when_the_port_says_so() {
    let mut world = World::new();
    for frame in [guest().rs(), solicit()] {
        let field = if frame[20] == 17 { 60 } else { 56 };
        let mut partial = frame;
        partial[field..field + 2].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(world.refuse(&guest(), &partial), Reason::BadChecksum);
        for known in [Checksum::Partial, Checksum::Verified] {
            assert!(matches!(world.show_with(&guest(), &partial, known).0, Verdict::Answer { .. }));
        }
    }
}

fn tagged(frame: &[u8], ethertype: [u8; 2], vlan: u16) -> Vec<u8> {
    [&frame[..12], &ethertype, &vlan.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn a_tag_inside_the_octets_counts_like_one_from_the_kernel() {
    let mut world = World::new();
    let g = Guest::new(0x11);
    let answer = world.ask(&g, &tagged(&g.rs(), [0x81, 0], 101));
    assert_eq!(answer.vlan, Some(101));
    let with_priority = tagged(&g.rs(), [0x81, 0], 0xe000 | 101);
    assert_eq!(world.ask(&g, &with_priority).vlan, Some(101));
    let priority_only = tagged(&guest().rs(), [0x81, 0], 0xe000);
    assert_eq!(world.ask(&guest(), &priority_only).vlan, None, "VID 0 is untagged");
    // A kernel takes the outer of two tags out and does not tell of a VID 0; replayed, both are there.
    let priority_outside = tagged(&tagged(&g.rs(), [0x81, 0], 101), [0x81, 0], 0xe000);
    assert_eq!(world.ask(&g, &priority_outside).vlan, Some(101));
}

#[test]
fn sec_015_stacked_and_foreign_tags_are_dropped() {
    let mut world = World::new();
    let g = Guest::new(0x11);
    let inner = tagged(&g.rs(), [0x81, 0], 101);
    assert_eq!(world.refuse(&g, &tagged(&inner, [0x81, 0], 5)), Reason::StackedVlan);
    assert_eq!(world.refuse(&g, &tagged(&inner, [0x88, 0xa8], 5)), Reason::ForeignTag);
    assert_eq!(world.refuse(&g, &tagged(&g.rs(), [0x88, 0xa8], 101)), Reason::ForeignTag);
    let three = tagged(&tagged(&inner, [0x81, 0], 0), [0x81, 0], 0);
    assert_eq!(world.refuse(&g, &three), Reason::StackedVlan);
    assert_eq!(world.refuse(&Guest { vlan: 7, ..g }, &inner), Reason::StackedVlan, "one outside, one inside");
    assert_eq!(
        world.refuse(&g, &tagged(&g.rs(), [0x81, 0], 102)),
        Reason::UnknownMac,
        "known on VLAN 101 only"
    );
}

#[test]
fn a_frame_that_the_capture_cut_or_that_is_too_long_is_dropped() {
    let mut world = World::new();
    let frame = guest().rs();
    let mut out = [0; 2048];
    let rx = RxFrame { device: 1, vlan: 0, checksum: Checksum::Unknown, length: 9000, octets: &frame };
    assert_eq!(world.engine.frame(world.now, rx, &mut out), Verdict::Drop(Reason::Oversized));
}

#[test]
fn what_is_not_ours_is_passed_by() {
    let mut world = World::new();
    let g = guest();
    let mut ipv4 = g.rs();
    ipv4[12..14].copy_from_slice(&[8, 0]);
    let foreign = [ipv4, g.udp("2001:db8::1", 5353, 53, b"x"), vec![], vec![0; 13], vec![0; 60]];
    for frame in foreign {
        assert_eq!(world.show(&g, &frame).0, Verdict::Pass);
    }
}
