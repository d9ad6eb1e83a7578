//! rdnssd 1.0.5: a resolver's configuration of the Router Advertisement alone (RFC 8106), as the kernel hands it on.

use crate::events::assert_resolver;
use crate::house::{house, may_set_groups, need};
use crate::leases::{Port, SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};

fn assert_resolved(test: &str, port: &'static Port) {
    house(test, |house| {
        need("rdnssd", "rdnssd");
        if !may_set_groups() {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "rdnssd needs root");
            eprintln!("skipped {test}: rdnssd sets its groups, whoever it runs as");
            return;
        }
        let guest = house.guest("tap0", port);
        guest.write("etc/rdnssd.hook", "#!/bin/sh\ncp /etc/resolv.conf /run/told\n");
        guest.run("chmod", &["755", "/etc/rdnssd.hook"]);
        let client = guest.spawn(
            "rdnssd",
            &[
                "-f",
                "-u",
                "root",
                "-r",
                "/etc/resolv.conf",
                "-p",
                "/run/rdnssd.pid",
                "-H",
                "/etc/rdnssd.hook",
            ],
            &[],
        );
        client.wait_until("it listens", || guest.path("run/rdnssd.pid").exists());
        guest.up();
        client.wait_until("a resolver", || guest.read("run/told").contains("search "));
        assert_resolver(&guest);
        guest.assert_router_answers();
        assert!(house.daemon().counters().keys().all(|name| !name.contains("dhcpv6")));
    });
}

/// RA-051, RA-052.
#[test]
fn a_slaac_network_has_one_server_and_one_domain() {
    assert_resolved("rdnssd::a_slaac_network_has_one_server_and_one_domain", &SLAAC_PORT);
}

/// Two of each, in their order (RA-051, RA-052).
#[test]
fn a_stateless_network_has_them_in_its_advertisement_too() {
    assert_resolved("rdnssd::a_stateless_network_has_them_in_its_advertisement_too", &STATELESS_PORT);
}

#[test]
fn a_stateful_network_has_them_in_its_advertisement_too() {
    assert_resolved("rdnssd::a_stateful_network_has_them_in_its_advertisement_too", &STATEFUL_PORT);
}
