//! ISC dhclient 4.4.3 with Debian's own script; the kernel reads the Router Advertisement.

use crate::events::{assert_resolver, variable, variables};
use crate::house::{Client, Guest, House, house, need};
use crate::leases::{CLONE_PORT, Port, SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;

const LEASES: &str = "lib/dhcp/dhclient6.leases";

/// Brings eth0 up and starts dhclient on it with `flags`.
pub(crate) fn start(guest: &Guest, flags: &[&str]) -> Client {
    need("dhclient", "isc-dhcp-client");
    guest.record_events("etc/dhcp/dhclient-exit-hooks.d/record");
    guest.up();
    let fixed = ["-6", "-d", "-v", "-lf", "/var/lib/dhcp/dhclient6.leases", "-pf", "/run/dhclient6.pid"];
    guest.spawn("dhclient", &[&fixed, flags, &["eth0"]].concat(), &[])
}

/// Asserts what is the same in every mode: the RA as the kernel took it, and the resolver.
fn assert_link(guest: &Guest) {
    guest.assert_router(Lifetimes::OfTheKernel);
    guest.assert_more_specific_route(Lifetimes::OfTheKernel);
    assert_resolver(guest);
}

/// The lines of the lease file that start so, without that start and their semicolon.
fn leased(guest: &Guest, start: &str) -> Vec<String> {
    let text = guest.read(LEASES);
    // The last lease stands for what is held now.
    let last = text.rfind("lease6 {").map_or("", |place| &text[place..]);
    let lines = last.lines().filter_map(|line| line.trim().strip_prefix(start));
    lines.map(|line| line.trim_matches([' ', ';', '{']).to_owned()).collect()
}

/// Asserts the leases that dhclient wrote down: these addresses and prefixes with the network's lifetimes and timers.
pub(crate) fn assert_leased(guest: &Guest, addresses: &[&str], prefixes: &[&str], timers: [&str; 2]) {
    assert_eq!(leased(guest, "iaaddr "), addresses);
    assert_eq!(leased(guest, "iaprefix "), prefixes);
    let network = guest.port.network;
    let count = addresses.len() + prefixes.len();
    assert_eq!(leased(guest, "preferred-life "), vec![network.preferred.to_string(); count]);
    assert_eq!(leased(guest, "max-life "), vec![network.valid.to_string(); count]);
    let kinds = usize::from(!addresses.is_empty()) + usize::from(!prefixes.is_empty());
    assert_eq!(leased(guest, "renew "), vec![timers[0]; kinds]);
    assert_eq!(leased(guest, "rebind "), vec![timers[1]; kinds]);
}

pub(crate) const TIMERS: [&str; 2] = ["1800", "2880"];

/// dhclient -S, and what it was told of the network.
fn stateless(house: &House, tap: &str, port: &'static Port) {
    let guest = house.guest(tap, port);
    let client = start(&guest, &["-S"]);
    // dhclient calls the answer to an Information-request so.
    let events = guest.wait_for_events(&client, "RENEW6", 1);
    assert_eq!(variable(&events[0], "new_dhcp6_name_servers"), port.network.dns.join(" "));
    let domains: Vec<String> = port.network.domains.iter().map(|name| format!("{name}.")).collect();
    assert_eq!(variable(&events[0], "new_dhcp6_domain_search"), domains.join(" "));
    assert_link(&guest);
    match port.prefixes {
        [] => guest.assert_addresses(64),
        _ => guest.assert_these_addresses(&[], 128),
    }
    assert_eq!(house.count("dhcpv6-reply-to-information-request"), 1);
}

#[test]
fn information_is_given_on_a_slaac_network() {
    house("dhclient::information_is_given_on_a_slaac_network", |house| stateless(house, "tap0", &SLAAC_PORT));
}

#[test]
fn information_is_given_on_a_stateless_network() {
    house("dhclient::information_is_given_on_a_stateless_network", |house| {
        stateless(house, "tap0", &STATELESS_PORT);
    });
}

#[test]
fn information_is_given_on_a_stateful_network() {
    house("dhclient::information_is_given_on_a_stateful_network", |house| {
        stateless(house, "tap0", &STATEFUL_PORT);
    });
}

#[test]
fn stateful_gives_all_addresses() {
    house("dhclient::stateful_gives_all_addresses", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        let client = start(&guest, &["-N"]);
        let events = guest.wait_for_events(&client, "BOUND6", 2);
        assert_eq!(variables(&events, "new_ip6_address"), guest.port.addresses);
        guest.assert_addresses(128);
        assert_link(&guest);
        assert_leased(&guest, guest.port.addresses, &[], TIMERS);
        assert_eq!(
            leased(&guest, "option dhcp6.bootfile-url "),
            ["\"http://[2001:db8:cafe:a::80]/ipxe.efi\""]
        );
        assert_eq!((house.count("dhcpv6-advertise"), house.count("dhcpv6-reply-to-request")), (1, 1));
    });
}

