//! Relayed DHCPv6 (RFC 9915 §9, §19; RFC 4649, 4994, 6939, 8357): who is believed, who the client is, the way back.

use std::net::Ipv6Addr;

use frontdesk::answer::{Reason, Verdict};
use frontdesk::types::{Instant, limits::MAX_FRAME};

use crate::world::{Answer, Dhcp, Guest, LEASES, World, client_id, ia_na, ia_pd, ip, message, option};

/// The relay agent: a router on another device, known by no port.
const RELAY: &str = "2001:db8:ffff::1";
const SERVER: &str = "2001:db8:ffff::547";
const LINK: &str = "2001:db8:1::1";
const CLIENT: &str = "fe80::f816:3eff:fe00:1";

const TRUSTED: &str = r#"
[relay]
devices = ["tap2"]
addresses = ["2001:db8:ffff::1", "fe80::1:1"]
server_addresses = ["2001:db8:ffff::547"]
server_mac = "fa:16:3e:00:05:47"
identify = ["client-link-layer", "remote-id", "interface-id", "peer-address"]
remote_id = { enterprise = 9, offset = 2, format = "binary" }
interface_ids = { "Gi1/0/7" = "fa:16:3e:00:00:01" }
"#;

fn world(relay: &str) -> World {
    World::with(&LEASES.replace("[networks.stateful]\n", &format!("{relay}\n[networks.stateful]\n")))
}

fn relay_agent() -> Guest {
    Guest::with_mac([0x02, 0, 0, 0, 0xaa, 1]).at(RELAY).on(2)
}

/// A Relay-forward: hop count, link, peer, its own options, and what it carries.
fn forward(hops: u8, link: &str, peer: &str, options: &[Vec<u8>], inner: &[u8]) -> Vec<u8> {
    let head = [&[12, hops], ip(link).octets().as_slice(), &ip(peer).octets()].concat();
    [head, options.concat(), option(9, inner)].concat()
}

fn link_layer() -> Vec<u8> {
    option(79, &[0, 1, 0xfa, 0x16, 0x3e, 0, 0, 1])
}

/// A Solicit for an address and a prefix from the client of port 01.
fn solicit() -> Vec<u8> {
    message(1, &[client_id(&Guest::new(1)), ia_na(0, &[]), ia_pd(0, &[])].concat())
}

fn ask(world: &mut World, payload: &[u8]) -> Answer {
    let agent = relay_agent();
    world.ask(&agent, &agent.udp(SERVER, 547, 547, payload))
}

fn refuse(world: &mut World, payload: &[u8]) -> Reason {
    let agent = relay_agent();
    world.refuse(&agent, &agent.udp(SERVER, 547, 547, payload))
}

/// IP-001: behind an uplink anybody can write any MAC, so a frame from there is never a guest's own.
/// RA-017: nor is a relays' device one that RAs are sent on.
#[test]
fn ip_001_nobody_is_a_guest_on_a_device_of_relays() {
    let mut world = world(TRUSTED);
    let guest = Guest::new(1).on(2);
    let asked = message(1, &[client_id(&guest), ia_na(1, &[])].concat());
    for frame in
        [guest.rs(), guest.udp("ff02::1:2", 546, 547, &asked), guest.icmp("fe80::1", 64, 128, 0, &[0; 8])]
    {
        assert_eq!(world.refuse(&guest, &frame), Reason::WrongDevice);
    }
    assert_eq!(world.refuse(&guest, &guest.ns(crate::world::ROUTER)), Reason::WrongDevice);
    world.ask(&guest.on(1), &guest.on(1).rs());
    // A client is not on the device that its relay's message came in on.
    ask(&mut world, &forward(0, LINK, CLIENT, &[link_layer()], &solicit()));
    let mut out = vec![0; MAX_FRAME];
    let sent = std::iter::from_fn(|| world.engine.timeout(Instant(u64::MAX >> 1), &mut out));
    let devices: std::collections::BTreeSet<u32> = sent.take(64).map(|(device, _)| device).collect();
    assert_eq!(devices, [1, 3].into(), "unsolicited ones go everywhere else");
}

/// A Relay-reply: hop count, link, peer, options in order, the message inside.
struct Level {
    hops: u8,
    link: Ipv6Addr,
    peer: Ipv6Addr,
    options: Vec<(u16, Vec<u8>)>,
    inner: Vec<u8>,
}

