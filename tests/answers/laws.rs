//! Laws that hold for every frame, generated, mutated or random: no panic, and no answer that could hurt anybody.

use frontdesk::answer::{Reason, Verdict};
use frontdesk::engine::{Checksum, RxFrame};
use frontdesk::types::limits::MAX_FRAME;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::world::{
    Answer, Dhcp, Guest, ROUTER, ROUTER_MAC, World, client_id, ia_na, ia_pd, option, oro, server_id,
};

/// A frame of every exchange, to be mutated.
fn seeds() -> Vec<Vec<u8>> {
    let guest = Guest::new(2);
    let nobody = guest.at("::");
    let asked = oro(&[23, 24, 39, 56, 82, 83, 32]);
    let both =
        [ia_na(1, &["2001:db8:1::5", "2001:db8:99::1"]), ia_pd(9, &[("2001:db8:face:1::", 64)])].concat();
    let mut frames = vec![
        guest.rs(),
        nobody.icmp("ff02::2", 255, 133, 0, &[0; 4]),
        guest.ns(ROUTER),
        nobody.icmp(
            "ff02::1:ff77:e5a0",
            255,
            135,
            0,
            &[&[0; 4], ROUTER.parse::<std::net::Ipv6Addr>().unwrap().octets().as_slice()].concat(),
        ),
        guest.icmp(ROUTER, 64, 128, 0, &[5; 40]),
    ];
    for kind in [1, 3, 4, 5, 6, 8, 9, 11] {
        let server = if matches!(kind, 3 | 5 | 8 | 9) { server_id() } else { vec![] };
        let ias = if kind == 11 { vec![] } else { both.clone() };
        let rest = [ias, asked.clone(), option(39, &[1]), option(14, &[])].concat();
        frames.push(guest.dhcp(kind, &[client_id(&guest), server, rest].concat()));
    }
    frames
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(1)]).prop_map(|(i, b)| Mutation::Set(i, b)),
        2 => (any::<Index>(), 0..8_u8).prop_map(|(i, bit)| Mutation::Flip(i, bit)),
        1 => any::<Index>().prop_map(Mutation::Truncate),
        1 => (any::<Index>(), vec(any::<u8>(), 1..40)).prop_map(|(i, b)| Mutation::Insert(i, b)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Repeat(a, b)),
    ]
}

fn mutate(frame: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        if frame.is_empty() {
            return;
        }
        match mutation {
            Mutation::Set(at, octet) => *at.get_mut(frame) = *octet,
            Mutation::Flip(at, bit) => *at.get_mut(frame) ^= 1 << bit,
            Mutation::Truncate(at) => frame.truncate(at.index(frame.len())),
            Mutation::Insert(at, octets) => {
                let at = at.index(frame.len());
                frame.splice(at..at, octets.iter().copied());
            }
            Mutation::Repeat(a, b) => {
                let (a, b) = (a.index(frame.len()), b.index(frame.len()));
                let part = frame[a.min(b)..a.max(b)].to_vec();
                frame.extend(part);
            }
        }
    }
    frame.truncate(MAX_FRAME);
}

/// Makes IPv6 and UDP lengths true again, so that mutations reach the messages.
fn mend_lengths(frame: &mut [u8]) {
    if frame.len() > 62 && frame[12..14] == [0x86, 0xdd] {
        let payload = u16::try_from(frame.len() - 54).unwrap().to_be_bytes();
        frame[18..20].copy_from_slice(&payload);
        if frame[20] == 17 {
            frame[58..60].copy_from_slice(&payload);
        }
    }
}

