//! Linux itself: what its kernel makes of the Router Advertisement, without any program in the guest.

use crate::house::{Guest, PATIENCE, house};
use crate::leases::{SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;
use crate::support::netns::wait_until;

/// Everything of the Router Advertisement that Linux uses, beside addresses.
fn assert_advertised(guest: &Guest) {
    guest.assert_router(Lifetimes::OfTheKernel);
    guest.assert_more_specific_route(Lifetimes::OfTheKernel);
    assert_eq!(guest.inner.conf("mtu"), guest.port.network.mtu);
    assert_eq!(guest.inner.conf("hop_limit"), guest.port.network.hop_limit);
    guest.assert_router_answers();
}

#[test]
fn slaac_gives_the_address_the_router_the_route_and_the_mtu() {
    house("kernel::slaac_gives_the_address_the_router_the_route_and_the_mtu", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        guest.up();
        guest.assert_addresses(64);
        assert_advertised(&guest);
        assert!(house.count("router-advertisement") >= 1);
    });
}

#[test]
fn stateless_is_slaac_for_the_kernel() {
    house("kernel::stateless_is_slaac_for_the_kernel", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        guest.up();
        guest.assert_addresses(64);
        assert_advertised(&guest);
    });
}

/// The prefix is on-link but not for SLAAC: the kernel must not make an address of it.
#[test]
fn stateful_gives_routes_and_no_address() {
    house("kernel::stateful_gives_routes_and_no_address", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        guest.up();
        assert_advertised(&guest);
        assert_eq!(guest.addresses("eth0"), []);
    });
}

/// Windows, NetworkManager and privacy-minded kernels have link-locals that do not show the MAC.
#[test]
fn a_guest_with_a_random_link_local_is_known_all_the_same() {
    house("kernel::a_guest_with_a_random_link_local_is_known_all_the_same", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        // IN6_ADDR_GEN_MODE_RANDOM of linux/if_link.h.
        guest.inner.set_conf("addr_gen_mode", "3");
        guest.up();
        let link_locals: Vec<_> =
            guest.inner.addresses().into_iter().filter(|a| a.address.is_unicast_link_local()).collect();
        assert!(
            link_locals.iter().all(|a| a.address.to_string() != "fe80::f816:3eff:fe79:5acc"),
            "{link_locals:?}"
        );
        wait_until("an address", PATIENCE, || !guest.addresses("eth0").is_empty());
        let addresses = guest.addresses("eth0");
        let [one] = addresses.as_slice() else { panic!("{addresses:?}") };
        assert_eq!(one.address.segments()[..4], [0x2001, 0xdb8, 0xcafe, 0]);
        assert_eq!(one.length, 64);
        guest.assert_left("preferred lifetime", one.preferred, 14400);
        guest.assert_left("valid lifetime", one.valid, 86400);
        assert_advertised(&guest);
    });
}
