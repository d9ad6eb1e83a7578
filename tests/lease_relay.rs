//! `[relay]`: whom the table trusts, how it is told who a client is, and which network a link-address means.

mod lease_support;

use std::net::Ipv6Addr;

use frontdesk::lease::record::NETWORK_REGISTRATION;
use frontdesk::lease::{Identify, LeaseTable};
use frontdesk::types::MacAddr;
use lease_support::{NETWORKS, error, network_error, problems, table, warning};

const RELAY: &str = r#"[relay]
devices = ["uplink1", "uplink0"]
addresses = ["2001:db8:ffff::2", "2001:db8:ffff::1"]
server_addresses = ["2001:db8:ffff::547"]
server_mac = "fa:16:3e:00:05:47"
identify = ["client-link-layer", "remote-id", "interface-id", "peer-address", "duid-ll"]
remote_id = { enterprise = 9, offset = 4, format = "text" }
interface_ids = { "Gi1/0/7" = "fa:16:3e:00:01:01", "hex:00 04:00-2a" = "fa:16:3e:00:01:02", "" = "fa:16:3e:00:01:01" }
"#;

const PORTS: &str = r#"[[ports]]
mac_address = "fa:16:3e:00:01:01"
network = "a"
device = "tap1"
[[ports]]
mac_address = "fa:16:3e:00:01:02"
network = "b"
fixed_ips = ["2001:db8:b::2"]
"#;

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn mac(last: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 1, last])
}

fn full() -> LeaseTable {
    table(&format!("{NETWORKS}{PORTS}{RELAY}"))
}

#[test]
fn rly_001_without_relays_every_relayed_message_is_refused() {
    let table = table(&format!("{NETWORKS}{PORTS}"));
    assert!(table.relay().is_none());
    assert_eq!(table.network_of_link(ip("2001:db8:a::1")), None);
}

#[test]
fn rly_001_only_named_devices_and_sources_are_trusted() {
    let table = full();
    let relay = table.relay().expect("relays are trusted");
    let uplink = table.device("uplink0").expect("known");
    assert_eq!(table.device_name(uplink), "uplink0");
    assert!(relay.trusts(uplink) && relay.trusts(table.device("uplink1").expect("known")));
    assert!(relay.accepts(Some(uplink), ip("2001:db8:ffff::1")));
    assert!(relay.accepts(Some(uplink), ip("2001:db8:ffff::2")));
    assert!(!relay.accepts(Some(uplink), ip("2001:db8:ffff::3")));
    assert!(!relay.accepts(table.device("tap1"), ip("2001:db8:ffff::1")), "a guest's device");
    assert!(!relay.accepts(table.device("eth9"), ip("2001:db8:ffff::1")), "a device without a number");
    let any = format!("{NETWORKS}{PORTS}[relay]\ndevices = [\"uplink0\"]\n");
    let any = lease_support::table(&any);
    let relay = any.relay().expect("relays are trusted");
    assert!(relay.accepts(any.device("uplink0"), ip("fe80::1")));
    assert!(!relay.accepts(any.device("tap1"), ip("fe80::1")));
}

#[test]
fn rly_020_the_operator_orders_how_clients_are_identified() {
    let table = full();
    let relay = table.relay().expect("relays are trusted");
    assert_eq!(
        relay.identify().collect::<Vec<_>>(),
        [
            Identify::ClientLinkLayer,
            Identify::RemoteId { enterprise: 9, offset: 4, text: true },
            Identify::InterfaceId,
            Identify::PeerAddress,
            Identify::DuidLl,
        ]
    );
    let plain = lease_support::table(&format!("{NETWORKS}[relay]\ndevices = [\"uplink0\"]\n"));
    let relay = plain.relay().expect("relays are trusted");
    let ways: Vec<Identify> = relay.identify().collect();
    assert_eq!(ways, [Identify::ClientLinkLayer, Identify::PeerAddress], "never the DUID by default");
    // Expected from Python: uuid5(uuid5(NAMESPACE_DNS, "frontdesk"), "relay").
    assert_eq!(relay.server_mac().to_string(), "02:4d:17:de:1f:2c");
    assert_eq!(relay.server_link_local(), ip("fe80::4d:17ff:fede:1f2c"));
    assert_eq!(relay.server_addresses().len(), 0);
}

