//! Address registration (RFC 9686): ADDR-REG-INFORM → ADDR-REG-REPLY.

use frontdesk::answer::{Happening, Reason};

use crate::world::{
    Answer, Dhcp, Guest, LEASES, World, client_id, ia_na, ip, message, option, oro, server_id,
};

/// An address that the guest made for itself in the stateful network's subnet.
const MADE: &str = "2001:db8:1::abcd:ef01:2345:6789";

fn world() -> World {
    World::new()
}

fn world_without() -> World {
    let off = "[networks.stateful]\naddress_registration = false\n";
    World::with(&LEASES.replace("[networks.stateful]\n", off))
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

/// DHCP-043: a row of the validity table.
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
    assert_eq!(ask(&mut world_without(), &[148]).value(148), None, "where it is off");
}

/// The RFC ties the option to the operator's switch, not to the flags of RAs (§4.1: asked for, and registration is on).
/// A client that asks in spite of M = O = 0 has made its address itself, which is what registration is for; REG-016 lets
/// us expect none, and an operator who wants none has the switch.
#[test]
fn reg_001_a_slaac_network_offers_it_too_and_takes_what_is_registered() {
    let g = Guest { vlan: 101, ..Guest::new(0x11) };
    let mut world = World::new();
    for (kind, ia) in [(1, ia_na(1, &[])), (11, Vec::new())] {
        assert!(world.dhcp(&g, kind, &[client_id(&g), ia, oro(&[148])]).value(148).is_some(), "type {kind}");
    }
    let made = "2001:db8:2::f816:3eff:fe00:11";
    assert_eq!(register(&mut world, &g.at(made), made).message[0], 37);
}

/// DHCP-056: the last option is left out whole where the MTU ends, and the answer goes all the same.
#[test]
fn opt_006_the_option_is_there_wherever_it_fits() {
    let filler = format!("options = [{{ code = 94, hex = \"{}\" }}]", "00".repeat(730));
    let source = LEASES.replace("mtu = 1450", "mtu = 1280");
    let mut world =
        World::with(&source.replace("[networks.stateful]\n", &format!("[networks.stateful]\n{filler}\n")));
    let g = Guest::new(1);
    let mut seen = Vec::new();
    for (ias, duid) in (1..=32_u32).step_by(3).flat_map(|ias| (3..=130).map(move |duid| (ias, duid))) {
        let ias: Vec<u8> = (0..ias).flat_map(|iaid| ia_na(iaid, &[])).collect();
        let answer = world.ask(&g, &g.dhcp(1, &[option(1, &vec![7; duid]), ias, oro(&[94, 148])].concat()));
        let packet = answer.octets.len() - 14;
        let reply = Dhcp::parse(&answer.message);
        let (filled, offered) = (reply.value(94).is_some(), reply.value(148).is_some());
        assert!(packet <= 1280, "{packet}");
        assert!(offered || packet > 1276, "{packet}: four octets are free");
        seen.push((filled, offered));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [(false, true), (true, false), (true, true)], "every place of the end was seen");
}

#[test]
fn a_registration_where_it_is_off_is_an_unknown_message() {
    let mut world = world_without();
    assert_eq!(
        world.refuse(&guest(), &inform(&guest(), &[client_id(&guest()), address(MADE)])),
        Reason::UnknownType
    );
}

/// REG-015: a client says it up to three times.
/// REG-012, DEV-009: nothing is kept of it, so nothing rests on it.
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

/// What happened, to which address, on which device, by which MAC and DUID.
type Told = (Happening, std::net::Ipv6Addr, u32, [u8; 6], Vec<u8>);

/// What the engine has to tell.
fn told(world: &mut World) -> Vec<Told> {
    let events = std::iter::from_fn(|| world.engine.event());
    events.map(|(device, e)| (e.happening, e.address, device, e.mac.0, e.duid().to_vec())).collect()
}

#[test]
fn reg_009_a_registration_is_told_to_the_operator_and_so_is_a_refused_one() {
    let (mut world, g) = (world(), guest());
    register(&mut world, &g, MADE);
    let registered = Happening::Registered { preferred: 1800, valid: 3600 };
    assert_eq!(told(&mut world), [(registered, ip(MADE), 1, g.mac, g.duid())], "REG-010");
    // The names in the log, which people filter by.
    let names = [registered, Happening::RegistrationRefused, Happening::Declined].map(Happening::name);
    assert_eq!(names, ["address-registered", "address-registration-refused", "address-declined"]);
    let elsewhere = "2001:db8:99::1";
    let frame = inform(&g.at(elsewhere), &[client_id(&g), address(elsewhere)]);
    assert_eq!(world.refuse(&g.at(elsewhere), &frame), Reason::BadRegistration);
    let refused = Happening::RegistrationRefused;
    assert_eq!(told(&mut world), [(refused, ip(elsewhere), 1, g.mac, g.duid())], "REG-007: should be logged");
    world.refuse(&g, &inform(&g, &[client_id(&g)]));
    assert_eq!(told(&mut world), [], "a malformed one is counted only");
}

#[test]
fn dhcp_115_a_declined_address_of_the_port_is_told_and_others_are_not() {
    let (mut world, g) = (World::new(), Guest::new(1));
    let declined = ia_na(1, &["2001:db8:1::4", "2001:db8:1::99"]);
    let reply = world.dhcp(&g, 9, &[client_id(&g), server_id(), declined]);
    assert_eq!(reply.status(), Some(0));
    assert_eq!(told(&mut world), [(Happening::Declined, ip("2001:db8:1::4"), 1, g.mac, g.duid())]);
    world.dhcp(&g, 8, &[client_id(&g), server_id(), ia_na(1, &["2001:db8:1::4"])]);
    assert_eq!(told(&mut world), [], "a Release is a counter only");
}

#[test]
fn reg_010_what_nobody_takes_is_lost_and_counted() {
    let (mut world, g) = (world(), guest());
    for _ in 0..300 {
        register(&mut world, &g, MADE);
    }
    assert_eq!(told(&mut world).len(), 256);
    let lost = world.engine.counts().find(|(name, _)| *name == "events-lost");
    assert_eq!(lost, Some(("events-lost", 44)));
}