fn open(reply: &[u8]) -> Level {
    assert_eq!(reply[0], 13, "Relay-reply");
    let address = |at: usize| Ipv6Addr::from_octets(reply[at..at + 16].try_into().expect("an address"));
    let (mut options, mut inner, mut rest) = (Vec::new(), None, &reply[34..]);
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let (value, next) = tail.split_at(usize::from(u16::from_be_bytes([head[2], head[3]])));
        match u16::from_be_bytes([head[0], head[1]]) {
            9 => assert!(inner.replace(value.to_vec()).is_none(), "one Relay Message"),
            code => options.push((code, value.to_vec())),
        }
        rest = next;
    }
    let inner = inner.expect("a Relay Message");
    Level { hops: reply[1], link: address(2), peer: address(18), options, inner }
}

#[test]
fn rly_009_a_relayed_solicit_is_answered_like_a_direct_one_inside_a_relay_reply() {
    let mut world = world(TRUSTED);
    let answer = ask(&mut world, &forward(0, LINK, CLIENT, &[link_layer()], &solicit()));
    assert_eq!((answer.source, answer.destination), (ip(SERVER), ip(RELAY)), "RLY-016");
    assert_eq!(answer.source_mac, [0xfa, 0x16, 0x3e, 0, 5, 0x47]);
    assert_eq!(answer.ports, Some((547, 547)), "DHCP-004");
    let level = open(&answer.message);
    assert_eq!((level.hops, level.link, level.peer), (0, ip(LINK), ip(CLIENT)));
    assert!(level.options.is_empty(), "RLY-010: no Interface-Id, RLY-021: nothing else");
    let guest = Guest::new(1);
    let direct = world.ask(&guest, &guest.udp("ff02::1:2", 546, 547, &solicit()));
    assert_eq!(level.inner, direct.message, "RLY-017");
    assert_eq!(Dhcp::parse(&level.inner).addresses(), ["2001:db8:1::4"]);
}

/// DHCP-005: both groups, and our own address.
#[test]
fn rly_001_a_relay_forward_is_believed_only_from_trusted_devices_and_addresses() {
    let payload = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    let mut world = world(TRUSTED);
    let guest = Guest::new(1);
    assert_eq!(world.refuse(&guest, &guest.udp("ff02::1:2", 546, 547, &payload)), Reason::NotARelay);
    for agent in [relay_agent().on(1), relay_agent().at("2001:db8:ffff::2")] {
        let frame = agent.udp(SERVER, 547, 547, &payload);
        assert_eq!(world.refuse(&agent, &frame), Reason::UnknownMac);
    }
    let agent = relay_agent();
    assert_eq!(World::new().refuse(&agent, &agent.udp(SERVER, 547, 547, &payload)), Reason::UnknownMac);
    let elsewhere = agent.udp("2001:db8:ffff::9", 547, 547, &payload);
    assert_eq!(world.refuse(&agent, &elsewhere), Reason::BadDestination);
    for group in ["ff05::1:3", "ff02::1:2"] {
        world.ask(&agent, &agent.udp(group, 547, 547, &payload));
    }
    let mut broken = agent.udp(SERVER, 547, 547, &payload);
    broken[61] ^= 1;
    assert_eq!(world.refuse(&agent, &broken), Reason::BadChecksum);
}

/// BUG-004: neither 8 levels nor 32.
#[test]
fn rly_004_nine_levels_are_lawful_and_a_tenth_is_not() {
    let mut world = world(TRUSTED);
    let mut payload = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    for hops in 1..=8 {
        // RLY-006: hop counts are copied, whatever they are.
        payload = forward(hops * 3, "::", "fe80::2", &[option(18, &[hops])], &payload);
    }
    let answer = ask(&mut world, &payload);
    let mut inner = answer.message;
    for hops in (1..=8).rev() {
        let level = open(&inner);
        assert_eq!((level.hops, level.link, level.peer), (hops * 3, ip("::"), ip("fe80::2")), "RLY-009");
        assert_eq!(level.options, [(18, vec![hops])], "RLY-010: at its own level");
        inner = level.inner;
    }
    assert_eq!(
        Dhcp::parse(&open(&inner).inner).addresses(),
        ["2001:db8:1::4"],
        "RLY-007: the innermost link"
    );
    let tenth = forward(9, "::", "fe80::2", &[], &payload);
    assert_eq!(refuse(&mut world, &tenth), Reason::RelayTooDeep, "RLY-005");
}