#[test]
fn each_host_has_a_mac_of_its_own_for_relays_unless_one_is_chosen() {
    let source = format!("{NETWORKS}[relay]\ndevices = [\"uplink0\"]\n");
    let on = |host: &str| {
        let table = table(&source).on_host(host);
        let relay = table.relay().expect("relays are trusted");
        (relay.server_mac().to_string(), relay.server_link_local())
    };
    // Expected from Python: uuid5(uuid5(NAMESPACE_DNS, "frontdesk"), "relay:" + host).
    assert_eq!(
        on("5a7f3d526c9b4a7e9d4f0d7e6c1b2a33"),
        ("02:35:dc:ae:d2:da".to_owned(), ip("fe80::35:dcff:feae:d2da"))
    );
    assert_eq!(
        on("b08dfa6083e7567a1921a715000001fb"),
        ("02:f3:cb:49:47:92".to_owned(), ip("fe80::f3:cbff:fe49:4792"))
    );
    let chosen = full().on_host("5a7f3d526c9b4a7e9d4f0d7e6c1b2a33");
    let relay = chosen.relay().expect("relays are trusted");
    assert_eq!(relay.server_mac().to_string(), "fa:16:3e:00:05:47");
    assert_eq!(chosen.sections(), full().sections(), "nothing else is the host's");
    assert_eq!(table(NETWORKS).on_host("x").sections(), table(NETWORKS).sections());
}

#[test]
fn rly_011_interface_ids_match_exactly() {
    let table = full();
    let relay = table.relay().expect("relays are trusted");
    assert_eq!(relay.interface(b"Gi1/0/7"), Some(mac(1)));
    assert_eq!(relay.interface(&[0, 4, 0, 0x2a]), Some(mac(2)));
    assert_eq!(relay.interface(b""), Some(mac(1)));
    for other in [&b"Gi1/0/70"[..], b"Gi1/0/", b"gi1/0/7", b"\0", b"hex:0004002a"] {
        assert_eq!(relay.interface(other), None, "{other:?}");
    }
}

#[test]
fn our_addresses_for_relays_are_given() {
    let table = full();
    let relay = table.relay().expect("relays are trusted");
    assert_eq!(relay.server_addresses(), [ip("2001:db8:ffff::547").octets()]);
    assert_eq!(relay.server_mac().to_string(), "fa:16:3e:00:05:47");
    assert_eq!(relay.server_link_local(), ip("fe80::f816:3eff:fe00:547"));
    let text = format!("{NETWORKS}{PORTS}{RELAY}").replace("2001:db8:ffff::547", "2001:db8:b::2");
    assert!(problems("leases.toml", &text)[0].what.contains("address of the router or of a service"));
}

#[test]
fn rly_007_a_link_address_means_one_network() {
    let table = full();
    let network = |text: &str| {
        table
            .network_of_link(ip(text))
            .and_then(|id| table.network(id))
            .map(|network| network.name().to_owned())
    };
    assert_eq!(network("2001:db8:a::"), Some("a".to_owned()));
    assert_eq!(network("2001:db8:a::ffff:ffff:ffff:ffff"), Some("a".to_owned()));
    assert_eq!(network("2001:db8:b::1"), Some("b".to_owned()));
    assert_eq!(network("2001:db8:c::1"), Some("x".to_owned()));
    for stranger in ["::", "2001:db8:9:ffff:ffff:ffff:ffff:ffff", "2001:db8:a:1::", "fe80::1", "ffff::"] {
        assert_eq!(network(stranger), None, "{stranger}");
    }
}

#[test]
fn a_network_may_have_more_link_addresses_or_none() {
    let with = NETWORKS
        .replace("[networks.a]", "[networks.a]\nlink_addresses = [\"2001:db8:a::1\", \"2001:db8:fe::1\"]")
        .replace("[networks.x]", "[networks.x]\nrelayed = false");
    let table = table(&format!("{with}{RELAY}{PORTS}"));
    let number = |text: &str| table.network_of_link(ip(text)).map(|id| id.0);
    assert_eq!(number("2001:db8:fe::1"), Some(0));
    assert_eq!(number("2001:db8:fe::2"), None);
    assert_eq!(number("2001:db8:a::1"), Some(0), "one in its own subnet changes nothing");
    assert_eq!(number("2001:db8:a::2"), Some(0));
    assert_eq!(number("2001:db8:c::1"), None);
}

