//! The case matrix of DHCPv6 (RFC 9915 §18.3): one test per row, DHCP-173 to DHCP-200.

use frontdesk::answer::Reason;

use crate::world::{Dhcp, Guest, IaSeen, LEASES, World, client_id, ia_na, ia_pd, option, server_id};

const OWN: &str = "2001:db8:1::4";
const OTHER_ON_LINK: &str = "2001:db8:1::99";
const OFF_LINK: &str = "2001:db8:99::1";
const NO_ADDRS_AVAIL: Option<u16> = Some(2);
const NO_BINDING: Option<u16> = Some(3);
const NOT_ON_LINK: Option<u16> = Some(4);
const NO_PREFIX_AVAIL: Option<u16> = Some(6);

/// Address and prefix.
fn guest() -> Guest {
    Guest::new(1)
}

/// Nothing: a port of a stateless network.
fn guest_without_leases() -> Guest {
    Guest { vlan: 102, ..Guest::new(0x12) }
}

fn solicit(guest: &Guest, rest: &[Vec<u8>]) -> Dhcp {
    World::new().dhcp(guest, 1, &[client_id(guest), rest.concat()])
}

fn with_server(kind: u8, guest: &Guest, rest: &[Vec<u8>]) -> Dhcp {
    World::new().dhcp(guest, kind, &[client_id(guest), server_id(), rest.concat()])
}

fn leases(ia: &IaSeen) -> Vec<(&str, u32, u32)> {
    ia.leases.iter().map(|(lease, preferred, valid)| (lease.as_str(), *preferred, *valid)).collect()
}

/// DHCP-058: an Advertise; DHCP-136: `::` is no hint; BIS-011.
#[test]
fn dhcp_173_to_176_solicit_is_offered_the_leased_address_whatever_it_hints() {
    for hints in [&[][..], &[OWN], &[OTHER_ON_LINK], &[OFF_LINK], &["::"], &[OFF_LINK, OTHER_ON_LINK]] {
        let reply = solicit(&guest(), &[ia_na(9, hints)]);
        assert_eq!(reply.kind(), 2);
        assert_eq!(reply.status(), None, "DHCP-172");
        let [ia] = reply.ia_na().try_into().expect("one IA_NA");
        assert_eq!(leases(&ia), [(OWN, 3600, 7200)], "DHCP-067: hints {hints:?}");
        assert_eq!((ia.iaid, ia.t1, ia.t2, ia.status), (9, 1800, 2880, None), "DHCP-126");
        assert_eq!(reply.value(7), Some([255].as_slice()), "DHCP-068");
    }
}

#[test]
fn dhcp_177_solicit_without_an_address_in_the_table_is_told_inside_the_ia() {
    let reply = solicit(&guest_without_leases(), &[ia_na(9, &[])]);
    let expected = IaSeen { iaid: 9, t1: 0, t2: 0, leases: vec![], status: NO_ADDRS_AVAIL };
    assert_eq!(reply.ia_na(), [expected], "DHCP-064, DHCP-072, DHCP-163");
    assert_eq!(reply.status(), None, "never at message level");
}

/// DHCP-137: neither ::/0 nor a length above 128 is a hint. PD-026: a length is all that a P-aware client sends.
#[test]
fn dhcp_178_a_length_hint_does_not_change_the_prefix() {
    for hint in [("::", 56), ("::", 64), ("2001:db8:99::", 56), ("::", 0), ("2001:db8::", 200)] {
        let reply = solicit(&guest(), &[ia_pd(5, &[hint])]);
        let [ia] = reply.ia_pd().try_into().expect("one IA_PD");
        assert_eq!(leases(&ia), [("2001:db8:face:2ff2::/64", 3600, 7200)], "PD-002, PD-003, {hint:?}");
        assert_eq!((ia.iaid, ia.t1, ia.t2, ia.status), (5, 1800, 2880, None), "PD-006");
    }
}

