//! WIDE dhcp6c 20080615, which numbers its identity associations as its configuration does, from 0; the kernel reads the
//! Router Advertisement.

use std::time::Duration;

use crate::events::{assert_resolver, variable};
use crate::house::{Client, Guest, House, house, need};
use crate::leases::{BRIEF_PORTS, CLONE_PORT, STATELESS_PORT};
use crate::state::Lifetimes;
use crate::support::netns::wait_until;

/// Brings eth0 up and starts dhcp6c with a configuration of the interface and what stands behind it.
fn start(guest: &Guest, interface: &str, associations: &str) -> Client {
    need("dhcp6c", "wide-dhcpv6-client");
    // Debian's own script writes the resolver; the hook is run before it.
    guest.record_events("etc/wide-dhcpv6/record");
    guest.write(
        "etc/wide-dhcpv6/script",
        "#!/bin/sh\nsh /etc/wide-dhcpv6/record\nexec /etc/wide-dhcpv6/dhcp6c-script\n",
    );
    guest.run("chmod", &["755", "/etc/wide-dhcpv6/script"]);
    let configuration = format!(
        "interface eth0 {{\n{interface}\nrequest domain-name-servers;\nrequest domain-name;\n\
         script \"/etc/wide-dhcpv6/script\";\n}};\n{associations}"
    );
    guest.write("etc/wide-dhcpv6/dhcp6c.conf", &configuration);
    // It speaks with its control program over the loopback device.
    guest.run("ip", &["link", "set", "lo", "up"]);
    guest.up();
    guest.spawn("dhcp6c", &["-f", "-D", "-c", "/etc/wide-dhcpv6/dhcp6c.conf", "eth0"], &[])
}

/// Asserts the one run of the script with this `reason`, the resolver and the routes.
fn assert_told(guest: &Guest, client: &Client, reason: &str) {
    let network = guest.port.network;
    client.wait_until("the script has run", || !guest.events_where("REASON", reason).is_empty());
    let event = &guest.events_where("REASON", reason)[0];
    assert_eq!(variable(event, "new_domain_name_servers").trim(), network.dns.join(" "));
    let domains: Vec<String> = network.domains.iter().map(|name| format!("{name}.")).collect();
    assert_eq!(variable(event, "new_domain_name").trim(), domains.join(" "));
    client.wait_until("a resolv.conf", || guest.read("etc/resolv.conf").contains("nameserver"));
    assert_resolver(guest);
    guest.assert_router(Lifetimes::OfTheKernel);
    guest.assert_more_specific_route(Lifetimes::OfTheKernel);
}

#[test]
fn information_is_given_on_a_stateless_network() {
    house("wide::information_is_given_on_a_stateless_network", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        let client = start(&guest, "information-only;", "");
        assert_told(&guest, &client, "NBI");
        guest.assert_addresses(64);
        assert_eq!(house.count("dhcpv6-reply-to-information-request"), 1);
    });
}

/// dhcp6c that asks for an address and a prefix with these IAIDs; lan0 gets the fifth /64 of a /60.
fn bind(guest: &Guest, interface: &str, iaids: [u32; 2]) -> Client {
    guest.add_lan();
    // dhcp6c does not set the device up itself.
    guest.run("ip", &["link", "set", "lan0", "up"]);
    let [na, pd] = iaids;
    let associations = format!(
        "id-assoc na {na} {{ }};\nid-assoc pd {pd} {{\nprefix-interface lan0 {{ sla-id 5; sla-len 4; ifid 1; }};\n}};\n"
    );
    start(guest, &format!("send ia-na {na};\nsend ia-pd {pd};\n{interface}"), &associations)
}

/// The address and the prefix of a stateful port, in two messages or four.
fn stateful(house: &House, interface: &str, iaids: [u32; 2], counters: &[&str]) {
    let guest = house.guest("tap0", &CLONE_PORT);
    let client = bind(&guest, interface, iaids);
    guest.assert_device("eth0", guest.port.addresses, 128, Lifetimes::OfTheProgram);
    guest.assert_device("lan0", &["2001:db8:face:4005::1"], 64, Lifetimes::OfTheProgram);
    assert_told(&guest, &client, "NBI");
    for counter in counters {
        assert_eq!(house.count(counter), 1, "{counter}");
    }
    guest.assert_router_answers();
}

/// An IA_NA 0 beside an IA_PD 0 (DHCP-139, DHCP-140, BUG-001).
#[test]
fn stateful_gives_the_address_and_delegates_to_a_second_device_with_iaid_0() {
    house("wide::stateful_gives_the_address_and_delegates_to_a_second_device_with_iaid_0", |house| {
        stateful(house, "", [0, 0], &["dhcpv6-advertise", "dhcpv6-reply-to-request"]);
    });
}

/// Rapid Commit in the Solicit and in the Reply (DHCP-058, DHCP-059, DHCP-181).
#[test]
fn rapid_commit_gives_the_same_with_iaids_1_and_2() {
    house("wide::rapid_commit_gives_the_same_with_iaids_1_and_2", |house| {
        stateful(house, "send rapid-commit;", [1, 2], &["dhcpv6-reply-to-solicit"]);
    });
}

/// It renews and releases the address and the prefix each by itself, and takes no T1 below 18 s.
#[test]
fn a_lease_is_renewed_and_released_at_the_end() {
    house("wide::a_lease_is_renewed_and_released_at_the_end", |house| {
        let guest = house.guest("tap0", &BRIEF_PORTS[0]);
        let client = bind(&guest, "", [0, 0]);
        let log = |line: &str| client.log().contains(line);
        let renewed = "renewals";
        wait_until(renewed, Duration::from_secs(60), || house.count("dhcpv6-reply-to-renew") >= 2);
        client.wait_until(renewed, || log("update an address 2001:db8:cafe:3::4 pltime=20, vltime=30"));
        client.wait_until(renewed, || log("update a prefix 2001:db8:face:5000::/60 pltime=20, vltime=30"));
        guest.assert_device("eth0", guest.port.addresses, 128, Lifetimes::OfTheProgram);
        client.end("TERM");
        guest.assert_device("eth0", &[], 128, Lifetimes::OfTheProgram);
        guest.assert_device("lan0", &[], 64, Lifetimes::OfTheProgram);
        assert_eq!(house.count("dhcpv6-reply-to-release"), 2);
        let anew = house.count("dhcpv6-advertise") + house.count("dhcpv6-reply-to-rebind");
        assert_eq!(anew, 1, "it had to fall back to nothing");
    });
}
