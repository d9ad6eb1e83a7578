//! Address registration (RFC 9686): ADDR-REG-INFORM → ADDR-REG-REPLY.

use frontdesk::answer::Reason;

use crate::world::{Answer, Guest, LEASES, World, client_id, ia_na, ip, message, option, oro, server_id};

/// An address that the guest made for itself in the stateful network's subnet.
const MADE: &str = "2001:db8:1::abcd:ef01:2345:6789";

fn world() -> World {
    World::with(
        &LEASES.replace("[networks.stateful]\n", "[networks.stateful]\naddress_registration = true\n"),
    )
}

fn guest() -> Guest {
    Guest::new(1).at(MADE)
}

fn address(text: &str) -> Vec<u8> {
    option(5, &[ip(text).octets().as_slice(), &1800_u32.to_be_bytes(), &3600_u32.to_be_bytes()].concat())
}

fn inform(guest: &Guest, options: &[Vec<u8>]) -> Vec<u8> {
    guest.udp("ff02::1:2", 546, 547, &message(36, &options.concat()))
}

fn register(world: &mut World, guest: &Guest, registered: &str) -> Answer {
    world.ask(guest, &inform(guest, &[client_id(guest), address(registered)]))
}

#[test]
fn reg_011_the_reply_repeats_the_address_and_goes_to_it() {
    let answer = register(&mut world(), &guest(), MADE);
    assert_eq!(answer.ports, Some((547, 546)));
    assert_eq!(answer.destination, ip(MADE), "REG-011, REG-014");
    assert_eq!(answer.message[..4], [37, 0x85, 0x68, 0x0b], "REG-002: ADDR-REG-REPLY, the same transaction");
    let iaaddr = address(MADE);
    assert!(
        answer.message.windows(iaaddr.len()).any(|part| part == iaaddr),
        "octet by octet, lifetimes included"
    );
}

#[test]
fn reg_007_an_address_of_a_delegated_prefix_is_registered_too() {
    let mut world = world();
    let inside = "2001:db8:face:2ff2::77";
    assert_eq!(register(&mut world, &guest().at(inside), inside).destination, ip(inside));
    // REG-017: a SLAAC address by EUI-64 as well.
    let slaac = "2001:db8:1::f816:3eff:fe00:1";
    register(&mut world, &guest().at(slaac), slaac);
}

#[test]
fn reg_003_what_rfc_9686_discards_is_not_answered() {
    let mut world = world();
    let g = guest();
    let mut refuse = |guest: &Guest, options: &[Vec<u8>]| world.refuse(guest, &inform(guest, options));
    assert_eq!(refuse(&g, &[address(MADE)]), Reason::BadClientId);
    assert_eq!(refuse(&g, &[client_id(&g), server_id(), address(MADE)]), Reason::BadServerId);
    assert_eq!(refuse(&g, &[client_id(&g)]), Reason::BadRegistration);
    assert_eq!(refuse(&g, &[client_id(&g), address("2001:db8:1::9999")]), Reason::BadRegistration, "REG-005");
    assert_eq!(refuse(&g, &[client_id(&g), address(MADE), oro(&[23])]), Reason::BadRegistration);
    let two = [client_id(&g), address(MADE), address("2001:db8:1::9999")];
    assert_eq!(refuse(&g, &two), Reason::BadRegistration, "REG-004");
    assert_eq!(
        refuse(&g, &[client_id(&g), address(MADE), ia_na(1, &[])]),
        Reason::BadRegistration,
        "REG-006"
    );
    let elsewhere = "2001:db8:99::1";
    let away = g.at(elsewhere);
    assert_eq!(refuse(&away, &[client_id(&g), address(elsewhere)]), Reason::BadRegistration, "REG-007");
    let assigned = "2001:db8:1::4";
    let leased = g.at(assigned);
    assert_eq!(refuse(&leased, &[client_id(&g), address(assigned)]), Reason::BadRegistration, "REG-008");
    let ours = "2001:db8:1::1";
    assert_eq!(refuse(&g.at(ours), &[client_id(&g), address(ours)]), Reason::BadRegistration);
}

#[test]
fn reg_001_the_option_is_offered_to_who_asks_where_it_is_on() {
    let g = Guest::new(1);
    let ask =
        |world: &mut World, codes: &[u16]| world.dhcp(&g, 1, &[client_id(&g), ia_na(1, &[]), oro(codes)]);
    let mut on = world();
    assert_eq!(ask(&mut on, &[148]).codes, [1, 2, 7, 3, 103, 148]);
    assert_eq!(ask(&mut on, &[148]).value(148), Some([].as_slice()));
    assert_eq!(ask(&mut on, &[23]).value(148), None, "OPT-006: never unasked");
    assert_eq!(ask(&mut World::new(), &[148]).value(148), None, "where it is off");
}

#[test]
fn a_registration_where_it_is_off_is_an_unknown_message() {
    let mut world = World::new();
    assert_eq!(
        world.refuse(&guest(), &inform(&guest(), &[client_id(&guest()), address(MADE)])),
        Reason::UnknownType
    );
}

/// REG-015: a client says it up to three times.
#[test]
fn reg_015_saying_it_again_is_harmless() {
    let mut world = world();
    let first = register(&mut world, &guest(), MADE);
    assert_eq!(register(&mut world, &guest(), MADE).octets, first.octets);
}

#[test]
fn reg_013_the_reply_type_is_ignored() {
    let g = guest().at("fe80::f816:3eff:fe00:1");
    let frame = g.udp("ff02::1:2", 546, 547, &message(37, &[client_id(&g), address(MADE)].concat()));
    assert_eq!(world().refuse(&g, &frame), Reason::UnknownType);
}
