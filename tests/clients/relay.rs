//! Real relay agents between dhclient and the dataplane: ISC dhcrelay 4.4.3 and dnsmasq 2.90.
//!
//! The client's link is apart: its device of the hypervisor's is no tap, so nothing but the relay hears it.

use std::process::{Command, Stdio};

use crate::house::{Guest, House, PATIENCE, house, need};
use crate::leases::{CLONE_PORT, STATEFUL_PORT};
use crate::namespace::sh;
use crate::support::netns::{Process, wait_until};
use crate::{dhclient, events};

/// The relay's address on the dataplane's link, and its MAC there: `fixtures/clients.toml` believes the first.
const UP: [&str; 2] = ["2001:db8:ffff::1", "fa:16:3e:00:05:01"];
/// The dataplane's, for relays.
const SERVER: &str = "2001:db8:ffff::547";
/// The relay's on the client's link: it says which network the client is in.
const LINK: &str = "2001:db8:cafe:1::fffe";

/// IN6_ADDR_GEN_MODE_RANDOM of linux/if_link.h: a link-local address that does not show the MAC.
const RANDOM: &str = "3";

/// Sets a device of a router's up, with an address of a /64 that is usable at once.
fn set_address<T>(sh: impl Fn(&str) -> T, device: &str, address: &str) {
    let conf = format!("net.ipv6.conf.{device}");
    sh(&format!(
        "sysctl -qw {conf}.disable_ipv6=0 {conf}.accept_dad=0 && ip addr add {address}/64 dev {device} \
         && ip link set {device} up"
    ));
}

/// The two links of the relay: the client's on down0 and the dataplane's on up0, whose other end is tap-relay. A guest
/// for the client, which has no link-local address of its MAC where `hidden`.
fn links(house: &House, hidden: bool) -> Guest {
    let [up, mac] = UP;
    let guest = house.guest_apart("down0", &STATEFUL_PORT);
    sh(&format!("ip link add up0 address {mac} type veth peer name tap-relay"));
    set_address(sh, "up0", up);
    set_address(sh, "down0", LINK);
    sh("ip link set tap-relay up");
    house.listen("tap-relay");
    if hidden {
        guest.inner.set_conf("addr_gen_mode", RANDOM);
    }
    guest
}

fn start(program: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    Process::start(&mut command)
}

/// dnsmasq that relays from the client's link to a server.
fn dnsmasq(server: &str) -> Process {
    need("dnsmasq", "dnsmasq-base");
    let relay = format!("--dhcp-relay={LINK},{server}");
    start(
        "dnsmasq",
        &["--no-daemon", "--conf-file=/dev/null", "--port=0", "--pid-file=", "--log-dhcp", &relay],
    )
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
        let guest = links(house, true);
        let _relay = dnsmasq(SERVER);
        lease(house, &guest);
    });
}

/// dnsmasq on the client's link, dhcrelay in a router of its own between that and the dataplane: two levels of
/// Relay-forwards and Relay-replies (RLY-007, RLY-009).
#[test]
fn rly_004_two_relays_one_behind_the_other_are_two_levels() {
    house("relay::rly_004_two_relays_one_behind_the_other_are_two_levels", |house| {
        need("dhcrelay", "isc-dhcp-relay");
        let guest = house.guest_apart("down0", &STATEFUL_PORT);
        guest.inner.set_conf("addr_gen_mode", RANDOM);
        let router = house.guest_apart("mid0", &CLONE_PORT);
        house.cable("tap-relay", &router, "up0", UP[1]);
        set_address(sh, "down0", LINK);
        set_address(sh, "mid0", "2001:db8:fffe::1");
        let inside = |command: &str| router.run("sh", &["-c", command]);
        set_address(inside, "eth0", "2001:db8:fffe::2");
        set_address(inside, "up0", UP[0]);
        sh("ip link set tap-relay up");
        house.listen("tap-relay");
        let server = format!("{SERVER}%up0");
        let _second = router.spawn("dhcrelay", &["-6", "-d", "--no-pid", "-l", "eth0", "-u", &server], &[]);
        let _first = dnsmasq("2001:db8:fffe::2");
        lease(house, &guest);
    });
}