#[test]
fn dhcp_179_a_mixed_result_is_one_advertise_with_both() {
    let address_only = Guest::new(3);
    let reply = solicit(&address_only, &[ia_na(1, &[]), ia_pd(1, &[])]);
    assert_eq!(leases(&reply.ia_na()[0]), [("2001:db8:1::6", 3600, 7200)]);
    let [pd] = reply.ia_pd().try_into().expect("one IA_PD");
    assert_eq!((pd.leases.len(), pd.status), (0, NO_PREFIX_AVAIL), "DHCP-065, DHCP-066, DHCP-164");
    assert_eq!((pd.t1, pd.t2), (1800, 2880), "DHCP-125, DHCP-130");
}

#[test]
fn dhcp_180_of_two_ias_the_lowest_iaid_gets_the_only_address() {
    for ias in [[ia_na(7, &[]), ia_na(2, &[])], [ia_na(2, &[]), ia_na(7, &[])]] {
        let reply = solicit(&guest(), &ias);
        for ia in reply.ia_na() {
            let expected = if ia.iaid == 2 { vec![(OWN, 3600, 7200)] } else { vec![] };
            assert_eq!(leases(&ia), expected, "DHCP-143");
            assert_eq!(ia.status, if ia.iaid == 2 { None } else { NO_ADDRS_AVAIL });
        }
    }
}

/// DHCP-058, DHCP-062: the network does not mention it.
#[test]
fn dhcp_181_rapid_commit_gets_a_reply_with_the_option() {
    let reply = solicit(&guest(), &[option(14, &[]), ia_na(1, &[])]);
    assert_eq!(reply.kind(), 7);
    assert_eq!(reply.value(14), Some([].as_slice()), "DHCP-059");
    assert_eq!(reply.value(7), None, "Preference is for Advertise");
    assert_eq!(reply.addresses(), [OWN]);
}

#[test]
fn dhcp_061_rapid_commit_where_it_is_off_gets_a_plain_advertise() {
    let reply = solicit(&guest_without_leases(), &[option(14, &[]), ia_na(1, &[])]);
    assert_eq!((reply.kind(), reply.value(14)), (2, None), "DHCP-060");
}

#[test]
fn dhcp_080_rapid_commit_with_a_hint_of_another_link_gets_an_advertise() {
    let reply = solicit(&guest(), &[option(14, &[]), ia_na(1, &[OFF_LINK])]);
    assert_eq!((reply.kind(), reply.value(14)), (2, None));
    assert_eq!(reply.addresses(), [OWN]);
}

#[test]
fn dhcp_183_request_with_an_off_link_address_is_refused_inside_that_ia_only() {
    let reply = with_server(3, &guest(), &[ia_na(1, &[OWN, OFF_LINK]), ia_pd(1, &[])]);
    let [na] = reply.ia_na().try_into().expect("one IA_NA");
    assert_eq!((na.leases.len(), na.status), (0, NOT_ON_LINK), "DHCP-074, DHCP-165");
    assert_eq!(leases(&reply.ia_pd()[0]), [("2001:db8:face:2ff2::/64", 3600, 7200)]);
    assert_eq!(reply.status(), None);
}

#[test]
fn dhcp_183_the_address_goes_to_another_ia_of_the_request() {
    let reply = with_server(3, &guest(), &[ia_na(1, &[OFF_LINK]), ia_na(2, &[])]);
    let ias = reply.ia_na();
    assert_eq!(ias.iter().map(|ia| ia.status).collect::<Vec<_>>(), [NOT_ON_LINK, None]);
    assert_eq!(leases(&ias[1]), [(OWN, 3600, 7200)]);
}

#[test]
fn dhcp_184_request_for_an_unassigned_address_gets_the_assigned_one() {
    let reply = with_server(3, &guest(), &[ia_na(1, &[OTHER_ON_LINK])]);
    let [ia] = reply.ia_na().try_into().expect("one IA_NA");
    assert_eq!(leases(&ia), [(OWN, 3600, 7200)], "DHCP-075, DHCP-077");
}

