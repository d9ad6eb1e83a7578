//! Real relay agents between dhclient and the dataplane: ISC dhcrelay 4.4.3 and dnsmasq 2.90.
//!
//! The client's link is apart: its device of the hypervisor's is no tap, so nothing but the relay hears it.

use std::process::{Command, Stdio};

use crate::house::{Guest, House, PATIENCE, house, need};
use crate::leases::STATEFUL_PORT;
use crate::namespace::sh;
use crate::support::netns::{Process, wait_until};
use crate::{dhclient, events};

/// The relay's address on the dataplane's link, and its MAC there: `fixtures/clients.toml` believes the first.
const UP: [&str; 2] = ["2001:db8:ffff::1/64", "fa:16:3e:00:05:01"];
/// The dataplane's, for relays.
const SERVER: &str = "2001:db8:ffff::547";
/// The relay's on the client's link: it says which network the client is in.
const LINK: &str = "2001:db8:cafe:1::fffe";

/// The two links of the relay: the client's on down0 and the dataplane's on up0, whose other end is tap-relay. A guest
/// for the client, which has no link-local address of its MAC where `hidden`.
fn links(house: &House, hidden: bool) -> Guest {
    let [up, mac] = UP;
    let guest = house.guest_apart("down0", &STATEFUL_PORT);
    sh(&format!("ip link add up0 address {mac} type veth peer name tap-relay"));
    for (device, address) in [("up0", up.to_owned()), ("down0", format!("{LINK}/64"))] {
        let conf = format!("net.ipv6.conf.{device}");
        sh(&format!(
            "sysctl -qw {conf}.disable_ipv6=0 {conf}.accept_dad=0; ip addr add {address} dev {device}"
        ));
    }
    sh("ip link set tap-relay up; ip link set up0 up");
    house.listen("tap-relay");
    if hidden {
        // IN6_ADDR_GEN_MODE_RANDOM of linux/if_link.h.
        guest.inner.set_conf("addr_gen_mode", "3");
    }
    guest
}

fn start(program: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    Process::start(&mut command)
}

/// dhclient through the relay, when that listens on port 547: the whole lease of the port, as without one.
fn lease(house: &House, guest: &Guest) {
    let sockets = || std::fs::read_to_string("/proc/net/udp6").unwrap_or_default();
    wait_until("the relay listens", PATIENCE, || sockets().contains(&format!(":{:04X} ", 547)));
    let client = dhclient::start(guest, &["-N", "-P"]);
    let told = guest.wait_for_events(&client, "BOUND6", 4);
    assert_eq!(events::variables(&told, "new_ip6_address"), guest.port.addresses);
    assert_eq!(events::variables(&told, "new_ip6_prefix"), guest.port.prefixes);
    guest.assert_addresses(128);
    dhclient::assert_leased(guest, guest.port.addresses, guest.port.prefixes, dhclient::TIMERS);
    events::assert_resolver(guest);
    assert_eq!((house.count("dhcpv6-advertise"), house.count("dhcpv6-reply-to-request")), (1, 1));
}

#[test]
fn rly_020_dhcrelay_tells_nothing_but_the_address_that_shows_the_mac() {
    house("relay::rly_020_dhcrelay_tells_nothing_but_the_address_that_shows_the_mac", |house| {
        need("dhcrelay", "isc-dhcp-relay");
        let guest = links(house, false);
        let server = format!("{SERVER}%up0");
        let _relay = start("dhcrelay", &["-6", "-d", "--no-pid", "-l", "down0", "-u", &server]);
        lease(house, &guest);
    });
}

#[test]
fn rly_010_dhcrelay_tells_its_interface_and_gets_that_back() {
    house("relay::rly_010_dhcrelay_tells_its_interface_and_gets_that_back", |house| {
        need("dhcrelay", "isc-dhcp-relay");
        let guest = links(house, true);
        assert_eq!(crate::namespace::index("down0"), 3);
        let _relay = start("dhcrelay", &["-6", "-d", "--no-pid", "-I", "-l", "down0", "-u", "up0"]);
        lease(house, &guest);
    });
}

#[test]
fn rly_019_dnsmasq_tells_the_mac_of_a_client_whose_address_hides_it() {
    house("relay::rly_019_dnsmasq_tells_the_mac_of_a_client_whose_address_hides_it", |house| {
        need("dnsmasq", "dnsmasq-base");
        let guest = links(house, true);
        let relay = format!("--dhcp-relay={LINK},{SERVER}");
        let _relay = start(
            "dnsmasq",
            &["--no-daemon", "--conf-file=/dev/null", "--port=0", "--pid-file=", "--log-dhcp", &relay],
        );
        lease(house, &guest);
    });
}
