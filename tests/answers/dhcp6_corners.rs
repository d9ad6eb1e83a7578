//! DHCPv6 in the corners: what clients send by mistake, what only some rule speaks of (RFC 9915, 6603, 9762).

use frontdesk::answer::{Reason, Verdict};

use crate::world::{
    Dhcp, Guest, LEASES, ROUTER, World, client_id, ia_na, ia_pd, ip, message, option, oro, server_id,
};

const OWN: &str = "2001:db8:1::4";

fn guest() -> Guest {
    Guest::new(1)
}

fn lines(lines: &str) -> World {
    World::with(&LEASES.replace("[networks.stateful]\n", &format!("[networks.stateful]\n{lines}\n")))
}

/// IAID, T1, T2, addresses or prefixes with their lifetimes, status: of all IAs.
fn ias(reply: &Dhcp) -> Vec<crate::world::IaSeen> {
    reply.ia_na().into_iter().chain(reply.ia_pd()).collect()
}

/// DHCP-001, BIS-005: other ports are somebody else's. IP-023: no error is sent for them.
#[test]
fn dhcp_001_the_server_is_on_port_547_only() {
    let mut world = World::new();
    let payload = message(1, &[client_id(&guest()), ia_na(1, &[])].concat());
    for (destination, port) in [("ff02::1:2", 548), ("ff02::1:2", 67), (ROUTER, 53), ("fe80::a9fe:a9fe", 161)]
    {
        let frame = guest().udp(destination, 546, port, &payload);
        assert_eq!(
            world.show(&guest(), &frame).0,
            Verdict::Pass,
            "IP-022, IP-023: {destination} port {port}"
        );
    }
}

#[test]
fn dhcp_013_options_stand_at_odd_offsets() {
    let options = [option(65000, &[1]), client_id(&guest()), option(65001, &[1, 2, 3]), ia_na(1, &[])];
    assert_eq!(World::new().dhcp(&guest(), 1, &options).addresses(), [OWN]);
}

#[test]
fn dhcp_021_a_known_option_where_it_does_not_belong_is_ignored() {
    let mut world = World::new();
    let plain = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[])]);
    let misplaced = [
        option(7, &[9]),
        option(9, &message(1, &[])),
        option(13, &[0, 1]),
        option(18, b"eth0"),
        option(19, &[5]),
        option(32, &[0; 4]),
        option(79, &[0, 1, 2, 0, 0, 0, 0, 9]),
        option(5, &[0; 24]),
        option(26, &[0; 25]),
        option(43, &[0, 23]),
    ];
    for option in misplaced {
        let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), option.clone(), ia_na(1, &[])]);
        assert_eq!(reply.octets, plain.octets, "DHCP-028: option {option:x?} changes nothing");
    }
}

/// DHCP-048, BIS-010: the same rules of content for every stage.
#[test]
fn dhcp_063_an_advertise_shows_what_a_request_gets() {
    for guest in [Guest::new(1), Guest::new(2), Guest::new(3), Guest { vlan: 102, ..Guest::new(0x12) }] {
        let mut world = World::new();
        let asked = [ia_na(7, &[]), ia_na(3, &[]), ia_pd(7, &[]), ia_pd(1, &[])].concat();
        let offered = world.dhcp(&guest, 1, &[client_id(&guest), asked.clone()]);
        let given = world.dhcp(&guest, 3, &[client_id(&guest), server_id(), asked]);
        assert_eq!(ias(&offered), ias(&given));
        let iaids: Vec<u32> = ias(&given).iter().map(|ia| ia.iaid).collect();
        assert_eq!(iaids, [7, 3, 7, 1], "DHCP-073: each under its own IAID");
    }
}

