//! TCP to a metadata service: who is let in, who is refused, and what is none of our business.

use frontdesk::answer::{Reason, Verdict};
use frontdesk::engine::Checksum;

use crate::world::{Guest, ROUTER, World, ip};

const SERVICE: &str = "fe80::a9fe:a9fe";
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

#[test]
fn tcp_008_a_known_guest_reaches_the_service_from_any_address_that_it_may_use() {
    let mut world = World::new();
    for source in ["fe80::f816:3eff:fe00:1", "fe80::1234", "2001:db8:1::11", "2001:db8:1::77"] {
        let guest = Guest::new(1).at(source);
        let (verdict, answer) = world.show(&guest, &guest.tcp(SERVICE, 80, SYN, 7, b""));
        assert_eq!((verdict, answer.len()), (Verdict::Metadata, 0), "{source}");
        let segment = world.engine.segment().expect("a segment for the guest's stack");
        assert_eq!((segment.mac.0, segment.vlan, segment.device), (guest.mac, 0, 1));
        assert_eq!((segment.source(), segment.destination()), (ip(source), ip(SERVICE)));
        assert_eq!(segment.message().len(), 20);
        assert!(world.engine.segment().is_none(), "once");
    }
    for source in [ROUTER, SERVICE, "2001:db8:88::1", "::"] {
        let guest = Guest::new(1).at(source);
        assert_eq!(world.refuse(&guest, &guest.tcp(SERVICE, 80, SYN, 7, b"")), Reason::BadSource, "{source}");
        assert!(world.engine.segment().is_none());
    }
}

#[test]
fn tcp_008_strangers_and_guests_on_the_wrong_tap_are_not_let_in() {
    let mut world = World::new();
    let stranger = Guest::new(0xee);
    assert_eq!(world.refuse(&stranger, &stranger.tcp(SERVICE, 80, SYN, 7, b"")), Reason::UnknownMac);
    let elsewhere = Guest::new(1);
    let elsewhere = Guest { vlan: 555, ..elsewhere };
    assert_eq!(world.refuse(&elsewhere, &elsewhere.tcp(SERVICE, 80, SYN, 7, b"")), Reason::UnknownMac);
    assert!(world.engine.segment().is_none());
}

#[test]
fn connections_to_others_are_passed_by() {
    let mut world = World::new();
    let guest = Guest::new(1);
    // The network's other addresses may be a real router's, which serves what it likes.
    for (destination, port) in [("2001:db8:99::1", 80), ("2001:db8:1::5", 80), ("fe80::5", 80), (ROUTER, 22)]
    {
        assert_eq!(world.show(&guest, &guest.tcp(destination, port, SYN, 7, b"")).0, Verdict::Pass);
    }
    let stranger = Guest::new(0xee);
    assert_eq!(world.show(&stranger, &stranger.tcp("2001:db8:99::1", 80, SYN, 7, b"")).0, Verdict::Pass);
    // On a network without the service.
    let guest = Guest { vlan: 101, ..Guest::new(0x11) };
    assert_eq!(world.show(&guest, &guest.tcp(SERVICE, 80, SYN, 7, b"")).0, Verdict::Pass);
}

/// RFC 9293 §3.10.7.1: with ACK, the reset has its number; without, it acknowledges all that the segment takes.
#[test]
fn tcp_004_a_segment_to_another_port_is_reset_and_a_reset_never_is() {
    let mut world = World::new();
    let guest = Guest::new(1);
    for (flags, data, numbers, reset) in [
        (SYN, b"".as_slice(), [0, 8], RST | ACK),
        (SYN, b"early", [0, 13], RST | ACK),
        (FIN, b"", [0, 8], RST | ACK),
        (0, b"abc", [0, 10], RST | ACK),
        (ACK, b"abc", [900, 0], RST),
        (SYN | ACK, b"", [900, 0], RST),
    ] {
        let answer = world.ask(&guest, &guest.tcp(SERVICE, 81, flags, 7, data));
        assert_eq!((answer.source, answer.ports), (ip(SERVICE), Some((81, 40_000))));
        let field = |at: usize| u32::from_be_bytes(answer.message[at..at + 4].try_into().expect("four"));
        assert_eq!(([field(4), field(8)], answer.message[13]), (numbers, reset), "{flags:#x} {data:?}");
        assert_eq!(answer.message.len(), 20);
    }
    for flags in [RST, RST | ACK] {
        assert_eq!(world.show(&guest, &guest.tcp(SERVICE, 81, flags, 7, b"")).0, Verdict::Pass);
    }
}

#[test]
fn damaged_segments_are_refused_and_partial_checksums_are_not() {
    let mut world = World::new();
    let guest = Guest::new(1);
    let mut frame = guest.tcp(SERVICE, 80, SYN, 7, b"");
    frame[54 + 7] ^= 1;
    assert_eq!(world.refuse(&guest, &frame), Reason::BadChecksum);
    assert_eq!(world.show_with(&guest, &frame, Checksum::Partial).0, Verdict::Metadata);
    let mut frame = guest.tcp(SERVICE, 80, SYN, 7, b"");
    frame[54 + 12] = 0xf0;
    let (verdict, _) = world.show_with(&guest, &frame, Checksum::Partial);
    assert_eq!(verdict, Verdict::Drop(Reason::BadTcp), "a header longer than its segment");
}
