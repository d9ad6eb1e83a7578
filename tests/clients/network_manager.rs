//! NetworkManager 1.42.4 with its internal DHCP client, on a system bus of its own in the guest: it reads the Router
//! Advertisement itself, and its addresses (stable-privacy, RFC 7217) do not show the MAC.

use std::time::Duration;

use crate::events::assert_resolver;
use crate::house::{Client, Guest, house, need};
use crate::leases::{BRIEF_PORTS, SLAAC_PORT, STATEFUL, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;
use crate::support::netns::wait_until;

/// A profile as NetworkManager makes one for a device that is new to it, but for IPv4.
const PROFILE: &str = "[connection]\nid=eth0\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=disabled\n\
    [ipv6]\nmethod=auto\naddr-gen-mode=stable-privacy\nip6-privacy=0\n";
/// Debian's configuration would leave a veth device alone, for udev to say otherwise, which the guest has not.
const CONFIGURATION: &str = "[main]\nplugins=keyfile\ndhcp=internal\nno-auto-default=*\n\
    [device]\nmanaged=1\n[logging]\nlevel=DEBUG\ndomains=DHCP,IP6,CORE,DEVICE,DNS\n";

/// A system bus that forbids nothing: nobody but the guest can reach its socket.
const BUS: &str = "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>\
    <auth>EXTERNAL</auth><policy context=\"default\"><allow own=\"*\"/><allow send_destination=\"*\"/>\
    <allow receive_sender=\"*\"/></policy></busconfig>\n";

/// The system bus and NetworkManager on it.
struct Manager {
    manager: Client,
    _bus: Client,
}

/// Starts both; eth0 is theirs.
fn start(guest: &Guest) -> Manager {
    need("NetworkManager", "network-manager");
    need("dbus-daemon", "dbus-daemon");
    std::fs::create_dir_all(guest.path("run/dbus")).expect("a directory for the bus");
    guest.write("etc/dbus-1/bus.conf", BUS);
    let bus =
        guest.spawn("dbus-daemon", &["--config-file=/etc/dbus-1/bus.conf", "--nofork", "--nopidfile"], &[]);
    bus.wait_until("a system bus", || guest.path("run/dbus/system_bus_socket").exists());
    guest.write("etc/NetworkManager/NetworkManager.conf", CONFIGURATION);
    guest.write("etc/NetworkManager/system-connections/eth0.nmconnection", PROFILE);
    guest.run("chmod", &["600", "/etc/NetworkManager/system-connections/eth0.nmconnection"]);
    let manager = guest.spawn("NetworkManager", &["--debug"], &[]);
    Manager { manager, _bus: bus }
}

/// What NetworkManager says of eth0 in the fields that begin so, in its order.
fn says(guest: &Guest, fields: &str) -> Vec<String> {
    let output = guest.try_run("nmcli", &["-t", "-e", "no", "-f", fields, "device", "show", "eth0"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_once(':')).map(|(_, value)| value.to_owned()).collect()
}

impl Manager {
    /// Waits until eth0 is connected, and asserts what NetworkManager says of the Router Advertisement, what it made of
    /// it in the kernel, and the resolver.
    fn assert_connected(&self, guest: &Guest) {
        let network = guest.port.network;
        self.manager.wait_until("connected", || says(guest, "GENERAL.STATE") == ["100 (connected)"]);
        assert_eq!(says(guest, "IP6.GATEWAY"), [network.router]);
        self.assert_advertised(guest);
        guest.assert_default_route(Lifetimes::OfTheProgram);
        guest.assert_more_specific_route(Lifetimes::OfTheProgram);
        assert_eq!(guest.inner.conf("mtu").trim(), network.mtu);
        self.manager.wait_until("a resolver", || says(guest, "IP6.SEARCHES").len() == network.domains.len());
        assert_eq!(says(guest, "IP6.DNS"), network.dns);
        assert_eq!(says(guest, "IP6.SEARCHES"), network.domains);
        assert_resolver(guest);
        guest.assert_router_answers();
    }

    /// Asserts the Router Advertisement as the log has it: what the kernel is not told is only there.
    fn assert_advertised(&self, guest: &Guest) {
        let network = guest.port.network;
        let (router, lifetime) = (network.router, network.router_lifetime);
        let (destination, preference, life) = network.route.expect("a network with a route");
        let mut expected = vec![
            format!("  hop limit      : {}", network.hop_limit),
            format!("  gateway {router} pref {} exp {lifetime}.000", network.preference),
            format!("  route {destination} via {router} pref {preference} exp {life}.000"),
            format!("  route {} via :: pref medium exp {}.000", network.prefix, network.valid),
        ];
        expected.extend(network.dns.iter().map(|server| format!("  dns_server {server} exp 1800.000")));
        expected.extend(network.domains.iter().map(|domain| format!("  dns_domain {domain} exp 1800.000")));
        let log = self.manager.log();
        for line in expected {
            assert!(log.contains(&format!("\"eth0\"]: {line}\n")), "no {line:?} in {log}");
        }
    }

    /// Waits for the options that DHCPv6 gave, and asserts them.
    fn assert_options(&self, guest: &Guest) {
        let network = guest.port.network;
        let option = |name: &str| {
            let start = format!("{name} = ");
            says(guest, "DHCP6.OPTION").iter().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
        };
        self.manager.wait_until("options of DHCPv6", || option("dhcp6_name_servers").is_some());
        assert_eq!(option("dhcp6_name_servers"), Some(network.dns.join(" ")));
        assert_eq!(option("dhcp6_domain_search"), Some(network.domains.join(" ")));
        assert_eq!(option("dhcp6_ntp_servers").as_deref(), Some("2001:db8:cafe:a::123"));
        let leased = option("ip6_address").unwrap_or_default();
        let mut leased: Vec<&str> = leased.split_whitespace().collect();
        // It keeps them as a set.
        leased.sort_unstable_by_key(|address| guest.port.addresses.iter().position(|one| one == address));
        assert_eq!(leased, if network.prefix == STATEFUL.prefix { guest.port.addresses } else { &[] });
    }
}

#[test]
fn slaac_gives_an_address_that_hides_the_mac_and_asks_no_dhcpv6() {
    house("network_manager::slaac_gives_an_address_that_hides_the_mac_and_asks_no_dhcpv6", |house| {
        let guest = house.guest("tap0", &SLAAC_PORT);
        let manager = start(&guest);
        manager.assert_connected(&guest);
        guest.assert_private_address();
        assert!(house.daemon().counters().keys().all(|name| !name.contains("dhcpv6")));
    });
}

#[test]
fn stateless_gives_an_address_and_information() {
    house("network_manager::stateless_gives_an_address_and_information", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        let manager = start(&guest);
        manager.assert_connected(&guest);
        guest.assert_private_address();
        manager.assert_options(&guest);
        assert_eq!(house.count("dhcpv6-reply-to-information-request"), 1);
    });
}

/// ADR-004; its DUID is of a UUID (ADR-008).
#[test]
fn stateful_gives_all_addresses_to_a_guest_whose_link_local_hides_the_mac() {
    house(
        "network_manager::stateful_gives_all_addresses_to_a_guest_whose_link_local_hides_the_mac",
        |house| {
            let guest = house.guest("tap0", &STATEFUL_PORT);
            let manager = start(&guest);
            manager.assert_connected(&guest);
            guest.assert_addresses(128);
            manager.assert_options(&guest);
            let own: Vec<_> = guest.inner.addresses().into_iter().map(|one| one.address).collect();
            assert!(!own.contains(&"fe80::f816:3eff:fe31:386b".parse().expect("an address")), "{own:?}");
        },
    );
}

#[test]
fn a_lease_is_renewed_at_t1() {
    house("network_manager::a_lease_is_renewed_at_t1", |house| {
        let guest = house.guest("tap0", &BRIEF_PORTS[2]);
        let manager = start(&guest);
        // Its timers may be 10 s late.
        wait_until("a renewal", Duration::from_secs(60), || house.count("dhcpv6-reply-to-renew") >= 1);
        let told = "dhcp6 (eth0): accept lease\n";
        manager.manager.wait_until(told, || manager.manager.log().contains(told));
        let addresses = guest.addresses("eth0");
        let [one] = addresses.as_slice() else { panic!("{addresses:?}") };
        assert_eq!((one.address.to_string().as_str(), one.length), (guest.port.addresses[0], 128));
        assert!(one.preferred <= 25 && one.valid <= 40, "{one:?}");
        assert_eq!(house.count("dhcpv6-reply-to-rebind"), 0);
        house.wait_for_captured("dhcpv6.msgtype == 5");
    });
}