#[test]
fn dhcp_071_a_guest_without_leases_is_told_how_long_to_wait() {
    let mut world = World::new();
    let slaac = Guest { vlan: 101, ..Guest::new(0x11) };
    let reply = world.dhcp(&slaac, 1, &[client_id(&slaac), ia_na(1, &[]), oro(&[82])]);
    assert_eq!(reply.ia_na()[0].status, Some(2), "DHCP-072");
    assert_eq!(reply.value(82), Some(3600_u32.to_be_bytes().as_slice()), "the default of RFC 9915 §7.6");
    let inform = world.dhcp(&slaac, 11, &[oro(&[32, 83])]);
    assert_eq!(inform.value(32), Some(86400_u32.to_be_bytes().as_slice()), "DHCP-121: IRT_DEFAULT");
    assert_eq!(inform.value(83), Some(3600_u32.to_be_bytes().as_slice()), "DHCP-122");
    let unasked = world.dhcp(&slaac, 11, &[]);
    assert_eq!(
        (unasked.value(32), unasked.value(83), unasked.value(82)),
        (None, None, None),
        "DHCP-148, DHCP-149"
    );
}

#[test]
fn dhcp_078_a_prefix_of_nowhere_in_a_request_is_replaced() {
    let asked = [client_id(&guest()), server_id(), ia_pd(1, &[("2001:db8:9999::", 56), ("fe80::", 64)])];
    let reply = World::new().dhcp(&guest(), 3, &asked);
    let [pd] = reply.ia_pd().try_into().expect("one IA_PD");
    assert_eq!(pd.status, None, "no NotOnLink");
    assert_eq!(pd.leases, [("2001:db8:face:2ff2::/64".to_owned(), 3600, 7200)]);
}

/// DHCP-201: the rows of the matrix that have a Server Identifier.
#[test]
fn dhcp_079_a_retransmitted_request_gets_the_same_octets() {
    let mut world = World::new();
    for kind in [3, 5, 8, 9] {
        let frame =
            guest().dhcp(kind, &[client_id(&guest()), server_id(), ia_na(1, &[OWN]), oro(&[23])].concat());
        let (verdict, octets) = world.show(&guest(), &frame);
        assert!(matches!(verdict, Verdict::Answer { .. }), "type {kind}: {verdict:?}");
        assert_eq!(world.show(&guest(), &frame).1, octets, "DHCP-025: type {kind}");
    }
}

#[test]
fn dhcp_085_times_in_a_confirm_are_ignored() {
    let address = [ip(OWN).octets().as_slice(), &[0xff; 4], &[0; 4]].concat();
    let odd = [[0, 0, 0, 1].as_slice(), &[0xff; 4], &[0, 0, 0, 1], &option(5, &address)].concat();
    let reply = World::new().dhcp(&guest(), 4, &[client_id(&guest()), option(3, &odd)]);
    assert_eq!((reply.status(), reply.codes.as_slice()), (Some(0), [1, 2, 13].as_slice()));
}

#[test]
fn dhcp_105_rebind_brings_the_lease_under_a_new_server_id() {
    let mut world = World::with(&LEASES.replace("ll:fa:16:3e:06:17:6f", "ll:fa:16:3e:00:00:77"));
    let old = [client_id(&guest()), server_id(), ia_na(1, &[OWN])];
    assert_eq!(world.no_dhcp(&guest(), 5, &old), Reason::OtherServer);
    let reply = world.dhcp(&guest(), 6, &[client_id(&guest()), ia_na(1, &[OWN]), ia_pd(2, &[])]);
    assert_eq!(reply.value(2), Some([0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 0x77].as_slice()));
    assert_eq!(reply.addresses(), [OWN]);
}

/// DHCP-104: where Rapid Commit is off as well, since the table is the binding.
#[test]
fn dhcp_106_rebind_with_a_prefix_is_answered_in_full() {
    for switch in ["rapid_commit = true", "rapid_commit = false"] {
        let held = [ia_pd(2, &[("2001:db8:face:2ff2::", 64)]), oro(&[23])].concat();
        let reply = lines(switch).dhcp(&guest(), 6, &[client_id(&guest()), held]);
        let [pd] = reply.ia_pd().try_into().expect("one IA_PD");
        assert_eq!(pd.leases, [("2001:db8:face:2ff2::/64".to_owned(), 3600, 7200)]);
        assert_eq!((pd.t1, pd.t2), (1800, 2880));
        assert!(reply.value(23).is_some());
    }
}