#[test]
fn dhcp_076_request_to_which_nothing_can_be_assigned() {
    let reply = with_server(3, &guest_without_leases(), &[ia_na(1, &[]), ia_pd(2, &[])]);
    assert_eq!((reply.ia_na()[0].status, reply.ia_pd()[0].status), (NO_ADDRS_AVAIL, NO_PREFIX_AVAIL));
}

#[test]
fn dhcp_186_confirm_of_the_own_address_is_success_and_nothing_else() {
    let reply = World::new().dhcp(&guest(), 4, &[client_id(&guest()), ia_na(1, &[OWN])]);
    assert_eq!((reply.kind(), reply.status()), (7, Some(0)), "DHCP-166");
    assert_eq!(reply.codes, [1, 2, 13], "DHCP-084: no IA");
}

#[test]
fn dhcp_187_one_bad_address_spoils_the_confirm() {
    for addresses in [&[OWN, OFF_LINK][..], &[OFF_LINK], &[OTHER_ON_LINK]] {
        let reply = World::new().dhcp(&guest(), 4, &[client_id(&guest()), ia_na(1, addresses)]);
        assert_eq!(reply.status(), Some(4), "DHCP-083, DHCP-087: {addresses:?}");
        assert_eq!(reply.codes, [1, 2, 13]);
    }
    let in_two = [client_id(&guest()), ia_na(1, &[OWN]), ia_na(2, &[OFF_LINK])];
    assert_eq!(World::new().dhcp(&guest(), 4, &in_two).status(), Some(4));
}

#[test]
fn dhcp_188_confirm_without_an_address_gets_silence() {
    let mut world = World::new();
    for ias in [
        vec![],
        vec![ia_na(1, &[])],
        vec![ia_pd(1, &[("2001:db8:face:2ff2::", 64)])],
        vec![ia_na(1, &["::"])],
    ] {
        let options = [client_id(&guest()), ias.concat()];
        assert_eq!(world.no_dhcp(&guest(), 4, &options), Reason::NothingToSay, "DHCP-081, DHCP-086");
    }
    let stranger = Guest::new(0x99);
    assert_eq!(
        world.no_dhcp(&stranger, 4, &[client_id(&stranger), ia_na(1, &[OWN])]),
        Reason::UnknownMac,
        "DHCP-088"
    );
}

#[test]
fn dhcp_189_and_193_renew_refreshes_the_address() {
    for addresses in [&[OWN][..], &[]] {
        let reply = with_server(5, &guest(), &[ia_na(1, addresses)]);
        let [ia] = reply.ia_na().try_into().expect("one IA_NA");
        assert_eq!(leases(&ia), [(OWN, 3600, 7200)], "DHCP-089");
        assert_eq!((ia.t1, ia.t2, ia.status), (1800, 2880, None));
    }
}

#[test]
fn dhcp_190_renew_after_a_change_gets_the_new_address_and_the_old_one_withdrawn() {
    let reply = with_server(5, &guest(), &[ia_na(1, &["2001:db8:1::77", OFF_LINK])]);
    let [ia] = reply.ia_na().try_into().expect("one IA_NA");
    let expected = [(OWN, 3600, 7200), ("2001:db8:1::77", 0, 0), (OFF_LINK, 0, 0)];
    assert_eq!(leases(&ia), expected, "DHCP-090 to DHCP-093");
    assert_eq!((ia.t1, ia.t2), (1800, 2880), "DHCP-129: withdrawn leases do not count");
}

/// DHCP-167.
#[test]
fn dhcp_191_renew_when_the_table_was_emptied() {
    let reply = with_server(5, &guest_without_leases(), &[ia_na(1, &["2001:db8:3::77"])]);
    let [ia] = reply.ia_na().try_into().expect("one IA_NA");
    assert_eq!(leases(&ia), [("2001:db8:3::77", 0, 0)]);
    assert_eq!(ia.status, NO_ADDRS_AVAIL, "DHCP-095, DHCP-096: never NoBinding (DEV-008)");
}

