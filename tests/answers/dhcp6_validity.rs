//! The validity of messages (RFC 9915 §16, §18.3): what is answered at all.

use frontdesk::answer::{Reason, Verdict};

use crate::world::{Dhcp, Guest, SERVER_ID, World, client_id, ia_na, ia_pd, message, option, oro, server_id};

const SOLICIT: u8 = 1;
const REQUEST: u8 = 3;
const CONFIRM: u8 = 4;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const RELEASE: u8 = 8;
const DECLINE: u8 = 9;
const INFORMATION_REQUEST: u8 = 11;

fn guest() -> Guest {
    Guest::new(1)
}

/// DHCP-034 to DHCP-041: every cell of the table of RFC 9915 §16.
/// DHCP-022, DHCP-170: what is invalid gets silence, not UnspecFail. DHCP-046: none of them has Elapsed Time or ORO.
#[test]
fn dhcp_034_to_041_the_validity_table() {
    let mut world = World::new();
    let ours = server_id();
    let other = option(2, &[0, 3, 0, 1, 1, 2, 3, 4, 5, 6]);
    // Message, is a client id required, is a server id required (Some) or forbidden (None)?
    let rows = [
        (SOLICIT, true, false),
        (REQUEST, true, true),
        (CONFIRM, true, false),
        (RENEW, true, true),
        (REBIND, true, false),
        (RELEASE, true, true),
        (DECLINE, true, true),
    ];
    for (kind, _, needs_server) in rows {
        let client = client_id(&guest());
        let ia = ia_na(1, &["2001:db8:1::4"]);
        let good = if needs_server {
            [client.clone(), ours.clone(), ia.clone()].concat()
        } else {
            [client.clone(), ia.clone()].concat()
        };
        world.ask(&guest(), &guest().dhcp(kind, &good));
        let without_client = if needs_server { vec![ours.clone(), ia.clone()] } else { vec![ia.clone()] };
        assert_eq!(world.no_dhcp(&guest(), kind, &without_client), Reason::BadClientId, "type {kind}");
        let wrong_server = [client.clone(), other.clone(), ia.clone()];
        if needs_server {
            let without_server = [client.clone(), ia.clone()];
            assert_eq!(world.no_dhcp(&guest(), kind, &without_server), Reason::BadServerId, "type {kind}");
            // DHCP-044, DHCP-185: silence, not an error.
            assert_eq!(world.no_dhcp(&guest(), kind, &wrong_server), Reason::OtherServer, "type {kind}");
        } else {
            // DHCP-045: even when it is ours.
            let with_server = [client.clone(), ours.clone(), ia.clone()];
            assert_eq!(world.no_dhcp(&guest(), kind, &with_server), Reason::BadServerId, "type {kind}");
            assert_eq!(world.no_dhcp(&guest(), kind, &wrong_server), Reason::BadServerId, "type {kind}");
        }
    }
}

#[test]
fn dhcp_041_information_request_needs_no_identifiers_but_not_another_server() {
    let mut world = World::new();
    for options in
        [vec![], vec![client_id(&guest())], vec![server_id()], vec![client_id(&guest()), server_id()]]
    {
        world.dhcp(&guest(), INFORMATION_REQUEST, &options);
    }
    let other = option(2, &[0, 3, 0, 1, 1, 2, 3, 4, 5, 6]);
    assert_eq!(world.no_dhcp(&guest(), INFORMATION_REQUEST, &[other]), Reason::OtherServer, "DHCP-118");
}

#[test]
fn dhcp_117_information_request_with_any_ia_is_discarded() {
    let mut world = World::new();
    for ia in [ia_na(1, &[]), ia_pd(1, &[]), option(4, &[0, 0, 0, 1])] {
        let options = [client_id(&guest()), ia];
        assert_eq!(world.no_dhcp(&guest(), INFORMATION_REQUEST, &options), Reason::UnexpectedIa, "DHCP-200");
    }
}