#[test]
fn dhcp_123_without_a_client_id_the_ports_own_options_are_given() {
    let pxe = Guest::new(3);
    let reply = World::new().dhcp(&pxe, 11, &[oro(&[59])]);
    assert_eq!(reply.codes, [2, 59, 103], "DHCP-049: no Client Identifier is made up");
}

#[test]
fn dhcp_129_addresses_of_a_deprecated_subnet_are_valid_and_not_preferred() {
    let deprecated = "cidr = \"2001:db8:1::/64\"\ndeprecated = true\n";
    let mut world = World::with(&LEASES.replace("cidr = \"2001:db8:1::/64\"\n", deprecated));
    let reply = world.dhcp(&guest(), 3, &[client_id(&guest()), server_id(), ia_na(1, &[]), ia_pd(1, &[])]);
    assert_eq!(reply.ia_na()[0].leases, [(OWN.to_owned(), 0, 7200)]);
    assert_eq!(reply.ia_pd()[0].leases[0].1, 3600, "prefixes are of no subnet");
    assert_eq!((reply.ia_na()[0].t1, reply.ia_na()[0].t2), (1800, 2880), "T1 is not 0 by that");
    let ra = world.ask(&guest(), &guest().rs()).message;
    let prefix = ra[16..].chunks(8).position(|unit| unit[0] == 3).expect("a prefix") * 8 + 16;
    assert_eq!(ra[prefix + 4..prefix + 12], [7200_u32.to_be_bytes(), [0; 4]].concat(), "RA-044: the same");
}

#[test]
fn dhcp_132_infinity_is_all_ones() {
    let infinite = LEASES.replacen("valid_lifetime = 7200", "valid_lifetime = \"infinity\"", 1).replacen(
        "preferred_lifetime = 3600",
        "preferred_lifetime = \"infinity\"",
        1,
    );
    let reply = World::with(&infinite).dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[])]);
    let ia = &reply.ia_na()[0];
    assert_eq!((ia.t1, ia.t2), (u32::MAX, u32::MAX), "DHCP-126");
    assert_eq!(ia.leases, [(OWN.to_owned(), u32::MAX, u32::MAX)]);
}

#[test]
fn dhcp_134_a_status_inside_an_address_is_tolerated_and_never_sent() {
    let status = option(13, &[0, 0]);
    let address = option(5, &[ip(OWN).octets().as_slice(), &[0; 8], &status].concat());
    let ia = option(3, &[[0; 12].as_slice(), &address].concat());
    let reply = World::new().dhcp(&guest(), 5, &[client_id(&guest()), server_id(), ia]);
    let ia = reply.value(3).expect("an IA_NA");
    assert_eq!(ia[12..16], [0, 5, 0, 24], "an IA Address of 24 octets, without options");
    assert_eq!(ia.len(), 12 + 4 + 24);
}

/// DHCP-144: messages do not know of each other, so one address may show in two IAs that are never in one message.
#[test]
fn dhcp_144_ias_that_are_renewed_apart_get_the_address_each() {
    let mut world = World::new();
    for iaid in [1, 2] {
        let reply = world.dhcp(&guest(), 5, &[client_id(&guest()), server_id(), ia_na(iaid, &[OWN])]);
        assert_eq!(reply.addresses(), [OWN]);
    }
}

/// ADR-011, BIS-004.
#[test]
fn dhcp_146_ias_that_we_do_not_know_are_ignored() {
    let mut world = World::new();
    let unknown = [option(138, &[0; 12]), option(149, &[0; 12]), option(4, &[0; 4])].concat();
    let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), unknown, ia_na(1, &[])]);
    assert_eq!(reply.codes, [1, 2, 7, 3, 103]);
    world.dhcp(&guest(), 11, &[option(138, &[0; 12]), option(149, &[0; 12])]);
}