/// Every address of 4096 links is found by bisection, and every one beside them is not.
#[test]
fn many_links_are_told_apart() {
    let networks: String = (0..64_u32)
        .map(|n| {
            let subnet = |i: u32| format!("{{ cidr = \"2001:db8:{:x}:{i:x}0::/60\" }}", n * 3);
            let subnets: Vec<String> = (0..64).map(subnet).collect();
            format!("[networks.n{n:02}]\nvlan = {}\nsubnets = [{}]\n", n + 1, subnets.join(", "))
        })
        .collect();
    let table = table(&format!("{}[relay]\ndevices = [\"u\"]\n{networks}", lease_support::HEAD));
    assert_eq!(table.sections().links.len(), 4096);
    for n in 0..64 * 3 {
        for i in 0..65 {
            let found = table.network_of_link(ip(&format!("2001:db8:{n:x}:{i:x}f:ffff::1"))).map(|id| id.0);
            assert_eq!(found, (n % 3 == 0 && i < 64).then_some(n / 3), "{n} {i}");
        }
    }
}

#[test]
fn a_port_is_found_on_its_network_only() {
    let table = full();
    let (a, b) = (table.network_of_link(ip("2001:db8:a::")), table.network_of_link(ip("2001:db8:b::")));
    let (a, b) = (a.expect("a network"), b.expect("a network"));
    assert_eq!(table.find_on(a, mac(1)).map(|id| id.0), Some(0), "though it is pinned to a device");
    assert_eq!(table.find_on(b, mac(1)), None);
    assert_eq!(table.find_on(b, mac(2)).map(|id| id.0), Some(1));
    assert_eq!(table.find_on(frontdesk::lease::NetworkId(9), mac(1)), None);
    // Two untagged networks may have one MAC on two devices.
    let both = format!(
        "{NETWORKS}{PORTS}{RELAY}[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"x\"\ndevice = \"tap2\"\n"
    );
    let both = lease_support::table(&both);
    let x = both.network_of_link(ip("2001:db8:c::")).expect("a network");
    assert_eq!(both.find_on(x, mac(1)).map(|id| id.0), Some(2));
    assert_eq!(both.find_on(a, mac(1)).map(|id| id.0), Some(0));
}

#[test]
fn links_of_two_networks_that_overlap_are_refused() {
    let networks = NETWORKS.replace("cidr = \"2001:db8:c::/64\"", "cidr = \"2001:db8:a::/64\"").replace(
        "subnets = [{ cidr = \"2001:db8:a::/64\", ipv6_address_mode = \"dhcpv6-stateless\" }]",
        "subnets = [{ cidr = \"2001:db8:a::/64\", ipv6_address_mode = \"dhcpv6-stateless\" }] # <-",
    );
    assert_eq!(problems("leases.toml", &networks), [], "without relays they may");
    let said = [
        "networks.x.subnets[0].cidr",
        "overlaps 2001:db8:a::/64 of network a: relays may mean either by a link-address",
        "2001:db8:a::/64",
        "write relayed = false on network a or x",
    ];
    error(&format!("{networks}{PORTS}{RELAY}"), said);
    let one = networks.replace("[networks.x]", "[networks.x]\nrelayed = false");
    assert_eq!(problems("leases.toml", &format!("{one}{PORTS}{RELAY}")), []);
    let inside = NETWORKS.replace("[networks.x]", "[networks.x]\nlink_addresses = [\"2001:db8:b::9\"] # <-");
    let said = [
        "networks.x.link_addresses",
        "overlaps 2001:db8:b::/64 of network b: relays may mean either by a link-address",
        "2001:db8:b::9/128",
        "write relayed = false on network b or x",
    ];
    error(&format!("{inside}{PORTS}{RELAY}"), said);
    let text = NETWORKS.replace("[networks.x]", "[networks.x]\nrelayed = true # <-");
    warning(
        &text,
        [
            "networks.x.relayed",
            "means nothing without [relay]: relayed messages are refused",
            "true",
            "write [relay] with the devices of the relays, or take it out",
        ],
    );
}

#[test]
fn rly_001_a_guest_is_not_on_a_device_of_relays() {
    let text = format!("{NETWORKS}{PORTS}{RELAY}").replace("device = \"tap1\"", "device = \"uplink0\" # <-");
    error(
        &text,
        [
            "ports[0].device",
            "is a device of the relays",
            "uplink0",
            "give relays a device of their own: a guest on it could claim any MAC address",
        ],
    );
}