#[test]
fn dhcp_192_renew_of_an_old_prefix_gets_the_new_one_and_the_old_one_withdrawn() {
    let old = ("2001:db8:face:1::", 64);
    let reply = with_server(5, &guest(), &[ia_pd(1, &[old, ("::", 56)])]);
    let [ia] = reply.ia_pd().try_into().expect("one IA_PD");
    let expected = [("2001:db8:face:2ff2::/64", 3600, 7200), ("2001:db8:face:1::/64", 0, 0)];
    assert_eq!(leases(&ia), expected, "DHCP-099: ::/56 asks for a length only");
}

#[test]
fn dhcp_098_an_ia_that_renew_adds_is_handled_like_one_of_a_request() {
    let reply = with_server(5, &guest(), &[ia_na(1, &[OWN]), ia_pd(2, &[])]);
    assert_eq!(leases(&reply.ia_pd()[0]), [("2001:db8:face:2ff2::/64", 3600, 7200)]);
}

#[test]
fn dhcp_194_rebind_refreshes_the_address_and_withdraws_what_is_off_link() {
    let rebind = |ias: &[Vec<u8>]| World::new().dhcp(&guest(), 6, &[client_id(&guest()), ias.concat()]);
    assert_eq!(leases(&rebind(&[ia_na(1, &[OWN])]).ia_na()[0]), [(OWN, 3600, 7200)]);
    let changed = rebind(&[ia_na(1, &[OFF_LINK, OTHER_ON_LINK])]);
    let expected = [(OWN, 3600, 7200), (OFF_LINK, 0, 0)];
    assert_eq!(leases(&changed.ia_na()[0]), expected, "DHCP-100, DHCP-101, DHCP-103");
}

#[test]
fn dhcp_195_rebind_of_a_stranger_and_dhcp_102_with_nothing_to_say_get_silence() {
    let mut world = World::new();
    let stranger = Guest::new(0x99);
    let options = [client_id(&stranger), ia_na(1, &[OFF_LINK])];
    assert_eq!(world.no_dhcp(&stranger, 6, &options), Reason::UnknownMac);
    let empty = guest_without_leases();
    let options = [client_id(&empty), ia_na(1, &["2001:db8:3::1:1"])];
    assert_eq!(world.no_dhcp(&empty, 6, &options), Reason::NothingToSay);
    let reply = world.dhcp(&empty, 6, &[client_id(&empty), ia_na(1, &[OFF_LINK])]);
    assert_eq!(leases(&reply.ia_na()[0]), [(OFF_LINK, 0, 0)]);
}

/// DHCP-116: an IA_PD in a Decline has no effect.
#[test]
fn dhcp_196_release_and_dhcp_198_decline_of_the_own_address_are_success_without_an_ia() {
    for kind in [8, 9] {
        let mut world = World::new();
        let options = [client_id(&guest()), server_id(), ia_na(1, &[OWN, OTHER_ON_LINK]), ia_pd(3, &[])];
        let reply = world.dhcp(&guest(), kind, &options);
        assert_eq!((reply.kind(), reply.status()), (7, Some(0)), "DHCP-107, DHCP-113, DHCP-168");
        assert_eq!(reply.codes, [1, 2, 13], "DHCP-109, DHCP-110, DHCP-114");
        // DHCP-111, DHCP-115, DEV-002, DEV-003: the next Solicit gets the same address.
        let again = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[])]);
        assert_eq!(again.addresses(), [OWN]);
    }
}

#[test]
fn dhcp_197_release_of_what_the_table_does_not_have_is_no_binding_alone() {
    let address_only = Guest::new(3);
    for kind in [8, 9] {
        let ias = [ia_na(1, &["2001:db8:1::6"]), ia_pd(4, &[("2001:db8:99::", 64)])];
        let reply = with_server(kind, &address_only, &ias);
        assert_eq!(reply.status(), Some(0));
        assert_eq!(reply.ia_na(), []);
        let expected = IaSeen { iaid: 4, t1: 0, t2: 0, leases: vec![], status: NO_BINDING };
        assert_eq!(reply.ia_pd(), [expected], "DHCP-108, DHCP-169");
    }
}