#[test]
fn dhcp_147_elapsed_time_changes_nothing() {
    let mut world = World::new();
    let mut ask = |elapsed: &[u8]| world.dhcp(&guest(), 1, &[client_id(&guest()), option(8, elapsed)]).octets;
    assert_eq!(ask(&[0, 0]), ask(&[0xff, 0xff]));
}

/// DHCP-150, DHCP-151, BIS-002, BIS-004, BIS-012: nothing obsolete is sent, asked for or not.
/// PD-016.
#[test]
fn dhcp_151_obsolete_options_and_statuses_are_never_sent() {
    let mut world = World::new();
    for kind in [1, 3, 5, 6, 8, 9] {
        let server = if matches!(kind, 1 | 6) { vec![] } else { server_id() };
        let asked = [client_id(&guest()), server, option(12, &[0; 16]), ia_na(1, &[OWN]), oro(&[4, 12])];
        let reply = world.dhcp(&guest(), kind, &asked);
        assert!(reply.value(4).is_none() && reply.value(12).is_none(), "type {kind}");
        assert_ne!(reply.status(), Some(5), "DHCP-171: type {kind}");
    }
}

/// DHCP-153, DHCP-152, DEV-006: no Reconfigure and no key for it, and no leasequery (PD-013).
#[test]
fn dhcp_153_who_accepts_reconfigure_gets_none_of_it() {
    let mut world = World::new();
    let options = [client_id(&guest()), option(20, &[]), option(11, &[0; 11]), ia_na(1, &[]), oro(&[20, 11])];
    let reply = world.dhcp(&guest(), 1, &options);
    assert_eq!(reply.codes, [1, 2, 7, 3, 103], "DHCP-069");
    for leasequery in [14, 15, 17, 22] {
        assert_eq!(world.no_dhcp(&guest(), leasequery, &[client_id(&guest())]), Reason::UnknownType);
    }
}

#[test]
fn dhcp_154_classes_are_not_echoed() {
    let classes = [option(15, b"\x00\x04iPXE"), option(16, &[0, 0, 1, 0x57, 0, 1, b'x'])].concat();
    let reply = World::new().dhcp(&guest(), 1, &[client_id(&guest()), classes, oro(&[15, 16])]);
    assert_eq!((reply.value(15), reply.value(16)), (None, None));
}

#[test]
fn dhcp_157_a_status_message_is_text_without_nul() {
    let mut world = World::new();
    let empty = Guest { vlan: 102, ..Guest::new(0x12) };
    let in_ia = world.dhcp(&empty, 1, &[client_id(&empty), ia_na(1, &[])]);
    let in_ia = in_ia.value(3).expect("an IA_NA")[16..].to_vec();
    let top = world.dhcp(&guest(), 4, &[client_id(&guest()), ia_na(1, &[OWN])]);
    for status in [in_ia.as_slice(), top.value(13).expect("a status")] {
        let text = std::str::from_utf8(&status[2..]).expect("UTF-8");
        assert!(!text.is_empty() && !text.contains('\0'), "{text:?}");
    }
}

#[test]
fn dhcp_053_a_container_that_is_asked_for_comes_whole() {
    // S46_CONT_MAPE with a rule and a border relay inside (RFC 7598 §5.1, §4.1, §4.2).
    let inner = "0059 0016 00 08 18 c0000200 20 20010db8000000000000";
    let relay = "005a 0010 20010db8000000000000000000000001";
    let hex: String = format!("{inner}{relay}").split_whitespace().collect();
    let mut world = lines(&format!("options = [{{ code = 94, hex = \"{hex}\" }}]"));
    let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), oro(&[94])]);
    let value: String =
        reply.value(94).expect("the container").iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(value, hex);
    assert_eq!(world.dhcp(&guest(), 1, &[client_id(&guest())]).value(94), None, "DHCP-051");
}

