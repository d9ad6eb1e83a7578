//! dhcpcd 9.4.1 with Debian's own configuration, which reads the Router Advertisement itself and makes link-local
//! addresses that do not show the MAC.

use crate::events::{Event, assert_resolver, variable};
use crate::house::{Client, Guest, house, need};
use crate::leases::{SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;

/// Starts dhcpcd on eth0, and on lan0 where there is one, with lines after Debian's configuration.
pub(crate) fn start(guest: &Guest, lines: &str) -> Client {
    need("dhcpcd", "dhcpcd-base");
    guest.record_events("etc/dhcpcd.exit-hook");
    let debian = guest.read("etc/dhcpcd.conf");
    assert!(debian.contains("option rapid_commit"), "not Debian's dhcpcd.conf: {debian}");
    // There is no udev in the guest to wait for.
    guest.write("etc/dhcpcd.conf", &format!("{debian}\nnodev\n{lines}"));
    guest.spawn("dhcpcd", &["-6", "-B", "-d"], &[])
}

/// Asserts the Router Advertisement as the hook was told it, and what the resolver and the routes became of it. `flags` has M or O, then `h` or `l` where the router's preference is not medium.
fn assert_advertised(guest: &Guest, client: &Client, flags: &str) {
    let network = guest.port.network;
    let event = &guest.wait_for_events(client, "ROUTERADVERT", 1)[0];
    let says = |name: &str| variable(event, &format!("nd1_{name}"));
    assert_eq!(says("from"), network.router);
    assert_eq!(says("lifetime"), network.router_lifetime.to_string());
    assert_eq!(says("hoplimit"), network.hop_limit);
    assert_eq!(says("mtu"), network.mtu);
    assert_eq!(says("flags"), flags);
    assert_eq!(says("source_address"), network.router_mac.replace(':', ""));
    assert_eq!(says("rdnss1_servers"), network.dns.join(" "));
    assert_eq!(says("dnssl1_search"), network.domains.join(" "));
    let prefix = format!("{}/{}", says("prefix_information1_prefix"), says("prefix_information1_length"));
    assert_eq!(prefix, network.prefix);
    assert_eq!(says("prefix_information1_pltime"), network.preferred.to_string());
    assert_eq!(says("prefix_information1_vltime"), network.valid.to_string());
    guest.assert_router(Lifetimes::OfTheProgram);
    client.wait_until("a resolv.conf", || guest.read("etc/resolv.conf").contains("nameserver"));
    assert_resolver(guest);
}

/// With Debian's `slaac private` the address is one of the prefix, and not of the MAC.
#[test]
fn slaac_gives_a_private_address_of_the_prefix() {
    house("dhcpcd::slaac_gives_a_private_address_of_the_prefix", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        let client = start(&guest, "");
        guest.assert_private_address();
        assert_advertised(&guest, &client, "");
        guest.assert_router_answers();
    });
}

#[test]
fn stateless_gives_the_address_of_the_mac_and_information() {
    house("dhcpcd::stateless_gives_the_address_of_the_mac_and_information", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        let client = start(&guest, "slaac hwaddr\n");
        guest.assert_addresses(64);
        let event = &guest.wait_for_events(&client, "INFORM6", 1)[0];
        assert_eq!(variable(event, "new_dhcp6_name_servers"), guest.port.network.dns.join(" "));
        assert_eq!(variable(event, "new_dhcp6_domain_search"), guest.port.network.domains.join(" "));
        assert_advertised(&guest, &client, "Ol");
        assert_eq!(house.count("dhcpv6-reply-to-information-request"), 1);
    });
}

/// Asserts what the hook was told of the leases.
fn assert_bound(event: &Event, guest: &Guest) {
    let network = guest.port.network;
    let says = |name: &str| variable(event, &format!("new_dhcp6_{name}"));
    for (number, address) in (1..).zip(guest.port.addresses) {
        let addr = format!("ia_na1_ia_addr{number}");
        assert_eq!(says(&addr), *address);
        assert_eq!(says(&format!("{addr}_pltime")), network.preferred.to_string());
        assert_eq!(says(&format!("{addr}_vltime")), network.valid.to_string());
    }
    for (number, text) in (1..).zip(guest.port.prefixes) {
        let prefix = format!("ia_pd1_prefix{number}");
        assert_eq!(format!("{}/{}", says(&prefix), says(&format!("{prefix}_length"))), *text);
        assert_eq!(says(&format!("{prefix}_pltime")), network.preferred.to_string());
        assert_eq!(says(&format!("{prefix}_vltime")), network.valid.to_string());
    }
    for ia in ["ia_na1", "ia_pd1"] {
        assert_eq!((says(&format!("{ia}_t1")), says(&format!("{ia}_t2"))), ("1800", "2880"));
    }
    assert_eq!(says("name_servers"), network.dns.join(" "));
    assert_eq!(says("domain_search"), network.domains.join(" "));
    assert_eq!(says("bootfile_url"), "http://[2001:db8:cafe:a::80]/ipxe.efi");
}

#[test]
fn stateful_gives_addresses_and_delegates_to_a_second_device() {
    house("dhcpcd::stateful_gives_addresses_and_delegates_to_a_second_device", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        guest.add_lan();
        let client = start(&guest, "interface eth0\nia_na 1\nia_pd 2 lan0/0\n");
        let event = &guest.wait_for_events(&client, "BOUND6", 1)[0];
        assert_bound(event, &guest);
        guest.assert_addresses(128);
        // The first /64 of each prefix, as `lan0/0` asks for, with the prefix's lifetimes.
        guest.assert_lan(&["2001:db8:face:2ff2::1", "2001:db8:face:3000::1"]);
        assert_advertised(&guest, &client, "Mh");
        guest.assert_router_answers();
        assert_eq!(house.count("dhcpv6-reply-to-solicit"), 1, "rapid commit");
    });
}
