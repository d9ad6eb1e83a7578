//! WIDE dhcp6c 20080615, which numbers its identity associations as its configuration does, from 0; the kernel reads the
//! Router Advertisement.

use crate::events::{assert_resolver, variable};
use crate::house::{Client, Guest, House, house, need};
use crate::leases::{CLONE_PORT, STATELESS_PORT};
use crate::state::Lifetimes;

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

/// The address and the prefix of a stateful port, with these IAIDs, by `solicit`: two messages or four.
fn stateful(house: &House, interface: &str, iaids: [u32; 2], counters: &[&str]) {
    let guest = house.guest("tap0", &CLONE_PORT);
    guest.add_lan();
    // dhcp6c does not set the device up itself.
    guest.run("ip", &["link", "set", "lan0", "up"]);
    let [na, pd] = iaids;
    let client = start(
        &guest,
        &format!("send ia-na {na};\nsend ia-pd {pd};\n{interface}"),
        // The port's /60 has four bits for links.
        &format!(
            "id-assoc na {na} {{ }};\nid-assoc pd {pd} {{\nprefix-interface lan0 {{ sla-id 5; sla-len 4; ifid 1; }};\n}};\n"
        ),
    );
    guest.assert_device("eth0", guest.port.addresses, 128, Lifetimes::OfTheProgram);
    guest.assert_device("lan0", &["2001:db8:face:4005::1"], 64, Lifetimes::OfTheProgram);
    assert_told(&guest, &client, "NBI");
    for counter in counters {
        assert_eq!(house.count(counter), 1, "{counter}");
    }
    guest.assert_router_answers();
}

#[test]
fn stateful_gives_the_address_and_delegates_to_a_second_device_with_iaid_0() {
    house("wide::stateful_gives_the_address_and_delegates_to_a_second_device_with_iaid_0", |house| {
        stateful(house, "", [0, 0], &["dhcpv6-advertise", "dhcpv6-reply-to-request"]);
    });
}

#[test]
fn rapid_commit_gives_the_same_with_iaids_1_and_2() {
    house("wide::rapid_commit_gives_the_same_with_iaids_1_and_2", |house| {
        stateful(house, "send rapid-commit;", [1, 2], &["dhcpv6-reply-to-solicit"]);
    });
}