/// DHCP-042.
#[test]
fn rly_002_what_is_no_relay_forward_is_discarded() {
    let mut world = world(TRUSTED);
    let whole = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    assert_eq!(refuse(&mut world, &whole[..34]), Reason::BadRelay, "no Relay Message");
    assert_eq!(refuse(&mut world, &whole[..30]), Reason::BadRelay, "DHCP-012");
    assert_eq!(refuse(&mut world, &whole[..whole.len() - 1]), Reason::BadRelay);
    let twice = [whole.clone(), option(9, &solicit())].concat();
    assert_eq!(refuse(&mut world, &twice), Reason::BadRelay);
    let empty = forward(0, LINK, CLIENT, &[link_layer()], &[]);
    assert_eq!(refuse(&mut world, &empty), Reason::BadDhcp);
}

#[test]
fn rly_003_and_rly_024_what_a_server_discards_is_discarded_inside_too() {
    let mut world = world(TRUSTED);
    let relayed = |inner: &[u8]| forward(0, LINK, CLIENT, &[link_layer()], inner);
    for kind in [2, 7, 10, 13] {
        assert_eq!(refuse(&mut world, &relayed(&message(kind, &[]))), Reason::RogueServer, "type {kind}");
    }
    assert_eq!(refuse(&mut world, &relayed(&message(99, &[]))), Reason::UnknownType);
    assert_eq!(refuse(&mut world, &relayed(&message(1, &ia_na(1, &[])))), Reason::BadClientId);
    // RLY-018: the unicast rule is for clients; and RLY-023, RLY-025: foreign options of a relay are ignored.
    let foreign = forward(
        0,
        LINK,
        CLIENT,
        &[link_layer(), client_id(&Guest::new(2)), option(66, &[0, 24, 0, 0]), option(17, &[0, 0, 0, 9])],
        &solicit(),
    );
    assert_eq!(open(&ask(&mut world, &foreign).message).options, [], "RLY-022");
}

/// RLY-008: a link-local one means nothing by itself. DHCP-082: nothing can be confirmed on a link that is not known.
#[test]
fn rly_007_the_link_must_be_one_of_the_table() {
    let mut world = world(TRUSTED);
    for link in ["::", "2001:db8:77::1", "fe80::1"] {
        let payload = forward(0, link, CLIENT, &[link_layer()], &solicit());
        assert_eq!(refuse(&mut world, &payload), Reason::RelayUnknownLink, "{link}");
        let confirm = message(4, &[client_id(&Guest::new(1)), ia_na(0, &["2001:db8:1::4"])].concat());
        let payload = forward(0, link, CLIENT, &[link_layer()], &confirm);
        assert_eq!(refuse(&mut world, &payload), Reason::RelayUnknownLink, "DHCP-082: {link}");
    }
    // A guest of another network is not found on this link.
    let other = option(79, &[0, 1, 0xfa, 0x16, 0x3e, 0, 0, 0x12]);
    assert_eq!(refuse(&mut world, &forward(0, LINK, CLIENT, &[other], &solicit())), Reason::UnknownMac);
}

/// ADR-009: hardware type 1 is Ethernet, others say nothing.
#[test]
fn rly_019_and_rly_020_the_client_is_told_in_the_operators_order() {
    let mut world = world(TRUSTED);
    let by = |options: &[Vec<u8>], peer: &str| forward(0, LINK, peer, options, &solicit());
    let addresses = |world: &mut World, payload: &[u8]| {
        Dhcp::parse(&open(&ask(world, payload).message).inner).addresses()
    };
    let remote =
        |enterprise: u8, mac: u8| option(37, &[0, 0, 0, enterprise, 0xee, 0xee, 0xfa, 0x16, 0x3e, 0, 0, mac]);
    let interface = option(18, b"Gi1/0/7");
    // Each alone, with a peer that is no EUI-64.
    assert_eq!(addresses(&mut world, &by(&[link_layer()], "fe80::9")), ["2001:db8:1::4"]);
    assert_eq!(addresses(&mut world, &by(&[remote(9, 3)], "fe80::9")), ["2001:db8:1::6"]);
    assert_eq!(addresses(&mut world, &by(std::slice::from_ref(&interface), "fe80::9")), ["2001:db8:1::4"]);
    assert_eq!(addresses(&mut world, &by(&[], "fe80::f816:3eff:fe00:3")), ["2001:db8:1::6"]);
    // The first that speaks counts.
    assert_eq!(addresses(&mut world, &by(&[remote(9, 3), link_layer()], CLIENT)), ["2001:db8:1::4"]);
    assert_eq!(addresses(&mut world, &by(&[interface, remote(9, 3)], CLIENT)), ["2001:db8:1::6"]);
    // Another enterprise, another hardware type and a short one say nothing.
    for nothing in [
        remote(8, 3),
        option(79, &[0, 6, 0xfa, 0x16, 0x3e, 0, 0, 3]),
        option(79, &[0, 1, 0xfa]),
        option(18, b"Gi1/0/8"),
    ] {
        assert_eq!(refuse(&mut world, &by(&[nothing], "fe80::9")), Reason::RelayUnidentified);
    }
    // The client's DUID is a claim like any other (DHCP-028).
    assert_eq!(refuse(&mut world, &by(&[], "fe80::9")), Reason::RelayUnidentified);
}

