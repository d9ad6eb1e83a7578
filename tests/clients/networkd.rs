//! systemd-networkd 252, which reads the Router Advertisement itself and starts DHCPv6 by its flags.

use std::collections::BTreeSet;

use crate::house::{Client, Guest, house, need};
use crate::leases::{SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;

/// networkd's own record of eth0.
const STATE: &str = "run/systemd/netif/links/2";

/// Starts networkd on eth0, and on lan0 where there is one.
pub(crate) fn start(guest: &Guest) -> Client {
    need("systemd-networkd", "systemd");
    assert_eq!(guest.inner.nic.index, 2);
    guest.write(
        "run/systemd/network/eth0.network",
        "[Match]\nName=eth0\n[Network]\nIPv6AcceptRA=yes\n[DHCPv6]\nUseDomains=yes\n[IPv6AcceptRA]\nUseDomains=yes\n",
    );
    guest.write(
        "run/systemd/network/lan0.network",
        "[Match]\nName=lan0\n[Network]\nIPv6AcceptRA=no\nDHCPPrefixDelegation=yes\n\
         [DHCPPrefixDelegation]\nSubnetId=0\nToken=::1\n",
    );
    // It drops root for a user of its own, who must find its way.
    guest.open_to_all("run");
    let environment = [("SYSTEMD_LOG_LEVEL", "debug"), ("SYSTEMD_LOG_TARGET", "console")];
    guest.spawn("/lib/systemd/systemd-networkd", &[], &environment)
}

/// A line of networkd's record of eth0.
pub(crate) fn state(guest: &Guest, key: &str) -> String {
    let text = guest.read(STATE);
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_default().to_owned()
}

/// Waits until networkd calls eth0 configured, then asserts the routes, and what the resolver is told: the servers and
/// domains of DHCPv6, where `leased`, in their order, and then those of the Router Advertisement in any.
fn assert_configured(guest: &Guest, client: &Client, leased: bool) {
    let network = guest.port.network;
    client.wait_until("configured", || state(guest, "ADMIN_STATE") == "configured");
    guest.assert_router(Lifetimes::OfTheKernel);
    guest.assert_more_specific_route(Lifetimes::OfTheKernel);
    assert_eq!(state(guest, "OPER_STATE"), "routable");
    for (key, expected) in [("DNS", network.dns), ("DOMAINS", network.domains)] {
        let line = state(guest, key);
        let told: Vec<&str> = line.split_whitespace().collect();
        let (first, rest) = told.split_at(if leased { expected.len() } else { 0 });
        assert!(!leased || first == expected, "{key}: {line}");
        // networkd keeps these as a set, without an order.
        let sorted = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!((rest.len(), sorted(rest)), (expected.len(), sorted(expected)), "{key}: {line}");
    }
    guest.assert_router_answers();
}

#[test]
fn slaac_gives_the_address_and_asks_no_dhcpv6() {
    house("networkd::slaac_gives_the_address_and_asks_no_dhcpv6", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        let client = start(&guest);
        guest.assert_addresses(64);
        assert_configured(&guest, &client, false);
        let asked: Vec<_> =
            house.daemon().counters().into_keys().filter(|name| name.contains("dhcpv6")).collect();
        assert_eq!(asked, Vec::<String>::new());
    });
}

/// Release 252 sends an Information-request and uses the Router Advertisement's DNS.
#[test]
fn stateless_gives_the_address_and_answers_the_information_request() {
    house("networkd::stateless_gives_the_address_and_answers_the_information_request", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        let client = start(&guest);
        guest.assert_addresses(64);
        assert_configured(&guest, &client, false);
        client.wait_until("an Information-request is answered", || {
            house.count("dhcpv6-reply-to-information-request") == 1
        });
        client.wait_until("the answer is taken", || {
            client.log().contains("DHCPv6 client: State changed: information-request")
        });
    });
}

#[test]
fn stateful_gives_addresses_and_delegates_to_a_second_device() {
    house("networkd::stateful_gives_addresses_and_delegates_to_a_second_device", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        guest.add_lan();
        let client = start(&guest);
        guest.assert_addresses(128);
        guest.assert_lan(&["2001:db8:face:2ff2::1", "2001:db8:face:3000::1"]);
        assert_configured(&guest, &client, true);
        assert_eq!(state(&guest, "NTP"), "2001:db8:cafe:a::123");
        for prefix in guest.port.prefixes {
            let line = format!("eth0: DHCP: received delegated prefix {prefix}");
            assert!(client.log().contains(&line), "no {line:?} in {}", client.log());
        }
        assert_eq!(house.count("dhcpv6-reply-to-solicit"), 1, "rapid commit");
    });
}