/// DHCP-005: ff05::1:3 is for relays. BIS-003.
#[test]
fn dhcp_006_client_messages_to_unicast_are_silently_dropped() {
    let mut world = World::new();
    let g = guest();
    for kind in [SOLICIT, REQUEST, CONFIRM, RENEW, REBIND, RELEASE, DECLINE, INFORMATION_REQUEST] {
        let payload = message(kind, &[client_id(&g), ia_na(1, &[])].concat());
        let frame = g.udp(crate::world::ROUTER, 546, 547, &payload);
        assert_eq!(world.refuse(&g, &frame), Reason::UnicastDestination, "DHCP-007: type {kind}");
    }
    let elsewhere = g.udp("ff05::1:3", 546, 547, &message(SOLICIT, &client_id(&g)));
    assert_eq!(world.refuse(&g, &elsewhere), Reason::BadDestination);
}

/// IP-016: only the IPv6 destination counts, not the Ethernet one.
#[test]
fn ip_016_the_ethernet_destination_is_not_tested() {
    let mut frame = guest().dhcp(SOLICIT, &[client_id(&guest()), ia_na(1, &[])].concat());
    frame[..6].copy_from_slice(&crate::world::ROUTER_MAC);
    World::new().ask(&guest(), &frame);
}

/// DHCP-009; ADR-003, ADR-004: an identifier that nobody could foretell is known by its MAC.
#[test]
fn dhcp_010_a_source_that_is_not_link_local_is_dropped() {
    let mut world = World::new();
    for source in ["::", "2001:db8:1::4", "fe80::a9fe:a9fe", crate::world::ROUTER] {
        let g = guest().at(source);
        assert_eq!(
            world.no_dhcp(&g, SOLICIT, &[client_id(&g), ia_na(1, &[])]),
            Reason::BadSource,
            "{source}"
        );
    }
    let random = guest().at("fe80::cd79:aa:4e1d:5dfc");
    assert_eq!(
        world.dhcp(&random, SOLICIT, &[client_id(&random), ia_na(1, &[])]).addresses(),
        ["2001:db8:1::4"]
    );
}

/// BIS-005, BIS-006; SEC-017: to who asked, by unicast.
#[test]
fn dhcp_002_the_answer_goes_to_port_546_whatever_the_clients_port() {
    let g = guest();
    let payload = message(SOLICIT, &[client_id(&g), ia_na(1, &[])].concat());
    let answer = World::new().ask(&g, &g.udp("ff02::1:2", 50000, 547, &payload));
    assert_eq!(answer.ports, Some((547, 546)), "DHCP-003");
    assert_eq!(answer.destination, g.address, "DHCP-008");
    assert_eq!(answer.source, crate::world::ip(crate::world::ROUTER), "DHCP-011");
}

#[test]
fn dhcp_023_server_messages_and_relayed_ones_are_discarded() {
    let mut world = World::new();
    for kind in [2, 7, 10, 13] {
        assert_eq!(world.no_dhcp(&guest(), kind, &[client_id(&guest())]), Reason::RogueServer, "type {kind}");
    }
    assert_eq!(world.no_dhcp(&guest(), 12, &[vec![0; 30]]), Reason::NotARelay, "RLY-001, SEC-005");
    let g = guest();
    let to_client = g.udp("ff02::1", 547, 546, &message(7, &client_id(&g)));
    assert_eq!(world.refuse(&g, &to_client), Reason::RogueServer, "SEC-003");
    let any_port = g.udp("fe80::1", 9999, 546, &message(2, &client_id(&g)));
    assert_eq!(world.refuse(&g, &any_port), Reason::RogueServer, "SEC-003: source ports are free");
}

#[test]
fn dhcp_020_unknown_message_types_are_discarded() {
    let mut world = World::new();
    for kind in [0, 14, 20, 35, 37, 100, 255] {
        assert_eq!(world.no_dhcp(&guest(), kind, &[client_id(&guest())]), Reason::UnknownType, "type {kind}");
    }
}