/// RLY-021: the forms in which switches write a MAC into text (Cisco's dots, Huawei's and Windows' hyphens, none), behind
/// what the operator says stands before it.
#[test]
fn rly_020_a_remote_id_may_hold_the_mac_as_text() {
    let text = "remote_id = { enterprise = 9, offset = 5, format = \"text\" }";
    let mut world =
        world(&TRUSTED.replace("remote_id = { enterprise = 9, offset = 2, format = \"binary\" }", text));
    let by = |id: &str| {
        let id = [&[0, 0, 0, 9], id.as_bytes()].concat();
        forward(0, LINK, "fe80::9", &[option(37, &id)], &solicit())
    };
    for mac in ["fa:16:3e:00:00:03", "FA-16-3E-00-00-03", "fa16.3e00.0003", "fa16-3e00-0003", "FA163E000003"]
    {
        let answer = ask(&mut world, &by(&format!("port-{mac}")));
        assert_eq!(Dhcp::parse(&open(&answer.message).inner).addresses(), ["2001:db8:1::6"], "{mac}");
    }
    for other in ["", "port-", "port-fa:16:3e:00:00:0", "port-fa:16:3e:00:00:0g", "port-xx", "po"] {
        assert_eq!(refuse(&mut world, &by(other)), Reason::RelayUnidentified, "{other:?}");
    }
}

/// ADR-005, ADR-007: layouts of DUID-LLT and DUID-LL.
#[test]
fn a_duid_ll_is_an_identity_only_where_the_operator_says_so() {
    let says_so = TRUSTED.replace("\"peer-address\"]", "\"duid-ll\"]");
    let mut world = world(&says_so);
    let by = |duid: &[u8]| {
        let inner = message(1, &[option(1, duid), ia_na(0, &[])].concat());
        forward(0, LINK, "fe80::9", &[], &inner)
    };
    let answer = ask(&mut world, &by(&[0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 1]));
    assert_eq!(Dhcp::parse(&open(&answer.message).inner).addresses(), ["2001:db8:1::4"]);
    assert_eq!(refuse(&mut world, &by(&[0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 0x99])), Reason::UnknownMac);
    let time = [0, 1, 0, 1, 1, 2, 3, 4, 0xfa, 0x16, 0x3e, 0, 0, 1];
    assert_eq!(refuse(&mut world, &by(&time)), Reason::RelayUnidentified, "a DUID-LLT is not stable");
}

#[test]
fn rly_010_an_empty_interface_id_is_copied() {
    let mut world = world(TRUSTED);
    let answer = ask(&mut world, &forward(0, LINK, CLIENT, &[option(18, &[]), link_layer()], &solicit()));
    assert_eq!(open(&answer.message).options, [(18, vec![])]);
}

#[test]
fn rly_012_the_echo_request_brings_back_what_the_relay_sent() {
    let mut world = world(TRUSTED);
    let echo = option(43, &[0, 37, 0, 18, 0xfd, 0xe8, 0, 38, 0, 9, 0, 43, 0, 37]);
    let options =
        [link_layer(), option(37, &[0, 0, 0, 1, 7]), option(18, b"x"), option(65000, b"kept"), echo.clone()];
    let answer = ask(&mut world, &forward(0, LINK, CLIENT, &options, &solicit()));
    let expected =
        [(18, b"x".to_vec()), (37, vec![0, 0, 0, 1, 7]), (65000, b"kept".to_vec()), (43, echo[4..].to_vec())];
    assert_eq!(open(&answer.message).options, expected, "RLY-013: 43 once, 9 never, 38 was not sent");
}

#[test]
fn rly_014_a_relay_on_another_port_is_answered_there() {
    let mut world = world(TRUSTED);
    let agent = relay_agent();
    let port = option(135, &[0x12, 0x34]);
    let payload = forward(0, LINK, CLIENT, &[link_layer(), port], &solicit());
    let answer = world.ask(&agent, &agent.udp(SERVER, 4660, 547, &payload));
    assert_eq!(answer.ports, Some((547, 4660)));
    assert_eq!(open(&answer.message).options, [(135, vec![0x12, 0x34])]);
    let plain = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    assert_eq!(world.ask(&agent, &agent.udp(SERVER, 4660, 547, &plain)).ports, Some((547, 547)), "RLY-015");
}

