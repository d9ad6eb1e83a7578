//! Neighbor Solicitation → Neighbor Advertisement (RFC 4861 §7).

use frontdesk::answer::Reason;

use crate::world::{Guest, ROUTER, ROUTER_MAC, World, ip};

const METADATA: &str = "fe80::a9fe:a9fe";
const GATEWAY: &str = "2001:db8:1::1";

fn guest() -> Guest {
    Guest::new(1)
}

fn probe(target: &str) -> Vec<u8> {
    let nobody = Guest { address: std::net::Ipv6Addr::UNSPECIFIED, ..guest() };
    let group = frontdesk::types::ip6::solicited_node(ip(target)).to_string();
    nobody.icmp(&group, 255, 135, 0, &[&[0; 4], ip(target).octets().as_slice()].concat())
}

/// R, S and O as RFC 4861 §4.4 places them.
fn flags(message: &[u8]) -> (bool, bool, bool) {
    assert_eq!(message[4] & 0x1f, 0, "ND-008: reserved bits are zero");
    assert_eq!(message[5..8], [0, 0, 0]);
    (message[4] & 0x80 != 0, message[4] & 0x40 != 0, message[4] & 0x20 != 0)
}

/// ND-006; ND-007: at once. DEV-010: for addresses that the host does not have.
#[test]
fn nd_005_a_neighbour_is_answered_by_unicast_with_s_and_o() {
    let mut world = World::new();
    for target in [ROUTER, METADATA, GATEWAY] {
        let answer = world.ask(&guest(), &guest().ns(target));
        assert_eq!(answer.message[..2], [136, 0]);
        assert_eq!(flags(&answer.message), (true, true, true), "ND-010: R the same for all, {target}");
        assert_eq!(answer.source, ip(target), "ND-008");
        assert_eq!(answer.destination, guest().address);
        assert_eq!(answer.message[8..24], ip(target).octets());
        assert_eq!(answer.message[24..], [[2, 1].as_slice(), &ROUTER_MAC].concat(), "ND-004: TLLAO");
        assert_eq!(answer.source_mac, ROUTER_MAC);
    }
}

#[test]
fn nd_012_a_dad_probe_for_our_address_is_answered_to_all_nodes_without_s() {
    let mut world = World::new();
    for target in [ROUTER, METADATA, GATEWAY] {
        let answer = world.ask(&guest(), &probe(target));
        assert_eq!(answer.destination, ip("ff02::1"));
        assert_eq!(answer.destination_mac, guest().mac);
        assert_eq!(flags(&answer.message), (true, false, true), "ND-009: S is 0 in a multicast NA");
        assert_eq!(answer.message.len(), 32, "with the target link-layer address");
    }
}

/// ND-002: nor for anybody else's. ND-019: the subnet-router anycast address is not ours either.
#[test]
fn nd_003_a_guests_probe_for_its_own_address_is_never_answered() {
    let mut world = World::new();
    for target in ["2001:db8:1::4", "fe80::f816:3eff:fe00:1", "2001:db8:1::5", "2001:db8:1::"] {
        assert_eq!(world.refuse(&guest(), &probe(target)), Reason::NotOurAddress, "{target}");
        assert_eq!(world.refuse(&guest(), &guest().ns(target)), Reason::NotOurAddress, "{target}");
    }
}

#[test]
fn nd_013_a_unicast_reachability_probe_is_answered() {
    let mut world = World::new();
    let body = [&[0; 4], ip(ROUTER).octets().as_slice()].concat();
    let answer = world.ask(&guest(), &guest().icmp(ROUTER, 255, 135, 0, &body));
    assert_eq!(flags(&answer.message), (true, true, true));
    assert_eq!(answer.message[24..26], [2, 1]);
}