#[test]
fn prefixes_are_delegated_without_an_address() {
    house("dhclient::prefixes_are_delegated_without_an_address", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        let client = start(&guest, &["-P"]);
        let events = guest.wait_for_events(&client, "BOUND6", 2);
        assert_eq!(variables(&events, "new_ip6_prefix"), guest.port.prefixes);
        assert_leased(&guest, &[], guest.port.prefixes, TIMERS);
        guest.assert_these_addresses(&[], 128);
        assert_link(&guest);
    });
}

#[test]
fn addresses_and_prefixes_come_together() {
    house("dhclient::addresses_and_prefixes_come_together", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        let client = start(&guest, &["-N", "-P"]);
        let events = guest.wait_for_events(&client, "BOUND6", 4);
        assert_eq!(variables(&events, "new_ip6_address"), guest.port.addresses);
        assert_eq!(variables(&events, "new_ip6_prefix"), guest.port.prefixes);
        guest.assert_addresses(128);
        assert_link(&guest);
        assert_leased(&guest, guest.port.addresses, guest.port.prefixes, TIMERS);
        guest.assert_router_answers();
    });
}

/// A guest installed anew has another DUID and remembers nothing; its MAC is what counts.
#[test]
fn a_reinstalled_guest_gets_the_same_lease() {
    house("dhclient::a_reinstalled_guest_gets_the_same_lease", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        let mut duids = Vec::new();
        for (count, kind) in [(4, "LLT"), (8, "LL")] {
            let client = start(&guest, &["-N", "-P", "-D", kind]);
            guest.wait_for_events(&client, "BOUND6", count);
            guest.assert_addresses(128);
            assert_leased(&guest, guest.port.addresses, guest.port.prefixes, TIMERS);
            duids.extend(leased(&guest, "option dhcp6.client-id "));
            client.end("KILL");
            std::fs::remove_file(guest.path(LEASES)).expect("a lease file");
            guest.inner.down();
        }
        assert_eq!(duids.len(), 2);
        assert_ne!(duids[0], duids[1]);
    });
}

#[test]
fn what_was_released_is_given_again() {
    house("dhclient::what_was_released_is_given_again", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        let client = start(&guest, &["-N", "-P"]);
        guest.wait_for_events(&client, "BOUND6", 4);
        guest.assert_addresses(128);
        client.end("KILL");
        let release = start(&guest, &["-N", "-P", "-r"]);
        guest.wait_for_events(&release, "RELEASE6", 4);
        guest.assert_these_addresses(&[], 128);
        house.wait_for_count("dhcpv6-reply-to-release", 1);
        release.wait_for_end();
        let again = start(&guest, &["-N", "-P"]);
        guest.wait_for_events(&again, "BOUND6", 8);
        guest.assert_addresses(128);
        assert_leased(&guest, guest.port.addresses, guest.port.prefixes, TIMERS);
    });
}

/// Two guests made of one image: one DUID, one IAID, two leases.
#[test]
fn clones_with_one_duid_get_their_own() {
    house("dhclient::clones_with_one_duid_get_their_own", |house| {
        let guests = [house.guest("tap0", &STATEFUL_PORT), house.guest("tap1", &CLONE_PORT)];
        let clients = guests.each_ref().map(|guest| {
            guest.write(LEASES, "default-duid \"\\000\\004clones-of-one-me\";\n");
            start(guest, &["-N", "-P"])
        });
        for (guest, client) in guests.iter().zip(&clients) {
            guest.wait_for_events(client, "BOUND6", guest.port.addresses.len() + guest.port.prefixes.len());
            guest.assert_addresses(128);
            assert_leased(guest, guest.port.addresses, guest.port.prefixes, TIMERS);
        }
        let [first, second] = guests.each_ref().map(|guest| leased(guest, "option dhcp6.client-id "));
        assert_eq!((first.len(), &first), (1, &second));
    });
}