#[test]
fn dhcp_012_a_message_shorter_than_its_header_is_discarded() {
    let mut world = World::new();
    let g = guest();
    for payload in [&[][..], &[1], &[1, 2, 3]] {
        assert_eq!(world.refuse(&g, &g.udp("ff02::1:2", 546, 547, payload)), Reason::BadDhcp);
    }
}

#[test]
fn dhcp_014_an_option_that_crosses_the_end_spoils_the_message() {
    let mut world = World::new();
    let client = client_id(&guest());
    let broken = [vec![0, 6, 0, 9, 0, 23], vec![0], vec![0, 8, 0], vec![0, 99, 0xff, 0xff]];
    for tail in broken {
        assert_eq!(world.no_dhcp(&guest(), SOLICIT, &[client.clone(), tail]), Reason::BadDhcp);
    }
    // Nested: an IAADDR that runs past its IA_NA although the message goes on.
    let inner = [&[0, 5, 0, 30], [0; 24].as_slice()].concat();
    let ia = option(3, &[[0; 12].as_slice(), &inner].concat());
    assert_eq!(world.no_dhcp(&guest(), SOLICIT, &[client.clone(), ia, oro(&[23, 24, 25])]), Reason::BadDhcp);
    // And an option inside an IAADDR.
    let address = option(5, &[[0; 24].as_slice(), &[0, 13, 0, 9, 0, 0]].concat());
    let ia = option(3, &[[0; 12].as_slice(), &address].concat());
    assert_eq!(world.no_dhcp(&guest(), SOLICIT, &[client, ia]), Reason::BadDhcp);
}

#[test]
fn dhcp_016_short_ia_options_spoil_the_message_and_other_short_options_are_ignored() {
    let mut world = World::new();
    let client = client_id(&guest());
    let short = [
        option(3, &[0; 11]),
        option(25, &[0; 11]),
        option(3, &[[0; 12].as_slice(), &option(5, &[0; 23])].concat()),
        option(25, &[[0; 12].as_slice(), &option(26, &[0; 24])].concat()),
    ];
    for ia in short {
        assert_eq!(world.no_dhcp(&guest(), SOLICIT, &[client.clone(), ia]), Reason::BadDhcp, "DHCP-015");
    }
    // Elapsed Time of 4 octets, an odd ORO, a Status Code of 1, a Vendor Class of 2, Rapid Commit of 1.
    for odd in
        [option(8, &[0; 4]), option(6, &[0, 23, 0]), option(13, &[0]), option(16, &[0; 2]), option(14, &[1])]
    {
        let reply = world.dhcp(&guest(), SOLICIT, &[client.clone(), ia_na(1, &[]), odd]);
        assert_eq!(reply.kind(), 2);
        assert_eq!(reply.value(23), None, "an odd ORO asks for nothing");
    }
}

#[test]
fn dhcp_018_two_identifiers_of_a_kind_are_discarded() {
    let mut world = World::new();
    let client = client_id(&guest());
    let twice = [client.clone(), client.clone(), ia_na(1, &[])];
    assert_eq!(world.no_dhcp(&guest(), SOLICIT, &twice), Reason::BadClientId, "DHCP-017");
    let servers = [client, server_id(), server_id(), ia_na(1, &[])];
    assert_eq!(world.no_dhcp(&guest(), REQUEST, &servers), Reason::BadServerId);
}

#[test]
fn dhcp_027_a_duid_of_illegal_length_is_discarded() {
    let mut world = World::new();
    for length in [0, 1, 2, 131, 200] {
        let options = [option(1, &vec![9; length]), ia_na(1, &[])];
        assert_eq!(world.no_dhcp(&guest(), SOLICIT, &options), Reason::BadClientId, "{length} octets");
    }
    for length in [3, 130] {
        let options = [option(1, &vec![9; length]), ia_na(1, &[])];
        assert_eq!(world.dhcp(&guest(), SOLICIT, &options).value(1), Some(vec![9; length].as_slice()));
    }
}