#[test]
fn ways_to_identify_need_what_they_look_at() {
    let relay = |lines: &str| format!("{NETWORKS}{PORTS}[relay]\n{lines}\n");
    let devices = "devices = [\"uplink0\"]";
    for (lines, said) in [
        (
            "identify = [\"remote-id\"]",
            [
                "relay.remote_id",
                "is missing though identify names remote-id",
                "",
                "write remote_id = { enterprise = 9 }, or take remote-id out",
            ],
        ),
        (
            "identify = [\"interface-id\"]",
            [
                "relay.interface_ids",
                "is missing though identify names interface-id",
                "",
                "write interface_ids = { \"Gi1/0/7\" = \"fa:16:3e:00:00:01\" }, or take interface-id out",
            ],
        ),
    ] {
        error(&relay(&format!("{devices}\n{lines}")).replace("[relay]", "[relay] # <-"), said);
    }
    for (lines, said) in [
        (
            "identify = [\"duid-ll\", \"duid-ll\"] # <-",
            ["relay.identify[1]", "is named twice", "duid-ll", "take one of them out"],
        ),
        (
            "identify = [\"duid\"] # <-",
            [
                "relay.identify[0]",
                "is no way to identify a client",
                "\"duid\"",
                "write one of client-link-layer, remote-id, interface-id, peer-address, duid-ll",
            ],
        ),
        (
            "identify = [\"remote-id\"]\nremote_id = { enterprise = 9, format = \"ascii\" } # <-",
            ["relay.remote_id.format", "is no format of a MAC address", "\"ascii\"", "write binary or text"],
        ),
        (
            "identify = [\"remote-id\"]\nremote_id = { enterprise = 9, offset = 256 } # <-",
            ["relay.remote_id.offset", "is out of range", "256", "write an integer from 0 to 255"],
        ),
        (
            "identify = [\"interface-id\"]\ninterface_ids = { \"hex:0\" = \"fa:16:3e:00:01:01\", a = \"fa:16:3e:00:01:01\" } # <-",
            [
                "relay.interface_ids.\"hex:0\"",
                "is no hexadecimal text",
                "hex:0",
                "write an even number of hexadecimal digits behind hex:",
            ],
        ),
        (
            "identify = [\"interface-id\"]\ninterface_ids = { a = \"fa:16:3e:00:01:01\", \"hex:61\" = \"fa:16:3e:00:01:02\" } # <-",
            ["relay.interface_ids", "holds one id twice, as text and as hex", "a", "take one of them out"],
        ),
        (
            "server_mac = \"01:00:5e:00:00:01\" # <-",
            [
                "relay.server_mac",
                "is a group address",
                "\"01:00:5e:00:00:01\"",
                "write a unicast MAC address: the lowest bit of its first octet is 0",
            ],
        ),
    ] {
        error(&relay(&format!("{devices}\n{lines}")), said);
    }
    let remedy = "write the devices that relayed messages come in on, as devices = [\"uplink0\"]";
    error(&relay("").replace("[relay]", "[relay] # <-"), ["relay.devices", "is missing", "", remedy]);
    error(&relay("devices = [] # <-"), ["relay.devices", "is empty", "", remedy]);
    warning(
        &relay(&format!("{devices}\nremote_id = {{ enterprise = 9 }} # <-")),
        [
            "relay.remote_id",
            "is never looked at: identify does not name remote-id",
            "",
            "add remote-id to identify, or take it out",
        ],
    );
    warning(
        &relay(&format!(
            "{devices}\nidentify = [\"interface-id\"]\ninterface_ids = {{ a = \"02:00:00:00:00:01\" }} # <-"
        )),
        [
            "relay.interface_ids.a",
            "no port has this MAC address",
            "02:00:00:00:00:01",
            "define the port, or take the interface out",
        ],
    );
}

#[test]
fn reg_registration_is_a_switch_of_the_network() {
    let table = table(&NETWORKS.replace("[networks.x]", "[networks.x]\naddress_registration = false"));
    let flags: Vec<bool> = table.networks().map(|n| n.has(NETWORK_REGISTRATION)).collect();
    assert_eq!(flags, [true, true, false]);
    network_error(
        "address_registration = 1 # <-",
        ["networks.n.address_registration", "is an integer, not true or false", "1", "write true or false"],
    );
}