#[test]
fn nd_001_what_rfc_4861_discards_is_not_answered() {
    let mut world = World::new();
    let g = guest();
    let target = ip(ROUTER).octets();
    let body = [&[0; 4], target.as_slice()].concat();
    let group = "ff02::1:ff77:e5a0";
    assert_eq!(world.refuse(&g, &g.icmp(group, 64, 135, 0, &body)), Reason::BadHopLimit);
    assert_eq!(world.refuse(&g, &g.icmp(group, 255, 135, 1, &body)), Reason::BadNd);
    assert_eq!(world.refuse(&g, &g.icmp(group, 255, 135, 0, &body[..19])), Reason::BadNd, "23 octets");
    let zero = [body.as_slice(), &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
    assert_eq!(world.refuse(&g, &g.icmp(group, 255, 135, 0, &zero)), Reason::BadNd);
    let multicast = [&[0; 4], ip("ff02::1").octets().as_slice()].concat();
    assert_eq!(world.refuse(&g, &g.icmp(group, 255, 135, 0, &multicast)), Reason::BadNd);
    let nobody = Guest { address: std::net::Ipv6Addr::UNSPECIFIED, ..g };
    assert_eq!(world.refuse(&nobody, &nobody.icmp(ROUTER, 255, 135, 0, &body)), Reason::BadNd, "to no group");
    let with_sllao = [body.as_slice(), &[1, 1], &g.mac].concat();
    assert_eq!(world.refuse(&nobody, &nobody.icmp(group, 255, 135, 0, &with_sllao)), Reason::BadNd);
    let mut wrong = g.ns(ROUTER);
    wrong[57] ^= 1;
    assert_eq!(world.refuse(&g, &wrong), Reason::BadChecksum);
}

/// Groups beyond the link reach no neighbour, whatever their last octets.
#[test]
fn nd_001_a_solicitation_to_a_group_beyond_the_link_is_dropped() {
    let mut world = World::new();
    let body = [&[0; 4], ip(ROUTER).octets().as_slice(), &[1, 1], &guest().mac].concat();
    for group in ["ff05::1:ff00:1", "ff00::1:ff00:1", "ff0e::1"] {
        assert_eq!(world.refuse(&guest(), &guest().icmp(group, 255, 135, 0, &body)), Reason::BadDestination);
    }
    for group in ["ff02::1:ff00:1", "ff02::1"] {
        assert_eq!(world.ask(&guest(), &guest().icmp(group, 255, 135, 0, &body)).message[0], 136);
    }
}

#[test]
fn nd_014_a_spoofed_link_layer_address_is_dropped() {
    let g = guest();
    let body = [&[0; 4], ip(ROUTER).octets().as_slice(), &[1, 1], &[2, 0, 0, 0, 0, 9]].concat();
    let frame = g.icmp("ff02::1:ff77:e5a0", 255, 135, 0, &body);
    assert_eq!(World::new().refuse(&g, &frame), Reason::SpoofedLinkLayer);
}

/// ND-015, ND-016: the nonce of enhanced DAD (RFC 7527) is no reason to stay silent.
#[test]
fn nd_015_a_nonce_and_unknown_options_are_ignored() {
    let nobody = Guest { address: std::net::Ipv6Addr::UNSPECIFIED, ..guest() };
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let body = [&[0xff; 4], ip(ROUTER).octets().as_slice(), &nonce, &[250, 1, 0, 0, 0, 0, 0, 0]].concat();
    let frame = nobody.icmp("ff02::1:ff77:e5a0", 255, 135, 0, &body);
    assert_eq!(World::new().ask(&nobody, &frame).destination, ip("ff02::1"));
}

#[test]
fn sec_009_a_guest_that_claims_our_address_is_not_answered() {
    let mut world = World::new();
    for source in [METADATA, ROUTER, GATEWAY, "2001:db8:77::1"] {
        let g = guest().at(source);
        assert_eq!(world.refuse(&g, &g.ns(ROUTER)), Reason::BadSource, "{source}");
    }
}

/// PD-018.
#[test]
fn an_address_of_a_delegated_prefix_may_ask() {
    let g = guest().at("2001:db8:face:2ff2::1");
    assert_eq!(World::new().ask(&g, &g.ns(ROUTER)).destination, g.address);
}

#[test]
fn nd_018_advertisements_and_mld_of_guests_are_passed_by() {
    let mut world = World::new();
    let g = guest();
    for kind in [136, 130, 131, 132, 143] {
        let frame = g.icmp("ff02::1", 255, kind, 0, &[0; 20]);
        assert_eq!(world.show(&g, &frame).0, frontdesk::answer::Verdict::Pass, "IP-020: type {kind}");
    }
}

/// A network whose router is somebody else's: NA come from a derived MAC and have R clear.
/// ND-011.
#[test]
fn nd_010_r_is_clear_where_the_router_is_somebody_elses() {
    let source = "version = 1\n[server]\ncloud = \"t\"\n[networks.n]\nmetadata = true\n\
        [[networks.n.subnets]]\ncidr = \"2001:db8:4::/64\"\nipv6_address_mode = \"slaac\"\n\
        [[ports]]\nmac_address = \"fa:16:3e:00:00:01\"\nnetwork = \"n\"\n";
    let mut world = World::with(source);
    let answer = world.ask(&guest(), &guest().ns(METADATA));
    assert_eq!(flags(&answer.message), (false, true, true));
    assert_eq!(answer.source_mac[0] & 0x03, 0x02, "locally administered, unicast");
    assert_eq!(answer.source_mac, answer.message[26..32]);
}

/// RA-014, ND-017: where a guest moves to, router and addresses are the same, so nothing has to be announced.
#[test]
fn nd_020_the_answers_are_the_same_on_every_device_and_every_hypervisor() {
    for (frame, rule) in [(guest().ns(ROUTER), "ND-020"), (guest().rs(), "RA-014")] {
        let here = World::new().ask(&guest(), &frame).octets;
        let mut elsewhere = World::new();
        let moved = guest().on(2);
        assert_eq!(elsewhere.ask(&moved, &frame).octets, here, "{rule}");
    }
}
