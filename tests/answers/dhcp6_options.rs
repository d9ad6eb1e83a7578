//! Options of Advertise and Reply (RFC 9915 §21.7, §21.23 to §21.25; RFC 3646, 4075, 4704, 5908, 5970, 8910).

use crate::world::{Guest, World, client_id, ia_na, ip, option, oro, server_id};

fn guest() -> Guest {
    Guest::new(1)
}

/// DHCP-051.
#[test]
fn dhcp_050_options_that_are_asked_for_are_included_and_others_are_not() {
    let mut world = World::new();
    let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), oro(&[24, 56, 23, 999])]);
    assert_eq!(reply.codes, [1, 2, 7, 3, 23, 24, 56, 56, 103], "OPT-003: the order is fixed");
    let dns = [ip("2001:db8:cafe:a::e").octets(), ip("2001:db8:cafe:a::f").octets()].concat();
    assert_eq!(reply.value(23), Some(dns.as_slice()));
    assert_eq!(reply.value(24), Some(b"\x0eopenstacklocal\x00\x07example\x03com\x00".as_slice()), "DHCP-160");
    let ntp = [&[0, 1, 0, 16], ip("2001:db8:cafe:a::123").octets().as_slice()].concat();
    assert_eq!(reply.value(56), Some(ntp.as_slice()), "OPT-001: one time source per instance");
    let bare = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[])]);
    assert_eq!(bare.codes, [1, 2, 7, 3, 103], "OPT-004, OPT-005: 103 may come unasked");
    assert_eq!(bare.value(103), Some(b"https://portal.example.com/api".as_slice()));
}

#[test]
fn dhcp_052_codes_that_may_not_be_asked_for_are_ignored() {
    let never: Vec<u16> = (1..=9).chain(11..=16).chain(18..=20).chain([25, 26]).collect();
    let reply = World::new().dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), oro(&never)]);
    assert_eq!(reply.codes, [1, 2, 7, 3, 103]);
}

#[test]
fn dhcp_055_renew_and_rebind_carry_the_options_of_the_request() {
    let mut world = World::new();
    let asked = oro(&[23, 24, 31, 56, 82]);
    let ia = ia_na(1, &["2001:db8:1::4"]);
    let tail = |codes: Vec<u16>| codes.into_iter().filter(|c| *c > 3).collect::<Vec<_>>();
    let request = world.dhcp(&guest(), 3, &[client_id(&guest()), server_id(), ia.clone(), asked.clone()]);
    let renew = world.dhcp(&guest(), 5, &[client_id(&guest()), server_id(), ia.clone(), asked.clone()]);
    let rebind = world.dhcp(&guest(), 6, &[client_id(&guest()), ia, asked]);
    assert_eq!(tail(request.codes.clone()), [23, 24, 56, 56, 82, 103]);
    assert_eq!(tail(renew.codes), tail(request.codes.clone()));
    assert_eq!(tail(rebind.codes), tail(request.codes));
}

#[test]
fn dhcp_121_information_refresh_time_is_for_information_request_only() {
    let mut world = World::new();
    let asked = oro(&[32, 83, 82]);
    let inform = world.dhcp(&guest(), 11, &[client_id(&guest()), asked.clone()]);
    assert_eq!(inform.codes, [1, 2, 32, 82, 83, 103]);
    assert_eq!(inform.value(32), Some(3600_u32.to_be_bytes().as_slice()));
    assert_eq!(inform.value(82), Some(120_u32.to_be_bytes().as_slice()), "DHCP-148");
    assert_eq!(inform.value(83), Some(240_u32.to_be_bytes().as_slice()), "DHCP-122, DHCP-149");
    let advertise = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), asked.clone()]);
    assert_eq!(advertise.codes, [1, 2, 7, 3, 82, 103], "neither 32 nor 83 in an Advertise");
    let reply = world.dhcp(&guest(), 3, &[client_id(&guest()), server_id(), ia_na(1, &[]), asked]);
    assert_eq!(reply.codes, [1, 2, 3, 82, 83, 103], "no 32 in a Reply to Request");
    let unasked = world.dhcp(&guest(), 11, &[client_id(&guest())]);
    assert_eq!(unasked.codes, [1, 2, 103], "DHCP-071: only when asked for");
}

#[test]
fn dhcp_124_information_request_is_answered_in_every_mode() {
    let mut world = World::new();
    for (last, vlan) in [(0x01, 0), (0x11, 101), (0x12, 102), (0x13, 103)] {
        let guest = Guest { vlan, ..Guest::new(last) };
        assert_eq!(world.dhcp(&guest, 11, &[client_id(&guest), oro(&[23])]).kind(), 7, "VLAN {vlan}");
    }
}

#[test]
fn dhcp_158_the_fqdn_of_the_lease_with_n_set_and_o_where_the_client_wanted_s() {
    let mut world = World::new();
    let name = b"\x03one\x07example\x03com\x00";
    for (client, flags) in [(0x00, 0x04), (0x01, 0x06), (0x04, 0x04)] {
        let fqdn = option(39, &[&[client], b"\x06cirros".as_slice()].concat());
        let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), fqdn, oro(&[39, 23])]);
        assert_eq!(reply.value(39), Some([[flags].as_slice(), name].concat().as_slice()));
        assert_eq!(reply.codes, [1, 2, 7, 3, 23, 39, 103]);
    }
}

#[test]
fn dhcp_159_fqdn_only_for_who_sends_it_and_asks_for_it() {
    let mut world = World::new();
    let fqdn = option(39, &[0]);
    for (options, why) in [
        (vec![oro(&[39])], "not sent by the client"),
        (vec![fqdn.clone()], "not asked for"),
        (vec![option(39, &[]), oro(&[39])], "an empty one is no FQDN"),
    ] {
        let reply = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), options.concat()]);
        assert_eq!(reply.value(39), None, "{why}");
    }
    let nameless = Guest::new(2);
    let reply = world.dhcp(&nameless, 1, &[client_id(&nameless), ia_na(1, &[]), fqdn, oro(&[39])]);
    assert_eq!(reply.value(39), None, "the port has no name");
}

/// iPXE and UEFI ask for 23 and 24 only and boot from 59 all the same.
#[test]
fn dhcp_161_the_boot_file_url_is_sent_unasked_and_without_a_terminator() {
    let mut world = World::new();
    let pxe = Guest::new(3);
    let reply = world.dhcp(&pxe, 1, &[client_id(&pxe), ia_na(1, &[]), oro(&[23, 24])]);
    assert_eq!(reply.value(59), Some(b"http://[2001:db8:cafe:a::80]/ipxe.efi".as_slice()));
    assert_eq!(reply.codes, [1, 2, 7, 3, 23, 24, 59, 103]);
}

#[test]
fn the_order_of_codes_in_the_request_does_not_matter() {
    let mut world = World::new();
    let first = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), oro(&[23, 24])]);
    let second = world.dhcp(&guest(), 1, &[client_id(&guest()), ia_na(1, &[]), oro(&[24, 23, 23])]);
    assert_eq!(first.octets, second.octets);
}