#[test]
fn opt_002_the_nat64_prefix_is_told_in_no_dhcpv6_option() {
    let mut world = lines("nat64_prefix = \"64:ff9b::/96\"");
    let every: Vec<u16> = (10..=200).collect();
    let reply = world.dhcp(&guest(), 11, &[oro(&every)]);
    assert_eq!(reply.value(113), None);
    let prefix = ip("64:ff9b::").octets();
    assert!(!reply.octets.windows(12).any(|part| part == &prefix[..12]));
    let ra = world.ask(&guest(), &guest().rs()).message;
    assert!(ra[16..].chunks(8).any(|unit| unit[..2] == [38, 2]), "RA-055: the RA tells it");
}

#[test]
fn pd_004_prefixes_are_spread_over_ia_pds_as_addresses_are() {
    let two = Guest::new(2);
    let held = ia_pd(9, &[("2001:db8:face:4000::", 64)]);
    for asked in [[held.clone(), ia_pd(4, &[])], [ia_pd(4, &[]), held]] {
        let reply = World::new().dhcp(&two, 1, &[client_id(&two), asked.concat()]);
        for ia in reply.ia_pd() {
            let own = if ia.iaid == 9 { "2001:db8:face:4000::/64" } else { "2001:db8:face:3000::/60" };
            assert_eq!(ia.leases, [(own.to_owned(), 3600, 7200)], "PD-007: any guest may ask");
        }
    }
}

/// RFC 6603 §4.2's layout for /56 less a /64, and for /59 less a /64.
#[test]
fn pd_020_prefix_exclude_is_told_to_who_asks_for_67() {
    for (delegated, excluded, option67) in [
        ("2001:db8:0:100::/56", "2001:db8:0:1ff::/64", [0, 67, 0, 2, 64, 0xff]),
        ("2001:db8:0:120::/59", "2001:db8:0:12b::/64", [0, 67, 0, 2, 64, 0b0101_1000]),
    ] {
        let source = LEASES.replacen(
            "delegated_prefixes = [\"2001:db8:face:2ff2::/64\"]",
            &format!("delegated_prefixes = [{{ prefix = \"{delegated}\", exclude = \"{excluded}\" }}]"),
            1,
        );
        let mut world = World::with(&source);
        let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_pd(1, &[]), oro(&[67])]);
        let ia = reply.value(25).expect("an IA_PD");
        assert_eq!(ia[12 + 4 + 25..], option67, "DHCP-054, PD-019");
        let unaware = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_pd(1, &[])]);
        let [pd] = unaware.ia_pd().try_into().expect("one IA_PD");
        assert_eq!((pd.leases.len(), pd.status), (0, Some(6)), "PD-021: no prefix with a hole");
    }
}

/// BUG-001 to BUG-003, BUG-005: what peers get wrong.
#[test]
fn bug_001_to_003_iaid_zero_and_every_message_type_are_served() {
    let mut world = World::new();
    let zero = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(0, &[]), ia_pd(0, &[])]);
    assert_eq!(ias(&zero).iter().map(|ia| (ia.iaid, ia.leases.len())).collect::<Vec<_>>(), [(0, 1), (0, 1)]);
    assert_eq!(world.dhcp(&guest(), 11, &[oro(&[23])]).kind(), 7, "BUG-002: without a Client Identifier");
    assert_eq!(
        world.dhcp(&guest(), 4, &[client_id(&guest()), ia_na(0, &[OWN])]).codes,
        [1, 2, 13],
        "BUG-002"
    );
    let names = world.dhcp(&guest(), 11, &[oro(&[24])]);
    assert_eq!(names.value(24).expect("names")[..15], *b"\x0eopenstacklocal", "BUG-003: labels");
    let unicast = guest().udp(ROUTER, 546, 547, &message(5, &[client_id(&guest()), server_id()].concat()));
    assert_eq!(world.refuse(&guest(), &unicast), Reason::UnicastDestination, "BUG-005");
}
