//! A lease's life with T1 of 3 s: it is renewed, survives a restart of the dataplane, and follows the lease
//! source; three clients at once, one guest each.

use std::time::{Duration, Instant};

use crate::house::{Client, Guest, House, house};
use crate::leases::{BRIEF_PORTS, Network};
use crate::{dhclient, dhcpcd, networkd};

/// Three renewals and more: what a busy machine needs too.
const PATIENCE: Duration = Duration::from_secs(30);

/// A guest with the client that it runs.
struct Tenant {
    guest: Guest,
    client: Client,
    name: &'static str,
}

/// The three clients, each in a guest of its own, bound to their leases.
fn tenants(house: &House) -> Vec<Tenant> {
    let [first, second, third] = &BRIEF_PORTS;
    let guest = |tap, port| {
        let guest = house.guest(tap, port);
        guest.add_lan();
        guest
    };
    let (of_dhclient, of_dhcpcd, of_networkd) =
        (guest("tap0", first), guest("tap1", second), guest("tap2", third));
    let tenants = vec![
        Tenant { client: networkd::start(&of_networkd), guest: of_networkd, name: "systemd-networkd" },
        Tenant {
            client: dhcpcd::start(&of_dhcpcd, "interface eth0\nia_na 1\nia_pd 2 lan0/0\n"),
            guest: of_dhcpcd,
            name: "dhcpcd",
        },
        Tenant { client: dhclient::start(&of_dhclient, &["-N", "-P"]), guest: of_dhclient, name: "dhclient" },
    ];
    for tenant in &tenants {
        tenant.wait_for_addresses(tenant.guest.port.addresses);
    }
    tenants
}

impl Tenant {
    /// Waits until eth0 has these addresses and no others.
    fn wait_for_addresses(&self, expected: &[&str]) {
        let what = || format!("{} has {expected:?}", self.name);
        self.client.wait_until(&what(), || self.addresses() == expected);
    }

    fn addresses(&self) -> Vec<String> {
        self.guest.addresses("eth0").iter().map(|one| one.address.to_string()).collect()
    }

    /// Waits for a renewal: what is left of the preferred lifetime grows. Fails when the address goes meanwhile.
    fn wait_for_renewal(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = u64::MAX;
        loop {
            let addresses = self.guest.addresses("eth0");
            let [one] = addresses.as_slice() else {
                panic!("{}: {addresses:?}\n{}", self.name, self.client.log())
            };
            assert_eq!(one.address.to_string(), self.guest.port.addresses[0], "{}", self.name);
            let network: &Network = self.guest.port.network;
            assert!(
                one.preferred <= network.preferred && one.valid <= network.valid,
                "{}: {one:?}",
                self.name
            );
            // A renewal gives all of it again, and no clock runs backwards by itself.
            if one.preferred > last.saturating_add(1) {
                assert!(one.preferred + 3 >= network.preferred && one.valid + 3 >= network.valid, "{one:?}");
                return;
            }
            last = one.preferred;
            assert!(Instant::now() < deadline, "{} did not renew: {}", self.name, self.client.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn every_client_renews_at_t1() {
    house("life::every_client_renews_at_t1", |house| {
        let tenants = tenants(house);
        tenants.iter().for_each(Tenant::wait_for_renewal);
        // One Renew of each at least, and nobody had to fall back to a Rebind.
        assert!(house.count("dhcpv6-reply-to-renew") >= 3);
        assert_eq!(house.count("dhcpv6-reply-to-rebind"), 0);
    });
}

/// The dataplane keeps no lease, so a restart between two renewals is not noticed.
#[test]
fn a_restart_between_lease_and_renewal_loses_nothing() {
    house("life::a_restart_between_lease_and_renewal_loses_nothing", |house| {
        let tenants = tenants(house);
        house.restart();
        tenants.iter().for_each(Tenant::wait_for_renewal);
        let counters = house.daemon().counters();
        assert!(
            !counters.contains_key("dhcpv6-advertise") && !counters.contains_key("dhcpv6-reply-to-solicit")
        );
    });
}

/// RFC 9915 §18.3.4: what a client renews and may no longer have is given back with lifetimes of zero, beside what it
/// has instead (DHCP-093).
#[test]
fn a_changed_lease_source_changes_the_addresses_at_the_next_renewal() {
    house("life::a_changed_lease_source_changes_the_addresses_at_the_next_renewal", |house| {
        let tenants = tenants(house);
        let mut source = std::fs::read_to_string(house.leases()).expect("the leases");
        let moved = |tenant: &Tenant| tenant.guest.port.addresses[0].replace("::", "::9:");
        for tenant in &tenants {
            let old = format!("\"{}\"", tenant.guest.port.addresses[0]);
            assert_eq!(source.matches(&old).count(), 1, "{old}");
            source = source.replace(&old, &format!("\"{}\"", moved(tenant)));
        }
        std::fs::write(house.leases(), source).expect("the leases");
        house.daemon().signal("HUP");
        house.daemon().wait_for_log("reloaded");
        for tenant in &tenants {
            tenant.wait_for_addresses(&[&moved(tenant)]);
        }
        let solicits = house.count("dhcpv6-advertise") + house.count("dhcpv6-reply-to-solicit");
        assert_eq!(solicits, 3, "nobody had to start anew");
    });
}