#[test]
fn dhcp_033_our_own_duid_as_client_id_is_a_loop() {
    let options = [option(1, &SERVER_ID), ia_na(1, &[])];
    assert_eq!(World::new().no_dhcp(&guest(), SOLICIT, &options), Reason::BadClientId);
}

/// DHCP-070: without Reconfigure Accept as well.
#[test]
fn dhcp_019_unknown_options_and_dhcp_046_missing_ones_are_no_reason_to_discard() {
    let mut world = World::new();
    let unknown = [
        option(65000, &[1, 2, 3]),
        option(17, &[0, 0, 0xde, 0xad, 0, 1, 0, 0]),
        option(20, &[]),
        option(12, &[0; 16]),
    ];
    let options = [client_id(&guest()), unknown.concat(), ia_na(1, &[])];
    let reply = world.dhcp(&guest(), SOLICIT, &options);
    assert_eq!(reply.addresses(), ["2001:db8:1::4"]);
    for never in [12, 20, 11, 65000, 17] {
        assert_eq!(reply.value(never), None, "DHCP-069, DHCP-150, DHCP-152");
    }
}

#[test]
fn dhcp_047_a_message_without_any_ia_gets_options_only() {
    let mut world = World::new();
    let reply = world.dhcp(&guest(), SOLICIT, &[client_id(&guest()), oro(&[23])]);
    assert_eq!((reply.kind(), reply.codes.as_slice()), (2, [1, 2, 7, 23, 103].as_slice()));
    let reply = world.dhcp(&guest(), REQUEST, &[client_id(&guest()), server_id(), oro(&[23])]);
    assert_eq!((reply.kind(), reply.codes.as_slice()), (7, [1, 2, 23, 103].as_slice()));
}

#[test]
fn dhcp_145_ia_ta_is_ignored_as_if_absent() {
    let options = [client_id(&guest()), option(4, &[0, 0, 0, 1]), ia_na(1, &[])];
    let reply = World::new().dhcp(&guest(), SOLICIT, &options);
    assert_eq!(reply.value(4), None, "BIS-001");
    assert_eq!(reply.addresses(), ["2001:db8:1::4"]);
}

#[test]
fn dhcp_201_the_same_message_gets_the_same_octets_again() {
    let mut world = World::new();
    let g = guest();
    for kind in [SOLICIT, CONFIRM, REBIND, INFORMATION_REQUEST] {
        let ia = if kind == INFORMATION_REQUEST { vec![] } else { ia_na(3, &["2001:db8:1::4"]) };
        let frame = g.dhcp(kind, &[client_id(&g), ia, oro(&[23, 24, 56])].concat());
        let (first, octets) = world.show(&g, &frame);
        assert!(matches!(first, Verdict::Answer { .. }));
        assert_eq!(world.show(&g, &frame), (first, octets), "DHCP-024, DHCP-025");
    }
}

/// DHCP-029, DHCP-031: one DUID, whatever process or hypervisor answers.
#[test]
fn dhcp_029_the_server_id_is_the_tables() {
    for _ in 0..2 {
        let reply = World::new().dhcp(&guest(), SOLICIT, &[client_id(&guest()), ia_na(1, &[])]);
        assert_eq!(reply.value(2), Some(SERVER_ID.as_slice()), "DHCP-048");
    }
}

#[test]
fn more_ias_than_are_answered_are_refused_whole() {
    let mut world = World::new();
    let ias = |n: u32| (0..n).flat_map(|i| ia_na(i, &[])).collect::<Vec<_>>();
    let reply: Dhcp = world.dhcp(&guest(), SOLICIT, &[client_id(&guest()), ias(20)]);
    assert_eq!(reply.ia_na().len(), 20);
    assert_eq!(world.no_dhcp(&guest(), SOLICIT, &[client_id(&guest()), ias(33)]), Reason::TooManyIas);
}