#[test]
fn dhcp_199_information_request_without_a_client_id_gets_no_client_id() {
    let reply = World::new().dhcp(&guest(), 11, &[crate::world::oro(&[23, 24])]);
    assert_eq!(reply.codes, [2, 23, 24, 103], "DHCP-119, DHCP-120");
}

#[test]
fn dhcp_142_several_addresses_and_prefixes_of_a_port() {
    let two = Guest::new(2);
    let reply = solicit(&two, &[ia_na(1, &[]), ia_pd(1, &[])]);
    let addresses = [("2001:db8:1::5", 3600, 7200), ("2001:db8:1::1005", 3600, 7200)];
    assert_eq!(leases(&reply.ia_na()[0]), addresses, "PD-005, in the order of the source");
    let prefixes = [("2001:db8:face:3000::/60", 3600, 7200), ("2001:db8:face:4000::/64", 3600, 7200)];
    assert_eq!(leases(&reply.ia_pd()[0]), prefixes, "PD-001, DHCP-139: IAID 1 of each kind");
}

#[test]
fn dhcp_143_a_listed_address_stays_in_its_ia_and_none_is_in_two() {
    let two = Guest::new(2);
    let a = ia_na(4, &["2001:db8:1::1005"]);
    let b = ia_na(9, &[]);
    let c = ia_na(2, &[]);
    let spread = |ias: &[Vec<u8>]| {
        let mut seen = solicit(&two, ias).ia_na();
        seen.sort_by_key(|ia| ia.iaid);
        seen
    };
    let first = spread(&[a.clone(), b.clone(), c.clone()]);
    assert_eq!(leases(&first[0]), [("2001:db8:1::5", 3600, 7200)], "the rest to the lowest IAID");
    assert_eq!(leases(&first[1]), [("2001:db8:1::1005", 3600, 7200)]);
    assert_eq!(first[2].status, NO_ADDRS_AVAIL);
    assert_eq!(spread(&[c, b, a]), first, "whatever the order");
    let both = [ia_na(4, &["2001:db8:1::1005"]), ia_na(3, &["2001:db8:1::1005"])];
    let total: usize = spread(&both).iter().map(|ia| ia.leases.len()).sum();
    assert_eq!(total, 2, "no address in two IAs");
}

#[test]
fn dhcp_141_of_two_ias_with_one_iaid_the_first_counts() {
    let reply = solicit(&guest(), &[ia_na(1, &[]), ia_na(1, &[]), ia_pd(1, &[]), ia_pd(1, &[])]);
    let statuses: Vec<_> = reply.ia_na().iter().chain(&reply.ia_pd()).map(|ia| ia.status).collect();
    assert_eq!(statuses, [None, NO_ADDRS_AVAIL, None, NO_PREFIX_AVAIL]);
}

#[test]
fn dhcp_131_what_the_client_wants_of_lifetimes_is_ignored() {
    let address =
        [crate::world::ip(OWN).octets().as_slice(), &1_u32.to_be_bytes(), &2_u32.to_be_bytes()].concat();
    let fixed = [7_u32.to_be_bytes(), 1_u32.to_be_bytes(), u32::MAX.to_be_bytes()].concat();
    let ia = option(3, &[fixed, option(5, &address)].concat());
    let reply = with_server(3, &guest(), &[ia]);
    let [ia] = reply.ia_na().try_into().expect("one IA_NA");
    assert_eq!((ia.iaid, ia.t1, ia.t2), (7, 1800, 2880));
    assert_eq!(leases(&ia), [(OWN, 3600, 7200)], "DHCP-133");
}

#[test]
fn dhcp_not_served_where_addresses_are_somebody_elses_business() {
    let guest = Guest { vlan: 104, ..Guest::new(0x14) };
    let options = [client_id(&guest), ia_na(1, &[])];
    assert_eq!(World::new().no_dhcp(&guest, 1, &options), Reason::DhcpNotServed);
}

#[test]
fn dhcpv6_without_ras_of_ours_works_beside_another_router() {
    let guest = Guest { vlan: 103, ..Guest::new(0x13) };
    let answer = World::new().ask(&guest, &guest.dhcp(1, &[client_id(&guest), ia_na(1, &[])].concat()));
    assert_eq!(Dhcp::parse(&answer.message).addresses(), ["2001:db8:4::4"]);
    assert!(frontdesk::types::ip6::is_link_local(answer.source));
}