#[test]
fn pd_014_the_same_solicit_through_two_relays_gets_the_same_prefix() {
    let mut world = world(TRUSTED);
    let payload = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    let answers = [RELAY, "fe80::1:1"].map(|relay| {
        let agent = relay_agent().at(relay);
        world.ask(&agent, &agent.udp("ff05::1:3", 547, 547, &payload)).message
    });
    assert_eq!(answers[0], answers[1]);
    let [pd] = Dhcp::parse(&open(&answers[0]).inner).ia_pd().try_into().expect("one IA_PD");
    assert_eq!(pd.leases[0].0, "2001:db8:face:2ff2::/64");
}

#[test]
fn rly_016_a_relay_on_the_link_is_answered_from_our_link_local_address() {
    let mut world = world(TRUSTED);
    let agent = relay_agent().at("fe80::1:1");
    let payload = forward(0, LINK, CLIENT, &[link_layer()], &solicit());
    let answer = world.ask(&agent, &agent.udp("ff02::1:2", 547, 547, &payload));
    assert_eq!((answer.source, answer.destination), (ip("fe80::f816:3eff:fe00:547"), ip("fe80::1:1")));
}

#[test]
fn a_relay_finds_our_server_address_and_guests_do_not() {
    let mut world = world(TRUSTED);
    let agent = relay_agent();
    let answer = world.ask(&agent, &agent.ns(SERVER));
    assert_eq!((answer.source, answer.source_mac), (ip(SERVER), [0xfa, 0x16, 0x3e, 0, 5, 0x47]));
    assert_eq!(answer.message[4], 0x60, "ND-010: no router there; solicited and override");
    assert_eq!(answer.message[26..32], [0xfa, 0x16, 0x3e, 0, 5, 0x47]);
    let guest = Guest::new(1);
    assert_eq!(world.refuse(&guest, &guest.ns(SERVER)), Reason::NotOurAddress);
    assert!(matches!(world.show(&agent, &agent.ns("2001:db8:ffff::9")).0, Verdict::Drop(Reason::UnknownMac)));
}

/// ND-001: a relay's solicitation is judged as strictly as a guest's (RFC 4861 §7.1.1, RFC 6980 §5).
#[test]
fn nd_001_what_rfc_4861_discards_is_not_answered_to_a_relay_either() {
    let mut world = world(TRUSTED);
    let agent = relay_agent();
    let body = [&[0; 4], ip(SERVER).octets().as_slice()].concat();
    let group = "ff02::1:ff00:547";
    assert_eq!(world.refuse(&agent, &agent.icmp(group, 64, 135, 0, &body)), Reason::BadHopLimit);
    let nobody = Guest { address: Ipv6Addr::UNSPECIFIED, ..relay_agent() };
    let probe = world.ask(&nobody, &nobody.icmp(group, 255, 135, 0, &body));
    assert_eq!((probe.destination, probe.message[4]), (ip("ff02::1"), 0x20), "ND-012: it is ours");
    assert_eq!(world.refuse(&nobody, &nobody.icmp(SERVER, 255, 135, 0, &body)), Reason::BadNd, "to no group");
    assert_eq!(
        world.refuse(&nobody, &nobody.icmp("ff02::1", 255, 135, 0, &body)),
        Reason::BadNd,
        "to another"
    );
    let with_sllao = [body.as_slice(), &[1, 1], &agent.mac].concat();
    assert_eq!(world.refuse(&nobody, &nobody.icmp(group, 255, 135, 0, &with_sllao)), Reason::BadNd);
    let elsewhere = agent.icmp("2001:db8:ffff::9", 255, 135, 0, &body);
    assert_eq!(world.refuse(&agent, &elsewhere), Reason::BadDestination);
    let thief = relay_agent().at(SERVER);
    assert_eq!(world.refuse(&thief, &thief.ns(SERVER)), Reason::BadSource, "SEC-009: our own address");
}

#[test]
fn rly_026_an_answer_through_relays_stays_below_the_smallest_mtu() {
    let mut world = world(TRUSTED);
    let many: Vec<u8> = (0..20).flat_map(|iaid| ia_na(iaid, &[])).collect();
    let inner = message(1, &[client_id(&Guest::new(1)), many].concat());
    let fits = ask(&mut world, &forward(0, LINK, CLIENT, &[link_layer()], &inner));
    assert!(fits.octets.len() <= 1280 + 14);
    let long = option(18, &[7; 700]);
    let payload = forward(0, LINK, CLIENT, &[link_layer(), long], &inner);
    assert_eq!(refuse(&mut world, &payload), Reason::AnswerTooLong);
}
