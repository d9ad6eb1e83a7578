//! Echo requests to our own addresses (RFC 4443 §4).

use frontdesk::answer::Reason;

use crate::world::{Guest, ROUTER, World, ip};

#[test]
fn ip_021_identifier_sequence_and_data_come_back_from_the_address_that_was_asked() {
    let mut world = World::new();
    let guest = Guest::new(1);
    for target in [ROUTER, "fe80::a9fe:a9fe", "2001:db8:1::1"] {
        let body = [&[0x12, 0x34, 0x00, 0x07], b"abcdefgh\xff".as_slice()].concat();
        let answer = world.ask(&guest, &guest.icmp(target, 64, 128, 0, &body));
        assert_eq!(answer.source, ip(target));
        assert_eq!(answer.message[..2], [129, 0]);
        assert_eq!(answer.message[4..], body);
    }
}

#[test]
fn ip_021_an_empty_and_a_largest_echo_are_answered_and_a_larger_one_is_not() {
    let mut world = World::new();
    let guest = Guest::new(1);
    let ping = |octets: usize| guest.icmp(ROUTER, 64, 128, 0, &vec![7; 4 + octets]);
    assert_eq!(world.ask(&guest, &ping(0)).message.len(), 8);
    assert_eq!(world.ask(&guest, &ping(1232)).message.len(), 1240);
    assert_eq!(world.refuse(&guest, &ping(1233)), Reason::EchoTooLong);
}

#[test]
fn ip_022_nothing_is_sent_for_what_is_not_ours() {
    let mut world = World::new();
    let guest = Guest::new(1);
    for target in ["2001:db8:1::5", "ff02::1", "ff02::2", "fe80::9"] {
        assert_eq!(world.refuse(&guest, &guest.icmp(target, 64, 128, 0, &[0; 4])), Reason::NotOurAddress);
    }
    assert_eq!(world.refuse(&guest, &guest.icmp(ROUTER, 64, 128, 3, &[0; 4])), Reason::BadIcmp);
    for source in ["::", "2001:db8:88::1", ROUTER] {
        let g = guest.at(source);
        assert_eq!(world.refuse(&g, &g.icmp(ROUTER, 64, 128, 0, &[0; 4])), Reason::BadSource, "{source}");
    }
    let reply = guest.icmp(ROUTER, 64, 129, 0, &[0; 4]);
    assert_eq!(world.show(&guest, &reply).0, frontdesk::answer::Verdict::Pass);
}