/// DHCP-056: options are left out whole before the message grows beyond the MTU, and IAs never are.
#[test]
fn dhcp_056_no_answer_is_longer_than_the_mtu() {
    let source = LEASES.replace("mtu = 1450", "mtu = 1280");
    let mut world = World::with(&source);
    let long = format!("https://portal.example.com/{}", "x".repeat(560));
    let mut world_with_long_url = World::with(&source.replace("https://portal.example.com/api", &long));
    let solicit = |ias: u32| {
        let ias: Vec<u8> = (0..ias).flat_map(|i| ia_na(i, &[])).collect();
        guest().dhcp(1, &[option(1, &[9; 130]), ias].concat())
    };
    let roomy = Dhcp::parse(&world.ask(&guest(), &solicit(32)).message);
    assert_eq!(
        (roomy.ia_na().len(), roomy.value(103).is_some()),
        (32, true),
        "as many as are answered at all"
    );
    let answer = world_with_long_url.ask(&guest(), &solicit(32));
    assert!(answer.octets.len() - 14 <= 1280, "{} octets", answer.octets.len() - 14);
    let full = Dhcp::parse(&answer.message);
    assert_eq!(full.ia_na().len(), 32);
    assert_eq!(full.value(103), None, "the option is left out, no IA is");
}

/// DHCP-055, DHCP-097: what is withdrawn takes only the room that leases and options leave.
#[test]
fn dhcp_055_withdrawn_leases_never_push_options_or_ias_out() {
    let mut world = World::with(&LEASES.replace("mtu = 1450", "mtu = 1280"));
    let foreign: Vec<String> = (0..40).map(|i| format!("2001:db8:99::{i:x}1")).collect();
    let foreign: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let options =
        [client_id(&guest()), server_id(), ia_na(1, &foreign), ia_pd(1, &[]), crate::world::oro(&[23, 24])];
    let answer = world.ask(&guest(), &guest().dhcp(5, &options.concat()));
    assert!((1250..=1280).contains(&(answer.octets.len() - 14)), "{} octets", answer.octets.len() - 14);
    let reply = Dhcp::parse(&answer.message);
    assert!(reply.value(23).is_some() && reply.value(24).is_some() && reply.value(103).is_some());
    let [na] = reply.ia_na().try_into().expect("one IA_NA");
    assert_eq!(leases(&na)[0], (OWN, 3600, 7200));
    assert!(na.leases.len() > 20 && na.leases[1..].iter().all(|lease| (lease.1, lease.2) == (0, 0)));
    assert_eq!(leases(&reply.ia_pd()[0]), [("2001:db8:face:2ff2::/64", 3600, 7200)]);
}

/// PD-001: what lies behind a prefix's length is no part of it.
#[test]
fn pd_001_host_bits_of_a_clients_prefix_are_ignored() {
    let two = Guest::new(2);
    let reply =
        with_server(5, &two, &[ia_pd(1, &[("2001:db8:face:3000::1", 60), ("2001:db8:1234:5678:9::", 64)])]);
    let expected = [
        ("2001:db8:face:3000::/60", 3600, 7200),
        ("2001:db8:face:4000::/64", 3600, 7200),
        ("2001:db8:1234:5678::/64", 0, 0),
    ];
    assert_eq!(leases(&reply.ia_pd()[0]), expected);
}

#[test]
fn dhcp_074_an_ia_that_is_refused_gets_nothing_even_when_its_iaid_comes_twice() {
    let reply = with_server(3, &guest(), &[ia_na(1, &[OFF_LINK]), ia_na(1, &[])]);
    let seen: Vec<_> = reply.ia_na().iter().map(|ia| (ia.leases.len(), ia.status)).collect();
    assert_eq!(seen, [(0, NOT_ON_LINK), (0, NO_ADDRS_AVAIL)]);
}