/// Shows a frame twice and checks what must hold of any answer.
fn check(world: &mut World, frame: &[u8], checksum: Checksum) -> Result<(), TestCaseError> {
    let rx = |octets| RxFrame { device: 1, vlan: 0, checksum, length: frame.len(), octets };
    let (mut out, mut again) = (vec![0xa5; MAX_FRAME], vec![0x5a; MAX_FRAME]);
    let verdict = world.engine.frame(world.now, rx(frame), &mut out);
    prop_assert_eq!(
        verdict,
        world.engine.frame(world.now, rx(frame), &mut again),
        "same input, same verdict"
    );
    let Verdict::Answer { length, .. } = verdict else { return Ok(()) };
    out.truncate(length);
    prop_assert_eq!(&out, &again[..length], "same input, same octets");
    let answer = Answer::parse(&out);
    prop_assert_eq!(&answer.destination_mac, &frame[6..12], "to who asked");
    prop_assert_eq!(answer.destination_mac[0] & 1, 0, "never to a group");
    prop_assert_ne!(answer.destination_mac, ROUTER_MAC, "never to ourselves");
    prop_assert_eq!(answer.source_mac, ROUTER_MAC);
    prop_assert_eq!(answer.hop_limit, 255);
    prop_assert!(answer.octets.len() <= 1450 + 18, "never longer than the MTU");
    prop_assert!(!answer.source.is_multicast() && !answer.destination.is_unspecified());
    if answer.ports.is_some() {
        let reply = Dhcp::parse(&answer.message);
        prop_assert!(matches!(reply.kind(), 2 | 7));
        prop_assert!(reply.value(2).is_some(), "DHCP-048");
        for ia in reply.ia_na().iter().chain(&reply.ia_pd()) {
            prop_assert!(ia.t1 <= ia.t2, "DHCP-127");
            prop_assert!(ia.leases.iter().all(|(_, preferred, valid)| preferred <= valid), "DHCP-128");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_frames_never_hurt(which in any::<Index>(), mutations in vec(mutation(), 0..6), mend in any::<bool>()) {
        let mut world = World::quiet();
        let seeds = seeds();
        let mut frame = which.get(&seeds).clone();
        mutate(&mut frame, &mutations);
        if mend {
            mend_lengths(&mut frame);
        }
        check(&mut world, &frame, Checksum::Verified)?;
        check(&mut world, &frame, Checksum::Unknown)?;
    }

    #[test]
    fn random_options_behind_a_valid_header_never_hurt(kind in 0..40_u8, options in vec((0..90_u16, vec(any::<u8>(), 0..60)), 0..12)) {
        let mut world = World::quiet();
        let guest = Guest::new(2);
        let body: Vec<u8> = options.iter().flat_map(|(code, value)| option(*code, value)).collect();
        check(&mut world, &guest.dhcp(kind, &[client_id(&guest), body].concat()), Checksum::Unknown)?;
    }

    #[test]
    fn random_octets_never_hurt(frame in vec(any::<u8>(), 0..300)) {
        check(&mut World::quiet(), &frame, Checksum::Verified)?;
    }

    #[test]
    fn an_unknown_mac_is_never_answered(which in any::<Index>(), mac in any::<[u8; 6]>()) {
        prop_assume!(mac[..5] != [0xfa, 0x16, 0x3e, 0, 0]);
        let mut world = World::quiet();
        let mut frame = which.get(&seeds()).clone();
        frame[6..12].copy_from_slice(&mac);
        let rx = RxFrame { device: 1, vlan: 0, checksum: Checksum::Verified, length: frame.len(), octets: &frame };
        let verdict = world.engine.frame(world.now, rx, &mut vec![0; MAX_FRAME]);
        prop_assert!(matches!(verdict, Verdict::Drop(Reason::UnknownMac | Reason::BadSourceMac)), "{:?}", verdict);
    }

    /// The byte pre-test has no false negatives: what it passes by would not have been answered without it.
    #[test]
    fn the_pre_test_never_rejects_what_would_be_answered(which in any::<Index>(), mutations in vec(mutation(), 0..3)) {
        let mut frame = which.get(&seeds()).clone();
        mutate(&mut frame, &mutations);
        if !frontdesk::wire::frame::may_be_ours(&frame) {
            use frontdesk::wire::frame::Frame;
            if let Ok(parsed) = Frame::parse(&frame, 0, frame.len()) {
                let first = parsed.message.first().copied();
                let nd = parsed.next_header == 58 && matches!(first, Some(128 | 133..=137));
                let port = parsed.message.get(2..4);
                let dhcp = parsed.next_header == 17 && matches!(port, Some([0x02, 0x22 | 0x23]));
                prop_assert!(!nd && !dhcp);
            }
        }
    }
}

/// People filter logs and counters by these names, and `explain` prints the sentence behind them.
#[test]
fn every_reason_has_a_name_of_its_own_and_a_sentence() {
    let mut names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    for (name, sentence) in names.iter().zip(Reason::ALL.iter().map(|reason| reason.remark())) {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
        assert!(sentence.len() > 15 && sentence.ends_with('.'), "{name}: {sentence}");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Reason::ALL.len());
}
