//! Linux itself: what its kernel makes of the Router Advertisement, without any program in the guest.

use crate::house::house;
use crate::leases::{BRIEF_PORT, SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};

#[test]
fn slaac_gives_the_address_the_router_the_route_and_the_mtu() {
    house("kernel::slaac_gives_the_address_the_router_the_route_and_the_mtu", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        guest.up();
        guest.assert_addresses(64);
        guest.assert_router();
        assert_eq!(guest.inner.conf("hop_limit"), "61");
        assert!(house.count("router-advertisement") >= 1);
    });
}

#[test]
fn stateless_is_slaac_for_the_kernel() {
    house("kernel::stateless_is_slaac_for_the_kernel", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        guest.up();
        guest.assert_addresses(64);
        guest.assert_router();
        assert_eq!(guest.inner.conf("hop_limit"), "62");
    });
}

/// The prefix is on-link but not for SLAAC: the kernel must not make an address of it.
#[test]
fn stateful_gives_routes_and_no_address() {
    house("kernel::stateful_gives_routes_and_no_address", |house| {
        let guest = house.guest("tap0", &STATEFUL_PORT);
        guest.up();
        guest.assert_router();
        let on_link = guest.route("2001:db8:cafe:1::/64");
        assert!(on_link["gateway"].is_null(), "{on_link}");
        assert_eq!(guest.addresses("eth0"), []);
        assert_eq!(guest.inner.conf("hop_limit"), "63");
    });
}

/// Windows, NetworkManager and privacy-minded kernels have link-locals that do not show the MAC.
#[test]
fn a_guest_with_a_random_link_local_gets_its_lease() {
    house("kernel::a_guest_with_a_random_link_local_gets_its_lease", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        // 3 is IN6_ADDR_GEN_MODE_RANDOM.
        guest.inner.set_conf("addr_gen_mode", "3");
        guest.up();
        guest.assert_router();
        let addresses = guest.addresses("eth0");
        assert!(addresses.iter().all(|a| a.address.segments()[..4] == [0x2001, 0xdb8, 0xcafe, 0]), "{addresses:?}");
        assert_eq!(addresses.len(), 1);
        assert_eq!(house.count("router-advertisement"), house.count("router-advertisement").max(1));
        let _ = &BRIEF_PORT;
    });
}
